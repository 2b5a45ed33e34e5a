metadata description = 'A private endpoint: the address of one resource inside the virtual network, and its name there.'

import { Tags } from '../types.bicep'

@description('Azure region of the endpoint: that of the virtual network.')
param location string

@description('Tags of the resources.')
param tags Tags

@description('Name of the private endpoint.')
param privateEndpointName string

@description('Id of the resource that it leads to.')
param targetId string

@description('Which part of the resource it leads to, as https://learn.microsoft.com/azure/private-link/private-endpoint-overview#private-link-resource calls it.')
@allowed(['Sql', 'vault', 'blob'])
param groupId string

@description('Id of the subnet that it stands in.')
param subnetId string

@description('Id of the resource group with the private DNS zone that takes its name. Empty: somebody else gives it one.')
param dnsZonesGroupId string

// The zones that Azure documents for each kind of resource:
// https://learn.microsoft.com/azure/private-link/private-endpoint-dns
var zoneNames = {
  Sql: 'privatelink.documents.azure.com'
  vault: 'privatelink.vaultcore.azure.net'
  blob: 'privatelink.blob.${environment().suffixes.storage}'
}

resource privateEndpoint 'Microsoft.Network/privateEndpoints@2025-01-01' = {
  name: privateEndpointName
  location: location
  tags: tags
  properties: {
    subnet: {
      id: subnetId
    }
    customNetworkInterfaceName: 'nic-${privateEndpointName}'
    privateLinkServiceConnections: [
      {
        name: groupId
        properties: {
          privateLinkServiceId: targetId
          groupIds: [groupId]
        }
      }
    ]
  }
}

resource zoneGroup 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2025-01-01' = if (!empty(dnsZonesGroupId)) {
  parent: privateEndpoint
  name: 'default'
  properties: {
    privateDnsZoneConfigs: [
      {
        name: groupId
        properties: {
          privateDnsZoneId: resourceId(
            split(dnsZonesGroupId, '/')[2],
            split(dnsZonesGroupId, '/')[4],
            'Microsoft.Network/privateDnsZones',
            zoneNames[groupId]
          )
        }
      }
    ]
  }
}
