metadata description = 'What stands in front of the app: an API Management instance that limits calls, and serves the service and the site under one name.'

import { Tags } from '../types.bicep'

@description('Azure region of the gateway: that of its subnet.')
param location string

@description('Tags of the resources.')
param tags Tags

@description('Name of the gateway: the first label of the address that Azure gives it.')
param gatewayName string

@description('Tier: one that reaches the app through a subnet.')
@allowed(['StandardV2', 'PremiumV2'])
param tier string

@description('Units: 1–10.')
@minValue(1)
@maxValue(10)
param units int

@description('Address that API Management writes to.')
param publisherEmail string

@description('Id of the subnet through which it calls the app.')
param subnetId string

@description('Host name of the app that gets the calls.')
param appHostName string

@description('Whether there is a site.')
param hasSite bool

@description('Host name of the site. Empty: there is none.')
param siteHostName string

@description('Most calls in 10 seconds with one API key, and most from one address.')
param callsIn10Seconds int

@description('Addresses that are not limited.')
param unlimitedAddresses string[]

@description('Custom domain. Empty: none.')
param customHostName string

@description('URI of its certificate in a key vault.')
param certificateSecretUri string

// An identity of its own: it may read its certificate, and nothing else.
resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: 'id-${gatewayName}'
  location: location
  tags: tags
}

resource gateway 'Microsoft.ApiManagement/service@2024-05-01' = {
  name: gatewayName
  location: location
  tags: tags
  sku: {
    name: tier
    capacity: units
  }
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identity.id}': {}
    }
  }
  properties: {
    publisherEmail: publisherEmail
    publisherName: 'CGN OTP'
    publicNetworkAccess: 'Enabled'
    // Outbound only: https://learn.microsoft.com/azure/api-management/integrate-vnet-outbound
    virtualNetworkType: 'External'
    virtualNetworkConfiguration: {
      subnetResourceId: subnetId
    }
    developerPortalStatus: 'Disabled'
    legacyPortalStatus: 'Disabled'
    apiVersionConstraint: {
      minApiVersion: '2021-08-01'
    }
    hostnameConfigurations: empty(customHostName)
      ? null
      : [
          {
            type: 'Proxy'
            hostName: customHostName
            keyVaultId: certificateSecretUri
            identityClientId: identity.properties.clientId
            defaultSslBinding: true
            negotiateClientCertificate: false
          }
        ]
  }

  resource service 'apis' = {
    name: 'service'
    properties: {
      displayName: 'CGN OTP'
      description: 'The service: openapi.yaml describes it.'
      path: 'api'
      protocols: ['https']
      serviceUrl: 'https://${appHostName}/api'
      subscriptionRequired: false
      // Or the gateway could take Ocp-Apim-Subscription-Key, a merchant's API key, for one of its own. Nobody documents what it does
      // with one that it does not know.
      subscriptionKeyParameterNames: {
        header: 'x-gateway-subscription-key'
        query: 'gateway-subscription-key'
      }
    }

    resource policy 'policies' = {
      name: 'policy'
      properties: {
        format: 'xml'
        value: replace(
          replace(loadTextContent('../policies/service.xml'), '"CALLS"', '"${callsIn10Seconds}"'),
          'ADDRESSES,',
          '${join(unlimitedAddresses, ',')},'
        )
      }
    }

    // All methods: the service says itself what is not there.
    resource operations 'operations' = [
      for method in ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']: {
        name: toLower(method)
        properties: {
          displayName: method
          method: method
          urlTemplate: '/*'
        }
      }
    ]
  }

  // The type of a problem is an address under the name of the service, which leads to its page.
  resource site 'apis' = if (hasSite) {
    name: 'site'
    properties: {
      displayName: 'The site'
      description: 'The guides, the contract and the problems.'
      path: ''
      protocols: ['https']
      serviceUrl: 'https://${siteHostName}'
      subscriptionRequired: false
    }

    resource operations 'operations' = [
      for method in ['GET', 'HEAD']: {
        name: toLower(method)
        properties: {
          displayName: method
          method: method
          urlTemplate: '/*'
        }
      }
    ]
  }
}

@description('Host name that Azure gives the gateway.')
output hostName string = '${gatewayName}.azure-api.net'
