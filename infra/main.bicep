metadata name = 'CGN OTP'
metadata description = 'All that the service runs on, private and without a secret in anybody\'s hand. docs/deploy.md says how to deploy it.'

targetScope = 'resourceGroup'

// Names follow https://learn.microsoft.com/azure/cloud-adoption-framework/ready/azure-best-practices/resource-abbreviations

@description('What the names of the resources are made of: 3–12 lower-case letters, digits and hyphens. They end in 8 characters of their own for each resource group, because some must be unique in the world.')
@minLength(3)
@maxLength(12)
param name string = 'cgn-otp'

@description('Azure region of every resource, and the one that takes the writes. It must have Flex Consumption: `az functionapp list-flexconsumption-locations`.')
param location string = resourceGroup().location

@description('Whether the store, the vault and the storage account are reached through a virtual network only. false is for a cheap trial: it leaves out the network, and whoever has a token of an identity with a role gets in from anywhere.')
param isPrivate bool = true

@description('Address range of the virtual network, in CIDR notation: /16 to /26. Nothing outside it needs to know it.')
param virtualNetworkAddressPrefix string = '10.0.0.0/24'

@description('Whether the store, the storage account and the app are spread over availability zones. The region, and each of readLocations, must have some. The store keeps what it was created with.')
param isZoneRedundant bool = true

@description('Further Azure regions with a copy of the data, in the order in which they would take over the writes: none, or at least two within 8000 km. With exactly one, its outage can stop every write.')
@maxLength(4)
param readLocations string[] = []

@description('How long the store can be restored to any moment of: Continuous7Days or Continuous30Days.')
@allowed(['Continuous7Days', 'Continuous30Days'])
param backupTier string = 'Continuous7Days'

@description('Name of the Azure Cosmos DB account, if it is one that was restored from a backup into this resource group. Empty: the template makes one.')
@maxLength(44)
param restoredCosmosDbName string = ''

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

@description('Within this time every request is answered, whatever the store does, in milliseconds: 100–60000. REQUEST_DEADLINE_IN_MS.')
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

@description('How long a deleted vault or secret can be brought back, in days: 7–90. Until then the name of the vault is taken. It cannot be changed later.')
@minValue(7)
@maxValue(90)
param softDeleteRetentionInDays int = 90

@description('How long logs are kept, in days: 30–730.')
@minValue(30)
@maxValue(730)
param logRetentionInDays int = 30

@description('Whether each request to the store is logged: a line or two for each call of the service. Changes to the account always are.')
param logsStoreRequests bool = true

@description('Who gets an e-mail of each alert, up to 100 addresses. Empty: nobody, and alerts are seen in the portal only.')
@maxLength(100)
param alertEmails string[] = []

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

@description('Azure region that manages the site of the guides, the contract and the problems: one that has Static Web Apps. Empty: no site.')
@allowed(['', 'centralus', 'eastasia', 'eastus2', 'westeurope', 'westus2'])
param siteLocation string = ''

var suffix = take(uniqueString(resourceGroup().id, name), 8)
// The modules, each of which gives the app its role, find each other's resources by these names, and not by outputs, so that `what-if` can see what would change.
var names = {
  actionGroup: 'ag-${name}-${suffix}'
  alerts: 'alert-${name}-${suffix}'
  applicationInsights: 'appi-${name}-${suffix}'
  app: 'func-${name}-${suffix}'
  cosmosDb: empty(restoredCosmosDbName) ? 'cosmos-${name}-${suffix}' : restoredCosmosDbName
  deploymentContainer: 'deployments'
  identity: 'id-${name}-${suffix}'
  keyVault: 'kv-${name}-${suffix}'
  plan: 'asp-${name}-${suffix}'
  site: 'stapp-${name}-${suffix}'
  storageAccount: 'st${replace(name, '-', '')}${suffix}'
  virtualNetwork: 'vnet-${name}-${suffix}'
  webTest: 'webtest-${name}-${suffix}'
  // Azure wants a GUID.
  workbook: guid(resourceGroup().id, name, 'workbook')
  workspace: 'log-${name}-${suffix}'
}

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: names.identity
  location: location
}

module telemetry 'modules/telemetry.bicep' = {
  params: {
    location: location
    workspaceName: names.workspace
    applicationInsightsName: names.applicationInsights
    identityName: identity.name
    retentionInDays: logRetentionInDays
  }
}

module cosmosDb 'modules/cosmos-db.bicep' = {
  params: {
    location: location
    accountName: names.cosmosDb
    databaseName: databaseName
    identityName: identity.name
    readLocations: readLocations
    isZoneRedundant: isZoneRedundant
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
    vaultName: names.keyVault
    identityName: identity.name
    isPrivate: isPrivate
    softDeleteRetentionInDays: softDeleteRetentionInDays
    workspaceId: telemetry.outputs.workspaceId
  }
}

module otpSecret 'modules/otp-secret.bicep' = {
  params: {
    vaultName: names.keyVault
    secretName: otpSecretName
  }
  dependsOn: [keyVault]
}

module otpSecondSecret 'modules/otp-secret.bicep' = if (!empty(otpSecondSecretName)) {
  params: {
    vaultName: names.keyVault
    secretName: otpSecondSecretName == otpSecretName
      ? fail('otpSecondSecretName: another name than otpSecretName, or none. The same secret twice replaces nothing.')
      : otpSecondSecretName
  }
  dependsOn: [keyVault]
}

module storage 'modules/storage.bicep' = {
  params: {
    location: location
    accountName: names.storageAccount
    deploymentContainerName: names.deploymentContainer
    identityName: identity.name
    isZoneRedundant: isZoneRedundant
    isPrivate: isPrivate
  }
}

module network 'modules/network.bicep' = if (isPrivate) {
  params: {
    location: location
    virtualNetworkName: names.virtualNetwork
    addressPrefix: virtualNetworkAddressPrefix
  }
}

module cosmosDbEndpoint 'modules/private-endpoint.bicep' = if (isPrivate) {
  params: {
    location: location
    privateEndpointName: 'pep-${names.cosmosDb}'
    resourceId: cosmosDb.outputs.accountId
    groupId: 'Sql'
    subnetId: network!.outputs.privateEndpointsSubnetId
    zoneId: network!.outputs.zoneIds.cosmosDb
  }
}

module keyVaultEndpoint 'modules/private-endpoint.bicep' = if (isPrivate) {
  params: {
    location: location
    privateEndpointName: 'pep-${names.keyVault}'
    resourceId: keyVault.outputs.vaultId
    groupId: 'vault'
    subnetId: network!.outputs.privateEndpointsSubnetId
    zoneId: network!.outputs.zoneIds.keyVault
  }
}

module blobEndpoint 'modules/private-endpoint.bicep' = if (isPrivate) {
  params: {
    location: location
    privateEndpointName: 'pep-${names.storageAccount}'
    resourceId: storage.outputs.accountId
    groupId: 'blob'
    subnetId: network!.outputs.privateEndpointsSubnetId
    zoneId: network!.outputs.zoneIds.blob
  }
}

module functionApp 'modules/function-app.bicep' = {
  params: {
    location: location
    planName: names.plan
    appName: names.app
    identityName: identity.name
    storageAccountName: names.storageAccount
    deploymentContainerName: names.deploymentContainer
    applicationInsightsName: names.applicationInsights
    workspaceId: telemetry.outputs.workspaceId
    subnetId: isPrivate ? network!.outputs.appSubnetId : ''
    isZoneRedundant: isZoneRedundant
    alwaysReadyInstances: alwaysReadyInstances
    maximumInstances: maximumInstances
    instanceMemoryInMb: instanceMemoryInMb
    updateStrategy: updateStrategy
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

module monitoring 'monitoring.bicep' = {
  params: {
    location: location
    alertPrefix: names.alerts
    actionGroupName: names.actionGroup
    webTestName: names.webTest
    workbookName: names.workbook
    applicationInsightsName: names.applicationInsights
    workspaceId: telemetry.outputs.workspaceId
    cosmosDbId: cosmosDb.outputs.accountId
    functionAppId: functionApp.outputs.appId
    statusUrl: 'https://${functionApp.outputs.hostName}/api/v1/status'
    alertEmails: alertEmails
    runbookUrl: runbookUrl
    otpTtlInSeconds: otpTtlInSeconds
    busyFromHour: busyFromHour
    busyToHour: busyToHour
    portalFromHour: portalFromHour
    portalToHour: portalToHour
  }
}

module site 'modules/static-site.bicep' = if (!empty(siteLocation)) {
  params: {
    location: siteLocation
    siteName: names.site
  }
}

// `azd` keeps these as the values of its environment.

@description('URL of the service.')
output SERVICE_API_URL string = 'https://${functionApp.outputs.hostName}'

@description('Name of the function app.')
output SERVICE_API_NAME string = names.app

@description('URL of the site. Empty: there is none.')
output SITE_URL string = empty(siteLocation) ? '' : 'https://${site!.outputs.hostName}'

@description('Name of the static web app. Empty: there is none.')
output SITE_NAME string = empty(siteLocation) ? '' : names.site
