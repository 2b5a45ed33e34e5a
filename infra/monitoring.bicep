metadata description = 'Who is told what goes wrong, and where to look: the alerts, the test from outside, and the workbook. docs/operate.md has a page for each alert.'

@description('Azure region of the resources.')
param location string

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

@description('Id of the Azure Cosmos DB account.')
param cosmosDbId string

@description('Address of Status.')
param statusUrl string

@description('Who gets an e-mail of each alert. Empty: nobody, and alerts are seen in the portal only.')
param alertEmails string[]

@description('Address of docs/operate.md as it is published: each alert leads to its page there.')
param runbookUrl string

@description('How long an OTP can be used, in seconds.')
param otpTtlInSeconds int

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
  properties: {
    groupShortName: 'CGN OTP'
    enabled: true
    emailReceivers: [
      for (address, index) in alertEmails: {
        name: 'e-mail ${index + 1}'
        emailAddress: address
        useCommonAlertSchema: true
      }
    ]
  }
}

// Each query is a file of its own, for the alerts and for the workbook. What all of them begin with is there once.
var queryPrefix = 'let otp_ttl = ${otpTtlInSeconds}s;\nlet busy_from_hour = ${busyFromHour};\nlet busy_to_hour = ${busyToHour};\nlet portal_from_hour = ${portalFromHour};\nlet portal_to_hour = ${portalToHour};\n${loadTextContent('queries/lines.kql')}'

// Severity: 0 the service is down, 1 customers are refused, 2 look today, 3 look this week.
//
// Each query returns a row for what is wrong, with its time, and nothing if all is well. A line arrives a minute or more after
// it was written. So the window is longer than the five minutes that most queries count by: a line that comes late is still
// counted when the next evaluation looks at the same minutes again.
var logAlerts = [
  {
    name: 'failures'
    title: 'more than 1 % of the calls fail'
    severity: 1
    dimension: ''
    query: loadTextContent('queries/failures.kql')
  }
  {
    name: 'slow-answers'
    title: 'one call in twenty takes longer than a second'
    severity: 2
    dimension: ''
    query: loadTextContent('queries/slow-answers.kql')
  }
  {
    name: 'internal-error'
    title: 'a bug showed'
    severity: 2
    dimension: ''
    query: loadTextContent('queries/internal-error.kql')
  }
  {
    name: 'service-unavailable'
    title: 'calls are answered 503'
    severity: 2
    dimension: ''
    query: loadTextContent('queries/service-unavailable.kql')
  }
  {
    name: 'no-codes-issued'
    title: 'no code was issued for 15 minutes, by day'
    severity: 1
    dimension: ''
    query: loadTextContent('queries/no-codes-issued.kql')
  }
  {
    name: 'refused-keys'
    title: 'many calls in the name of one merchant come with a key that is not in force'
    severity: 3
    dimension: 'claimed_merchant_id'
    query: loadTextContent('queries/refused-keys.kql')
  }
  {
    name: 'keys-changed-out-of-hours'
    title: 'a key was replaced or revoked while the portal is closed'
    severity: 2
    dimension: 'merchant_id'
    query: loadTextContent('queries/keys-changed-out-of-hours.kql')
  }
]

resource logAlertRules 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [
  for alert in logAlerts: {
    name: '${alertPrefix}-${alert.name}'
    location: location
    kind: 'LogAlert'
    properties: {
      displayName: 'CGN OTP: ${alert.title}'
      description: 'What to do: ${runbookUrl}#${alert.name}'
      severity: alert.severity
      enabled: true
      scopes: [workspaceId]
      evaluationFrequency: 'PT5M'
      windowSize: 'PT15M'
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
        actionGroups: [actionGroup.id]
        customProperties: {
          runbook: '${runbookUrl}#${alert.name}'
        }
      }
    }
  }
]

// https://learn.microsoft.com/azure/azure-monitor/reference/supported-metrics/microsoft-documentdb-databaseaccounts-metrics
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
    name: 'store-throttled'
    title: 'the store throttles requests'
    severity: 2
    window: 'PT5M'
    frequency: 'PT1M'
    scope: cosmosDbId
    namespace: 'Microsoft.DocumentDB/databaseAccounts'
    metric: 'TotalRequests'
    aggregation: 'Count'
    operator: 'GreaterThan'
    threshold: 0
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
          }
        ]
      }
      autoMitigate: true
      actions: [
        {
          actionGroupId: actionGroup.id
          webHookProperties: {
            runbook: '${runbookUrl}#${alert.name}'
          }
        }
      ]
    }
  }
]

// The metric of the store's availability comes once an hour. Azure says within minutes when it finds the account itself unhealthy.
resource storeHealthAlert 'Microsoft.Insights/activityLogAlerts@2020-10-01' = {
  name: '${alertPrefix}-store-unhealthy'
  location: 'global'
  properties: {
    description: 'CGN OTP: Azure says that the store is not healthy. What to do: ${runbookUrl}#store-unhealthy'
    enabled: true
    scopes: [cosmosDbId]
    condition: {
      allOf: [
        {
          field: 'category'
          equals: 'ResourceHealth'
        }
        {
          anyOf: [
            {
              field: 'properties.currentHealthStatus'
              equals: 'Unavailable'
            }
            {
              field: 'properties.currentHealthStatus'
              equals: 'Degraded'
            }
          ]
        }
      ]
    }
    actions: {
      actionGroups: [
        {
          actionGroupId: actionGroup.id
          webhookProperties: {
            runbook: '${runbookUrl}#store-unhealthy'
          }
        }
      ]
    }
  }
}

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
  tags: {
    'hidden-link:${applicationInsights.id}': 'Resource'
  }
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
  properties: {
    description: 'CGN OTP: Status is down as seen from at least 2 of ${length(webTestLocations)} places. What to do: ${runbookUrl}#status-down'
    severity: 0
    enabled: true
    scopes: [webTest.id, applicationInsights.id]
    evaluationFrequency: 'PT1M'
    windowSize: 'PT5M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.WebtestLocationAvailabilityCriteria'
      webTestId: webTest.id
      componentId: applicationInsights.id
      failedLocationCount: 2
    }
    autoMitigate: true
    actions: [
      {
        actionGroupId: actionGroup.id
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
    workbookName: workbookName
    workspaceId: workspaceId
    queryPrefix: queryPrefix
  }
}
