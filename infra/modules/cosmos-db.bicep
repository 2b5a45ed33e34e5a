metadata description = 'The store: an Azure Cosmos DB for NoSQL account that gives the guarantees which the service rests on, its database and its containers.'

import { Region, Tags } from '../types.bicep'

@description('Azure region of the account, and the only one that takes writes.')
param location string

@description('Tags of the resources.')
param tags Tags

@description('Whether nobody can delete it until the lock is taken off.')
param isLocked bool

@description('Name of the account.')
param accountName string

@description('Name of the database.')
param databaseName string

@description('Name of the user-assigned managed identity that the app acts as.')
param identityName string

@description('Its regions, the one that takes the writes first: name, order, zones.')
@minLength(1)
@maxLength(5)
param locations Region[]

@description('Whether the account is reached through its private endpoint only.')
param isPrivate bool

@description('How long the account can be restored to any moment of: Continuous7Days or Continuous30Days.')
@allowed(['Continuous7Days', 'Continuous30Days'])
param backupTier string

@description('Most throughput of the container of OTPs, in RU/s: a multiple of 1000. At rest a tenth of it is provisioned.')
@minValue(1000)
param otpsMaxThroughput int

@description('Most throughput of the container of API keys, in RU/s: a multiple of 1000. At rest a tenth of it is provisioned.')
@minValue(1000)
param apiKeysMaxThroughput int

@description('Id of the Log Analytics workspace for the logs of the account.')
param workspaceId string

@description('Whether each request to the account is logged. Changes to the account always are.')
param logsRequests bool

resource account 'Microsoft.DocumentDB/databaseAccounts@2025-10-15' = {
  name: accountName
  location: location
  tags: tags
  kind: 'GlobalDocumentDB'
  properties: {
    databaseAccountOfferType: 'Standard'
    // Single use and immediate revocation: docs/decisions/0001-single-use.md and 0003-api-keys.md. Info refuses to say 200
    // over an account without them.
    consistencyPolicy: {
      defaultConsistencyLevel: 'Strong'
    }
    enableMultipleWriteLocations: false
    // Also with one region. An account takes no change of this together with one of its regions.
    enableAutomaticFailover: true
    locations: locations
    // A partition that had a quiet five minutes may exceed its throughput for a while, at no cost:
    // https://learn.microsoft.com/azure/cosmos-db/burst-capacity
    enableBurstCapacity: true
    backupPolicy: {
      type: 'Continuous'
      continuousModeProperties: {
        tier: backupTier
      }
    }
    // No key opens the account: https://learn.microsoft.com/azure/cosmos-db/how-to-connect-role-based-access-control
    disableLocalAuth: true
    disableKeyBasedMetadataWriteAccess: true
    minimalTlsVersion: 'Tls12'
    publicNetworkAccess: isPrivate ? 'Disabled' : 'Enabled'
    networkAclBypass: 'None'
  }

  resource database 'sqlDatabases' = {
    name: databaseName
    tags: tags
    properties: {
      resource: {
        id: databaseName
      }
    }

    // Equal to what shared/cosmos/containers.ts would create. The service's role cannot create them.
    resource otps 'containers' = {
      name: 'otps'
      tags: tags
      properties: {
        resource: {
          id: 'otps'
          partitionKey: {
            paths: ['/partitionKey']
            kind: 'Hash'
            version: 2
          }
          // Each item says itself when it is to be forgotten.
          defaultTtl: -1
          indexingPolicy: noIndex
        }
        options: {
          autoscaleSettings: {
            maxThroughput: otpsMaxThroughput
          }
        }
      }
    }

    resource apiKeys 'containers' = {
      name: 'api-keys'
      tags: tags
      properties: {
        resource: {
          id: 'api-keys'
          partitionKey: {
            paths: ['/id']
            kind: 'Hash'
            version: 2
          }
          indexingPolicy: noIndex
        }
        options: {
          autoscaleSettings: {
            maxThroughput: apiKeysMaxThroughput
          }
        }
      }
      dependsOn: [otps]
    }
  }
}

// Every item is reached by its id: an index would only make each write dearer.
var noIndex = {
  indexingMode: 'consistent'
  includedPaths: []
  excludedPaths: [
    {
      path: '/*'
    }
  ]
}

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: identityName
}

// Azure Cosmos DB has roles of its own for data. The built-in Data Contributor reads and writes items, and creates neither
// databases nor containers: https://learn.microsoft.com/azure/cosmos-db/reference-data-plane-security#built-in-roles
var dataContributorId = '00000000-0000-0000-0000-000000000002'

resource dataContributor 'Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments@2025-10-15' = {
  parent: account
  name: guid(account.id, databaseName, identity.id, dataContributorId)
  properties: {
    principalId: identity.properties.principalId
    roleDefinitionId: '${account.id}/sqlRoleDefinitions/${dataContributorId}'
    // The one database.
    scope: '${account.id}/dbs/${databaseName}'
  }
  // An account takes one change at a time, and answers another one with 412. So each waits for the one before it.
  dependsOn: [account::database::apiKeys]
}

// The service reads what the account says of itself: its regions and its consistency. Microsoft does not document whether a
// role for one database is enough for that: docs/decisions/0016-infrastructure.md. This role can do nothing else.
resource metadataReader 'Microsoft.DocumentDB/databaseAccounts/sqlRoleDefinitions@2025-10-15' = {
  parent: account
  name: guid(account.id, 'metadata-reader')
  properties: {
    roleName: 'CGN OTP metadata reader'
    type: 'CustomRole'
    assignableScopes: [account.id]
    permissions: [
      {
        dataActions: ['Microsoft.DocumentDB/databaseAccounts/readMetadata']
      }
    ]
  }
  dependsOn: [dataContributor]
}

resource accountReader 'Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments@2025-10-15' = {
  parent: account
  name: guid(account.id, identity.id, 'metadata-reader')
  properties: {
    principalId: identity.properties.principalId
    roleDefinitionId: metadataReader.id
    scope: account.id
  }
}

// The categories: https://learn.microsoft.com/azure/azure-monitor/reference/supported-logs/microsoft-documentdb-databaseaccounts-logs
resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: account
  name: 'log-analytics'
  properties: {
    workspaceId: workspaceId
    logAnalyticsDestinationType: 'Dedicated'
    logs: [
      {
        category: 'ControlPlaneRequests'
        enabled: true
      }
      {
        category: 'DataPlaneRequests'
        enabled: logsRequests
      }
    ]
  }
}

resource lock 'Microsoft.Authorization/locks@2020-05-01' = if (isLocked) {
  scope: account
  name: 'cannot-delete'
  properties: {
    level: 'CanNotDelete'
    notes: 'The store: its codes and keys are nowhere else.'
  }
  dependsOn: [accountReader]
}

@description('Id of the account.')
output accountId string = account.id

@description('URL of the account.')
output endpoint string = account.properties.documentEndpoint
