import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import * as E from "fp-ts/Either";
import { parse as parseYaml } from "yaml";
import packageJson from "../../package.json";
import { statusDefinition } from "../../Status/status";
import { decodeConfig, settingNames } from "../../shared/config";
import { toDefinition } from "../../shared/cosmos/items";
import type { ContainerName, ContainerShape } from "../../shared/domain/containers";
import { missingGuarantee } from "../../shared/domain/guarantees";
import {
  at,
  deploy,
  resourceGroup,
  templatesIn,
  toArray,
  toJson,
  toObject,
  toText,
} from "../support/arm-template";
import type { Deployed, Json, JsonObject } from "../support/arm-template";

const readJson = (text: string): JsonObject => toObject(toJson(JSON.parse(text)));

const template = readJson(readFileSync("infra/main.json", "utf8"));
const deployed = deploy(template);

/** As docs/deploy.md has it for a cheap trial. */
const trial: JsonObject = { isPrivate: false, isZoneRedundant: false, alwaysReadyInstances: 0 };

const all = (type: string, resources = deployed): readonly Deployed[] =>
  resources.filter((resource) => resource.type === type);

const one = (type: string, resources = deployed): JsonObject => {
  const [resource, another] = all(type, resources);
  if (resource === undefined || another !== undefined) {
    throw new Error(`there is not one ${type}`);
  }
  return resource.body;
};

const types = {
  actionGroup: "Microsoft.Insights/actionGroups",
  app: "Microsoft.Web/sites",
  basicPublishing: "Microsoft.Web/sites/basicPublishingCredentialsPolicies",
  container: "Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers",
  cosmosDb: "Microsoft.DocumentDB/databaseAccounts",
  dataRole: "Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments",
  dataRoleDefinition: "Microsoft.DocumentDB/databaseAccounts/sqlRoleDefinitions",
  diagnostics: "Microsoft.Insights/diagnosticSettings",
  insights: "Microsoft.Insights/components",
  keyVault: "Microsoft.KeyVault/vaults",
  plan: "Microsoft.Web/serverfarms",
  privateEndpoint: "Microsoft.Network/privateEndpoints",
  role: "Microsoft.Authorization/roleAssignments",
  secret: "Microsoft.KeyVault/vaults/secrets",
  storage: "Microsoft.Storage/storageAccounts",
  webTest: "Microsoft.Insights/webtests",
  workbook: "Microsoft.Insights/workbooks",
  workspace: "Microsoft.OperationalInsights/workspaces",
} as const;

/** The path of a resource's id within its resource group. */
const pathOf = (id: Json | undefined): string =>
  toText(id)
    .replace(`${resourceGroup.id}/providers/`, "")
    .replaceAll(/-[0-9a-f]{8}\b/g, "")
    .replace(/(stcgnotp)[0-9a-f]{8}/, "$1");

const settingsOf = (resources: readonly Deployed[]): Readonly<Record<string, string>> =>
  Object.fromEntries(
    toArray(at(one(types.app, resources), "properties", "siteConfig", "appSettings")).map((setting) => [
      toText(at(setting, "name")),
      toText(at(setting, "value")),
    ]),
  );

const containerNames = ["otps", "api-keys"] as const satisfies readonly ContainerName[];

/** As `Info` would find it. */
const shapeOf = (name: ContainerName): ContainerShape => {
  const container = all(types.container).find((each) => each.name.endsWith(`/${name}`))?.body;
  const definition = at(container, "properties", "resource");
  const ttl = at(definition, "defaultTtl");
  return {
    partitionKeyPaths: toArray(at(definition, "partitionKey", "paths")).map(toText),
    defaultTtlSeconds: ttl === undefined ? undefined : Number(ttl),
  };
};

describe("the store", () => {
  const account = at(one(types.cosmosDb), "properties");

  it("has the containers that the code defines, and no others", () => {
    const containers = all(types.container).map(({ name, body }) => ({
      name: pathOf(name),
      resource: at(body, "properties", "resource"),
    }));
    // The code leaves to the SDK what Azure Resource Manager wants to be told of a partition key.
    const expected = containerNames.map((name) => {
      const { partitionKey, ...definition } = toDefinition(name);
      return {
        name: `cosmos-cgn-otp/cgn/${name}`,
        resource: { ...definition, partitionKey: { ...partitionKey, kind: "Hash", version: 2 } },
      };
    });
    expect(containers).toEqual(expected);
  });

  it.each([
    ["one region", {}, ["italynorth"]],
    ["three", { readLocations: ["westeurope", "northeurope"] }, ["italynorth", "westeurope", "northeurope"]],
  ])("gives in %s the guarantees that Info asks of it, of which one write region", (_, given, regions) => {
    const properties = at(one(types.cosmosDb, deploy(template, given)), "properties");
    const storeAccount = {
      hasSeveralWriteRegions: at(properties, "enableMultipleWriteLocations") !== false,
      hasSeveralReadRegions: regions.length > 1,
      consistencyLevel: toText(at(properties, "consistencyPolicy", "defaultConsistencyLevel")),
      containers: { otps: shapeOf("otps"), "api-keys": shapeOf("api-keys") },
    };
    expect(missingGuarantee(storeAccount, false)).toBeUndefined();
    expect(at(properties, "consistencyPolicy")).toEqual({ defaultConsistencyLevel: "Strong" });
    expect(at(properties, "enableAutomaticFailover")).toBe(regions.length > 1);
    expect(at(properties, "locations")).toEqual(
      regions.map((locationName, failoverPriority) => ({
        locationName,
        failoverPriority,
        isZoneRedundant: true,
      })),
    );
  });

  it("refuses exactly one further region, whose outage could stop every write", () => {
    expect(() => deploy(template, { readLocations: ["westeurope"] })).toThrow("none, or at least two");
  });

  it("takes no key, and nothing but TLS 1.2", () => {
    expect(account).toMatchObject({
      disableLocalAuth: true,
      disableKeyBasedMetadataWriteAccess: true,
      minimalTlsVersion: "Tls12",
    });
  });

  it("can be restored to any moment of the last week", () => {
    expect(at(account, "backupPolicy")).toEqual({
      type: "Continuous",
      continuousModeProperties: { tier: "Continuous7Days" },
    });
  });

  it("scales between a tenth of the throughput that is asked for and all of it", () => {
    const throughputs = all(types.container, deploy(template, { otpsMaxThroughput: 4000 })).map(({ body }) =>
      at(body, "properties", "options"),
    );
    expect(throughputs).toEqual([
      { autoscaleSettings: { maxThroughput: 4000 } },
      { autoscaleSettings: { maxThroughput: 1000 } },
    ]);
  });
});

describe("access", () => {
  const account = at(one(types.cosmosDb), "properties");
  const doors = [types.cosmosDb, types.keyVault, types.storage];

  it("is by the private endpoints only", () => {
    expect(doors.map((type) => at(one(type), "properties", "publicNetworkAccess"))).toEqual([
      "Disabled",
      "Disabled",
      "Disabled",
    ]);
    expect(account).toMatchObject({ networkAclBypass: "None" });
    expect(at(one(types.keyVault), "properties", "networkAcls", "defaultAction")).toBe("Deny");
    expect(at(one(types.storage), "properties", "networkAcls")).toEqual({
      defaultAction: "Deny",
      bypass: "None",
    });
    const endpoints = all(types.privateEndpoint).map(({ body }) => {
      const connection = at(body, "properties", "privateLinkServiceConnections", 0, "properties");
      return [at(connection, "groupIds"), at(connection, "privateLinkServiceId")];
    });
    expect(endpoints).toEqual([
      [["Sql"], "reference(cosmosDb).outputs.accountId.value"],
      [["vault"], "reference(keyVault).outputs.vaultId.value"],
      [["blob"], "reference(storage).outputs.accountId.value"],
    ]);
    expect(all("Microsoft.Network/privateDnsZones").map(({ name }) => name)).toEqual([
      "privatelink.blob.core.windows.net",
      "privatelink.documents.azure.com",
      "privatelink.vaultcore.azure.net",
    ]);
    // Each takes its name in the zone of its kind.
    const zones = all("Microsoft.Network/privateEndpoints/privateDnsZoneGroups").map(({ body }) =>
      at(body, "properties", "privateDnsZoneConfigs", 0, "properties", "privateDnsZoneId"),
    );
    expect(zones).toEqual([
      "reference(network).outputs.zoneIds.value.cosmosDb",
      "reference(network).outputs.zoneIds.value.keyVault",
      "reference(network).outputs.zoneIds.value.blob",
    ]);
    expect(at(template, "resources", "network", "properties", "template", "variables", "zoneNames")).toEqual({
      blob: "[format('privatelink.blob.{0}', environment().suffixes.storage)]",
      cosmosDb: "privatelink.documents.azure.com",
      keyVault: "privatelink.vaultcore.azure.net",
    });
    const network = one("Microsoft.Network/virtualNetworks")["name"];
    const links = all("Microsoft.Network/privateDnsZones/virtualNetworkLinks").map(({ body }) => [
      pathOf(at(body, "properties", "virtualNetwork", "id")),
      at(body, "properties", "registrationEnabled"),
    ]);
    expect(links).toEqual(
      Array.from({ length: 3 }, () => [
        pathOf(`Microsoft.Network/virtualNetworks/${toText(network)}`),
        false,
      ]),
    );
    expect(at(one(types.app), "properties", "virtualNetworkSubnetId")).toBe(
      "reference(network).outputs.appSubnetId.value",
    );
    const subnets = toArray(at(one("Microsoft.Network/virtualNetworks"), "properties", "subnets"));
    expect(
      subnets.map((subnet) => [
        at(subnet, "name"),
        at(subnet, "properties", "delegations", 0, "properties", "serviceName"),
      ]),
    ).toEqual([
      ["snet-app", "Microsoft.App/environments"],
      ["snet-private-endpoints", undefined],
    ]);
  });

  it("is public in a trial, for identities only, without a network to pay for", () => {
    const resources = deploy(template, trial);
    expect(doors.map((type) => at(one(type, resources), "properties", "publicNetworkAccess"))).toEqual([
      "Enabled",
      "Enabled",
      "Enabled",
    ]);
    expect(at(one(types.cosmosDb, resources), "properties", "disableLocalAuth")).toBe(true);
    expect(at(one(types.storage, resources), "properties", "allowSharedKeyAccess")).toBe(false);
    expect(resources.filter(({ type }) => type.startsWith("Microsoft.Network/"))).toEqual([]);
    expect(at(one(types.app, resources), "properties", "virtualNetworkSubnetId")).toBeNull();
  });

  it("needs no key anywhere", () => {
    expect(at(one(types.keyVault), "properties", "enableRbacAuthorization")).toBe(true);
    expect(at(one(types.storage), "properties")).toMatchObject({
      allowSharedKeyAccess: false,
      allowBlobPublicAccess: false,
      minimumTlsVersion: "TLS1_2",
      supportsHttpsTrafficOnly: true,
    });
    expect(at(one(types.storage), "properties", "allowCrossTenantReplication")).toBe(false);
    const blobContainers = all("Microsoft.Storage/storageAccounts/blobServices/containers");
    expect(blobContainers.map(({ body }) => at(body, "properties", "publicAccess"))).toEqual(["None"]);
    // A deployment by somebody else could read the secret.
    expect(at(one(types.keyVault), "properties", "enabledForTemplateDeployment")).not.toBe(true);
    expect(at(one(types.insights), "properties", "DisableLocalAuth")).toBe(true);
    expect(at(one(types.workspace), "properties", "features", "disableLocalAuth")).toBe(true);
    expect(JSON.stringify(template)).not.toMatch(/\blist[A-Z]\w*\(|AccountKey|SharedAccess/);
  });

  it("is given to the app's identity alone, each role with its scope", () => {
    const roles = all(types.role).map(({ body }) => [
      pathOf(body["scope"]),
      toText(at(body, "properties", "roleDefinitionId"))
        .split("/")
        .at(-1),
      pathOf(at(body, "properties", "principalId")),
    ]);
    const identity = "Microsoft.ManagedIdentity/userAssignedIdentities/id-cgn-otp";
    const principal = `reference(${identity}, 2024-11-30).principalId`;
    expect(roles).toEqual([
      // Monitoring Metrics Publisher, Key Vault Secrets User, Storage Blob Data Owner.
      ["Microsoft.Insights/components/appi-cgn-otp", "3913510d-42f4-4e42-8a64-420c390055eb", principal],
      ["Microsoft.KeyVault/vaults/kv-cgn-otp", "4633458b-17de-408a-b874-0445c86b69e6", principal],
      ["Microsoft.Storage/storageAccounts/stcgnotp", "b7e6dc6d-f1e8-4753-8033-0f276bb0955b", principal],
    ]);
    const dataRoles = all(types.dataRole).map(({ body }) => [
      pathOf(at(body, "properties", "scope")),
      pathOf(at(body, "properties", "roleDefinitionId")),
      at(body, "properties", "principalId"),
    ]);
    const account = "Microsoft.DocumentDB/databaseAccounts/cosmos-cgn-otp";
    const [metadataReader, another] = all(types.dataRoleDefinition);
    expect(another).toBeUndefined();
    expect(dataRoles).toEqual([
      // Data Contributor, of the one database.
      [
        `${account}/dbs/cgn`,
        `${account}/sqlRoleDefinitions/00000000-0000-0000-0000-000000000002`,
        "reference(identity).principalId",
      ],
      // Of the whole account it may read the metadata, and no item.
      [
        account,
        `${account}/sqlRoleDefinitions/${metadataReader?.name.split("/").at(-1)}`,
        "reference(identity).principalId",
      ],
    ]);
    expect(metadataReader?.body["properties"]).toMatchObject({
      type: "CustomRole",
      permissions: [{ dataActions: ["Microsoft.DocumentDB/databaseAccounts/readMetadata"] }],
    });
  });
});

describe("the app", () => {
  const app = one(types.app);
  const properties = at(app, "properties");

  it("has every setting of the service but a key, a single copy's and a second secret, and the platform's own", () => {
    const withheld = ["COSMOSDB_KEY", "COSMOSDB_SINGLE_COPY", "OTP_SECRET_SECOND"];
    const platform = [
      "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
      "APPLICATIONINSIGHTS_CONNECTION_STRING",
      "AZURE_CLIENT_ID",
      "AzureWebJobsStorage__blobServiceUri",
      "AzureWebJobsStorage__clientId",
      "AzureWebJobsStorage__credential",
    ];
    const expected = new Set([...settingNames.filter((name) => !withheld.includes(name)), ...platform]);
    expect(new Set(Object.keys(settingsOf(deployed)))).toEqual(expected);
  });

  it("has settings that the service can work with", () => {
    const { COSMOSDB_ENDPOINT, OTP_SECRET, AZURE_CLIENT_ID, ...settings } = settingsOf(deployed);
    expect(COSMOSDB_ENDPOINT).toBe("reference(cosmosDb).outputs.endpoint.value");
    expect(OTP_SECRET).toMatch(/^@Microsoft\.KeyVault\(SecretUri=.*\)$/);
    expect(AZURE_CLIENT_ID).toMatch(/^reference\(.*\)\.clientId$/);
    const config = decodeConfig({
      ...settings,
      AZURE_CLIENT_ID: "12345678-1234-1234-1234-123456789abc",
      // The platform sets these.
      IDENTITY_ENDPOINT: "http://127.0.0.1:41741/msi/token",
      IDENTITY_HEADER: "A1B2C3",
      COSMOSDB_ENDPOINT: "https://cosmos-cgn-otp.documents.azure.com:443/",
      OTP_SECRET: toText(at(one(types.secret), "properties", "value")),
    });
    expect(config).toMatchObject(
      E.right({
        cosmos: { databaseName: "cgn", isSingleCopy: false },
        otpLifetime: { ttlSeconds: 600, retentionSeconds: 86_400 },
        requestDeadlineMs: 5000,
      }),
    );
  });

  it("acts as its one identity, towards its storage account too", () => {
    const identity = `${resourceGroup.id}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/${toText(
      one("Microsoft.ManagedIdentity/userAssignedIdentities")["name"],
    )}`;
    const clientId = `reference(${identity}, 2024-11-30).clientId`;
    expect(app["identity"]).toEqual({ type: "UserAssigned", userAssignedIdentities: { [identity]: {} } });
    expect(at(properties, "keyVaultReferenceIdentity")).toBe(identity);
    expect(at(properties, "functionAppConfig", "deployment", "storage", "authentication")).toEqual({
      type: "UserAssignedIdentity",
      userAssignedIdentityResourceId: identity,
    });
    const [archives] = all("Microsoft.Storage/storageAccounts/blobServices/containers");
    expect(toText(at(properties, "functionAppConfig", "deployment", "storage", "value"))).toMatch(
      new RegExp(`primaryEndpoints\\.blob${archives?.name.split("/").at(-1) ?? ""}$`),
    );
    expect(settingsOf(deployed)).toMatchObject({
      APPLICATIONINSIGHTS_AUTHENTICATION_STRING: `ClientId=${clientId};Authorization=AAD`,
      AZURE_CLIENT_ID: clientId,
      AzureWebJobsStorage__clientId: clientId,
      AzureWebJobsStorage__credential: "managedidentity",
    });
  });

  it("runs on the Node.js that the tests run on, in Flex Consumption", () => {
    expect(one(types.plan)["sku"]).toEqual({ name: "FC1", tier: "FlexConsumption" });
    const [major] = packageJson.devDependencies.node.split(".");
    expect(at(properties, "functionAppConfig", "runtime")).toEqual({ name: "node", version: major });
  });

  it("is called by HTTPS only, and published to by no password", () => {
    expect(properties).toMatchObject({ httpsOnly: true, publicNetworkAccess: "Enabled" });
    expect(at(properties, "siteConfig")).toMatchObject({
      minTlsVersion: "1.2",
      scmMinTlsVersion: "1.2",
      ftpsState: "Disabled",
      remoteDebuggingEnabled: false,
    });
    expect(
      all(types.basicPublishing).map(({ name, body }) => [pathOf(name), at(body, "properties")]),
    ).toEqual([
      ["func-cgn-otp/ftp", { allow: false }],
      ["func-cgn-otp/scm", { allow: false }],
    ]);
  });

  it("has the instances that are asked for", () => {
    const scaleOf = (given: JsonObject): Json | undefined =>
      at(one(types.app, deploy(template, given)), "properties", "functionAppConfig", "scaleAndConcurrency");
    expect(scaleOf({})).toEqual({
      alwaysReady: [{ name: "http", instanceCount: 2 }],
      instanceMemoryMB: 2048,
      maximumInstanceCount: 100,
    });
    expect(scaleOf({ alwaysReadyInstances: 0, maximumInstances: 40, instanceMemoryInMb: 512 })).toEqual({
      alwaysReady: [],
      instanceMemoryMB: 512,
      maximumInstanceCount: 40,
    });
  });

  it("is updated by what Microsoft advises for production, unless somebody chooses the other", () => {
    const strategyOf = (given: JsonObject): Json | undefined =>
      at(one(types.app, deploy(template, given)), "properties", "functionAppConfig", "siteUpdateStrategy");
    expect(strategyOf({})).toEqual({ type: "Recreate" });
    expect(strategyOf({ updateStrategy: "RollingUpdate" })).toEqual({ type: "RollingUpdate" });
  });

  it("is spread over zones with its store, unless in a trial", () => {
    const zonesOf = (given: JsonObject): readonly (Json | undefined)[] => {
      const resources = deploy(template, given);
      return [
        at(one(types.plan, resources), "properties", "zoneRedundant"),
        at(one(types.storage, resources), "sku", "name"),
        at(one(types.cosmosDb, resources), "properties", "locations", 0, "isZoneRedundant"),
      ];
    };
    expect(zonesOf({})).toEqual([true, "Standard_ZRS", true]);
    expect(zonesOf(trial)).toEqual([false, "Standard_LRS", false]);
  });

  it("is watched over, and so are its store and its vault", () => {
    const on = (settings: Json | undefined): readonly (Json | undefined)[] =>
      toArray(settings ?? []).flatMap((each) => (at(each, "enabled") === true ? [at(each, "category")] : []));
    const sent = (given: JsonObject): readonly object[] =>
      all(types.diagnostics, deploy(template, given)).map(({ body }) => ({
        of: pathOf(body["scope"]),
        to: at(body, "properties", "workspaceId"),
        logs: on(at(body, "properties", "logs")),
        metrics: on(at(body, "properties", "metrics")),
      }));
    const to = "reference(telemetry).outputs.workspaceId.value";
    const store = { of: "Microsoft.DocumentDB/databaseAccounts/cosmos-cgn-otp", to, metrics: ["Requests"] };
    const others = [
      { of: "Microsoft.KeyVault/vaults/kv-cgn-otp", to, logs: ["AuditEvent"], metrics: [] },
      { of: "Microsoft.Web/sites/func-cgn-otp", to, logs: ["FunctionAppLogs"], metrics: ["AllMetrics"] },
    ];
    expect(sent({})).toEqual([{ ...store, logs: ["ControlPlaneRequests", "DataPlaneRequests"] }, ...others]);
    expect(sent({ logsStoreRequests: false })).toEqual([
      { ...store, logs: ["ControlPlaneRequests"] },
      ...others,
    ]);
    const kept = (given: JsonObject): Json | undefined =>
      at(one(types.workspace, deploy(template, given)), "properties", "retentionInDays");
    expect([kept({}), kept({ logRetentionInDays: 90 })]).toEqual([30, 90]);
  });
});

describe("monitoring", () => {
  const runbook = toText(at(template, "parameters", "runbookUrl", "defaultValue"));
  const rules = [
    ...all("Microsoft.Insights/scheduledQueryRules"),
    ...all("Microsoft.Insights/metricAlerts"),
    ...all("Microsoft.Insights/activityLogAlerts"),
  ].map(({ name, body }) => {
    const properties = body["properties"];
    const actions = at(properties, "actions");
    // Each of the three kinds has a form of its own.
    const [action = actions] = Array.isArray(actions) ? toArray(actions) : [];
    return {
      name: pathOf(name).replace("alert-cgn-otp-", ""),
      properties,
      severity: at(properties, "severity"),
      groups: toArray(at(action, "actionGroups") ?? [action ?? null]).map((group) =>
        pathOf(at(group, "actionGroupId") ?? group),
      ),
      runbook: /"runbook":"([^"]*)"/.exec(JSON.stringify(actions))?.[1],
    };
  });

  it("raises these alerts, the worst first", () => {
    const sorted = rules.toSorted((left, right) => Number(left.severity ?? 1) - Number(right.severity ?? 1));
    expect(sorted.map(({ name, severity }) => [name, severity])).toEqual([
      ["status-down", 0],
      ["failures", 1],
      ["no-codes-issued", 1],
      ["store-unavailable", 1],
      ["store-failover", 1],
      // Azure gives an alert of this kind its severity.
      ["store-unhealthy", undefined],
      ["slow-answers", 2],
      ["internal-error", 2],
      ["service-unavailable", 2],
      ["keys-changed-out-of-hours", 2],
      ["store-throttled", 2],
      ["refused-keys", 3],
      ["store-request-units", 3],
    ]);
  });

  it.each(rules)(
    "tells of $name by the action group, with the page that says what to do",
    ({ name, ...rule }) => {
      expect(rule.groups).toEqual(["Microsoft.Insights/actionGroups/ag-cgn-otp"]);
      expect(rule.runbook).toBe(`${runbook}#${name}`);
      expect(toText(at(rule.properties, "description"))).toMatch(
        new RegExp(`What to do: ${runbook}#${name}$`),
      );
      expect(at(rule.properties, "enabled")).toBe(true);
    },
  );

  it("says each alert once, until it is over", () => {
    const others = rules.filter(({ name }) => name !== "store-unhealthy");
    expect(others.filter(({ properties }) => at(properties, "autoMitigate") !== true)).toEqual([]);
  });

  it("looks at the lines every five minutes, longer back than they take to arrive", () => {
    const logAlerts = all("Microsoft.Insights/scheduledQueryRules").map(({ body }) => body["properties"]);
    expect(logAlerts).toHaveLength(7);
    for (const properties of logAlerts) {
      expect(properties).toMatchObject({
        evaluationFrequency: "PT5M",
        windowSize: "PT15M",
        scopes: ["reference(telemetry).outputs.workspaceId.value"],
      });
      // A query returns what is wrong.
      expect(at(properties, "criteria", "allOf")).toMatchObject([
        { timeAggregation: "Count", operator: "GreaterThan", threshold: 0 },
      ]);
    }
  });

  it("names in the message the merchant that an alert is about", () => {
    const dimensions = all("Microsoft.Insights/scheduledQueryRules").flatMap(({ name, body }) =>
      toArray(at(body, "properties", "criteria", "allOf", 0, "dimensions")).map((dimension) => [
        pathOf(name),
        at(dimension, "name"),
        at(dimension, "values"),
      ]),
    );
    expect(dimensions).toEqual([
      ["alert-cgn-otp-refused-keys", "claimed_merchant_id", ["*"]],
      ["alert-cgn-otp-keys-changed-out-of-hours", "merchant_id", ["*"]],
    ]);
  });

  it("watches the store by the metrics that Azure has of it", () => {
    const [store, ...others] = new Set(
      rules.flatMap(({ name, properties }) =>
        name.startsWith("store-") ? toArray(at(properties, "scopes")) : [],
      ),
    );
    expect([store, others]).toEqual(["reference(cosmosDb).outputs.accountId.value", []]);
    const criteria = all("Microsoft.Insights/metricAlerts").flatMap(({ body }) => {
      const criterion = at(body, "properties", "criteria", "allOf", 0);
      return criterion === undefined
        ? []
        : [["metricName", "timeAggregation", "operator", "threshold"].map((name) => at(criterion, name))];
    });
    expect(criteria).toEqual([
      ["TotalRequests", "Count", "GreaterThan", 0],
      ["NormalizedRUConsumption", "Maximum", "GreaterThan", 80],
      ["ServiceAvailability", "Average", "LessThan", 99.9],
      ["RegionFailover", "Count", "GreaterThan", 0],
    ]);
  });

  it("asks for Status from five places, at the path that the service answers", () => {
    const properties = at(one(types.webTest), "properties");
    expect(at(properties, "Request", "RequestUrl")).toBe(
      `https://reference(functionApp).outputs.hostName.value/${statusDefinition.route}`,
    );
    expect(at(properties, "ValidationRules")).toMatchObject({
      ExpectedHttpStatusCode: 200,
      ContentValidation: { ContentMatch: '"status":"up"', PassIfTextFound: true },
      SSLCheck: true,
    });
    expect(new Set(toArray(at(properties, "Locations")).map((each) => at(each, "Id"))).size).toBe(5);
    const down = rules.find(({ name }) => name === "status-down");
    expect(at(down?.properties, "criteria")).toMatchObject({
      webTestId: `${resourceGroup.id}/providers/${types.webTest}/${toText(one(types.webTest)["name"])}`,
      failedLocationCount: 2,
    });
  });

  it("sends e-mail to whoever is named, and to nobody unless somebody is", () => {
    const receivers = (given: JsonObject): Json | undefined =>
      at(one(types.actionGroup, deploy(template, given)), "properties", "emailReceivers");
    expect(receivers({})).toEqual([]);
    expect(receivers({ alertEmails: ["a@example.org", "b@example.org"] })).toMatchObject([
      { emailAddress: "a@example.org", useCommonAlertSchema: true },
      { emailAddress: "b@example.org" },
    ]);
    const outputs = templatesIn(template).flatMap((each) => Object.values(toObject(each["outputs"] ?? {})));
    expect(JSON.stringify(outputs)).not.toMatch(/mail/i);
  });

  it("leads to the runbook where the project is published", () => {
    expect(isPublished(runbook)).toBe(isPublished(publishedAt));
    expect(new URL(runbook).pathname).toMatch(/\/docs\/operate\.md$/);
  });

  it("gives the queries the life of a code and the hours that were chosen", () => {
    const given = {
      otpTtlInSeconds: 60,
      busyFromHour: 10,
      busyToHour: 20,
      portalFromHour: 8,
      portalToHour: 18,
    };
    const [rule] = all("Microsoft.Insights/scheduledQueryRules", deploy(template, given));
    expect(
      toText(at(rule?.body, "properties", "criteria", "allOf", 0, "query"))
        .split("\n")
        .slice(0, 5),
    ).toEqual([
      "let otp_ttl = 60s;",
      "let busy_from_hour = 10;",
      "let busy_to_hour = 20;",
      "let portal_from_hour = 8;",
      "let portal_to_hour = 18;",
    ]);
  });

  it("has a workbook over the same lines", () => {
    const properties = at(one(types.workbook), "properties");
    expect(one(types.workbook)["kind"]).toBe("shared");
    expect(at(properties, "sourceId")).toBe("reference(telemetry).outputs.workspaceId.value");
  });
});

describe("a restored store", () => {
  const restored = deploy(template, { restoredCosmosDbName: "cosmos-restored" });

  it("gets all that the template gives its own, and the app uses it", () => {
    expect(one(types.cosmosDb, restored)["name"]).toBe("cosmos-restored");
    const own = (resources: readonly Deployed[]): string =>
      JSON.stringify(resources.filter(({ name }) => !name.startsWith("kv-"))).replaceAll(
        /cosmos-(?:restored|cgn-otp-[0-9a-f]{8})/g,
        "STORE",
      );
    const withoutGuids = (text: string): string => text.replaceAll(/[0-9a-f]{64}/g, "GUID");
    expect(withoutGuids(own(restored))).toBe(withoutGuids(own(deployed)));
    expect(own(restored)).toContain("STORE");
  });
});

describe("OTP_SECRET", () => {
  const referenceTo = (name: string): string =>
    `@Microsoft.KeyVault(SecretUri=reference(Microsoft.KeyVault/vaults/kv-cgn-otp/secrets/${name}, 2025-05-01).secretUriWithVersion)`;
  const isSecure = (parameter: Json): boolean => /^secure/i.test(toText(at(parameter, "type")));
  const withSecrets = templatesIn(template).filter(({ parameters }) =>
    Object.values(toObject(parameters ?? {})).some(isSecure),
  );

  it("is made once, and no deployment after that replaces it", () => {
    expect(one(types.secret)["@options"]).toEqual({ onlyIfNotExists: [] });
    expect(at(one(types.keyVault), "properties")).toMatchObject({
      enablePurgeProtection: true,
      enableSoftDelete: true,
      softDeleteRetentionInDays: 90,
    });
  });

  it("is three random GUIDs, different each time, in base64", () => {
    const values = [deploy(template), deploy(template)].map((resources) =>
      Buffer.from(toText(at(one(types.secret, resources), "properties", "value")), "base64").toString(),
    );
    const guid = /[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}/g;
    const guids = values.flatMap((value) => value.match(guid) ?? []);
    expect(new Set(guids).size).toBe(6);
    expect(values.map((value) => value.replaceAll(guid, ""))).toEqual(["", ""]);
  });

  it("is made of secure parameters that nobody hands in and the history of deployments does not keep", () => {
    // Only the module that makes it has any. It is there a second time for OTP_SECRET_SECOND.
    expect(new Set(withSecrets.map((each) => JSON.stringify(each))).size).toBe(1);
    const parameters = Object.entries(toObject(withSecrets[0]?.["parameters"]));
    expect(
      parameters.map(([name, parameter]) => [
        name,
        at(parameter, "type"),
        at(parameter, "defaultValue") ?? "given",
      ]),
    ).toEqual([
      ["vaultName", "string", "given"],
      ["secretName", "string", "given"],
      ["first", "securestring", "[newGuid()]"],
      ["second", "securestring", "[newGuid()]"],
      ["third", "securestring", "[newGuid()]"],
    ]);
    const given = ["otpSecret", "otpSecondSecret"].map((name) =>
      Object.keys(toObject(at(template, "resources", name, "properties", "parameters"))),
    );
    expect(given).toEqual([
      ["vaultName", "secretName"],
      ["vaultName", "secretName"],
    ]);
    // It would have the history keep requests and answers.
    expect(JSON.stringify(template)).not.toContain("debugSetting");
  });

  it("is in no output, nor is any other secret", () => {
    const outputs = templatesIn(template).flatMap((each) => Object.entries(toObject(each["outputs"] ?? {})));
    expect(outputs.map(([name]) => name).toSorted()).toEqual([
      "SERVICE_API_NAME",
      "SERVICE_API_URL",
      "SITE_NAME",
      "SITE_URL",
      "accountId",
      "accountId",
      "appSubnetId",
      "endpoint",
      "hostName",
      "hostName",
      "privateEndpointsSubnetId",
      "vaultId",
      "workspaceId",
      "zoneIds",
    ]);
    expect(JSON.stringify(outputs)).not.toMatch(
      /secret|newGuid|securestring|ConnectionString|InstrumentationKey/i,
    );
  });

  it("is read as a version, so that a newer one does not arrive unasked", () => {
    expect(pathOf(settingsOf(deployed)["OTP_SECRET"])).toBe(referenceTo("otp-secret"));
    // The version is looked up when there is one.
    expect(at(template, "resources", "functionApp", "dependsOn")).toEqual(
      expect.arrayContaining(["otpSecret", "otpSecondSecret"]),
    );
  });

  it("is replaced by one that is made in the same way, in the three steps of the settings", () => {
    const steps = [
      { otpSecondSecretName: "otp-secret-2" },
      { otpSecretName: "otp-secret-2", otpSecondSecretName: "otp-secret" },
      { otpSecretName: "otp-secret-2" },
    ].map((given) => {
      const resources = deploy(template, given);
      const { OTP_SECRET, OTP_SECRET_SECOND } = settingsOf(resources);
      return {
        made: all(types.secret, resources).map(({ name, body }) => [pathOf(name), body["@options"]]),
        settings: [OTP_SECRET, OTP_SECRET_SECOND].map((each) => each && pathOf(each)),
      };
    });
    const once = { onlyIfNotExists: [] };
    const [first, second] = [
      ["kv-cgn-otp/otp-secret", once],
      ["kv-cgn-otp/otp-secret-2", once],
    ];
    expect(steps).toEqual([
      { made: [first, second], settings: [referenceTo("otp-secret"), referenceTo("otp-secret-2")] },
      { made: [second, first], settings: [referenceTo("otp-secret-2"), referenceTo("otp-secret")] },
      { made: [second], settings: [referenceTo("otp-secret-2"), undefined] },
    ]);
  });

  it("is not replaced by itself", () => {
    expect(() => deploy(template, { otpSecondSecretName: "otp-secret" })).toThrow("another name");
  });
});

describe("the site", () => {
  const type = "Microsoft.Web/staticSites";

  it("is there only where a region for it is given", () => {
    expect(all(type)).toEqual([]);
    const site = one(type, deploy(template, { siteLocation: "westeurope" }));
    expect([pathOf(site["name"]), site["location"]]).toEqual(["stapp-cgn-otp", "westeurope"]);
  });

  it("takes its headers from the files that are sent, and has no address besides its own", () => {
    const site = one(type, deploy(template, { siteLocation: "westeurope" }));
    expect(site["sku"]).toEqual({ name: "Free", tier: "Free" });
    expect(site["properties"]).toEqual({
      provider: "Custom",
      allowConfigFileUpdates: true,
      stagingEnvironmentPolicy: "Disabled",
    });
  });
});

describe("the parameters", () => {
  const parameters = Object.entries(toObject(template["parameters"]));

  it("all have defaults, which are safe", () => {
    expect(
      Object.fromEntries(parameters.map(([name, parameter]) => [name, at(parameter, "defaultValue")])),
    ).toEqual({
      alertEmails: [],
      alwaysReadyInstances: 2,
      apiKeysMaxThroughput: 1000,
      backupTier: "Continuous7Days",
      busyFromHour: 9,
      busyToHour: 21,
      databaseName: "cgn",
      instanceMemoryInMb: 2048,
      isPrivate: true,
      isZoneRedundant: true,
      location: "[resourceGroup().location]",
      logRetentionInDays: 30,
      logsStoreRequests: true,
      maximumInstances: 100,
      name: "cgn-otp",
      otpRetentionInSeconds: 86_400,
      otpSecondSecretName: "",
      otpSecretName: "otp-secret",
      otpTtlInSeconds: 600,
      otpsMaxThroughput: 1000,
      portalFromHour: 7,
      portalToHour: 22,
      readLocations: [],
      requestDeadlineInMs: 5000,
      restoredCosmosDbName: "",
      runbookUrl: "https://cgn-otp.example/cgn-otp/blob/main/docs/operate.md",
      siteLocation: "",
      softDeleteRetentionInDays: 90,
      updateStrategy: "Recreate",
      virtualNetworkAddressPrefix: "10.0.0.0/24",
    });
  });

  it("are each given to `azd` as a value of its environment, or keep their default", () => {
    // It leaves out a parameter whose value is not set.
    const nameOf = (name: string): string => name.replaceAll(/[A-Z]/g, "_$&").toUpperCase();
    expect(at(readJson(readFileSync("infra/main.parameters.json", "utf8")), "parameters")).toEqual(
      Object.fromEntries(parameters.map(([name]) => [name, { value: `\${CGN_OTP_${nameOf(name)}}` }])),
    );
  });

  it.each([
    ["OTP_TTL_IN_SECONDS", "otpTtlInSeconds"],
    ["OTP_RETENTION_IN_SECONDS", "otpRetentionInSeconds"],
    ["REQUEST_DEADLINE_IN_MS", "requestDeadlineInMs"],
  ])("allow for %s what the service takes, and no more", (setting, name) => {
    const parameter = at(template, "parameters", name);
    const [min, max] = [Number(at(parameter, "minValue")), Number(at(parameter, "maxValue"))];
    const isTaken = (value: number): boolean => {
      const config = decodeConfig({ [setting]: String(value) });
      return E.isRight(config) || !config.left.names.includes(setting);
    };
    expect([min - 1, min, max, max + 1].map(isTaken)).toEqual([false, true, true, false]);
  });

  it("leave no name too long", () => {
    const resources = deploy(template, { name: "abcdefghijkl" });
    expect(one(types.keyVault, resources)["name"]).toMatch(/^[a-z][a-z0-9-]{2,23}$/);
    expect(one(types.storage, resources)["name"]).toMatch(/^[a-z0-9]{3,24}$/);
    expect(one(types.cosmosDb, resources)["name"]).toMatch(/^[a-z0-9-]{3,44}$/);
    expect(one(types.app, resources)["name"]).toMatch(/^[a-z][a-z0-9-]{1,59}$/);
  });
});

describe("azure.yaml", () => {
  it("names the app, by the tag that azd looks for, and this template", () => {
    const { services, infra } = toObject(toJson(parseYaml(readFileSync("azure.yaml", "utf8"))));
    expect(Object.keys(toObject(services))).toEqual([at(one(types.app), "tags", "azd-service-name")]);
    expect(infra).toEqual({ provider: "bicep", path: "infra", module: "main" });
  });
});

/** Whoever publishes the project changes its address everywhere. */
const publishedAt = toText(at(toJson(parseYaml(readFileSync("publiccode.yml", "utf8"))), "url"));
const isPublished = (address: string): boolean => !new URL(address).hostname.endsWith(".example");

describe("the button of the README", () => {
  it("gives the portal infra/main.json, at an address of the owner's once they have one", () => {
    const [, encoded = ""] =
      /https:\/\/portal\.azure\.com\/#create\/Microsoft\.Template\/uri\/([^)]*)\)/.exec(
        readFileSync("README.md", "utf8"),
      ) ?? [];
    const address = new URL(decodeURIComponent(encoded));
    expect(encodeURIComponent(address.href)).toBe(encoded);
    expect(address.pathname).toMatch(/\/infra\/main\.json$/);
    expect(isPublished(address.href)).toBe(isPublished(publishedAt));
  });
});

describe("infra/main.json", () => {
  /** Whatever compiler made it. */
  const withoutGenerator = (value: Json): Json =>
    toJson(
      JSON.parse(JSON.stringify(value), (name, member: unknown) =>
        name === "_generator" ? undefined : member,
      ),
    );

  const found = spawnSync(process.execPath, [path.join("tools", "bicep.mjs"), "find"], {
    encoding: "utf8",
  });
  if (found.status === 0) {
    it("is what the compiler makes of infra/main.bicep", () => {
      const { command, file } = readJson(found.stdout);
      const [program = "", ...first] = toArray(command).map(toText);
      const built = spawnSync(
        program,
        [...first, "build", ...toArray(file).map(toText), "infra/main.bicep", "--stdout"],
        { encoding: "utf8", maxBuffer: 2 ** 26 },
      );
      expect(built.stderr).toBe("");
      expect(withoutGenerator(readJson(built.stdout))).toEqual(withoutGenerator(template));
    });
  } else {
    it.skip("is not compared with infra/main.bicep, because there is no Bicep compiler", () => undefined);
  }
});
