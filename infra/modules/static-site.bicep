metadata description = 'Where the site of the guides, the contract and the problems is served: files, which `npm run site` writes.'

import { Tags } from '../types.bicep'

@description('Azure region that manages the site. The files are served from everywhere.')
param location string

@description('Tags of the resources.')
param tags Tags

@description('Name of the static web app.')
param siteName string

resource site 'Microsoft.Web/staticSites@2024-04-01' = {
  name: siteName
  location: location
  tags: tags
  sku: {
    name: 'Free'
    tier: 'Free'
  }
  properties: {
    // The files come by a command, and not from a repository.
    provider: 'Custom'
    // They bring staticwebapp.config.json, with the headers of every answer.
    allowConfigFileUpdates: true
    stagingEnvironmentPolicy: 'Disabled'
  }
}

@description('Host name of the site.')
output hostName string = site.properties.defaultHostname
