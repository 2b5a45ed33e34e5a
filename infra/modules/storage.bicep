metadata description = 'The storage account of the Functions host: the deployed archive, function keys, and what instances coordinate by.'

@description('Azure region of the account.')
param location string

@description('Name of the account: 3–24 lower-case letters and digits.')
param accountName string

@description('Name of the container for the deployed archive.')
param deploymentContainerName string

@description('Name of the user-assigned managed identity that the app acts as.')
param identityName string

@description('Whether the account spreads its copies over availability zones.')
param isZoneRedundant bool

@description('Whether the account is reached through its private endpoint only.')
param isPrivate bool

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' = {
  name: accountName
  location: location
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
      bypass: 'None'
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
    }

    resource deployments 'containers' = {
      name: deploymentContainerName
      properties: {
        publicAccess: 'None'
      }
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

@description('Id of the account.')
output accountId string = account.id
