metadata description = 'The regions of an account that is there already, for a deployment that leaves them as they are.'

import { Region } from '../types.bicep'

@description('Name of the account.')
param accountName string

resource account 'Microsoft.DocumentDB/databaseAccounts@2025-10-15' existing = {
  name: accountName
}

@description('Its regions, as a deployment of the account takes them.')
output locations Region[] = map(account.properties.locations, region => {
  locationName: region.locationName
  failoverPriority: region.failoverPriority
  isZoneRedundant: region.isZoneRedundant
})
