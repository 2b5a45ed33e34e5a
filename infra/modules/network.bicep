metadata description = 'The virtual network through which the app reaches the store, the vault and the storage account, and the names by which it finds them there.'

@description('Azure region of the resources.')
param location string

@description('Name of the virtual network.')
param virtualNetworkName string

@description('Address range of the virtual network, in CIDR notation: /16 to /26. It is cut in two: one half for the app, one for the private endpoints.')
param addressPrefix string

var appSubnetName = 'snet-app'
var privateEndpointsSubnetName = 'snet-private-endpoints'
var half = parseCidr(addressPrefix).cidr + 1

// The zones that Azure documents for each kind of resource:
// https://learn.microsoft.com/azure/private-link/private-endpoint-dns
var zoneNames = {
  cosmosDb: 'privatelink.documents.azure.com'
  keyVault: 'privatelink.vaultcore.azure.net'
  blob: 'privatelink.blob.${environment().suffixes.storage}'
}

resource virtualNetwork 'Microsoft.Network/virtualNetworks@2025-01-01' = {
  name: virtualNetworkName
  location: location
  properties: {
    addressSpace: {
      addressPrefixes: [addressPrefix]
    }
    // Subnets that are resources of their own would be taken away and put back by each deployment of the network.
    subnets: [
      {
        name: appSubnetName
        properties: {
          addressPrefix: cidrSubnet(addressPrefix, half, 0)
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
        name: privateEndpointsSubnetName
        properties: {
          addressPrefix: cidrSubnet(addressPrefix, half, 1)
        }
      }
    ]
  }
}

resource zones 'Microsoft.Network/privateDnsZones@2024-06-01' = [
  for zone in items(zoneNames): {
    name: zone.value
    location: 'global'
  }
]

resource zoneLinks 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [
  for (zone, index) in items(zoneNames): {
    parent: zones[index]
    name: virtualNetworkName
    location: 'global'
    properties: {
      virtualNetwork: {
        id: virtualNetwork.id
      }
      registrationEnabled: false
    }
  }
]

@description('Id of the subnet of the app.')
output appSubnetId string = resourceId('Microsoft.Network/virtualNetworks/subnets', virtualNetwork.name, appSubnetName)

@description('Id of the subnet of the private endpoints.')
output privateEndpointsSubnetId string = resourceId(
  'Microsoft.Network/virtualNetworks/subnets',
  virtualNetwork.name,
  privateEndpointsSubnetName
)

@description('Ids of the private DNS zones, by the kind of resource whose names they hold.')
output zoneIds ZoneIds = {
  cosmosDb: resourceId('Microsoft.Network/privateDnsZones', zoneNames.cosmosDb)
  keyVault: resourceId('Microsoft.Network/privateDnsZones', zoneNames.keyVault)
  blob: resourceId('Microsoft.Network/privateDnsZones', zoneNames.blob)
}

@description('Ids of the private DNS zones.')
type ZoneIds = {
  @description('Of Azure Cosmos DB accounts.')
  cosmosDb: string
  @description('Of key vaults.')
  keyVault: string
  @description('Of the blobs of storage accounts.')
  blob: string
}
