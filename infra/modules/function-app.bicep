metadata description = 'The service: a Flex Consumption plan and the function app on it.'

import { Caller, Tags } from '../types.bicep'

@description('Azure region of the resources.')
param location string

@description('Tags of the resources.')
param tags Tags

@description('Name of the plan.')
param planName string

@description('Name of the app: the first label of its address.')
param appName string

@description('Whether `azd deploy` sends its code to this app.')
param isDeployed bool

@description('Name of the user-assigned managed identity that the app acts as.')
param identityName string

@description('Name of the storage account of the Functions host.')
param storageAccountName string

@description('Name of the container for the deployed archive.')
param deploymentContainerName string

@description('Name of the Application Insights component.')
param applicationInsightsName string

@description('Id of the Log Analytics workspace for the logs of the app.')
param workspaceId string

@description('Whether the log of the platform is kept too. It repeats each line of the service.')
param logsPlatform bool

@description('Id of the subnet that the app reaches its resources through. Empty: none.')
param subnetId string

@description('Whether the plan spreads its instances over availability zones.')
param isZoneRedundant bool

@description('Instances that are always ready: 0–1000.')
@minValue(0)
@maxValue(1000)
param alwaysReadyInstances int

@description('Most instances: 40–1000.')
@minValue(40)
@maxValue(1000)
param maximumInstances int

@description('Memory of an instance, in MB: 512, 2048 or 4096.')
@allowed([512, 2048, 4096])
param instanceMemoryInMb int

@description('What happens to running instances when the app is updated: Recreate ends them, RollingUpdate (preview) lets them finish.')
@allowed(['Recreate', 'RollingUpdate'])
param updateStrategy string

@description('Whether the platform refuses every call, except from operatorAddresses.')
param isClosed bool

@description('Addresses in CIDR notation that may call also then.')
param operatorAddresses string[]

@description('Who may call: a range of addresses, a subnet, or a Front Door each. Nobody here: everybody may.')
param callers Caller[]

@description('URL of the Azure Cosmos DB account.')
param cosmosDbEndpoint string

@description('Name of the database in it.')
param databaseName string

@description('Name of the key vault.')
param vaultName string

@description('Name of the secret for OTP_SECRET in it.')
param otpSecretName string

@description('Name of the secret for OTP_SECRET_SECOND in it. Empty: the app has none.')
param otpSecondSecretName string

@description('Whether GenerateOtp also takes its deprecated form, with the fiscal code in the address.')
param generateOtpPathForm bool

@description('How long an OTP can be used, in seconds.')
param otpTtlInSeconds int

@description('How long after its life an OTP still answers otp-expired or otp-already-used, in seconds.')
param otpRetentionInSeconds int

@description('Within this time every request is answered, in milliseconds.')
param requestDeadlineInMs int

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: identityName
}

resource storageAccount 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: storageAccountName
}

resource applicationInsights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: applicationInsightsName
}

resource vault 'Microsoft.KeyVault/vaults@2026-02-01' existing = {
  name: vaultName

  resource otpSecret 'secrets' existing = {
    name: otpSecretName
  }

  resource otpSecondSecret 'secrets' existing = if (!empty(otpSecondSecretName)) {
    name: otpSecondSecretName
  }
}

// With a version: without one the platform takes a newer secret within a day, unasked, and every live OTP is unknown from then
// on: https://learn.microsoft.com/azure/app-service/app-service-key-vault-references#rotation
var secretSettings = concat(
  [
    {
      name: 'OTP_SECRET'
      value: '@Microsoft.KeyVault(SecretUri=${vault::otpSecret.properties.secretUriWithVersion})'
    }
  ],
  empty(otpSecondSecretName)
    ? []
    : [
        {
          name: 'OTP_SECRET_SECOND'
          value: '@Microsoft.KeyVault(SecretUri=${vault::otpSecondSecret!.properties.secretUriWithVersion})'
        }
      ]
)

// https://learn.microsoft.com/azure/app-service/app-service-ip-restrictions
var isOpen = !isClosed && empty(callers)
var operators = map(operatorAddresses, (address, index) => {
  name: 'operator ${index + 1}'
  ipAddress: address
})
var rules = map(
  isOpen ? [] : concat(operators, isClosed ? [] : callers),
  (caller, index) =>
    union(
      {
        name: caller.name
        action: 'Allow'
        priority: 100 + index
      },
      !empty(caller.?subnetId)
        ? {
            vnetSubnetResourceId: caller.?subnetId
          }
        : !empty(caller.?frontDoorId)
            ? {
                tag: 'ServiceTag'
                ipAddress: 'AzureFrontDoor.Backend'
                headers: {
                  'x-azure-fdid': [caller.?frontDoorId]
                }
              }
            : {
                ipAddress: caller.?ipAddress ?? ''
              }
    )
)

resource plan 'Microsoft.Web/serverfarms@2025-03-01' = {
  name: planName
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: {
    reserved: true
    zoneRedundant: isZoneRedundant
  }
}

resource app 'Microsoft.Web/sites@2025-03-01' = {
  name: appName
  location: location
  kind: 'functionapp,linux'
  // By this `azd` finds where to deploy the service of azure.yaml.
  tags: isDeployed
    ? union(tags, {
        'azd-service-name': 'api'
      })
    : tags
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identity.id}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    // Merchants call it from everywhere, a gateway through its subnet: the rules below say who may.
    publicNetworkAccess: 'Enabled'
    clientAffinityEnabled: false
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    // Or the platform would look for a system-assigned identity, which the app has not.
    keyVaultReferenceIdentity: identity.id
    siteConfig: {
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      ftpsState: 'Disabled'
      http20Enabled: true
      remoteDebuggingEnabled: false
      ipSecurityRestrictionsDefaultAction: isOpen ? 'Allow' : 'Deny'
      ipSecurityRestrictions: rules
      // Where code arrives: with a token of an identity that has a role, and from everywhere.
      scmIpSecurityRestrictionsUseMain: false
      scmIpSecurityRestrictionsDefaultAction: 'Allow'
      appSettings: concat(secretSettings, [
        // Blobs alone are named. With `AzureWebJobsStorage__accountName` the host also looks for tables, for which it has no
        // role, and logs an error every ten minutes: https://github.com/Azure/azure-functions-host/issues/10995
        {
          name: 'AzureWebJobsStorage__blobServiceUri'
          value: storageAccount.properties.primaryEndpoints.blob
        }
        // Otherwise / is a page of Azure's own.
        {
          name: 'AzureWebJobsDisableHomepage'
          value: 'true'
        }
        {
          name: 'AzureWebJobsStorage__credential'
          value: 'managedidentity'
        }
        {
          name: 'AzureWebJobsStorage__clientId'
          value: identity.properties.clientId
        }
        {
          name: 'APPLICATIONINSIGHTS_CONNECTION_STRING'
          value: applicationInsights.properties.ConnectionString
        }
        // https://learn.microsoft.com/azure/azure-functions/functions-app-settings#applicationinsights_authentication_string
        {
          name: 'APPLICATIONINSIGHTS_AUTHENTICATION_STRING'
          value: 'ClientId=${identity.properties.clientId};Authorization=AAD'
        }
        {
          name: 'AZURE_CLIENT_ID'
          value: identity.properties.clientId
        }
        {
          name: 'COSMOSDB_ENDPOINT'
          value: cosmosDbEndpoint
        }
        {
          name: 'COSMOSDB_DATABASE_NAME'
          value: databaseName
        }
        // string(true) would be 'True', which the service refuses.
        {
          name: 'GENERATE_OTP_PATH_FORM'
          value: generateOtpPathForm ? 'true' : 'false'
        }
        {
          name: 'OTP_TTL_IN_SECONDS'
          value: string(otpTtlInSeconds)
        }
        {
          name: 'OTP_RETENTION_IN_SECONDS'
          value: string(otpRetentionInSeconds)
        }
        {
          name: 'REQUEST_DEADLINE_IN_MS'
          value: string(requestDeadlineInMs)
        }
      ])
    }
    functionAppConfig: {
      runtime: {
        name: 'node'
        version: '22'
      }
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${storageAccount.properties.primaryEndpoints.blob}${deploymentContainerName}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identity.id
          }
        }
      }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryInMb
        maximumInstanceCount: maximumInstances
        // All HTTP functions scale together, as the group `http`:
        // https://learn.microsoft.com/azure/azure-functions/flex-consumption-plan#per-function-scaling
        alwaysReady: alwaysReadyInstances == 0
          ? []
          : [
              {
                name: 'http'
                instanceCount: alwaysReadyInstances
              }
            ]
      }
      // Documented for all API versions from 2023-12-01 on, and missing in the compiler's description of them:
      // https://learn.microsoft.com/azure/azure-functions/flex-consumption-site-updates#configure-your-update-strategy
      #disable-next-line BCP037
      siteUpdateStrategy: {
        type: updateStrategy
      }
    }
  }

  // No password publishes to it: only identities with a role do.
  resource basicPublishingByFtp 'basicPublishingCredentialsPolicies' = {
    name: 'ftp'
    properties: {
      allow: false
    }
  }

  resource basicPublishing 'basicPublishingCredentialsPolicies' = {
    name: 'scm'
    properties: {
      allow: false
    }
  }
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = if (logsPlatform) {
  scope: app
  name: 'log-analytics'
  properties: {
    workspaceId: workspaceId
    logs: [
      {
        category: 'FunctionAppLogs'
        enabled: true
      }
    ]
  }
}

@description('Host name of the app.')
output hostName string = app.properties.defaultHostName

@description('Id of the app.')
output appId string = app.id
