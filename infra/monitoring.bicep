metadata description = 'Who is told what goes wrong, and where to look: the alerts, the test from outside, and the workbook. docs/operate.md has a page for each alert.'

import { Receivers, Tags } from 'types.bicep'

@description('Azure region of the resources.')
param location string

@description('Tags of the resources.')
param tags Tags

@description('What the names of the alerts begin with.')
param alertPrefix string

@description('Name of the action group.')
param actionGroupName string

@description('Name of the test from outside.')
param webTestName string

@description('Name of the workbook: a GUID.')
param workbookName string

@description('Name of the Application Insights component.')
param applicationInsightsName string

@description('Id of the Log Analytics workspace with the lines of the service.')
param workspaceId string

@description('Id of the function app.')
param functionAppId string

@description('Most instances of the app.')
param maximumInstances int

@description('Id of the Azure Cosmos DB account.')
param cosmosDbId string

@description('Address of Status, under the name that callers use.')
param statusUrl string

@description('Who gets each alert. Nobody: they are seen in the portal only, and the workbook says so.')
param receivers Receivers

@description('Whether that is nobody.')
param tellsNobody bool

@description('Address of docs/operate.md as it is published: each alert leads to its page there.')
param runbookUrl string

@description('How long an OTP can be used, in seconds.')
param otpTtlInSeconds int

@description('From how many gigabytes of logs in a day on an alert says so.')
param logsAlertGbPerDay int

@description('From how many keys that are replaced or revoked within 15 minutes on an alert says so.')
param keysChangedAlertCount int

@description('Full hour in Italy from which on new codes are expected all the time: 0–24.')
@minValue(0)
@maxValue(24)
param busyFromHour int

@description('Full hour in Italy until which new codes are expected: 0–24. Not later than busyFromHour: never.')
@minValue(0)
@maxValue(24)
param busyToHour int

@description('Full hour in Italy at which the merchants\' portal opens: 0–24.')
@minValue(0)
@maxValue(24)
param portalFromHour int

@description('Full hour in Italy at which it closes: 0–24.')
@minValue(0)
@maxValue(24)
param portalToHour int

resource applicationInsights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: applicationInsightsName
}

resource actionGroup 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: actionGroupName
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'CGN OTP'
    enabled: true
    emailReceivers: [
      for (address, index) in receivers.emails: {
        name: 'e-mail ${index + 1}'
        emailAddress: address
        useCommonAlertSchema: true
      }
    ]
    smsReceivers: [
      for (phone, index) in receivers.phones: {
        name: 'phone ${index + 1}'
        countryCode: phone.countryCode
        phoneNumber: phone.number
      }
    ]
    webhookReceivers: [
      for (uri, index) in receivers.webhooks: {
        name: 'webhook ${index + 1}'
        serviceUri: uri
        useCommonAlertSchema: true
      }
    ]
  }
}

var actionGroupIds = concat([actionGroup.id], receivers.actionGroupIds)
// Our own, and those given.
var actionGroupIndexes = range(0, length(receivers.actionGroupIds) + 1)

// Each query is a file of its own, for the alerts and for the workbook. What all of them begin with is there once.
// infra/queries/parameters.kql has the same names, for a terminal.
var queryPrefix = 'let component = "${applicationInsights.id}";\nlet otp_ttl = ${otpTtlInSeconds}s;\nlet busy_from_hour = ${busyFromHour};\nlet busy_to_hour = ${busyToHour};\nlet portal_from_hour = ${portalFromHour};\nlet portal_to_hour = ${portalToHour};\nlet keys_changed_alert_count = ${keysChangedAlertCount};\nlet logs_alert_gb = ${logsAlertGbPerDay};\n${loadTextContent('queries/lines.kql')}'

// Severity: 0 the service is down, 1 customers are refused, 2 look today, 3 look this week.
//
// Each query returns a row for what is wrong, with its time, and nothing if all is well. A line arrives a minute or more after
// it was written. So the window is longer than the five minutes that most queries count by: a line that comes late is still
// counted when the next evaluation looks at the same minutes again. A query with a `range` looks further back.
var logAlerts = [
  {
    name: 'failures'
    title: 'more than 1 % of the calls fail'
    severity: 1
    dimension: ''
    range: ''
    query: loadTextContent('queries/failures.kql')
  }
  {
    name: 'slow-answers'
    title: 'one call in twenty takes longer than a second'
    severity: 2
    dimension: ''
    range: ''
    query: loadTextContent('queries/slow-answers.kql')
  }
  {
    name: 'internal-error'
    title: 'a bug showed'
    severity: 2
    dimension: ''
    range: ''
    query: loadTextContent('queries/internal-error.kql')
  }
  {
    name: 'service-unavailable'
    title: 'calls are answered 503'
    severity: 2
    dimension: ''
    range: ''
    query: loadTextContent('queries/service-unavailable.kql')
  }
  {
    name: 'no-codes-issued'
    title: 'no code was issued for 15 minutes, by day'
    severity: 1
    dimension: ''
    range: ''
    query: loadTextContent('queries/no-codes-issued.kql')
  }
  {
    name: 'no-codes-used'
    title: 'codes are issued, and none is used'
    severity: 1
    dimension: ''
    range: ''
    query: loadTextContent('queries/no-codes-used.kql')
  }
  {
    name: 'shops-refused'
    title: 'shops that had a key in force are answered 401 only'
    severity: 1
    dimension: ''
    range: 'P1D'
    query: loadTextContent('queries/shops-refused.kql')
  }
  {
    name: 'codes-unknown'
    title: 'most codes are unknown or expired'
    severity: 1
    dimension: ''
    range: ''
    query: loadTextContent('queries/codes-unknown.kql')
  }
  {
    name: 'refused-keys'
    title: 'many calls of a merchant come with a key that is not in force'
    severity: 3
    dimension: 'claimed_merchant_id'
    range: 'P1D'
    query: loadTextContent('queries/refused-keys.kql')
  }
  {
    name: 'keys-changed-out-of-hours'
    title: 'a key was replaced or revoked while the portal is closed'
    severity: 2
    dimension: 'merchant_id'
    range: ''
    query: loadTextContent('queries/keys-changed-out-of-hours.kql')
  }
  {
    name: 'many-keys-changed'
    title: 'many keys were replaced or revoked'
    severity: 1
    dimension: ''
    range: ''
    query: loadTextContent('queries/many-keys-changed.kql')
  }
  {
    name: 'telemetry-silent'
    title: 'the service logged nothing for 15 minutes'
    severity: 1
    dimension: ''
    range: ''
    query: loadTextContent('queries/telemetry-silent.kql')
  }
  {
    name: 'no-test-results'
    title: 'the test from outside gives no results'
    severity: 2
    dimension: ''
    range: ''
    query: loadTextContent('queries/no-test-results.kql')
  }
  {
    name: 'logs-intake'
    title: 'more logs than expected are kept, and paid for'
    severity: 3
    dimension: ''
    range: 'P2D'
    query: loadTextContent('queries/logs-intake.kql')
  }
]

resource logAlertRules 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [
  for alert in logAlerts: {
    name: '${alertPrefix}-${alert.name}'
    location: location
    tags: tags
    kind: 'LogAlert'
    properties: {
      displayName: 'CGN OTP: ${alert.title}'
      description: 'What to do: ${runbookUrl}#${alert.name}'
      severity: alert.severity
      enabled: true
      scopes: [workspaceId]
      // A new workspace has none of the tables until their first line arrives.
      skipQueryValidation: true
      evaluationFrequency: 'PT5M'
      windowSize: 'PT15M'
      overrideQueryTimeRange: empty(alert.range) ? null : alert.range
      criteria: {
        allOf: [
          {
            query: '${queryPrefix}${alert.query}'
            timeAggregation: 'Count'
            operator: 'GreaterThan'
            threshold: 0
            // One alert for each value, so that its message names it.
            dimensions: empty(alert.dimension)
              ? []
              : [
                  {
                    name: alert.dimension
                    operator: 'Include'
                    values: ['*']
                  }
                ]
            failingPeriods: {
              numberOfEvaluationPeriods: 1
              minFailingPeriodsToAlert: 1
            }
          }
        ]
      }
      // One message when it begins and one when it is over, and none every five minutes meanwhile.
      autoMitigate: true
      actions: {
        actionGroups: actionGroupIds
        customProperties: {
          runbook: '${runbookUrl}#${alert.name}'
        }
      }
    }
  }
]

// https://learn.microsoft.com/azure/azure-monitor/reference/supported-metrics/microsoft-documentdb-databaseaccounts-metrics
// https://learn.microsoft.com/azure/azure-monitor/reference/supported-metrics/microsoft-web-sites-metrics
var metricAlerts = [
  {
    // Calls that fail in the host, such as those of a worker that died, have no line of the service.
    name: 'platform-errors'
    title: 'the platform answered more than 20 calls in 5 minutes with 5xx'
    severity: 1
    window: 'PT5M'
    frequency: 'PT1M'
    scope: functionAppId
    namespace: 'Microsoft.Web/sites'
    metric: 'Http5xx'
    aggregation: 'Total'
    operator: 'GreaterThan'
    threshold: 20
    dimensions: []
  }
  {
    name: 'platform-saturated'
    title: 'the app runs on more than 80 % of the instances that it may have'
    severity: 1
    window: 'PT5M'
    frequency: 'PT1M'
    scope: functionAppId
    namespace: 'Microsoft.Web/sites'
    metric: 'InstanceCount'
    aggregation: 'Average'
    operator: 'GreaterThan'
    threshold: (maximumInstances * 8) / 10
    dimensions: []
  }
  {
    // A few at once are no trouble: Microsoft calls up to 5 % healthy. Each is a call that is answered 503.
    name: 'store-throttled'
    title: 'the store throttled more than 50 requests in 5 minutes'
    severity: 2
    window: 'PT5M'
    frequency: 'PT1M'
    scope: cosmosDbId
    namespace: 'Microsoft.DocumentDB/databaseAccounts'
    metric: 'TotalRequests'
    aggregation: 'Count'
    operator: 'GreaterThan'
    threshold: 50
    dimensions: [
      {
        name: 'StatusCode'
        operator: 'Include'
        values: ['429']
      }
    ]
  }
  {
    name: 'store-request-units'
    title: 'a partition of the store used more than 80 % of its request units'
    severity: 3
    window: 'PT5M'
    frequency: 'PT5M'
    scope: cosmosDbId
    namespace: 'Microsoft.DocumentDB/databaseAccounts'
    metric: 'NormalizedRUConsumption'
    aggregation: 'Maximum'
    operator: 'GreaterThan'
    threshold: 80
    dimensions: [
      {
        name: 'CollectionName'
        operator: 'Include'
        values: ['*']
      }
    ]
  }
  {
    name: 'store-unavailable'
    title: 'the store answered less than 99.9 % of the requests of an hour'
    severity: 1
    // It is measured by the hour.
    window: 'PT1H'
    frequency: 'PT15M'
    scope: cosmosDbId
    namespace: 'Microsoft.DocumentDB/databaseAccounts'
    metric: 'ServiceAvailability'
    aggregation: 'Average'
    operator: 'LessThan'
    threshold: json('99.9')
    dimensions: []
  }
  {
    name: 'store-failover'
    title: 'the store has another write region'
    severity: 1
    window: 'PT5M'
    frequency: 'PT5M'
    scope: cosmosDbId
    namespace: 'Microsoft.DocumentDB/databaseAccounts'
    metric: 'RegionFailover'
    aggregation: 'Count'
    operator: 'GreaterThan'
    threshold: 0
    dimensions: []
  }
]

resource metricAlertRules 'Microsoft.Insights/metricAlerts@2018-03-01' = [
  for alert in metricAlerts: {
    name: '${alertPrefix}-${alert.name}'
    location: 'global'
    tags: tags
    properties: {
      description: 'CGN OTP: ${alert.title}. What to do: ${runbookUrl}#${alert.name}'
      severity: alert.severity
      enabled: true
      scopes: [alert.scope]
      evaluationFrequency: alert.frequency
      windowSize: alert.window
      criteria: {
        'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
        allOf: [
          {
            name: alert.name
            criterionType: 'StaticThresholdCriterion'
            metricNamespace: alert.namespace
            metricName: alert.metric
            timeAggregation: alert.aggregation
            operator: alert.operator
            threshold: alert.threshold
            dimensions: alert.dimensions
            // A resource that has not measured anything yet does not have the metric.
            skipMetricValidation: true
          }
        ]
      }
      autoMitigate: true
      actions: [
        for index in actionGroupIndexes: {
          actionGroupId: index == 0 ? actionGroup.id : receivers.actionGroupIds[index - 1]
          webHookProperties: {
            runbook: '${runbookUrl}#${alert.name}'
          }
        }
      ]
    }
  }
]

// What Azure itself says. https://learn.microsoft.com/azure/azure-monitor/alerts/activity-log-alerts
var activityAlerts = [
  {
    // The metric of the store's availability comes once an hour. Azure says within minutes when it finds a resource unhealthy.
    name: 'resource-unhealthy'
    title: 'Azure says that a resource is not healthy'
    scope: resourceGroup().id
    category: 'ResourceHealth'
    field: 'properties.currentHealthStatus'
    values: ['Unavailable', 'Degraded']
    status: []
  }
  {
    name: 'azure-trouble'
    title: 'Azure says that one of its services has trouble, will have, or asks for something'
    scope: subscription().id
    category: 'ServiceHealth'
    field: 'properties.incidentType'
    values: ['Incident', 'Maintenance', 'ActionRequired', 'Security']
    status: []
  }
  {
    name: 'resource-deleted'
    title: 'somebody deleted what keeps codes, keys, secrets or logs'
    scope: resourceGroup().id
    category: 'Administrative'
    field: 'operationName'
    values: [
      'Microsoft.DocumentDB/databaseAccounts/delete'
      'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/delete'
      'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers/delete'
      'Microsoft.KeyVault/vaults/delete'
      'Microsoft.OperationalInsights/workspaces/delete'
      'Microsoft.Storage/storageAccounts/blobServices/containers/delete'
      'Microsoft.Storage/storageAccounts/delete'
    ]
    status: [
      {
        field: 'status'
        equals: 'Succeeded'
      }
    ]
  }
]

resource activityAlertRules 'Microsoft.Insights/activityLogAlerts@2020-10-01' = [
  for alert in activityAlerts: {
    name: '${alertPrefix}-${alert.name}'
    location: 'global'
    tags: tags
    properties: {
      description: 'CGN OTP: ${alert.title}. What to do: ${runbookUrl}#${alert.name}'
      enabled: true
      scopes: [alert.scope]
      condition: {
        allOf: concat(
          [
            {
              field: 'category'
              equals: alert.category
            }
            {
              anyOf: map(alert.values, value => {
                field: alert.field
                equals: value
              })
            }
          ],
          alert.status
        )
      }
      actions: {
        actionGroups: [
          for index in actionGroupIndexes: {
            actionGroupId: index == 0 ? actionGroup.id : receivers.actionGroupIds[index - 1]
            webhookProperties: {
              runbook: '${runbookUrl}#${alert.name}'
            }
          }
        ]
      }
    }
  }
]

// Five places in Europe. Their names are older than where they stand today:
// https://learn.microsoft.com/azure/azure-monitor/app/availability#location-population-tags
var webTestLocations = [
  'emea-nl-ams-azr'
  'emea-fr-pra-edge'
  'emea-gb-db3-azr'
  'emea-ru-msa-edge'
  'emea-se-sto-edge'
]

resource webTest 'Microsoft.Insights/webtests@2022-06-15' = {
  name: webTestName
  location: location
  // By this the portal shows it with its component.
  tags: union(tags, {
    'hidden-link:${applicationInsights.id}': 'Resource'
  })
  kind: 'standard'
  properties: {
    SyntheticMonitorId: webTestName
    Name: 'CGN OTP: Status'
    Description: 'Whether Status says that the service is up, as seen from outside Azure\'s network.'
    Enabled: true
    Kind: 'standard'
    Frequency: 300
    Timeout: 30
    // One lost packet is no outage.
    RetryEnabled: true
    Locations: [
      for place in webTestLocations: {
        Id: place
      }
    ]
    Request: {
      RequestUrl: statusUrl
      HttpVerb: 'GET'
      FollowRedirects: false
      ParseDependentRequests: false
    }
    ValidationRules: {
      ExpectedHttpStatusCode: 200
      ContentValidation: {
        ContentMatch: '"status":"up"'
        PassIfTextFound: true
      }
      SSLCheck: true
      SSLCertRemainingLifetimeCheck: 7
    }
  }
}

resource statusAlert 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: '${alertPrefix}-status-down'
  location: 'global'
  tags: tags
  properties: {
    description: 'CGN OTP: Status is down as seen from at least 3 of ${length(webTestLocations)} places. What to do: ${runbookUrl}#status-down'
    severity: 0
    enabled: true
    scopes: [webTest.id, applicationInsights.id]
    evaluationFrequency: 'PT1M'
    windowSize: 'PT5M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.WebtestLocationAvailabilityCriteria'
      webTestId: webTest.id
      componentId: applicationInsights.id
      // Two places at once are often the net: https://learn.microsoft.com/azure/azure-monitor/app/availability-alerts
      failedLocationCount: 3
    }
    autoMitigate: true
    actions: [
      for index in actionGroupIndexes: {
        actionGroupId: index == 0 ? actionGroup.id : receivers.actionGroupIds[index - 1]
        webHookProperties: {
          runbook: '${runbookUrl}#status-down'
        }
      }
    ]
  }
}

module workbook 'modules/workbook.bicep' = {
  params: {
    location: location
    tags: tags
    workbookName: workbookName
    tellsNobody: tellsNobody
    workspaceId: workspaceId
    queryPrefix: queryPrefix
  }
}
