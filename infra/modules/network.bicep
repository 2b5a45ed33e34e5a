metadata description = 'The virtual network through which the app reaches the store, the vault and the storage account, and the names by which it finds them there.'

import { Tags } from '../types.bicep'

@description('Azure region of the resources.')
param location string

@description('Tags of the resources.')
param tags Tags

@description('Name of the virtual network.')
param virtualNetworkName string

@description('Address range of the virtual network, in CIDR notation: /16 to /26. One half is the app\'s, a quarter the private endpoints\', and a quarter the gateway\'s if there is one.')
param addressPrefix string

@description('Whether the app reaches its private endpoints, Microsoft Entra ID and Azure Monitor, and nothing else.')
param isEgressClosed bool

@description('Whether there is a gateway in front of the app.')
param hasGateway bool

var half = parseCidr(addressPrefix).cidr + 1
var quarter = half + 1

var denyOther = {
  priority: 4096
  protocol: '*'
  access: 'Deny'
  sourceAddressPrefix: '*'
  sourcePortRange: '*'
  destinationAddressPrefix: '*'
  destinationPortRange: '*'
}
var denyInbound = {
  name: 'deny-other-inbound'
  properties: union(denyOther, { direction: 'Inbound' })
}
var denyOutbound = {
  name: 'deny-other-outbound'
  properties: union(denyOther, { direction: 'Outbound' })
}
// What the app calls: its private endpoints are in the network, tokens come from Microsoft Entra ID, telemetry goes to Azure
// Monitor. Names of Azure's own resolver are not subject to these rules.
var appDestinations = ['VirtualNetwork', 'AzureActiveDirectory', 'AzureMonitor']

resource appSecurityGroup 'Microsoft.Network/networkSecurityGroups@2025-01-01' = {
  name: 'nsg-app-${virtualNetworkName}'
  location: location
  tags: tags
  properties: {
    securityRules: concat(
      map(appDestinations, (destination, index) => {
        name: 'allow-${destination}'
        properties: {
          priority: 100 + index
          direction: 'Outbound'
          protocol: 'Tcp'
          access: 'Allow'
          sourceAddressPrefix: 'VirtualNetwork'
          sourcePortRange: '*'
          destinationAddressPrefix: destination
          // Azure Cosmos DB also answers on ports of its own: https://learn.microsoft.com/azure/cosmos-db/sdk-connection-modes
          destinationPortRange: destination == 'VirtualNetwork' ? '*' : '443'
        }
      }),
      isEgressClosed ? [denyOutbound] : []
    )
  }
}

// A private endpoint answers, and calls nobody.
resource privateEndpointsSecurityGroup 'Microsoft.Network/networkSecurityGroups@2025-01-01' = {
  name: 'nsg-pep-${virtualNetworkName}'
  location: location
  tags: tags
  properties: {
    securityRules: [
      {
        name: 'allow-app'
        properties: {
          priority: 100
          direction: 'Inbound'
          protocol: 'Tcp'
          access: 'Allow'
          sourceAddressPrefix: cidrSubnet(addressPrefix, half, 0)
          sourcePortRange: '*'
          destinationAddressPrefix: '*'
          destinationPortRange: '*'
        }
      }
      denyInbound
      denyOutbound
    ]
  }
}

resource gatewaySecurityGroup 'Microsoft.Network/networkSecurityGroups@2025-01-01' = if (hasGateway) {
  name: 'nsg-gateway-${virtualNetworkName}'
  location: location
  tags: tags
  properties: {
    // The gateway calls the app and the site by their public names, and its vault by the network of Azure:
    // https://learn.microsoft.com/azure/api-management/integrate-vnet-outbound
    securityRules: [denyInbound]
  }
}

resource virtualNetwork 'Microsoft.Network/virtualNetworks@2025-01-01' = {
  name: virtualNetworkName
  location: location
  tags: tags
  properties: {
    addressSpace: {
      addressPrefixes: [addressPrefix]
    }
    // Subnets that are resources of their own would be taken away and put back by each deployment of the network.
    subnets: concat(
      [
        {
          name: 'snet-app'
          properties: {
            addressPrefix: cidrSubnet(addressPrefix, half, 0)
            networkSecurityGroup: {
              id: appSecurityGroup.id
            }
            // What Flex Consumption asks of its subnet:
            // https://learn.microsoft.com/azure/azure-functions/flex-consumption-how-to#enable-virtual-network-integration
            delegations: [
              {
                name: 'flex-consumption'
                properties: {
                  serviceName: 'Microsoft.App/environments'
                }
              }
            ]
          }
        }
        {
          name: 'snet-private-endpoints'
          properties: {
            // The same with and without a gateway: Azure changes no subnet that is in use.
            addressPrefix: cidrSubnet(addressPrefix, quarter, 2)
            networkSecurityGroup: {
              id: privateEndpointsSecurityGroup.id
            }
            // Without this the rules of the security group do not apply to private endpoints.
            privateEndpointNetworkPolicies: 'NetworkSecurityGroupEnabled'
          }
        }
      ],
      hasGateway
        ? [
            {
              name: 'snet-gateway'
              properties: {
                addressPrefix: cidrSubnet(addressPrefix, quarter, 3)
                networkSecurityGroup: {
                  id: gatewaySecurityGroup.id
                }
                // By this the app knows the gateway, and the gateway its way to the app.
                serviceEndpoints: [
                  {
                    service: 'Microsoft.Web'
                  }
                ]
                delegations: [
                  {
                    name: 'api-management'
                    properties: {
                      serviceName: 'Microsoft.Web/serverFarms'
                    }
                  }
                ]
              }
            }
          ]
        : []
    )
  }
}

// The zones that Azure documents for each kind of resource:
// https://learn.microsoft.com/azure/private-link/private-endpoint-dns
var zoneNames = [
  'privatelink.documents.azure.com'
  'privatelink.vaultcore.azure.net'
  'privatelink.blob.${environment().suffixes.storage}'
]

resource zones 'Microsoft.Network/privateDnsZones@2024-06-01' = [
  for zone in zoneNames: {
    name: zone
    location: 'global'
    tags: tags
  }
]

resource zoneLinks 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [
  for (zone, index) in zoneNames: {
    parent: zones[index]
    name: virtualNetworkName
    location: 'global'
    tags: tags
    properties: {
      virtualNetwork: {
        id: virtualNetwork.id
      }
      registrationEnabled: false
    }
  }
]

@description('Id of the subnet of the app.')
output appSubnetId string = resourceId('Microsoft.Network/virtualNetworks/subnets', virtualNetwork.name, 'snet-app')

@description('Id of the subnet of the private endpoints.')
output privateEndpointsSubnetId string = resourceId(
  'Microsoft.Network/virtualNetworks/subnets',
  virtualNetwork.name,
  'snet-private-endpoints'
)

@description('Id of the subnet of the gateway. Empty: there is none.')
output gatewaySubnetId string = hasGateway
  ? resourceId('Microsoft.Network/virtualNetworks/subnets', virtualNetwork.name, 'snet-gateway')
  : ''
