metadata description = 'Where the logs and the metrics go: a Log Analytics workspace, and Application Insights on top of it.'

import { Tags } from '../types.bicep'

@description('Azure region of the resources.')
param location string

@description('Tags of the resources.')
param tags Tags

@description('Name of the Log Analytics workspace.')
param workspaceName string

@description('Id of a workspace that is there already. Empty: one is made.')
param existingWorkspaceId string

@description('Name of the Application Insights component.')
param applicationInsightsName string

@description('Name of the user-assigned managed identity that the app acts as.')
param identityName string

@description('How long the workspace keeps what it is sent, in days: 30–730.')
@minValue(30)
@maxValue(730)
param retentionInDays int

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-02-01' = if (empty(existingWorkspaceId)) {
  name: workspaceName
  location: location
  tags: tags
  properties: {
    sku: {
      name: 'PerGB2018'
    }
    retentionInDays: retentionInDays
    features: {
      // Only identities with a role may write to it or read it: its two keys are of no use.
      disableLocalAuth: true
    }
  }
}

var workspaceId = empty(existingWorkspaceId) ? workspace.id : existingWorkspaceId

resource applicationInsights 'Microsoft.Insights/components@2020-02-02' = {
  name: applicationInsightsName
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: workspaceId
    IngestionMode: 'LogAnalytics'
    // The connection string then only says where telemetry goes. Whoever sends some needs the role Monitoring Metrics
    // Publisher: https://learn.microsoft.com/azure/azure-monitor/app/azure-ad-authentication
    DisableLocalAuth: true
  }
}

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: identityName
}

// https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
var monitoringMetricsPublisherId = '3913510d-42f4-4e42-8a64-420c390055eb'

// The app sends what it logs.
resource metricsPublisher 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: applicationInsights
  name: guid(applicationInsights.id, identity.id, monitoringMetricsPublisherId)
  properties: {
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', monitoringMetricsPublisherId)
  }
}

@description('Id of the Log Analytics workspace.')
output workspaceId string = workspaceId
