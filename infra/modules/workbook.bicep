metadata description = 'The workbook: traffic, outcomes, time, cost and the figures of the programme, out of the lines of the service.'

import { Tags } from '../types.bicep'

@description('Azure region of the workbook.')
param location string

@description('Tags of the resources.')
param tags Tags

@description('Name of the workbook: a GUID.')
param workbookName string

@description('Id of the Log Analytics workspace with the lines of the service.')
param workspaceId string

@description('Whether nobody gets the alerts.')
param tellsNobody bool

@description('What each query begins with.')
param queryPrefix string

// What is drawn has its time on the one axis. The rest are tables.
var sections = [
  {
    title: 'Objectives'
    query: loadTextContent('../queries/objectives.kql')
    visualization: 'table'
  }
  {
    title: 'Traffic'
    query: loadTextContent('../queries/traffic.kql')
    visualization: 'timechart'
  }
  {
    title: 'Outcomes, by function and problem'
    query: loadTextContent('../queries/outcomes.kql')
    visualization: 'table'
  }
  {
    title: 'Whether the service says that it is up, and why not'
    query: loadTextContent('../queries/health.kql')
    visualization: 'table'
  }
  {
    title: 'How long calls take'
    query: loadTextContent('../queries/latency.kql')
    visualization: 'table'
  }
  {
    title: 'Cold starts'
    query: loadTextContent('../queries/cold-starts.kql')
    visualization: 'timechart'
  }
  {
    title: 'Request units for each call'
    query: loadTextContent('../queries/request-units.kql')
    visualization: 'table'
  }
  {
    title: 'Store calls that failed or took several requests'
    query: loadTextContent('../queries/store-calls.kql')
    visualization: 'table'
  }
  {
    title: 'Codes issued, used and expired, by day, merchant and discount'
    query: loadTextContent('../queries/usage.kql')
    visualization: 'table'
  }
  {
    title: 'Changes of keys, and repetitions'
    query: loadTextContent('../queries/keys.kql')
    visualization: 'table'
  }
  {
    title: 'Keys of one merchant that are in use'
    query: loadTextContent('../queries/keys-in-use.kql')
    visualization: 'table'
  }
  {
    title: 'Calls of one merchant'
    query: loadTextContent('../queries/calls-of-merchant.kql')
    visualization: 'table'
  }
]

var parameters = {
  type: 9
  name: 'parameters'
  content: {
    version: 'KqlParameterItem/1.0'
    parameters: [
      {
        id: guid(resourceGroup().id, 'TimeRange')
        version: 'KqlParameterItem/1.0'
        name: 'TimeRange'
        label: 'Time range'
        type: 4
        isRequired: true
        value: {
          durationMs: 86400000
        }
        typeSettings: {
          selectableValues: [
            {
              durationMs: 3600000
            }
            {
              durationMs: 14400000
            }
            {
              durationMs: 86400000
            }
            {
              durationMs: 604800000
            }
            {
              durationMs: 2592000000
            }
          ]
          allowCustom: true
        }
      }
      {
        id: guid(resourceGroup().id, 'Merchant')
        version: 'KqlParameterItem/1.0'
        name: 'Merchant'
        type: 1
        value: ''
      }
    ]
    style: 'pills'
    queryType: 0
    resourceType: 'microsoft.operationalinsights/workspaces'
  }
}

var tables = [
  for (section, index) in sections: {
    type: 3
    name: 'section ${index + 1}'
    content: {
      version: 'KqlItem/1.0'
      title: section.title
      query: '${queryPrefix}${section.query}'
      size: 0
      timeContextFromParameter: 'TimeRange'
      queryType: 0
      resourceType: 'microsoft.operationalinsights/workspaces'
      visualization: section.visualization
    }
  }
]

var warning = {
  type: 1
  name: 'warning'
  content: {
    json: 'Nobody gets the alerts. Set alertEmails, alertPhones, alertWebhooks or alertActionGroupIds.'
    style: 'warning'
  }
}

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: workbookName
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: 'CGN OTP'
    category: 'workbook'
    version: 'Notebook/1.0'
    sourceId: workspaceId
    serializedData: string({
      version: 'Notebook/1.0'
      items: concat(tellsNobody ? [warning] : [], [parameters], tables)
      fallbackResourceIds: [workspaceId]
    })
  }
}
