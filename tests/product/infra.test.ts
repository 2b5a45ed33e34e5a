import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import * as E from "fp-ts/Either";
import { parse as parseYaml } from "yaml";
import packageJson from "../../package.json";
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
    const to = "reference(monitoring).outputs.workspaceId.value";
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
      "accountId",
      "accountId",
      "appSubnetId",
      "endpoint",
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

describe("the parameters", () => {
  const parameters = Object.entries(toObject(template["parameters"]));

  it("all have defaults, which are safe", () => {
    expect(
      Object.fromEntries(parameters.map(([name, parameter]) => [name, at(parameter, "defaultValue")])),
    ).toEqual({
      alwaysReadyInstances: 2,
      apiKeysMaxThroughput: 1000,
      backupTier: "Continuous7Days",
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
      readLocations: [],
      requestDeadlineInMs: 5000,
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

describe("the button of the README", () => {
  it("gives the portal infra/main.json, at an address of the owner's once they have one", () => {
    const [, encoded = ""] =
      /https:\/\/portal\.azure\.com\/#create\/Microsoft\.Template\/uri\/([^)]*)\)/.exec(
        readFileSync("README.md", "utf8"),
      ) ?? [];
    const address = new URL(decodeURIComponent(encoded));
    expect(encodeURIComponent(address.href)).toBe(encoded);
    expect(address.pathname).toMatch(/\/infra\/main\.json$/);
    // Whoever publishes the project changes both.
    const { url } = toObject(toJson(parseYaml(readFileSync("publiccode.yml", "utf8"))));
    const isPublished = (host: string): boolean => !host.endsWith(".example");
    expect(isPublished(address.hostname)).toBe(isPublished(new URL(toText(url)).hostname));
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

  const found = spawnSync(process.execPath, [path.join("scripts", "bicep.mjs"), "find"], {
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
