metadata description = 'What parameters are made of.'

@export()
@description('Tags of a resource.')
type Tags = {
  @description('A tag.')
  *: string
}

@export()
@description('Somebody who may call the app: one of the three.')
type Caller = {
  @description('A name for the rule, up to 32 characters.')
  @maxLength(32)
  name: string

  @description('Addresses in CIDR notation, such as 203.0.113.7/32.')
  ipAddress: string?

  @description('Id of a subnet with the service endpoint Microsoft.Web.')
  subnetId: string?

  @description('Id of a Front Door, which it sends as X-Azure-FDID: a GUID.')
  frontDoorId: string?
}

@export()
@description('A region of the store.')
type Region = {
  @description('Its name.')
  locationName: string

  @description('0 for the one that takes the writes, and then in the order in which they would take them over.')
  failoverPriority: int

  @description('Whether its copy is spread over availability zones.')
  isZoneRedundant: bool
}

@export()
@description('A telephone.')
type Phone = {
  @description('The country code, such as 39.')
  countryCode: string

  @description('The number.')
  number: string
}

@export()
@description('Who gets each alert.')
type Receivers = {
  @description('Addresses for e-mail.')
  emails: string[]

  @description('Telephones for text messages.')
  phones: Phone[]

  @description('Webhooks.')
  webhooks: string[]

  @description('Ids of action groups.')
  actionGroupIds: string[]
}
