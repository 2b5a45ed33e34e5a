/** What docs/azure-rules.md calls a pass is one, on the compiled template. */
import { readFileSync } from "node:fs";
import {
  at,
  deploy,
  parseJson,
  templatesIn,
  toArray,
  toObject,
  toText,
  type Deployed,
  type Json,
  type JsonObject,
} from "../support/arm-template";

const template = parseJson(readFileSync("infra/main.json", "utf8"));
/** With all that can be chosen beside the default. */
const resources = deploy(template, {
  ...{ gatewayTier: "StandardV2", gatewayEmail: "owner@example.org", siteLocation: "westeurope" },
  tags: { owner: "cgn" },
});

const all = (type: string): readonly Deployed[] => resources.filter((each) => each.type === type);
const every = (
  type: string,
  isRight: (properties: Json | undefined, body: JsonObject, name: string) => boolean,
): boolean =>
  all(type).length > 0 && all(type).every(({ body, name }) => isRight(at(body, "properties"), body, name));
const has =
  (value: Json, ...path: readonly (string | number)[]) =>
  (properties: Json | undefined): boolean =>
    JSON.stringify(at(properties, ...path)) === JSON.stringify(value);
const named = (type: string, pattern: RegExp): boolean =>
  every(type, (_properties, _body, name) => pattern.test(name));
const alerts = (name: string): string =>
  JSON.stringify(resources.filter((each) => each.name.endsWith(`-${name}`)).map(({ body }) => body));
const metricOf = (name: string): Json | undefined =>
  at(parseJson(alerts(name).slice(1, -1)), "properties", "criteria", "allOf", 0, "metricName");

const cosmosDb = "Microsoft.DocumentDB/databaseAccounts";
const vault = "Microsoft.KeyVault/vaults";
const storage = "Microsoft.Storage/storageAccounts";
const blobs = "Microsoft.Storage/storageAccounts/blobServices";
const app = "Microsoft.Web/sites";
const plan = "Microsoft.Web/serverfarms";
const insights = "Microsoft.Insights/components";
const workspace = "Microsoft.OperationalInsights/workspaces";
const network = "Microsoft.Network/virtualNetworks";
const group = "Microsoft.Network/networkSecurityGroups";
const gateway = "Microsoft.ApiManagement/service";
const endpoint = "Microsoft.Network/privateEndpoints";

const outputs = templatesIn(template).flatMap(({ outputs: each = {} }) => Object.values(toObject(each)));
const parameters = templatesIn(template).flatMap(({ parameters: each = {} }) =>
  Object.entries(toObject(each)),
);
const subnets = all(network).flatMap(({ body }) => toArray(at(body, "properties", "subnets")));
const rules = all(group).flatMap(({ body }) => toArray(at(body, "properties", "securityRules")));
const allows = (direction: string): readonly Json[] =>
  rules.filter(
    (rule) =>
      at(rule, "properties", "access") === "Allow" && at(rule, "properties", "direction") === direction,
  );
const diagnosticsOf = (name: string): string =>
  JSON.stringify(
    all("Microsoft.Insights/diagnosticSettings").filter(({ body }) =>
      toText(body["scope"] ?? "").includes(name),
    ),
  );
const leadTo = (part: string): boolean =>
  all(endpoint).some(({ body }) =>
    JSON.stringify(at(body, "properties", "privateLinkServiceConnections")).includes(part),
  );
const deleted = (operation: string): boolean => alerts("resource-deleted").includes(operation);
const softDeleted = (blob: Json | undefined, policy: string): boolean => at(blob, policy, "enabled") === true;
const config =
  (value: Json, name: string) =>
  (properties: Json | undefined): boolean =>
    at(properties, "siteConfig", name) === value;

const checks: Readonly<Record<string, () => boolean>> = {
  "Azure.Resource.UseTags": () =>
    [cosmosDb, vault, storage, app, gateway].every((type) =>
      every(type, (_, { tags = {} }) => at(tags, "owner") === "cgn"),
    ),
  "Azure.Template.UseParameters, Azure.Template.ParameterMetadata": () =>
    parameters.every(
      ([name, each]) =>
        typeof at(each, "metadata", "description") === "string" &&
        JSON.stringify(template).includes(`parameters('${name}')`),
    ),
  "Azure.Template.DebugDeployment": () => !JSON.stringify(template).includes("debugSetting"),
  "Azure.Deployment.OutputSecretValue, Azure.Deployment.SecureParameter": () =>
    outputs.every((each) => !/^secure/i.test(toText(at(each, "type")))) &&
    parameters
      .filter(([, each]) => at(each, "defaultValue") === "[newGuid()]")
      .every(([, each]) => /^secure/i.test(toText(at(each, "type")))),
  "Azure.Cosmos.AccountName": () => named(cosmosDb, /^[a-z0-9][a-z0-9-]{1,42}[a-z0-9]$/),
  "Azure.Cosmos.DisableMetadataWrite": () => every(cosmosDb, has(true, "disableKeyBasedMetadataWriteAccess")),
  "Azure.Cosmos.DisableLocalAuth, Azure.Cosmos.MinTLS, Azure.Cosmos.PublicAccess": () =>
    every(cosmosDb, has(true, "disableLocalAuth")) &&
    every(cosmosDb, has("Tls12", "minimalTlsVersion")) &&
    every(cosmosDb, has("Disabled", "publicNetworkAccess")),
  "Azure.Cosmos.AvailabilityZone, Azure.Cosmos.ContinuousBackup": () =>
    every(cosmosDb, has(true, "locations", 0, "isZoneRedundant")) &&
    every(cosmosDb, has("Continuous", "backupPolicy", "type")),
  "Azure.Cosmos.SLA": () => every(cosmosDb, (properties) => at(properties, "enableFreeTier") !== true),
  "Azure.KeyVault.Name, Azure.KeyVault.SecretName": () =>
    named(vault, /^[a-z][a-z0-9-]{1,22}[a-z0-9]$/) &&
    named("Microsoft.KeyVault/vaults/secrets", /\/[A-Za-z0-9-]{1,127}$/),
  "Azure.KeyVault.SoftDelete, Azure.KeyVault.PurgeProtect, Azure.KeyVault.RBAC": () =>
    every(vault, has(true, "enableSoftDelete")) &&
    every(vault, has(true, "enablePurgeProtection")) &&
    every(vault, has(true, "enableRbacAuthorization")),
  "Azure.KeyVault.Firewall, Azure.KeyVault.Logs": () =>
    every(vault, has("Deny", "networkAcls", "defaultAction")) &&
    diagnosticsOf("vaults").includes("AuditEvent"),
  "Azure.Storage.Name, Azure.Storage.MinTLS, Azure.Storage.SecureTransfer": () =>
    named(storage, /^[a-z0-9]{3,24}$/) &&
    every(storage, has("TLS1_2", "minimumTlsVersion")) &&
    every(storage, has(true, "supportsHttpsTrafficOnly")),
  "Azure.Storage.BlobPublicAccess, Azure.Storage.BlobAccessType, Azure.Storage.Firewall": () =>
    every(storage, has(false, "allowBlobPublicAccess")) &&
    every(`${blobs}/containers`, has("None", "publicAccess")) &&
    every(storage, has("Deny", "networkAcls", "defaultAction")),
  "Azure.Storage.SoftDelete, Azure.Storage.ContainerSoftDelete": () =>
    every(
      blobs,
      (blob) =>
        softDeleted(blob, "deleteRetentionPolicy") && softDeleted(blob, "containerDeleteRetentionPolicy"),
    ),
  "Azure.AppService.UseHTTPS, Azure.AppService.MinTLS, Azure.AppService.HTTP2": () =>
    every(app, has(true, "httpsOnly")) &&
    every(app, config("1.2", "minTlsVersion")) &&
    every(app, config(true, "http20Enabled")),
  "Azure.AppService.RemoteDebug, Azure.AppService.WebSecureFtp, Azure.AppService.ManagedIdentity": () =>
    every(app, config(false, "remoteDebuggingEnabled")) &&
    every(app, config("Disabled", "ftpsState")) &&
    every(app, (_, body) => at(body, "identity", "type") === "UserAssigned"),
  "Azure.AppService.ARRAffinity": () => every(app, has(false, "clientAffinityEnabled")),
  "Azure.AppInsights.Name, Azure.AppInsights.Workspace, Azure.AppInsights.LocalAuth": () =>
    named(insights, /^[a-z0-9-]{1,255}$/) &&
    every(insights, (properties) => at(properties, "WorkspaceResourceId") !== undefined) &&
    every(insights, has(true, "DisableLocalAuth")),
  "Azure.Log.Name": () => named(workspace, /^[a-z0-9][a-z0-9-]{2,61}[a-z0-9]$/),
  "Azure.Alert.MetricAutoMitigate, Azure.Alert.HighFrequencyQuery": () =>
    every("Microsoft.Insights/metricAlerts", has(true, "autoMitigate")) &&
    every("Microsoft.Insights/scheduledQueryRules", has("PT5M", "evaluationFrequency")),
  "Azure.Monitor.ServiceHealth": () => alerts("azure-trouble").includes('"equals":"ServiceHealth"'),
  "Azure.VNET.UseNSGs, Azure.VNET.Name, Azure.VNET.SubnetName": () =>
    subnets.length === 3 &&
    subnets.every(
      (each) =>
        at(each, "properties", "networkSecurityGroup", "id") !== undefined &&
        /^[a-z-]{1,80}$/.test(toText(at(each, "name"))),
    ),
  "Azure.NSG.AnyInboundSource": () =>
    allows("Inbound").every((rule) => at(rule, "properties", "sourceAddressPrefix") !== "*"),
  "Azure.NSG.LateralTraversal": () =>
    ["nsg-app", "nsg-pep"].every((name) =>
      JSON.stringify(all(group).filter((each) => each.name.startsWith(name))).includes("deny-other-outbound"),
    ),
  "Azure.NSG.Associated, Azure.NSG.Name": () =>
    all(group).every(({ name }) => /^[a-z0-9-]{1,80}$/.test(name) && JSON.stringify(subnets).includes(name)),
  "Azure.PrivateEndpoint.Name, Azure.Identity.UserAssignedName": () =>
    named(endpoint, /^[a-z0-9-]{2,64}$/) &&
    named("Microsoft.ManagedIdentity/userAssignedIdentities", /^[a-z][a-z0-9-]{2,127}$/),
  "Azure.APIM.ManagedIdentity, Azure.APIM.HTTPBackend, Azure.APIM.HTTPEndpoint": () =>
    every(gateway, (_, body) => at(body, "identity", "type") === "UserAssigned") &&
    every(
      `${gateway}/apis`,
      (api) =>
        toText(at(api, "serviceUrl")).startsWith("https://") &&
        JSON.stringify(at(api, "protocols")) === '["https"]',
    ),
  "Azure.APIM.MinAPIVersion, Azure.APIM.APIDescriptors, Azure.APIM.Name, Azure.APIM.PolicyBase": () =>
    every(gateway, has("2021-08-01", "apiVersionConstraint", "minApiVersion")) &&
    every(
      `${gateway}/apis`,
      (api) => at(api, "displayName") !== undefined && at(api, "description") !== undefined,
    ) &&
    named(gateway, /^[a-z][a-z0-9-]{0,48}[a-z0-9]$/) &&
    every(
      `${gateway}/apis/policies`,
      (policy) => (toText(at(policy, "value")).match(/<base \/>/g) ?? []).length === 3,
    ),
  "databaseAccounts: service-managed failover": () => every(cosmosDb, has(true, "enableAutomaticFailover")),
  "databaseAccounts: availability zones": () => every(cosmosDb, has(true, "locations", 0, "isZoneRedundant")),
  "databaseAccounts: continuous backup": () => every(cosmosDb, has("Continuous", "backupPolicy", "type")),
  "databaseAccounts: monitor and alert": () =>
    all("Microsoft.Insights/metricAlerts").filter(({ name }) => name.includes("-store-")).length === 4,
  "sites: network access restrictions": () =>
    every(app, config("Deny", "ipSecurityRestrictionsDefaultAction")),
  "sites: settings as app settings": () =>
    every(app, (properties) => toArray(at(properties, "siteConfig", "appSettings")).length > 10),
  "sites: supported runtime": () =>
    every(app, has({ name: "node", version: "22" }, "functionAppConfig", "runtime")),
  "serverFarms: availability zones": () => every(plan, has(true, "zoneRedundant")),
  "serverFarms: at least 2 instances": () =>
    every(app, has(2, "functionAppConfig", "scaleAndConcurrency", "alwaysReady", 0, "instanceCount")),
  "vaults: soft delete, purge protection, private endpoint, diagnostic logs, one vault for each application":
    () =>
      every(vault, has(true, "enableSoftDelete")) &&
      every(vault, has(true, "enablePurgeProtection")) &&
      leadTo("vault") &&
      diagnosticsOf("vaults").includes("AuditEvent"),
  "storageAccounts: zone or region redundant": () =>
    every(storage, (_, body) => at(body, "sku", "name") === "Standard_ZRS"),
  "storageAccounts: soft delete, versioning, private link, StorageV2": () =>
    every(
      blobs,
      (blob) => softDeleted(blob, "deleteRetentionPolicy") && at(blob, "isVersioningEnabled") === true,
    ) &&
    leadTo("blob") &&
    every(storage, (_, body) => body["kind"] === "StorageV2"),
  "virtualNetworks: network security group on each subnet": () =>
    subnets.every((each) => at(each, "properties", "networkSecurityGroup") !== undefined),
  "virtualNetworks: private endpoints": () => all(endpoint).length === 3,
  "networkSecurityGroups: rules beyond the default": () =>
    every(group, (properties) => toArray(at(properties, "securityRules")).length > 0),
  "activityLogAlerts: resource health": () =>
    alerts("resource-unhealthy").includes('"equals":"ResourceHealth"'),
  "components: workspace based, connection string": () =>
    every(insights, has("LogAnalytics", "IngestionMode")) &&
    every(app, (properties) => JSON.stringify(properties).includes("APPLICATIONINSIGHTS_CONNECTION_STRING")),
  "databaseAccounts: NormalizedRUConsumption, ServiceAvailability, RegionFailover": () =>
    metricOf("store-request-units") === "NormalizedRUConsumption" &&
    metricOf("store-unavailable") === "ServiceAvailability" &&
    metricOf("store-failover") === "RegionFailover",
  "databaseAccounts: ThrottledRequests": () =>
    metricOf("store-throttled") === "TotalRequests" && alerts("store-throttled").includes('"429"'),
  "databaseAccounts: SqlContainerDelete, SqlDatabaseDelete": () =>
    deleted("sqlDatabases/containers/delete") && deleted("sqlDatabases/delete"),
  "sites: Http5xx": () => metricOf("platform-errors") === "Http5xx",
  "sites: AverageResponseTime, Http401, Http404, Requests, FunctionExecutionCount": () =>
    ["slow-answers", "shops-refused", "codes-unknown", "no-codes-issued"].every(
      (name) => alerts(name) !== "[]",
    ),
  "vaults: Activity Log Key Vault Delete": () => deleted("Microsoft.KeyVault/vaults/delete"),
  "workspaces: Activity Log LA Workspace Delete": () =>
    deleted("Microsoft.OperationalInsights/workspaces/delete"),
  "subscriptions: Service Health, Resource Health": () =>
    alerts("azure-trouble").includes("ServiceHealth") &&
    alerts("resource-unhealthy").includes("ResourceHealth"),
};

describe("docs/azure-rules.md", () => {
  const rows = [
    ...readFileSync("docs/azure-rules.md", "utf8").matchAll(
      /^\| (?!rule |-)(.+?) +\| (.+?) +\| *(.*?) *\|$/gm,
    ),
  ].map(([, rule = "", result = "", why = ""]) => ({ rule, result, why }));

  it("says of each rule whether the template passes, and why it does not", () => {
    expect(rows.length).toBeGreaterThan(90);
    expect(rows.filter(({ result }) => !["pass", "fail", "not applicable"].includes(result))).toEqual([]);
    expect(rows.filter(({ result, why }) => result !== "pass" && why === "")).toEqual([]);
  });

  it("calls a pass only what is checked here", () => {
    const passed = rows.filter(({ result }) => result === "pass").map(({ rule }) => rule);
    expect(passed.toSorted()).toEqual(Object.keys(checks).toSorted());
  });

  it.each(Object.entries(checks))("passes %s", (_rule, isPassed) => {
    expect(isPassed()).toBe(true);
  });
});
