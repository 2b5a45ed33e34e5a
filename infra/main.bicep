metadata name = 'CGN OTP'
metadata description = 'All that the service runs on, private and without a secret in anybody\'s hand. docs/deploy.md says how to deploy it.'

import { Caller, Phone, Tags } from 'types.bicep'

targetScope = 'resourceGroup'

// Names follow https://learn.microsoft.com/azure/cloud-adoption-framework/ready/azure-best-practices/resource-abbreviations

@description('What the names of the resources are made of: 3–12 lower-case letters, digits and single hyphens, the first and the last no hyphen. They end in 8 characters of their own for each resource group, because some must be unique in the world.')
@minLength(3)
@maxLength(12)
param name string = 'cgn-otp'

@description('Azure region of every resource, and the one that takes the writes. It must have Flex Consumption: `az functionapp list-flexconsumption-locations`.')
param location string = resourceGroup().location

@description('Tags of every resource that takes some, for tenants that require them.')
param tags Tags = {}

@description('Whether nobody can delete the store, the vault and the storage account until the lock is taken off. It needs the right to manage locks, which Owner has.')
param isLocked bool = false

@description('Whether the store, the vault and the storage account are reached through a virtual network only. false is for a cheap trial: it leaves out the network, and a token of an identity with a role opens them from anywhere.')
param isPrivate bool = true

@description('Address range of the virtual network, in CIDR notation: /16 to /26, with a gateway /16 to /25. Nothing outside it needs to know it.')
param virtualNetworkAddressPrefix string = '10.0.0.0/24'

@description('Whether the app reaches its private endpoints, Microsoft Entra ID and Azure Monitor, and nothing else.')
param isEgressClosed bool = true

@description('Id of a subnet of your own for the app, delegated to Microsoft.App/environments: the template then makes no network. Only with existingPrivateEndpointsSubnetId.')
param existingAppSubnetId string = ''

@description('Id of a subnet of your own for the private endpoints, in the same network.')
param existingPrivateEndpointsSubnetId string = ''

@description('With a network of your own and a gateway: id of a subnet for the gateway, delegated to Microsoft.Web/serverFarms, with the service endpoint Microsoft.Web.')
param existingGatewaySubnetId string = ''

@description('With a network of your own: id of the resource group with its private DNS zones for Azure Cosmos DB, key vaults and blobs. Empty: a policy of your tenant gives the private endpoints their names.')
param existingDnsZonesGroupId string = ''

@description('Id of a Log Analytics workspace of your own. Empty: the template makes one.')
param existingWorkspaceId string = ''

@description('Whether the storage account and the app are spread over availability zones. The region must have some.')
param isZoneRedundant bool = true

@description('Whether the store is, in each region. A region can be short of zonal capacity for it, and then refuses the account. It cannot be changed later.')
param isStoreZoneRedundant bool = isZoneRedundant

@description('Further Azure regions with a copy of the data, in the order in which they would take over the writes: none, or at least two within 8000 km. With exactly one, its outage can stop every write.')
@maxLength(4)
param readLocations string[] = []

@description('How long the store can be restored to any moment of: Continuous7Days or Continuous30Days.')
@allowed(['Continuous7Days', 'Continuous30Days'])
param backupTier string = 'Continuous7Days'

@description('Name of the Azure Cosmos DB account, if it is one that was restored from a backup into this resource group. Empty: the template makes one.')
@maxLength(44)
param restoredCosmosDbName string = ''

@description('Whether a deployment leaves the regions of the account, their order and their zones as they are, even if readLocations differs. For a restored account, and after a failover.')
param keepsStoreLocations bool = !empty(restoredCosmosDbName)

@description('Name of the database: COSMOSDB_DATABASE_NAME.')
@minLength(1)
@maxLength(255)
param databaseName string = 'cgn'

@description('Most throughput of the container of OTPs, in RU/s: a multiple of 1000. At rest a tenth of it is provisioned, and paid for.')
@minValue(1000)
param otpsMaxThroughput int = 1000

@description('Most throughput of the container of API keys, in RU/s: a multiple of 1000. At rest a tenth of it is provisioned, and paid for.')
@minValue(1000)
param apiKeysMaxThroughput int = 1000

@description('Instances of the app that are always ready, and always paid for: 0–1000. With isZoneRedundant the platform keeps at least 2. Without any, the first call after a quiet time waits for a cold start.')
@minValue(0)
@maxValue(1000)
param alwaysReadyInstances int = 2

@description('Most instances of the app: 40–1000.')
@minValue(40)
@maxValue(1000)
param maximumInstances int = 100

@description('Memory of an instance of the app, in MB: 512, 2048 or 4096.')
@allowed([512, 2048, 4096])
param instanceMemoryInMb int = 2048

@description('Whether the platform refuses every call to the app, with 403, except from operatorAddresses. For a restore from backup.')
param isClosed bool = false

@description('Addresses in CIDR notation from which you yourself may call the app while it is closed to others, or open to the gateway only.')
@maxLength(20)
param operatorAddresses string[] = []

@description('Who may call the app besides the gateway: a range of addresses, a subnet, or a Front Door. Without any of them and without a gateway, everybody may.')
@maxLength(100)
param allowedCallers Caller[] = []

@description('Tier of the API Management instance in front of the app, which limits calls and serves the site under the same name. Empty: none. It needs the network.')
@allowed(['', 'StandardV2', 'PremiumV2'])
param gatewayTier string = ''

@description('Units of the gateway: 1–10. With fewer than 2 an outage of its one place stops the calls.')
@minValue(1)
@maxValue(10)
param gatewayUnits int = 1

@description('Address that API Management writes to, as it wants one.')
@maxLength(100)
param gatewayEmail string = ''

@description('Most calls in 10 seconds with one API key, and most from one address, that the gateway lets pass: 10–100000. More are answered 429.')
@minValue(10)
@maxValue(100000)
param gatewayCallsIn10Seconds int = 300

@description('Addresses that the gateway does not limit: those from which the IO platform and the portal call.')
@maxLength(100)
param gatewayUnlimitedAddresses string[] = []

@description('Name that callers use, such as api.example.org: the gateway\'s custom domain, or that of a gateway of your own. The test from outside asks it. Empty: the name that Azure gives.')
@maxLength(253)
param publicHostName string = ''

@description('With a gateway and publicHostName: URI of the certificate of that name in a key vault, without a version.')
param gatewayCertificateSecretUri string = ''

@description('Whether there is a second app beside the first, so that a release changes one while the gateway sends the calls to the other. Only with a gateway.')
param hasSecondApp bool = false

@description('Which app the gateway sends the calls to. `azd deploy` updates the other one, if there is one.')
@allowed(['first', 'second'])
param liveApp string = 'first'

@description('What happens to running calls when the app is updated: Recreate ends them, RollingUpdate lets them finish, but is in preview. A change applies from the next update on.')
@allowed(['Recreate', 'RollingUpdate'])
param updateStrategy string = 'Recreate'

@description('Whether GenerateOtp also takes its deprecated form, with the fiscal code in the address, which gateways and the platform write down. GENERATE_OTP_PATH_FORM.')
param generateOtpPathForm bool = true

@description('How long an OTP can be used, in seconds: 1–86400. OTP_TTL_IN_SECONDS.')
@minValue(1)
@maxValue(86400)
param otpTtlInSeconds int = 600

@description('How long after its life an OTP still answers otp-expired or otp-already-used, in seconds: 86400–31536000. OTP_RETENTION_IN_SECONDS.')
@minValue(86400)
@maxValue(31536000)
param otpRetentionInSeconds int = 86400

@description('The service answers every request within this time, even if the store is silent, in milliseconds: 100–60000. REQUEST_DEADLINE_IN_MS.')
@minValue(100)
@maxValue(60000)
param requestDeadlineInMs int = 5000

@description('Name in the vault of the secret that OTPs are derived from, OTP_SECRET. A deployment makes it if it is not there. Another name is another secret: live OTPs are unknown then, unless it is replaced in the three steps of docs/deploy.md.')
@minLength(1)
@maxLength(127)
param otpSecretName string = 'otp-secret'

@description('While the secret is replaced, the name in the vault of the other one, OTP_SECRET_SECOND. A deployment makes it if it is not there. Empty: none.')
@maxLength(127)
param otpSecondSecretName string = ''

@description('After how many days a secret that the template makes is marked as expired, for tenants whose policy asks for it: 0, never, to 3650. Replace it before.')
@minValue(0)
@maxValue(3650)
param otpSecretValidityInDays int = 0

@description('How long a deleted vault or secret can be brought back, in days: 7–90. Until then the name of the vault is taken. It cannot be changed later.')
@minValue(7)
@maxValue(90)
param softDeleteRetentionInDays int = 90

@description('How long logs are kept, in days: 30–730.')
@minValue(30)
@maxValue(730)
param logRetentionInDays int = 30

@description('Whether each request to the store is logged: a line or two for each call of the service. Changes to the account always are.')
param logsStoreRequests bool = false

@description('Whether the log of the platform is kept too. It repeats each line of the service.')
param logsPlatform bool = false

@description('From how many gigabytes of logs in a day on, in the whole workspace, an alert says so: 1–10000.')
@minValue(1)
@maxValue(10000)
param logsAlertGbPerDay int = 5

@description('Who gets an e-mail of each alert, up to 100 addresses. With nobody here or in the next three, alerts are seen in the portal only.')
@maxLength(100)
param alertEmails string[] = []

@description('Who gets a text message of each alert, up to 10 telephones.')
@maxLength(10)
param alertPhones Phone[] = []

@description('Which webhooks get each alert, in the common alert schema: up to 10 URIs. The history of deployments keeps them: one that is a secret belongs into an action group of your own.')
@maxLength(10)
param alertWebhooks string[] = []

@description('Ids of action groups of your own that get each alert, up to 4.')
@maxLength(4)
param alertActionGroupIds string[] = []

@description('Address of docs/operate.md as it is published: each alert leads to its page there. The default leads nowhere.')
param runbookUrl string = 'https://cgn-otp.example/cgn-otp/blob/main/docs/operate.md'

@description('Full hour in Italy from which on new codes are expected all the time, 0–24: an alert says if none is issued for 15 minutes.')
@minValue(0)
@maxValue(24)
param busyFromHour int = 9

@description('Full hour in Italy until which new codes are expected, 0–24. Not later than busyFromHour: never.')
@minValue(0)
@maxValue(24)
param busyToHour int = 21

@description('Full hour in Italy at which the merchants\' portal opens, 0–24: an alert says if a key is replaced or revoked while it is closed.')
@minValue(0)
@maxValue(24)
param portalFromHour int = 7

@description('Full hour in Italy at which the merchants\' portal closes, 0–24. With 0 and 24 it never does.')
@minValue(0)
@maxValue(24)
param portalToHour int = 22

@description('From how many keys that are replaced or revoked within 15 minutes on an alert says so, at any hour: 2–10000.')
@minValue(2)
@maxValue(10000)
param keysChangedAlertCount int = 20

@description('Azure region that manages the site of the guides, the contract and the problems: one that has Static Web Apps. Empty: no site.')
@allowed(['', 'centralus', 'eastasia', 'eastus2', 'westeurope', 'westus2'])
param siteLocation string = ''

var suffix = take(uniqueString(resourceGroup().id, name), 8)

var lettersAndDigits = 'abcdefghijklmnopqrstuvwxyz0123456789'
var hasGateway = !empty(gatewayTier)
var hasOwnNetwork = !empty(existingAppSubnetId)
// What Azure would refuse after minutes, or half-way, is refused here, before anything is created.
var refusals = filter(
  [
    length(filter(range(0, length(name)), at => !contains('${lettersAndDigits}-', substring(name, at, 1)))) > 0 || startsWith(
        name,
        '-'
      ) || endsWith(name, '-') || contains(name, '--')
      ? 'name: lower-case letters, digits and single hyphens, the first and the last no hyphen.'
      : ''
    length(filter(
        range(0, length(restoredCosmosDbName)),
        at => !contains('${lettersAndDigits}-', substring(restoredCosmosDbName, at, 1))
      )) > 0
      ? 'restoredCosmosDbName: lower-case letters, digits and hyphens.'
      : ''
    length(filter(
        range(0, length('${otpSecretName}${otpSecondSecretName}')),
        at => !contains('${lettersAndDigits}-', toLower(substring('${otpSecretName}${otpSecondSecretName}', at, 1)))
      )) > 0
      ? 'otpSecretName, otpSecondSecretName: letters, digits and hyphens.'
      : ''
    otpSecondSecretName == otpSecretName
      ? 'otpSecondSecretName: another name than otpSecretName, or none. The same secret twice replaces nothing.'
      : ''
    length(filter(range(0, length(databaseName)), at => contains('/\\#?', substring(databaseName, at, 1)))) > 0 || endsWith(
        databaseName,
        ' '
      )
      ? 'databaseName: without /, \\, #, ? and a blank at the end.'
      : ''
    otpsMaxThroughput % 1000 != 0 || apiKeysMaxThroughput % 1000 != 0
      ? 'otpsMaxThroughput, apiKeysMaxThroughput: a multiple of 1000.'
      : ''
    // With Strong consistency a write waits for every region. From three regions on the account goes on without one that does
    // not answer; of two it cannot: https://learn.microsoft.com/azure/cosmos-db/consistency-levels#dynamic-quorum
    length(readLocations) == 1
      ? 'readLocations: none, or at least two. With exactly one, its outage can stop every write.'
      : ''
    empty(existingAppSubnetId) != empty(existingPrivateEndpointsSubnetId) || hasOwnNetwork && !isPrivate
      ? 'existingAppSubnetId, existingPrivateEndpointsSubnetId: both or none, and only with isPrivate.'
      : ''
    isPrivate && !hasOwnNetwork && (parseCidr(virtualNetworkAddressPrefix).cidr < 16 || parseCidr(virtualNetworkAddressPrefix).cidr > (hasGateway
        ? 25
        : 26))
      ? 'virtualNetworkAddressPrefix: /16 to /26, with a gateway /16 to /25.'
      : ''
    hasGateway && (!isPrivate || hasOwnNetwork && empty(existingGatewaySubnetId) || empty(gatewayEmail))
      ? 'gatewayTier: needs isPrivate, gatewayEmail, and in a network of your own existingGatewaySubnetId.'
      : ''
    hasGateway && empty(publicHostName) != empty(gatewayCertificateSecretUri) || !hasGateway && !empty(gatewayCertificateSecretUri)
      ? 'gatewayCertificateSecretUri: with a gateway and publicHostName, and only then.'
      : ''
    length(filter(
        allowedCallers,
        caller => empty(caller.?ipAddress) && empty(caller.?subnetId) && empty(caller.?frontDoorId)
      )) > 0
      ? 'allowedCallers: each needs an ipAddress, a subnetId or a frontDoorId.'
      : ''
    !empty(allowedCallers) && !hasGateway && empty(publicHostName)
      ? 'allowedCallers: needs publicHostName, which the test from outside asks. The app refuses it.'
      : ''
    (hasSecondApp || liveApp == 'second') && !(hasGateway && hasSecondApp)
      ? 'hasSecondApp, liveApp: a second app needs a gateway, which sends it the calls.'
      : ''
  ],
  refusal => !empty(refusal)
)

// The modules, each of which gives the app its role, find each other's resources by these names, and not by outputs, so that `what-if` can see what would change.
var checkedName = empty(refusals) ? name : fail(join(refusals, ' '))
var names = {
  actionGroup: 'ag-${checkedName}-${suffix}'
  alerts: 'alert-${checkedName}-${suffix}'
  applicationInsights: 'appi-${checkedName}-${suffix}'
  apps: {
    first: 'func-${checkedName}-${suffix}'
    second: 'func-${checkedName}-${suffix}-2'
  }
  cosmosDb: empty(restoredCosmosDbName) ? 'cosmos-${checkedName}-${suffix}' : restoredCosmosDbName
  deploymentContainers: {
    first: 'deployments'
    second: 'deployments-2'
  }
  gateway: 'apim-${checkedName}-${suffix}'
  identity: 'id-${checkedName}-${suffix}'
  keyVault: 'kv-${checkedName}-${suffix}'
  plans: {
    first: 'asp-${checkedName}-${suffix}'
    second: 'asp-${checkedName}-${suffix}-2'
  }
  site: 'stapp-${checkedName}-${suffix}'
  storageAccount: 'st${replace(checkedName, '-', '')}${suffix}'
  virtualNetwork: 'vnet-${checkedName}-${suffix}'
  webTest: 'webtest-${checkedName}-${suffix}'
  // Azure wants a GUID.
  workbook: guid(resourceGroup().id, name, 'workbook')
  workspace: 'log-${checkedName}-${suffix}'
}

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: names.identity
  location: location
  tags: tags
}

module telemetry 'modules/telemetry.bicep' = {
  params: {
    location: location
    tags: tags
    workspaceName: names.workspace
    existingWorkspaceId: existingWorkspaceId
    applicationInsightsName: names.applicationInsights
    identityName: identity.name
    retentionInDays: logRetentionInDays
  }
}

// The regions of an account that is there already, as it has them.
module storeLocations 'modules/cosmos-db-locations.bicep' = if (keepsStoreLocations) {
  params: {
    accountName: names.cosmosDb
  }
}

module cosmosDb 'modules/cosmos-db.bicep' = {
  params: {
    location: location
    tags: tags
    isLocked: isLocked
    accountName: names.cosmosDb
    databaseName: databaseName
    identityName: identity.name
    locations: keepsStoreLocations
      ? storeLocations!.outputs.locations
      : map(concat([location], readLocations), (region, index) => {
          locationName: region
          failoverPriority: index
          isZoneRedundant: isStoreZoneRedundant
        })
    isPrivate: isPrivate
    backupTier: backupTier
    otpsMaxThroughput: otpsMaxThroughput
    apiKeysMaxThroughput: apiKeysMaxThroughput
    workspaceId: telemetry.outputs.workspaceId
    logsRequests: logsStoreRequests
  }
}

module keyVault 'modules/key-vault.bicep' = {
  params: {
    location: location
    tags: tags
    isLocked: isLocked
    vaultName: names.keyVault
    identityName: identity.name
    isPrivate: isPrivate
    softDeleteRetentionInDays: softDeleteRetentionInDays
    workspaceId: telemetry.outputs.workspaceId
  }
}

module otpSecret 'modules/otp-secret.bicep' = {
  params: {
    tags: tags
    vaultName: names.keyVault
    secretName: otpSecretName
    validityInDays: otpSecretValidityInDays
  }
  dependsOn: [keyVault]
}

module otpSecondSecret 'modules/otp-secret.bicep' = if (!empty(otpSecondSecretName)) {
  params: {
    tags: tags
    vaultName: names.keyVault
    secretName: otpSecondSecretName
    validityInDays: otpSecretValidityInDays
  }
  dependsOn: [keyVault]
}

module storage 'modules/storage.bicep' = {
  params: {
    location: location
    tags: tags
    isLocked: isLocked
    accountName: names.storageAccount
    deploymentContainerNames: hasSecondApp
      ? [names.deploymentContainers.first, names.deploymentContainers.second]
      : [names.deploymentContainers.first]
    identityName: identity.name
    isZoneRedundant: isZoneRedundant
    isPrivate: isPrivate
  }
}

module network 'modules/network.bicep' = if (isPrivate && !hasOwnNetwork) {
  params: {
    location: location
    tags: tags
    virtualNetworkName: names.virtualNetwork
    addressPrefix: virtualNetworkAddressPrefix
    isEgressClosed: isEgressClosed
    hasGateway: hasGateway
  }
}

var appSubnetId = !isPrivate ? '' : hasOwnNetwork ? existingAppSubnetId : network!.outputs.appSubnetId
var privateEndpointsSubnetId = hasOwnNetwork
  ? existingPrivateEndpointsSubnetId
  : isPrivate ? network!.outputs.privateEndpointsSubnetId : ''
var gatewaySubnetId = hasOwnNetwork ? existingGatewaySubnetId : hasGateway ? network!.outputs.gatewaySubnetId : ''
var dnsZonesGroupId = hasOwnNetwork ? existingDnsZonesGroupId : resourceGroup().id

module cosmosDbEndpoint 'modules/private-endpoint.bicep' = if (isPrivate) {
  params: {
    location: location
    tags: tags
    privateEndpointName: 'pep-${names.cosmosDb}'
    targetId: cosmosDb.outputs.accountId
    groupId: 'Sql'
    subnetId: privateEndpointsSubnetId
    dnsZonesGroupId: dnsZonesGroupId
  }
}

module keyVaultEndpoint 'modules/private-endpoint.bicep' = if (isPrivate) {
  params: {
    location: location
    tags: tags
    privateEndpointName: 'pep-${names.keyVault}'
    targetId: keyVault.outputs.vaultId
    groupId: 'vault'
    subnetId: privateEndpointsSubnetId
    dnsZonesGroupId: dnsZonesGroupId
  }
}

module blobEndpoint 'modules/private-endpoint.bicep' = if (isPrivate) {
  params: {
    location: location
    tags: tags
    privateEndpointName: 'pep-${names.storageAccount}'
    targetId: storage.outputs.accountId
    groupId: 'blob'
    subnetId: privateEndpointsSubnetId
    dnsZonesGroupId: dnsZonesGroupId
  }
}

var appKeys = hasSecondApp ? ['first', 'second'] : ['first']

module functionApps 'modules/function-app.bicep' = [
  for key in appKeys: {
    params: {
      location: location
      tags: tags
      planName: names.plans[key]
      appName: names.apps[key]
      // `azd deploy` sends code to the app that gets no calls, if there are two.
      isDeployed: !hasSecondApp || key != liveApp
      identityName: identity.name
      storageAccountName: names.storageAccount
      deploymentContainerName: names.deploymentContainers[key]
      applicationInsightsName: names.applicationInsights
      workspaceId: telemetry.outputs.workspaceId
      logsPlatform: logsPlatform
      subnetId: appSubnetId
      isZoneRedundant: isZoneRedundant
      alwaysReadyInstances: alwaysReadyInstances
      maximumInstances: maximumInstances
      instanceMemoryInMb: instanceMemoryInMb
      updateStrategy: updateStrategy
      isClosed: isClosed
      operatorAddresses: operatorAddresses
      callers: concat(
        hasGateway
          ? [
              {
                name: 'gateway'
                subnetId: gatewaySubnetId
              }
            ]
          : [],
        allowedCallers
      )
      cosmosDbEndpoint: cosmosDb.outputs.endpoint
      databaseName: databaseName
      vaultName: names.keyVault
      otpSecretName: otpSecretName
      otpSecondSecretName: otpSecondSecretName
      generateOtpPathForm: generateOtpPathForm
      otpTtlInSeconds: otpTtlInSeconds
      otpRetentionInSeconds: otpRetentionInSeconds
      requestDeadlineInMs: requestDeadlineInMs
    }
    // As soon as the app is there the platform reads the secret and looks for the archive, as its identity and by the private
    // endpoints. The store takes the longest by far: meanwhile the other roles get around.
    dependsOn: [otpSecret, otpSecondSecret, cosmosDbEndpoint, keyVaultEndpoint, storage, blobEndpoint]
  }
]

module site 'modules/static-site.bicep' = if (!empty(siteLocation)) {
  params: {
    location: siteLocation
    tags: tags
    siteName: names.site
  }
}

module gateway 'modules/gateway.bicep' = if (hasGateway) {
  params: {
    location: location
    tags: tags
    gatewayName: names.gateway
    tier: gatewayTier == 'PremiumV2' ? 'PremiumV2' : 'StandardV2'
    units: gatewayUnits
    publisherEmail: gatewayEmail
    subnetId: gatewaySubnetId
    appHostName: functionApps[liveApp == 'second' ? 1 : 0].outputs.hostName
    hasSite: !empty(siteLocation)
    siteHostName: empty(siteLocation) ? '' : site!.outputs.hostName
    callsIn10Seconds: gatewayCallsIn10Seconds
    unlimitedAddresses: gatewayUnlimitedAddresses
    customHostName: publicHostName
    certificateSecretUri: gatewayCertificateSecretUri
  }
}

var liveHostName = functionApps[liveApp == 'second' ? 1 : 0].outputs.hostName
var publicUrl = 'https://${!empty(publicHostName) ? publicHostName : hasGateway ? gateway!.outputs.hostName : liveHostName}'

var tellsNobody = empty(concat(alertEmails, alertWebhooks, alertActionGroupIds)) && empty(alertPhones)

module monitoring 'monitoring.bicep' = {
  params: {
    location: location
    tags: tags
    alertPrefix: names.alerts
    actionGroupName: names.actionGroup
    webTestName: names.webTest
    workbookName: names.workbook
    applicationInsightsName: names.applicationInsights
    workspaceId: telemetry.outputs.workspaceId
    cosmosDbId: cosmosDb.outputs.accountId
    functionAppId: functionApps[liveApp == 'second' ? 1 : 0].outputs.appId
    maximumInstances: maximumInstances
    statusUrl: '${publicUrl}/api/v1/status'
    receivers: {
      emails: alertEmails
      phones: alertPhones
      webhooks: alertWebhooks
      actionGroupIds: alertActionGroupIds
    }
    tellsNobody: tellsNobody
    runbookUrl: runbookUrl
    otpTtlInSeconds: otpTtlInSeconds
    logsAlertGbPerDay: logsAlertGbPerDay
    keysChangedAlertCount: keysChangedAlertCount
    busyFromHour: busyFromHour
    busyToHour: busyToHour
    portalFromHour: portalFromHour
    portalToHour: portalToHour
  }
}

// `azd` keeps these as the values of its environment.

@description('URL of the service.')
output SERVICE_API_URL string = publicUrl

@description('Name of the function app that gets the calls.')
output SERVICE_API_NAME string = names.apps[liveApp]

@description('Name of the other function app, which `azd deploy` updates. Empty: there is none.')
output SERVICE_API_IDLE_NAME string = !hasSecondApp ? '' : liveApp == 'first' ? names.apps.second : names.apps.first

@description('Address that the DNS name of the service leads to. Empty: there is no gateway.')
output GATEWAY_HOST_NAME string = hasGateway ? gateway!.outputs.hostName : ''

@description('Who gets the alerts. NOBODY is a warning.')
output ALERTS_TELL string = tellsNobody ? 'NOBODY' : 'somebody'

@description('URL of the site. Empty: there is none.')
output SITE_URL string = empty(siteLocation) ? '' : 'https://${site!.outputs.hostName}'

@description('Name of the static web app. Empty: there is none.')
output SITE_NAME string = empty(siteLocation) ? '' : names.site
