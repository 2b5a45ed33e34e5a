metadata description = 'The storage account of the Functions host: the deployed archive, function keys, and what instances coordinate by.'

import { Tags } from '../types.bicep'

@description('Azure region of the account.')
param location string

@description('Tags of the resources.')
param tags Tags

@description('Whether nobody can delete it until the lock is taken off.')
param isLocked bool

@description('Name of the account: 3–24 lower-case letters and digits.')
param accountName string

@description('Names of the containers for the deployed archives, one for each app.')
param deploymentContainerNames string[]

@description('Name of the user-assigned managed identity that the app acts as.')
param identityName string

@description('Whether the account spreads its copies over availability zones.')
param isZoneRedundant bool

@description('Whether the account is reached through its private endpoint only.')
param isPrivate bool

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' = {
  name: accountName
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: isZoneRedundant ? 'Standard_ZRS' : 'Standard_LRS'
  }
  properties: {
    // No key and no shared access signature opens the account, and nobody reads it without a role.
    allowSharedKeyAccess: false
    allowBlobPublicAccess: false
    defaultToOAuthAuthentication: true
    allowCrossTenantReplication: false
    supportsHttpsTrafficOnly: true
    minimumTlsVersion: 'TLS1_2'
    publicNetworkAccess: isPrivate ? 'Disabled' : 'Enabled'
    networkAcls: {
      defaultAction: isPrivate ? 'Deny' : 'Allow'
      // Or the rule below, which Azure itself carries out, may be locked out:
      // https://learn.microsoft.com/azure/storage/blobs/lifecycle-management-policy-configure
      bypass: 'AzureServices'
    }
  }

  resource blobs 'blobServices' = {
    name: 'default'
    properties: {
      // The host keeps the function keys in a blob.
      deleteRetentionPolicy: {
        enabled: true
        days: 7
      }
      containerDeleteRetentionPolicy: {
        enabled: true
        days: 7
      }
      isVersioningEnabled: true
    }

    resource deployments 'containers' = [
      for name in deploymentContainerNames: {
        name: name
        properties: {
          publicAccess: 'None'
        }
      }
    ]
  }
}

// Each change of a lease and each archive leaves a version.
resource lifecycle 'Microsoft.Storage/storageAccounts/managementPolicies@2025-06-01' = {
  parent: account
  name: 'default'
  properties: {
    policy: {
      rules: [
        {
          name: 'old-versions'
          type: 'Lifecycle'
          definition: {
            filters: {
              blobTypes: ['blockBlob']
            }
            actions: {
              version: {
                delete: {
                  daysAfterCreationGreaterThan: 30
                }
              }
            }
          }
        }
      ]
    }
  }
}

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: identityName
}

// https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
var storageBlobDataOwnerId = 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'

// The least with which a host runs:
// https://learn.microsoft.com/azure/azure-functions/functions-reference#connecting-to-host-storage-with-an-identity
resource blobDataOwner 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: account
  name: guid(account.id, identity.id, storageBlobDataOwnerId)
  properties: {
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', storageBlobDataOwnerId)
  }
}

resource lock 'Microsoft.Authorization/locks@2020-05-01' = if (isLocked) {
  scope: account
  name: 'cannot-delete'
  properties: {
    level: 'CanNotDelete'
    notes: 'The storage account of the app: its function keys.'
  }
}

@description('Id of the account.')
output accountId string = account.id
