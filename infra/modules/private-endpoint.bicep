metadata description = 'A private endpoint: the address of one resource inside the virtual network, and its name there.'

@description('Azure region of the endpoint: that of the virtual network.')
param location string

@description('Name of the private endpoint.')
param privateEndpointName string

@description('Id of the resource that it leads to.')
param resourceId string

@description('Which part of the resource it leads to, as https://learn.microsoft.com/azure/private-link/private-endpoint-overview#private-link-resource calls it.')
@allowed(['Sql', 'vault', 'blob'])
param groupId string

@description('Id of the subnet that it stands in.')
param subnetId string

@description('Id of the private DNS zone that takes its name.')
param zoneId string

resource privateEndpoint 'Microsoft.Network/privateEndpoints@2025-01-01' = {
  name: privateEndpointName
  location: location
  properties: {
    subnet: {
      id: subnetId
    }
    customNetworkInterfaceName: 'nic-${privateEndpointName}'
    privateLinkServiceConnections: [
      {
        name: groupId
        properties: {
          privateLinkServiceId: resourceId
          groupIds: [groupId]
        }
      }
    ]
  }
}

resource zoneGroup 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2025-01-01' = {
  parent: privateEndpoint
  name: 'default'
  properties: {
    privateDnsZoneConfigs: [
      {
        name: groupId
        properties: {
          privateDnsZoneId: zoneId
        }
      }
    ]
  }
}
