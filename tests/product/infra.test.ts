/** What ties the template to the code and to the documents, and what must not slip out of it unseen. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import * as E from "fp-ts/Either";
import { parse as parseYaml } from "yaml";
import packageJson from "../../package.json";
import { status } from "../../Status/status";
import { decodeConfig, settingNames } from "../../shared/config";
import { containerShapes, toDefinition } from "../../shared/cosmos/containers";
import { missingGuarantee } from "../../shared/cosmos/guarantees";
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

const readYaml = (name: string): JsonObject =>
  parseJson(JSON.stringify(parseYaml(readFileSync(name, "utf8"))));

const template = readYaml("infra/main.json");
const deployed = deploy(template);
const open = deploy(template, { isPrivate: false });

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
  container: "Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers",
  cosmosDb: "Microsoft.DocumentDB/databaseAccounts",
  endpoint: "Microsoft.Network/privateEndpoints",
  insights: "Microsoft.Insights/components",
  keyVault: "Microsoft.KeyVault/vaults",
  secret: "Microsoft.KeyVault/vaults/secrets",
  storage: "Microsoft.Storage/storageAccounts",
  webTest: "Microsoft.Insights/webtests",
  workspace: "Microsoft.OperationalInsights/workspaces",
} as const;

const settingsOf = (resources: readonly Deployed[]): Readonly<Record<string, string>> =>
  Object.fromEntries(
    toArray(at(one(types.app, resources), "properties", "siteConfig", "appSettings")).map((setting) => [
      toText(at(setting, "name")),
      toText(at(setting, "value")),
    ]),
  );

/** What is there with a gateway of the template's own. */
const gateway = { gatewayTier: "StandardV2", gatewayEmail: "owner@example.org" };
const siteAndGateway = { ...gateway, siteLocation: "westeurope" };
const ownSubnets = { existingAppSubnetId: "/own/app", existingPrivateEndpointsSubnetId: "/own/endpoints" };

describe("the store", () => {
  it("has the containers that the code defines, and no others", () => {
    // The code leaves to the SDK what Azure Resource Manager wants to know of a partition key.
    const expected = (["otps", "api-keys"] as const).map((name) => {
      const { partitionKey, ...definition } = toDefinition(name);
      return { ...definition, partitionKey: { ...partitionKey, kind: "Hash", version: 2 } };
    });
    expect(all(types.container).map(({ body }) => at(body, "properties", "resource"))).toEqual(expected);
  });

  it.each([[[]], [["westeurope", "northeurope"]]])(
    "gives with the further regions %j the guarantees that Info asks for",
    (readLocations) => {
      const account = at(one(types.cosmosDb, deploy(template, { readLocations })), "properties");
      const storeAccount = {
        hasSeveralWriteRegions: at(account, "enableMultipleWriteLocations") !== false,
        hasSeveralReadRegions: toArray(at(account, "locations")).length > 1,
        consistencyLevel: toText(at(account, "consistencyPolicy", "defaultConsistencyLevel")),
        containers: containerShapes,
      };
      expect(missingGuarantee(storeAccount, false)).toBeUndefined();
    },
  );

  it("that was restored is treated as the template's own, but for its regions", () => {
    const restored = deploy(template, { restoredCosmosDbName: "restored" });
    const own = toText(one(types.cosmosDb)["name"]);
    const withoutRegions = (resources: readonly Deployed[]): string =>
      JSON.stringify(resources).replace(/"locations":(?:\[[^\]]*\]|"[^"]*")/, "");
    expect(withoutRegions(restored)).toBe(withoutRegions(deployed).replaceAll(own, "restored"));
    expect(at(one(types.cosmosDb, restored), "properties", "locations")).toBe(
      "reference(storeLocations).outputs.locations.value",
    );
  });

  it("is changed by one resource after the other: an account answers a second change with 412", () => {
    const resources = toObject(at(template, "resources", "cosmosDb", "properties", "template", "resources"));
    const isChange = (name: string): boolean =>
      /databaseAccounts|locks/.test(toText(at(resources[name], "type")));
    const before = (name: string): readonly string[] =>
      toArray(at(resources[name], "dependsOn") ?? [])
        .map(toText)
        .flatMap((each) => [each, ...before(each)]);
    const changes = Object.keys(resources).filter(isChange);
    const waitsFor = changes.map((name) => new Set(before(name).filter(isChange)).size);
    expect(waitsFor.sort()).toEqual([...changes.keys()]);
    expect(changes.length).toBeGreaterThan(5);
  });
});

describe("before anything is created", () => {
  it.each<[JsonObject, string]>([
    [{ name: "c--n" }, "name: "],
    [{ restoredCosmosDbName: "Restored" }, "restoredCosmosDbName: "],
    [{ otpSecretName: "otp_secret" }, "otpSecretName, "],
    [{ otpSecondSecretName: "otp.secret" }, "otpSecondSecretName: "],
    [{ otpSecondSecretName: "otp-secret" }, "another name"],
    [{ databaseName: "a/b" }, "databaseName: "],
    [{ otpsMaxThroughput: 1500 }, "a multiple of 1000"],
    [{ readLocations: ["westeurope"] }, "none, or at least two"],
    [{ existingAppSubnetId: "/subnets/app" }, "both or none"],
    [{ ...ownSubnets, isPrivate: false }, "only with isPrivate"],
    [{ virtualNetworkAddressPrefix: "10.0.0.0/27" }, "/16 to /26"],
    [{ ...gateway, virtualNetworkAddressPrefix: "10.0.0.0/26" }, "with a gateway /16 to /25"],
    [{ ...gateway, gatewayEmail: "" }, "gatewayTier: needs"],
    [{ ...gateway, ...ownSubnets }, "existingGatewaySubnetId"],
    [{ ...gateway, publicHostName: "api.example.org" }, "gatewayCertificateSecretUri: "],
    [{ hasSecondApp: true }, "needs a gateway"],
    [{ allowedCallers: [{ name: "nobody" }], publicHostName: "own.example.org" }, "allowedCallers: each"],
    [{ allowedCallers: [{ name: "own", ipAddress: "203.0.113.0/24" }] }, "needs publicHostName"],
  ])("the template refuses %j", (given, message) => {
    expect(() => deploy(template, given)).toThrow(message);
  });

  it("means: by a name that every resource has, and not by a module that comes later", () => {
    expect(toText(at(template, "variables", "names", "identity"))).toContain("variables('checkedName')");
  });
});

describe("a tenant", () => {
  it("that requires tags finds them on every resource that takes some", () => {
    // Those of a parent, and those that Azure gives no tags.
    const without =
      /roleAssignments|sqlRole|locks|diagnosticSettings|basicPublishing|privateDnsZoneGroups|blobServices|managementPolicies|service\/apis/;
    const resources = deploy(template, { ...siteAndGateway, tags: { owner: "cgn" } });
    const untagged = resources.filter(({ body }) => at(body, "tags", "owner") !== "cgn");
    expect(untagged.map(({ type }) => type).filter((type) => !without.test(type))).toEqual([]);
  });

  it("that has a network and a workspace keeps them", () => {
    const resources = deploy(template, { ...ownSubnets, existingWorkspaceId: "/own/workspace" });
    const made = resources.map(({ type }) => type);
    expect(made.filter((type) => /virtualNetworks|privateDnsZones|workspaces/.test(type))).toEqual([]);
    expect(at(one(types.app, resources), "properties", "virtualNetworkSubnetId")).toBe("/own/app");
    const subnets = all(types.endpoint, resources).map(({ body }) => at(body, "properties", "subnet", "id"));
    expect(new Set(subnets)).toEqual(new Set(["/own/endpoints"]));
  });

  it("can lock what holds data", () => {
    const locks = all("Microsoft.Authorization/locks", deploy(template, { isLocked: true }));
    expect(
      locks.map(
        ({ body }) => /databaseAccounts|vaults|storageAccounts/.exec(toText(body["scope"] ?? ""))?.[0],
      ),
    ).toEqual(["databaseAccounts", "vaults", "storageAccounts"]);
  });
});

describe("the network", () => {
  const rulesOf = (name: string): readonly string[] =>
    all("Microsoft.Network/networkSecurityGroups")
      .filter((group) => group.name.startsWith(name))
      .flatMap(({ body }) => toArray(at(body, "properties", "securityRules")))
      .map((rule) => toText(at(rule, "name")));

  it("lets the app out to its endpoints, Entra ID and Azure Monitor only, and only the app to the endpoints", () => {
    const destinations = ["allow-VirtualNetwork", "allow-AzureActiveDirectory", "allow-AzureMonitor"];
    expect(rulesOf("nsg-app")).toEqual([...destinations, "deny-other-outbound"]);
    expect(rulesOf("nsg-pep")).toEqual(["allow-app", "deny-other-inbound", "deny-other-outbound"]);
  });

  it("has a security group on every subnet, and keeps its subnets when a gateway comes later", () => {
    const subnetsOf = (resources: readonly Deployed[]): readonly Json[] =>
      toArray(at(one("Microsoft.Network/virtualNetworks", resources), "properties", "subnets"));
    const subnets = subnetsOf(deploy(template, gateway));
    expect(subnets.slice(0, 2)).toEqual(subnetsOf(deployed));
    expect(subnets.filter((each) => at(each, "properties", "networkSecurityGroup") === undefined)).toEqual(
      [],
    );
    // Without it a group does not hold for private endpoints.
    expect(at(subnets[1], "properties", "privateEndpointNetworkPolicies")).toBe(
      "NetworkSecurityGroupEnabled",
    );
  });
});

describe("in front of the app", () => {
  const given = {
    ...siteAndGateway,
    gatewayUnlimitedAddresses: ["203.0.113.7", "203.0.113.8"],
    publicHostName: "api.example.org",
    gatewayCertificateSecretUri: "https://vault.example/secrets/api",
  };
  const resources = deploy(template, given);
  const apisOf = (each: readonly Deployed[]): readonly (Json | undefined)[] =>
    all("Microsoft.ApiManagement/service/apis", each).map(({ body }) => at(body, "properties"));

  const ofGateway = {
    name: "gateway",
    vnetSubnetResourceId: toText(
      at(
        one("Microsoft.ApiManagement/service", resources),
        "properties",
        "virtualNetworkConfiguration",
        "subnetResourceId",
      ),
    ),
  };
  const operatorAddresses = ["203.0.113.9/32"];
  const ofOperator = { name: "operator 1", ipAddress: "203.0.113.9/32" };
  const frontDoorId = "12345678-1234-1234-1234-123456789abc";
  const allowedCallers = [
    { name: "front-door", frontDoorId },
    { name: "own", ipAddress: "203.0.113.0/24", subnetId: "" },
    { name: "own-subnet", subnetId: "/own/subnet" },
  ];

  it.each<[JsonObject, string, readonly JsonObject[]]>([
    [{}, "Allow", []],
    [gateway, "Deny", [ofGateway]],
    [
      { allowedCallers, publicHostName: "own.example.org" },
      "Deny",
      [
        { ipAddress: "AzureFrontDoor.Backend", headers: { "x-azure-fdid": [frontDoorId] } },
        { ipAddress: "203.0.113.0/24" },
        { vnetSubnetResourceId: "/own/subnet" },
      ],
    ],
    [{ ...gateway, isClosed: true }, "Deny", []],
    [{ isClosed: true, operatorAddresses }, "Deny", [ofOperator]],
    [{ operatorAddresses }, "Allow", []],
    [{ ...gateway, operatorAddresses }, "Deny", [ofOperator, ofGateway]],
  ])("is with %j a door for nobody else: %s, but %j", (parameters, byDefault, rules) => {
    const config = toObject(at(one(types.app, deploy(template, parameters)), "properties", "siteConfig"));
    expect(config["ipSecurityRestrictionsDefaultAction"]).toBe(byDefault);
    const isAllowed = { action: "Allow" };
    expect(config["ipSecurityRestrictions"]).toMatchObject(rules.map((rule) => ({ ...rule, ...isAllowed })));
  });

  it("a gateway passes the service's paths to the app and all others to the site, and takes no API key for its own", () => {
    const apis = apisOf(resources);
    expect(apis.map((api) => [at(api, "path"), at(api, "serviceUrl")])).toEqual([
      ["api", "https://reference(functionApps[0]).outputs.hostName.value/api"],
      ["", "https://reference(site).outputs.hostName.value"],
    ]);
    expect(at(apis[0], "subscriptionRequired")).toBe(false);
    expect(at(apis[0], "subscriptionKeyParameterNames", "header")).not.toBe("Ocp-Apim-Subscription-Key");
  });

  it("a gateway limits each API key and each address, except those that are named, and says when to come again", () => {
    const type = "Microsoft.ApiManagement/service/apis/policies";
    const policy = toText(at(one(type, resources), "properties", "value"));
    const limit =
      /<rate-limit-by-key calls="300" renewal-period="10" counter-key="@\(&quot;(?:key|address) /g;
    expect(policy.match(limit)).toHaveLength(2);
    expect(policy).toContain("!&quot;,203.0.113.7,203.0.113.8,&quot;.Contains(");
    const [, onError = ""] = /<on-error>(.*)<\/on-error>/s.exec(policy) ?? [];
    expect(onError).toMatch(/"429".*<set-header name="Retry-After"/s);
    // API Management takes few policies there: https://learn.microsoft.com/azure/api-management/api-management-error-handling-policies#policies-allowed-in-on-error
    const outside = onError.replaceAll(/<return-response>.*?<\/return-response>|<!--.*?-->/gs, "");
    const used = new Set([...outside.matchAll(/<([a-z-]+)/g)].map(([, name]) => name));
    expect(used).toEqual(new Set(["base", "choose", "when", "set-variable", "otherwise"]));
  });

  it.each<[JsonObject, string]>([
    [{}, "reference(functionApps[0]).outputs.hostName.value"],
    [gateway, "reference(gateway).outputs.hostName.value"],
    [{ publicHostName: "own.example.org" }, "own.example.org"],
    [given, "api.example.org"],
  ])("is what the test from outside asks for Status: with %j %s", (parameters, hostName) => {
    const test = at(one(types.webTest, deploy(template, parameters)), "properties");
    expect(at(test, "Request", "RequestUrl")).toBe(`https://${hostName}/${status.route}`);
    expect(at(test, "ValidationRules", "ContentValidation", "ContentMatch")).toBe('"status":"up"');
  });

  it.each([
    ["first", "functionApps[0]", "func-cgn-otp-01234567-2"],
    ["second", "functionApps[1]", "func-cgn-otp-01234567"],
  ])(
    "are two apps, if one wants: calls go to the %s, and azd deploys the other",
    (liveApp, called, other) => {
      const both = deploy(template, { ...given, hasSecondApp: true, liveApp });
      expect(at(apisOf(both)[0], "serviceUrl")).toBe(
        `https://reference(${called}).outputs.hostName.value/api`,
      );
      const apps = all(types.app, both);
      const byAzd = apps.filter(({ body }) => at(body, "tags", "azd-service-name") === "api");
      expect(byAzd.map(({ name }) => name)).toEqual([other]);
      const archives = apps.map(({ body }) =>
        at(body, "properties", "functionAppConfig", "deployment", "storage", "value"),
      );
      expect(new Set(archives).size).toBe(2);
    },
  );
});

describe("access", () => {
  it.each([
    [types.cosmosDb, "disableLocalAuth", true],
    [types.cosmosDb, "minimalTlsVersion", "Tls12"],
    [types.cosmosDb, "backupPolicy.type", "Continuous"],
    [types.cosmosDb, "enableAutomaticFailover", true],
    [types.cosmosDb, "locations.0.isZoneRedundant", true],
    [types.keyVault, "enableRbacAuthorization", true],
    [types.keyVault, "enablePurgeProtection", true],
    [types.storage, "allowSharedKeyAccess", false],
    [types.storage, "allowBlobPublicAccess", false],
    [types.storage, "supportsHttpsTrafficOnly", true],
    [types.storage, "minimumTlsVersion", "TLS1_2"],
    [types.insights, "DisableLocalAuth", true],
    [types.workspace, "features.disableLocalAuth", true],
    [types.app, "httpsOnly", true],
    [types.app, "siteConfig.minTlsVersion", "1.2"],
    [types.app, "siteConfig.ftpsState", "Disabled"],
    [types.app, "siteConfig.remoteDebuggingEnabled", false],
  ])("is by identities over TLS, and data stays, private or not: %s has %s %j", (type, name, value) => {
    for (const resources of [deployed, open]) {
      expect(at(one(type, resources), "properties", ...name.split("."))).toBe(value);
    }
  });

  it("is by private endpoints alone, unless it is told otherwise", () => {
    for (const type of [types.cosmosDb, types.keyVault, types.storage]) {
      expect(at(one(type), "properties", "publicNetworkAccess")).toBe("Disabled");
      expect(at(one(type, open), "properties", "publicNetworkAccess")).toBe("Enabled");
    }
    expect([all(types.endpoint).length, all(types.endpoint, open).length]).toEqual([3, 0]);
    expect(at(one(types.app), "properties", "virtualNetworkSubnetId")).not.toBeNull();
  });

  it("is by no key or password", () => {
    const passwords = all("Microsoft.Web/sites/basicPublishingCredentialsPolicies").map(({ body }) =>
      at(body, "properties", "allow"),
    );
    expect(passwords).toEqual([false, false]);
    // A deployment by somebody else could read the secret.
    expect(at(one(types.keyVault), "properties", "enabledForTemplateDeployment")).not.toBe(true);
    expect(JSON.stringify(template)).not.toMatch(/\blist[A-Z]\w*\(|AccountKey|SharedAccess/);
  });

  it("is given to the app's identity alone: the roles of docs/deploy.md, each with its scope", () => {
    const idOf = (type: string): string => `resourceId(${type}, ${toText(one(type)["name"])})`;
    const account = idOf(types.cosmosDb);
    const assignments = [
      ...all("Microsoft.Authorization/roleAssignments"),
      ...all(`${types.cosmosDb}/sqlRoleAssignments`),
    ].map(({ body }) => ({ ...toObject(body["properties"]), ...body }));
    expect(
      assignments.map((each) => [
        /[0-9a-f]{8}-[0-9a-f-]{27}|guid.*(?=\))/.exec(toText(at(each, "roleDefinitionId")))?.[0],
        at(each, "scope"),
      ]),
    ).toEqual([
      ["3913510d-42f4-4e42-8a64-420c390055eb", idOf(types.insights)], // Monitoring Metrics Publisher
      ["4633458b-17de-408a-b874-0445c86b69e6", idOf(types.keyVault)], // Key Vault Secrets User
      ["b7e6dc6d-f1e8-4753-8033-0f276bb0955b", idOf(types.storage)], // Storage Blob Data Owner
      ["00000000-0000-0000-0000-000000000002", `${account}/dbs/cgn`], // Data Contributor, built in
      [`guid(${account}, metadata-reader)`, account],
    ]);
    for (const each of assignments) {
      expect(at(each, "principalId")).toMatch(/^reference\(.*\)\.principalId$/);
    }
    const { permissions } = toObject(one(`${types.cosmosDb}/sqlRoleDefinitions`)["properties"]);
    expect(permissions).toEqual([{ dataActions: ["Microsoft.DocumentDB/databaseAccounts/readMetadata"] }]);
  });
});

describe("the app", () => {
  const app = one(types.app);

  it("has every setting of the service but a key, a single copy's and a second secret, and the platform's own", () => {
    const withheld = ["COSMOSDB_KEY", "COSMOSDB_SINGLE_COPY", "OTP_SECRET_SECOND"];
    const ofPlatform = /^(?:APPLICATIONINSIGHTS|AzureWebJobs)/;
    const names = Object.keys(settingsOf(deployed)).filter((name) => !ofPlatform.test(name));
    expect(names.toSorted()).toEqual(settingNames.filter((name) => !withheld.includes(name)).toSorted());
  });

  it("has settings that the service can work with", () => {
    const config = decodeConfig({
      ...settingsOf(deployed),
      // Azure alone knows the first two, and sets the next two.
      AZURE_CLIENT_ID: "12345678-1234-1234-1234-123456789abc",
      COSMOSDB_ENDPOINT: "https://cosmos-cgn-otp.documents.azure.com:443/",
      IDENTITY_ENDPOINT: "http://127.0.0.1:41741/msi/token",
      IDENTITY_HEADER: "A1B2C3",
      OTP_SECRET: toText(at(one(types.secret), "properties", "value")),
    });
    expect(config).toMatchObject(
      E.right({
        cosmos: { databaseName: "cgn", isSingleCopy: false },
        otpLifetime: { ttlSeconds: 600, retentionSeconds: 86_400 },
        generateOtpPathForm: true,
        requestDeadlineMs: 5000,
      }),
    );
    const { COSMOSDB_ENDPOINT, AZURE_CLIENT_ID } = settingsOf(deployed);
    expect(COSMOSDB_ENDPOINT).toBe("reference(cosmosDb).outputs.endpoint.value");
    expect(AZURE_CLIENT_ID).toMatch(/^reference\(.*\)\.clientId$/);
  });

  it("acts as the one identity that has the roles", () => {
    const named = JSON.stringify(deployed).matchAll(/userAssignedIdentities, ([\w-]+)/g);
    const { name } = one("Microsoft.ManagedIdentity/userAssignedIdentities");
    expect(new Set([...named].map(([, each]) => each))).toEqual(new Set([name]));
    expect(at(app, "properties", "keyVaultReferenceIdentity")).toBe(
      Object.keys(toObject(at(app, "identity", "userAssignedIdentities")))[0],
    );
  });

  it("runs on the Node.js of the tests, and is what azure.yaml deploys", () => {
    const [version] = packageJson.devDependencies.node.split(".");
    expect(at(app, "properties", "functionAppConfig", "runtime")).toEqual({ name: "node", version });
    const { services, infra } = readYaml("azure.yaml");
    expect(Object.keys(toObject(services))).toEqual([at(app, "tags", "azd-service-name")]);
    expect(infra).toEqual({ provider: "bicep", path: "infra", module: "main" });
  });
});

describe("each alert", () => {
  const runbook = toText(at(template, "parameters", "runbookUrl", "defaultValue"));
  const alertsOf = (resources: readonly Deployed[]): readonly Deployed[] =>
    resources.filter(({ name }) => name.startsWith("alert-"));

  it.each(alertsOf(deployed))("$name tells the action group, and leads to its page", ({ name, body }) => {
    const [, alert = ""] = /^alert-cgn-otp-\w{8}-(.+)$/.exec(name) ?? [];
    const actions = JSON.stringify(at(body, "properties", "actions"));
    expect(actions).toContain(toText(one("Microsoft.Insights/actionGroups")["name"]));
    expect(actions).toContain(`"runbook":"${runbook}#${alert}"`);
    expect(at(body, "properties", "enabled")).toBe(true);
  });

  it("reaches everybody who is named, and the workbook and azd warn while that is nobody", () => {
    const told = deploy(template, {
      alertEmails: ["on-call@example.org"],
      alertPhones: [{ countryCode: "39", number: "333" }],
      alertWebhooks: ["https://example.org/hook"],
      alertActionGroupIds: ["/own/group"],
    });
    const receivers = JSON.stringify(one("Microsoft.Insights/actionGroups", told));
    expect(receivers).toMatch(/on-call@example\.org.*333.*https:\/\/example\.org\/hook/);
    expect(alertsOf(told).filter(({ body }) => !JSON.stringify(body).includes("/own/group"))).toEqual([]);
    const warn = [told, deployed].map((resources) =>
      JSON.stringify(one("Microsoft.Insights/workbooks", resources)).includes("Nobody gets the alerts"),
    );
    expect(warn).toEqual([false, true]);

    const run = toText(at(readYaml("azure.yaml"), "hooks", "postprovision", "posix", "run"));
    const [, ALERTS_TELL] = /'(NOBODY)'/.exec(toText(at(template, "outputs", "ALERTS_TELL", "value"))) ?? [];
    const env = { PATH: process.env["PATH"], ALERTS_TELL };
    const { stderr } = spawnSync("sh", ["-c", run], { env, encoding: "utf8" });
    expect(stderr).toMatch(/^WARNING: the alerts tell nobody/);
  });
});

describe("the logs", () => {
  it("have each line once, and no request to the store, unless somebody wants them", () => {
    const categories = all("Microsoft.Insights/diagnosticSettings")
      .flatMap(({ body }) => toArray(at(body, "properties", "logs")))
      .filter((log) => at(log, "enabled") === true)
      .map((log) => at(log, "category"));
    expect(categories).toEqual(["ControlPlaneRequests", "AuditEvent"]);
  });
});

describe("OTP_SECRET", () => {
  it("is made once, of random parameters that nobody gives and no history keeps", () => {
    expect(one(types.secret)["@options"]).toEqual({ onlyIfNotExists: [] });
    const parameters = templatesIn(template).flatMap((each) =>
      Object.values(toObject(each["parameters"] ?? {})),
    );
    const isSecure = (parameter: Json): boolean => /^secure/i.test(toText(at(parameter, "type")));
    const isRandom = (parameter: Json): boolean => at(parameter, "defaultValue") === "[newGuid()]";
    // Three for OTP_SECRET, three for OTP_SECRET_SECOND.
    expect(parameters.filter(isRandom)).toHaveLength(6);
    expect(parameters.filter(isSecure)).toEqual(parameters.filter(isRandom));
    // It would have the history keep requests and answers.
    expect(JSON.stringify(template)).not.toContain("debugSetting");
  });

  it("is in no output, nor is any other secret, nor anybody's address", () => {
    const outputs = templatesIn(template).flatMap((each) => Object.entries(toObject(each["outputs"] ?? {})));
    expect(outputs.length).toBeGreaterThan(0);
    expect(JSON.stringify(outputs)).not.toMatch(
      /secret|newGuid|secure|mail|ConnectionString|InstrumentationKey/i,
    );
  });

  // By a version, so that it changes only when the next step is taken.
  it.each<[JsonObject, read: readonly (string | undefined)[]]>([
    [{}, ["otp-secret", undefined]],
    [{ otpSecondSecretName: "new" }, ["otp-secret", "new"]],
    [{ otpSecretName: "new", otpSecondSecretName: "otp-secret" }, ["new", "otp-secret"]],
    [{ otpSecretName: "new" }, ["new", undefined]],
  ])("is replaced in the steps of docs/deploy.md: with %j the app reads %j", (given, expected) => {
    const resources = deploy(template, given);
    const { OTP_SECRET, OTP_SECRET_SECOND } = settingsOf(resources);
    const read = [OTP_SECRET, OTP_SECRET_SECOND].map(
      (each = "") => /vaults\/secrets, kv-[\w-]+, ([\w-]+)\).*\.secretUriWithVersion\)$/.exec(each)?.[1],
    );
    expect(read).toEqual(expected);
    const made = all(types.secret, resources).map(({ name }) => name.split("/")[1]);
    expect(made).toEqual(expected.filter((name) => name !== undefined));
  });

  it("is there before the app, which looks its version up", () => {
    const before = toArray(at(template, "resources", "functionApps", "dependsOn"));
    expect(before).toEqual(expect.arrayContaining(["otpSecret", "otpSecondSecret"]));
  });
});

describe("the parameters", () => {
  const parameters = Object.entries(toObject(template["parameters"]));
  const toVariable = (name: string): string => `CGN_OTP_${name.replaceAll(/[A-Z]/g, "_$&").toUpperCase()}`;

  it("are each given to `azd` as a variable, or keep their default", () => {
    expect(readYaml("infra/main.parameters.json")["parameters"]).toEqual(
      Object.fromEntries(parameters.map(([name]) => [name, { value: `\${${toVariable(name)}}` }])),
    );
  });

  it("are the ones that the documents name", () => {
    const documents = ["capacity.md", "deploy.md", "operate.md", "settings.md"].map((name) =>
      readFileSync(path.join("docs", name), "utf8"),
    );
    const named = documents.flatMap((text) => [
      ...[...text.matchAll(/`(\w+(?:MaxThroughput|Instances)|logs[A-Z]\w+)`/g)].map(([, name = ""]) =>
        toVariable(name),
      ),
      ...[...text.matchAll(/\bCGN_OTP_[A-Z_]+/g)].map(([variable]) => variable),
      ...[...text.matchAll(/--parameters (.+)/g)].flatMap(([, given = ""]) =>
        [...given.matchAll(/(\w+)=/g)].map(([, name = ""]) => toVariable(name)),
      ),
    ]);
    expect(named.length).toBeGreaterThan(0);
    const known = parameters.map(([name]) => toVariable(name));
    expect(named.filter((variable) => !known.includes(variable))).toEqual([]);
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

  // https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules
  it.each([
    [types.keyVault, /^[a-z][a-z0-9-]{1,22}[a-z0-9]$/],
    [types.storage, /^[a-z0-9]{3,24}$/],
  ])("leave the name of %s one that Azure takes", (type, pattern) => {
    for (const name of ["a-b-c-d-e-f1", "abcdefghijkl"]) {
      expect(one(type, deploy(template, { name }))["name"]).toMatch(pattern);
    }
  });
});
