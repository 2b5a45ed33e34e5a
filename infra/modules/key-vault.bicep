metadata description = 'The vault that keeps OTP_SECRET.'

import { Tags } from '../types.bicep'

@description('Azure region of the vault.')
param location string

@description('Tags of the resources.')
param tags Tags

@description('Whether nobody can delete it until the lock is taken off.')
param isLocked bool

@description('Name of the vault: 3–24 characters.')
param vaultName string

@description('Name of the user-assigned managed identity that the app acts as.')
param identityName string

@description('Whether the vault is reached through its private endpoint only.')
param isPrivate bool

@description('How long a deleted vault or secret can be brought back, in days: 7–90. Until then its name is taken. It cannot be changed later.')
@minValue(7)
@maxValue(90)
param softDeleteRetentionInDays int

@description('Id of the Log Analytics workspace for the log of who asked for what.')
param workspaceId string

// Microsoft ends the versions before this one in February 2027:
// https://learn.microsoft.com/azure/key-vault/general/migrate-api-version
resource vault 'Microsoft.KeyVault/vaults@2026-02-01' = {
  name: vaultName
  location: location
  tags: tags
  properties: {
    tenantId: tenant().tenantId
    sku: {
      family: 'A'
      name: 'standard'
    }
    enableRbacAuthorization: true
    // Whoever loses the secret loses every live OTP: for this long nobody can.
    enableSoftDelete: true
    enablePurgeProtection: true
    softDeleteRetentionInDays: softDeleteRetentionInDays
    publicNetworkAccess: isPrivate ? 'Disabled' : 'Enabled'
    networkAcls: {
      defaultAction: isPrivate ? 'Deny' : 'Allow'
      // A deployment puts the secret in through Azure Resource Manager, which is one of the trusted services. `Disabled`
      // lets those and private endpoints pass, and nothing else:
      // https://learn.microsoft.com/azure/key-vault/general/network-security
      bypass: 'AzureServices'
    }
  }
}

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: identityName
}

// https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
var keyVaultSecretsUserId = '4633458b-17de-408a-b874-0445c86b69e6'

// The app reads what is in it.
resource secretsUser 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: vault
  name: guid(vault.id, identity.id, keyVaultSecretsUserId)
  properties: {
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', keyVaultSecretsUserId)
  }
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: vault
  name: 'log-analytics'
  properties: {
    workspaceId: workspaceId
    logs: [
      {
        category: 'AuditEvent'
        enabled: true
      }
    ]
  }
}

resource lock 'Microsoft.Authorization/locks@2020-05-01' = if (isLocked) {
  scope: vault
  name: 'cannot-delete'
  properties: {
    level: 'CanNotDelete'
    notes: 'The vault: without its secret every live code is unknown.'
  }
}

@description('Id of the vault.')
output vaultId string = vault.id
