metadata description = 'OTP_SECRET, made once, in the vault and nowhere else.'

import { Tags } from '../types.bicep'

@description('Tags of the resources.')
param tags Tags

@description('Name of the vault.')
param vaultName string

@description('Name of the secret.')
param secretName string

@description('After how many days it is marked as expired: 0 for never.')
@minValue(0)
@maxValue(3650)
param validityInDays int

@description('Now. Not to be given.')
param now string = utcNow()

// Azure Resource Manager makes up these values while it deploys this module, and nobody hands them in: there is nothing to put
// into a parameter file, a pipeline or a shell's history. They are secure, so that the history of deployments keeps none.
// A GUID of version 4 has 122 random bits. These are three, and 366 bits are more than the 256 that the service asks for.
@description('Random. Not to be given.')
@secure()
param first string = newGuid()

@description('Random. Not to be given.')
@secure()
param second string = newGuid()

@description('Random. Not to be given.')
@secure()
param third string = newGuid()

resource vault 'Microsoft.KeyVault/vaults@2026-02-01' existing = {
  name: vaultName
}

// A second deployment makes up other values, and leaves the secret as it is:
// https://learn.microsoft.com/azure/azure-resource-manager/bicep/resource-declaration#onlyifnotexists-decorator
@onlyIfNotExists()
resource secret 'Microsoft.KeyVault/vaults/secrets@2026-02-01' = {
  parent: vault
  name: secretName
  tags: tags
  properties: {
    contentType: 'base64: what OTPs are derived from'
    // shared/config.ts takes base64 of at least 32 bytes. This is base64 of 108.
    attributes: validityInDays == 0
      ? null
      : {
          exp: dateTimeToEpoch(dateTimeAdd(now, 'P${validityInDays}D'))
        }
    value: base64('${first}${second}${third}')
  }
}
