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
      // Azure takes no change of this together with one of the regions.
      expect(at(account, "enableAutomaticFailover")).toBe(true);
    },
  );

  it("can be restored to any moment, and the template then treats it as its own, but for its regions", () => {
    expect(at(one(types.cosmosDb), "properties", "backupPolicy", "type")).toBe("Continuous");
    const own = toText(one(types.cosmosDb)["name"]);
    const restored = deploy(template, { restoredCosmosDbName: "restored" });
    expect(one(types.cosmosDb, restored)["name"]).toBe("restored");
    const withoutRegions = (resources: readonly Deployed[]): string =>
      JSON.stringify(resources).replace(/"locations":(?:\[[^\]]*\]|"[^"]*")/, "");
    expect(withoutRegions(restored)).toBe(withoutRegions(deployed).replaceAll(own, "restored"));
    expect(at(one(types.cosmosDb, restored), "properties", "locations")).toBe(
      "reference(storeLocations).outputs.locations.value",
    );
  });

  it("is changed by one resource after the other: an account answers a second change with 412", () => {
    const resources = toObject(at(template, "resources", "cosmosDb", "properties", "template", "resources"));
    const before = (name: string): readonly string[] =>
      toArray(at(resources[name], "dependsOn") ?? []).flatMap((each) => [
        toText(each),
        ...before(toText(each)),
      ]);
    const changes = Object.keys(resources).filter((name) =>
      /databaseAccounts|locks/.test(toText(at(resources[name], "type"))),
    );
    const longest = changes.map(
      (name) => new Set(before(name).filter((each) => changes.includes(each))).size,
    );
    expect(longest.toSorted((a, b) => a - b)).toEqual([...changes.keys()]);
    expect(changes).toHaveLength(8);
  });

  it("may exceed its throughput for a while after a quiet time", () => {
    expect(at(one(types.cosmosDb), "properties", "enableBurstCapacity")).toBe(true);
  });

  it("has zones of its own, which a region can refuse while the app has them", () => {
    const zonesOf = (given: JsonObject): readonly unknown[] => {
      const resources = deploy(template, given);
      const locations = at(one(types.cosmosDb, resources), "properties", "locations");
      const plan = one("Microsoft.Web/serverfarms", resources);
      return [at(locations, 0, "isZoneRedundant"), at(plan, "properties", "zoneRedundant")];
    };
    expect([{}, { isZoneRedundant: false }, { isStoreZoneRedundant: false }].map(zonesOf)).toEqual([
      [true, true],
      [false, false],
      [false, true],
    ]);
  });
});

describe("before anything is created", () => {
  const gateway = { gatewayTier: "StandardV2", gatewayEmail: "owner@example.org" };

  it.each<[JsonObject, string]>([
    ...["cgn-", "-cgn", "c--n", "CGN", "c_n", "c n"].map((name): [JsonObject, string] => [
      { name },
      "name: ",
    ]),
    [{ restoredCosmosDbName: "Restored" }, "restoredCosmosDbName: "],
    [{ otpSecretName: "otp_secret" }, "otpSecretName, "],
    [{ otpSecondSecretName: "otp.secret" }, "otpSecondSecretName: "],
    [{ otpSecondSecretName: "otp-secret" }, "another name"],
    [{ databaseName: "a/b" }, "databaseName: "],
    [{ databaseName: "cgn " }, "databaseName: "],
    [{ otpsMaxThroughput: 1500 }, "a multiple of 1000"],
    [{ apiKeysMaxThroughput: 1001 }, "a multiple of 1000"],
    [{ readLocations: ["westeurope"] }, "none, or at least two"],
    [{ existingAppSubnetId: "/subnets/app" }, "both or none"],
    [
      { existingAppSubnetId: "/a", existingPrivateEndpointsSubnetId: "/b", isPrivate: false },
      "only with isPrivate",
    ],
    [{ virtualNetworkAddressPrefix: "10.0.0.0/27" }, "/16 to /26"],
    [{ virtualNetworkAddressPrefix: "10.0.0.0/8" }, "/16 to /26"],
    [{ ...gateway, virtualNetworkAddressPrefix: "10.0.0.0/26" }, "with a gateway /16 to /25"],
    [{ ...gateway, gatewayEmail: "" }, "gatewayTier: needs"],
    [{ ...gateway, isPrivate: false }, "gatewayTier: needs"],
    [
      { ...gateway, existingAppSubnetId: "/a", existingPrivateEndpointsSubnetId: "/b" },
      "existingGatewaySubnetId",
    ],
    [{ ...gateway, publicHostName: "api.example.org" }, "gatewayCertificateSecretUri: "],
    [{ gatewayCertificateSecretUri: "https://vault/secrets/name" }, "gatewayCertificateSecretUri: "],
    [{ hasSecondApp: true }, "needs a gateway"],
    [{ ...gateway, liveApp: "second" }, "needs a gateway"],
    [{ allowedCallers: [{ name: "nobody" }], publicHostName: "own.example.org" }, "allowedCallers: each"],
    [{ allowedCallers: [{ name: "own", ipAddress: "203.0.113.0/24" }] }, "needs publicHostName"],
  ])("the template refuses %j", (given, message) => {
    expect(() => deploy(template, given)).toThrow(message);
    // In a name that every resource has, and not in a module that comes later.
    expect(toText(at(template, "variables", "names", "identity"))).toContain("variables('checkedName')");
  });
});

describe("a tenant", () => {
  it("that requires tags finds them on every resource that takes some", () => {
    const given = {
      tags: { owner: "cgn" },
      siteLocation: "westeurope",
      gatewayTier: "StandardV2",
      gatewayEmail: "a@b.it",
    };
    // Those of a parent, and those that Azure gives no tags.
    const without =
      /roleAssignments|sqlRole|locks|diagnosticSettings|basicPublishing|privateDnsZoneGroups|blobServices|managementPolicies|service\/apis/;
    const resources = deploy(template, given).filter(({ type }) => !without.test(type));
    expect(
      resources.filter(({ body }) => at(body, "tags", "owner") !== "cgn").map(({ type }) => type),
    ).toEqual([]);
    expect(resources.length).toBeGreaterThan(40);
  });

  it("that has a network and a workspace keeps them", () => {
    const group = "/subscriptions/s/resourceGroups/hub";
    const own = {
      existingAppSubnetId: "/own/app",
      existingPrivateEndpointsSubnetId: "/own/endpoints",
      existingWorkspaceId: "/own/workspace",
    };
    const resources = deploy(template, own);
    expect(resources.filter(({ type }) => /virtualNetworks|privateDnsZones$|workspaces/.test(type))).toEqual(
      [],
    );
    expect(all("Microsoft.Network/privateEndpoints/privateDnsZoneGroups", resources)).toEqual([]);
    expect(at(one(types.app, resources), "properties", "virtualNetworkSubnetId")).toBe("/own/app");
    const endpoints = all("Microsoft.Network/privateEndpoints", resources);
    expect(endpoints.map(({ body }) => at(body, "properties", "subnet", "id"))).toEqual(
      Array.from({ length: 3 }, () => "/own/endpoints"),
    );
    const zoned = deploy(template, { ...own, existingDnsZonesGroupId: group });
    const zones = all("Microsoft.Network/privateEndpoints/privateDnsZoneGroups", zoned);
    expect(JSON.stringify(zones)).toContain(
      "resourceId(s, hub, Microsoft.Network/privateDnsZones, privatelink.documents.azure.com)",
    );
  });

  it("that locks what holds data does so by a parameter", () => {
    expect(all("Microsoft.Authorization/locks")).toEqual([]);
    const locks = all("Microsoft.Authorization/locks", deploy(template, { isLocked: true }));
    expect(
      locks.map(
        ({ body }) => /databaseAccounts|vaults|storageAccounts/.exec(toText(body["scope"] ?? ""))?.[0],
      ),
    ).toEqual(["databaseAccounts", "vaults", "storageAccounts"]);
  });

  it("whose policy wants secrets to expire gets it", () => {
    const expiryOf = (given: JsonObject): Json | undefined =>
      at(one(types.secret, deploy(template, given)), "properties", "attributes");
    expect(expiryOf({})).toBe(null);
    expect(toText(expiryOf({ otpSecretValidityInDays: 365 }))).toContain("P365D");
  });
});

describe("the network", () => {
  const rulesOf = (resources: readonly Deployed[], name: string): readonly string[] =>
    all("Microsoft.Network/networkSecurityGroups", resources)
      .filter((group) => group.name.startsWith(name))
      .flatMap(({ body }) => toArray(at(body, "properties", "securityRules")))
      .map((rule) => toText(at(rule, "name")));

  it("lets the app out to its endpoints, Entra ID and Azure Monitor only, unless it is told otherwise", () => {
    const destinations = ["allow-VirtualNetwork", "allow-AzureActiveDirectory", "allow-AzureMonitor"];
    expect(rulesOf(deployed, "nsg-app")).toEqual([...destinations, "deny-other-outbound"]);
    expect(rulesOf(deploy(template, { isEgressClosed: false }), "nsg-app")).toEqual(destinations);
    expect(rulesOf(deployed, "nsg-pep")).toEqual(["allow-app", "deny-other-inbound", "deny-other-outbound"]);
  });

  it("has a security group on every subnet, which holds for private endpoints, too", () => {
    const resources = deploy(template, { gatewayTier: "StandardV2", gatewayEmail: "a@b.it" });
    const prefixesOf = (given: readonly Deployed[]): readonly unknown[] =>
      toArray(at(one("Microsoft.Network/virtualNetworks", given), "properties", "subnets")).map((subnet) =>
        at(subnet, "properties", "addressPrefix"),
      );
    // Azure changes no subnet that is in use: a gateway can come later.
    expect(prefixesOf(resources).slice(0, 2)).toEqual(prefixesOf(deployed));
    const subnets = toArray(at(one("Microsoft.Network/virtualNetworks", resources), "properties", "subnets"));
    expect(subnets.map((subnet) => at(subnet, "properties", "addressPrefix"))).toEqual([
      "cidrSubnet(10.0.0.0/24, 25, 0)",
      "cidrSubnet(10.0.0.0/24, 26, 2)",
      "cidrSubnet(10.0.0.0/24, 26, 3)",
    ]);
    expect(at(subnets[1], "properties", "privateEndpointNetworkPolicies")).toBe(
      "NetworkSecurityGroupEnabled",
    );
    expect(
      subnets.map((subnet) => at(subnet, "properties", "networkSecurityGroup")).includes(undefined),
    ).toBe(false);
  });
});

describe("in front of the app", () => {
  const given = {
    gatewayTier: "StandardV2",
    gatewayEmail: "owner@example.org",
    gatewayUnlimitedAddresses: ["203.0.113.7", "203.0.113.8"],
    publicHostName: "api.example.org",
    gatewayCertificateSecretUri: "https://vault.example/secrets/api",
    siteLocation: "westeurope",
  };
  const resources = deploy(template, given);
  const doorOf = (parameters: JsonObject): Json => {
    const config = at(one(types.app, deploy(template, parameters)), "properties", "siteConfig");
    return [at(config, "ipSecurityRestrictionsDefaultAction"), at(config, "ipSecurityRestrictions")].map(
      (each) => each ?? null,
    );
  };
  const apis = all("Microsoft.ApiManagement/service/apis", resources);

  it("stands nothing by default, and everybody may call", () => {
    expect(deployed.filter(({ type }) => type.startsWith("Microsoft.ApiManagement"))).toEqual([]);
    expect(doorOf({})).toEqual(["Allow", []]);
  });

  it("stands a gateway, from whose subnet alone the app takes calls", () => {
    const [name, subnetId] = ["gateway", "reference(network).outputs.gatewaySubnetId.value"];
    expect(doorOf(given)).toEqual([
      "Deny",
      [{ name, action: "Allow", priority: 100, vnetSubnetResourceId: subnetId }],
    ]);
    const { virtualNetworkConfiguration } = toObject(
      one("Microsoft.ApiManagement/service", resources)["properties"],
    );
    expect(virtualNetworkConfiguration).toEqual({ subnetResourceId: subnetId });
  });

  it("stands a Front Door or a gateway of one's own, by its id, its addresses or its subnet", () => {
    const allowedCallers = [
      { name: "front-door", frontDoorId: "12345678-1234-1234-1234-123456789abc" },
      { name: "own", ipAddress: "203.0.113.0/24", subnetId: "" },
      { name: "own-subnet", subnetId: "/own/subnet" },
    ];
    expect(doorOf({ allowedCallers, publicHostName: "own.example.org" })).toEqual([
      "Deny",
      [
        {
          ...{ name: "front-door", action: "Allow", priority: 100, tag: "ServiceTag" },
          ...{
            ipAddress: "AzureFrontDoor.Backend",
            headers: { "x-azure-fdid": [allowedCallers[0]?.frontDoorId] },
          },
        },
        { name: "own", action: "Allow", priority: 101, ipAddress: "203.0.113.0/24" },
        { name: "own-subnet", action: "Allow", priority: 102, vnetSubnetResourceId: "/own/subnet" },
      ],
    ]);
  });

  it("is a door that can be closed to everybody, a gateway too, but for operators", () => {
    expect(doorOf({ ...given, isClosed: true })).toEqual(["Deny", []]);
    const operatorAddresses = ["203.0.113.9/32"];
    const rule = { name: "operator 1", action: "Allow", priority: 100, ipAddress: "203.0.113.9/32" };
    expect(doorOf({ isClosed: true, operatorAddresses })).toEqual(["Deny", [rule]]);
    expect(doorOf({ operatorAddresses })).toEqual(["Allow", []]);
    expect(doorOf({ ...given, operatorAddresses })).toMatchObject([
      "Deny",
      [rule, { name: "gateway", priority: 101 }],
    ]);
  });

  it("passes the service's paths to the app and all others to the site, and takes no API key for its own", () => {
    expect(
      apis.map(({ body }) => [at(body, "properties", "path"), at(body, "properties", "serviceUrl")]),
    ).toEqual([
      ["api", "https://reference(functionApps[0]).outputs.hostName.value/api"],
      ["", "https://reference(site).outputs.hostName.value"],
    ]);
    const [service] = apis;
    expect(at(service?.body, "properties", "subscriptionRequired")).toBe(false);
    expect(at(service?.body, "properties", "subscriptionKeyParameterNames", "header")).not.toBe(
      "Ocp-Apim-Subscription-Key",
    );
  });

  it("limits each API key and each address to 300 calls in 10 seconds, except the addresses that are named", () => {
    const policy = toText(
      at(one("Microsoft.ApiManagement/service/apis/policies", resources), "properties", "value"),
    );
    expect(
      policy.match(
        /<rate-limit-by-key calls="300" renewal-period="10" counter-key="@\(&quot;(?:key|address) /g,
      ),
    ).toHaveLength(2);
    expect(policy).toContain("!&quot;,203.0.113.7,203.0.113.8,&quot;.Contains(");
    expect(policy).not.toMatch(/"CALLS"|,ADDRESSES/);
    const other = deploy(template, { ...given, gatewayCallsIn10Seconds: 50, gatewayUnlimitedAddresses: [] });
    const otherPolicy = toText(
      at(one("Microsoft.ApiManagement/service/apis/policies", other), "properties", "value"),
    );
    expect(otherPolicy.match(/calls="50"/g)).toHaveLength(2);
    expect(otherPolicy).toContain("!&quot;,,&quot;.Contains(");
  });

  it("answers a call beyond a limit with Retry-After, by policies that API Management takes after an error", () => {
    const policy = toText(
      at(one("Microsoft.ApiManagement/service/apis/policies", resources), "properties", "value"),
    );
    const [, onError = ""] = /<on-error>(.*)<\/on-error>/s.exec(policy) ?? [];
    expect(onError).toMatch(/"429".*<set-header name="Retry-After"/s);
    // https://learn.microsoft.com/azure/api-management/api-management-error-handling-policies#policies-allowed-in-on-error
    const outside = onError.replaceAll(/<return-response>.*?<\/return-response>|<!--.*?-->/gs, "");
    const used = new Set([...outside.matchAll(/<([a-z-]+)/g)].map(([, name]) => name));
    expect(used).toEqual(new Set(["base", "choose", "when", "set-variable", "otherwise"]));
  });

  it.each<[JsonObject, string]>([
    [{}, "reference(functionApps[0]).outputs.hostName.value"],
    [{ publicHostName: "own.example.org" }, "own.example.org"],
    [given, "api.example.org"],
    [
      { ...given, publicHostName: "", gatewayCertificateSecretUri: "" },
      "reference(gateway).outputs.hostName.value",
    ],
  ])("is what the test from outside asks: with %j %s", (parameters, hostName) => {
    const test = one(types.webTest, deploy(template, parameters));
    expect(at(test, "properties", "Request", "RequestUrl")).toBe(`https://${hostName}/${status.route}`);
  });

  it("are two apps, if one wants: calls go to one, and azd deploys the other", () => {
    const [first, second] = ["first", "second"].map((liveApp) => {
      const both = deploy(template, { ...given, hasSecondApp: true, liveApp });
      const [service] = all("Microsoft.ApiManagement/service/apis", both);
      const deployedByAzd = all(types.app, both).filter(
        ({ body }) => at(body, "tags", "azd-service-name") === "api",
      );
      const archives = all(types.app, both).map(({ body }) =>
        at(body, "properties", "functionAppConfig", "deployment", "storage", "value"),
      );
      expect(new Set(archives).size).toBe(2);
      return [at(service?.body, "properties", "serviceUrl"), deployedByAzd.map(({ name }) => name)];
    });
    expect([first, second]).toEqual([
      ["https://reference(functionApps[0]).outputs.hostName.value/api", ["func-cgn-otp-01234567-2"]],
      ["https://reference(functionApps[1]).outputs.hostName.value/api", ["func-cgn-otp-01234567"]],
    ]);
  });
});

describe("access", () => {
  /** Of each door and each key what the template sets. */
  const locks = (resources: readonly Deployed[]): readonly (Json | undefined)[] =>
    (
      [
        [types.cosmosDb, "publicNetworkAccess"],
        [types.keyVault, "publicNetworkAccess"],
        [types.storage, "publicNetworkAccess"],
        [types.cosmosDb, "disableLocalAuth"],
        [types.keyVault, "enableRbacAuthorization"],
        [types.storage, "allowSharedKeyAccess"],
        [types.storage, "allowBlobPublicAccess"],
        [types.insights, "DisableLocalAuth"],
        [types.workspace, "features", "disableLocalAuth"],
        [types.app, "httpsOnly"],
        [types.app, "siteConfig", "ftpsState"],
      ] as const
    ).map(([type, ...path]) => at(one(type, resources), "properties", ...path));

  it.each([
    [true, "Disabled", 3],
    [false, "Enabled", 0],
  ])("is by identities alone, and if private (%j) by private endpoints", (isPrivate, access, endpoints) => {
    const resources = isPrivate ? deployed : deploy(template, { isPrivate });
    const byIdentity = [true, true, false, false, true, true, true, "Disabled"];
    expect(locks(resources)).toEqual([access, access, access, ...byIdentity]);
    expect(all("Microsoft.Network/privateEndpoints", resources)).toHaveLength(endpoints);
    expect(at(one(types.app, resources), "properties", "virtualNetworkSubnetId") !== null).toBe(isPrivate);
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
    const rolesOf = (
      type: string,
      id: RegExp,
      scope: (body: JsonObject) => Json | undefined,
    ): readonly unknown[] =>
      all(type).map(({ body }) => [
        id.exec(toText(at(body, "properties", "roleDefinitionId")))?.[0],
        toText(scope(body)),
        /^reference\(.*\)\.principalId$/.test(toText(at(body, "properties", "principalId"))),
      ]);
    const idOf = (type: string): string => `resourceId(${type}, ${toText(one(type)["name"])})`;
    const account = idOf(types.cosmosDb);
    expect([
      ...rolesOf("Microsoft.Authorization/roleAssignments", /[0-9a-f-]{36}/, ({ scope = null }) => scope),
      ...rolesOf(`${types.cosmosDb}/sqlRoleAssignments`, /0{8}-[0-9-]{27}|guid.*(?=\))/, (body) =>
        at(body, "properties", "scope"),
      ),
    ]).toEqual([
      ["3913510d-42f4-4e42-8a64-420c390055eb", idOf(types.insights), true], // Monitoring Metrics Publisher
      ["4633458b-17de-408a-b874-0445c86b69e6", idOf(types.keyVault), true], // Key Vault Secrets User
      ["b7e6dc6d-f1e8-4753-8033-0f276bb0955b", idOf(types.storage), true], // Storage Blob Data Owner
      ["00000000-0000-0000-0000-000000000002", `${account}/dbs/cgn`, true], // Data Contributor, built in
      [`guid(${account}, metadata-reader)`, account, true],
    ]);
    const reader = one(`${types.cosmosDb}/sqlRoleDefinitions`);
    expect(reader["name"]).toContain(`/guid(${account}, metadata-reader)`);
    expect(at(reader, "properties", "permissions")).toEqual([
      { dataActions: ["Microsoft.DocumentDB/databaseAccounts/readMetadata"] },
    ]);
  });
});

describe("the app", () => {
  const app = one(types.app);

  it("has every setting of the service but a key, a single copy's and a second secret, and the platform's own", () => {
    const withheld = ["COSMOSDB_KEY", "COSMOSDB_SINGLE_COPY", "OTP_SECRET_SECOND"];
    const platform = [
      "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
      "APPLICATIONINSIGHTS_CONNECTION_STRING",
      "AzureWebJobsDisableHomepage",
      "AzureWebJobsStorage__blobServiceUri",
      "AzureWebJobsStorage__clientId",
      "AzureWebJobsStorage__credential",
    ];
    const expected = [...settingNames.filter((name) => !withheld.includes(name)), ...platform];
    expect(Object.keys(settingsOf(deployed)).toSorted()).toEqual(expected.toSorted());
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
    const without = settingsOf(deploy(template, { generateOtpPathForm: false }));
    expect(without["GENERATE_OTP_PATH_FORM"]).toBe("false");
    const { COSMOSDB_ENDPOINT, AZURE_CLIENT_ID } = settingsOf(deployed);
    expect(COSMOSDB_ENDPOINT).toBe("reference(cosmosDb).outputs.endpoint.value");
    expect(AZURE_CLIENT_ID).toMatch(/^reference\(.*\)\.clientId$/);
  });

  it("acts as the one identity that has the roles", () => {
    const named = JSON.stringify(deployed).matchAll(/userAssignedIdentities, ([\w-]+)/g);
    const [identity] = all("Microsoft.ManagedIdentity/userAssignedIdentities");
    expect(new Set([...named].map(([, name]) => name))).toEqual(new Set([identity?.name]));
    const { AZURE_CLIENT_ID, ...settings } = settingsOf(deployed);
    expect(settings["AzureWebJobsStorage__clientId"]).toBe(AZURE_CLIENT_ID);
    expect(settings["APPLICATIONINSIGHTS_AUTHENTICATION_STRING"]).toContain(AZURE_CLIENT_ID);
    expect(at(app, "properties", "keyVaultReferenceIdentity")).toBe(
      Object.keys(toObject(at(app, "identity", "userAssignedIdentities")))[0],
    );
  });

  it("runs on the Node.js of the tests, is asked for the Status of the service, and is what azure.yaml deploys", () => {
    const [version] = packageJson.devDependencies.node.split(".");
    expect(at(app, "properties", "functionAppConfig", "runtime")).toEqual({ name: "node", version });
    const test = at(one(types.webTest), "properties");
    expect(at(test, "Request", "RequestUrl")).toBe(
      `https://reference(functionApps[0]).outputs.hostName.value/${status.route}`,
    );
    expect(at(test, "ValidationRules", "ContentValidation", "ContentMatch")).toBe('"status":"up"');
    const { services, infra } = readYaml("azure.yaml");
    expect(Object.keys(toObject(services))).toEqual([at(app, "tags", "azd-service-name")]);
    expect(infra).toEqual({ provider: "bicep", path: "infra", module: "main" });
  });
});

describe("each alert", () => {
  const runbook = toText(at(template, "parameters", "runbookUrl", "defaultValue"));
  const alerts = deployed.filter(({ name }) => name.startsWith("alert-"));

  it.each(alerts)("$name tells the action group, and leads to its page", ({ name, body }) => {
    const [, alert = ""] = /^alert-cgn-otp-\w{8}-(.+)$/.exec(name) ?? [];
    const actions = JSON.stringify(at(body, "properties", "actions"));
    expect(actions).toContain(toText(one("Microsoft.Insights/actionGroups")["name"]));
    expect(actions).toContain(`"runbook":"${runbook}#${alert}"`);
    expect(at(body, "properties", "enabled")).toBe(true);
  });

  it("of a log or a metric is created where nothing has been logged or measured yet", () => {
    const rules = [
      ...all("Microsoft.Insights/scheduledQueryRules").map(({ body }) =>
        at(body, "properties", "skipQueryValidation"),
      ),
      ...all("Microsoft.Insights/metricAlerts")
        .map(({ body }) => at(body, "properties", "criteria", "allOf", 0, "skipMetricValidation"))
        .filter((each) => each !== undefined),
    ];
    expect(new Set(rules)).toEqual(new Set([true]));
    expect(rules.length).toBeGreaterThan(18);
  });

  it("pages nobody for two places that do not see the service, nor for a few throttled requests", () => {
    const criteriaOf = (alert: string): Json | undefined =>
      at(alerts.find(({ name }) => name.endsWith(alert))?.body, "properties", "criteria");
    expect(at(criteriaOf("status-down"), "failedLocationCount")).toBe(3);
    expect(at(criteriaOf("store-throttled"), "allOf", 0, "threshold")).toBe(50);
    expect(at(criteriaOf("platform-saturated"), "allOf", 0, "threshold")).toBe(80);
  });

  it("reaches everybody who is named, and the workbook warns while that is nobody", () => {
    const receivers = {
      alertEmails: ["on-call@example.org"],
      alertPhones: [{ countryCode: "39", number: "333" }],
      alertWebhooks: ["https://example.org/hook"],
      alertActionGroupIds: ["/own/group"],
    };
    const told = deploy(template, receivers);
    const { emailReceivers, smsReceivers, webhookReceivers } = toObject(
      one("Microsoft.Insights/actionGroups", told)["properties"],
    );
    expect([emailReceivers, smsReceivers, webhookReceivers].map((each) => toArray(each).length)).toEqual([
      1, 1, 1,
    ]);
    const rules = told.filter(({ name }) => name.startsWith("alert-"));
    expect(rules.filter(({ body }) => !JSON.stringify(body).includes("/own/group"))).toEqual([]);
    const warns = (resources: readonly Deployed[]): boolean =>
      JSON.stringify(one("Microsoft.Insights/workbooks", resources)).includes("Nobody gets the alerts");
    expect(warns(deployed)).toBe(true);
    for (const [name, value] of Object.entries(receivers)) {
      expect(warns(deploy(template, { [name]: value }))).toBe(false);
    }
  });

  it.each([
    ["NOBODY", /^WARNING: the alerts tell nobody/],
    ["somebody", /^$/],
  ])("that tells %s is what azd warns of after a deployment", (ALERTS_TELL, warning) => {
    const { run } = toObject(at(readYaml("azure.yaml"), "hooks", "postprovision", "posix"));
    const { stderr } = spawnSync("sh", ["-c", toText(run)], {
      env: { PATH: process.env["PATH"], ALERTS_TELL },
      encoding: "utf8",
    });
    expect(stderr).toMatch(warning);
    const told = at(template, "outputs", "ALERTS_TELL", "value");
    expect(told).toBe("[if(variables('tellsNobody'), 'NOBODY', 'somebody')]");
  });
});

describe("the logs", () => {
  const categoriesOf = (given: JsonObject): readonly string[] =>
    all("Microsoft.Insights/diagnosticSettings", deploy(template, given)).flatMap(({ body }) => [
      ...toArray(at(body, "properties", "logs"))
        .filter((log) => at(log, "enabled") === true)
        .map((log) => toText(at(log, "category"))),
      ...(at(body, "properties", "metrics") === undefined ? [] : ["metrics"]),
    ]);

  it("have each line once, and no request to the store, unless somebody wants them", () => {
    expect(categoriesOf({})).toEqual(["ControlPlaneRequests", "AuditEvent"]);
    expect(categoriesOf({ logsPlatform: true, logsStoreRequests: true }).toSorted()).toEqual([
      ...["AuditEvent", "ControlPlaneRequests", "DataPlaneRequests", "FunctionAppLogs"],
    ]);
  });
});

describe("OTP_SECRET", () => {
  const isSecure = (parameter: Json): boolean => /^secure/i.test(toText(at(parameter, "type")));

  it("is made once, of random parameters that nobody gives and no history keeps, and is not lost", () => {
    expect(one(types.secret)["@options"]).toEqual({ onlyIfNotExists: [] });
    expect(at(one(types.keyVault), "properties", "enablePurgeProtection")).toBe(true);
    const withSecrets = templatesIn(template).flatMap(({ parameters }) =>
      Object.values(toObject(parameters ?? {})).filter(isSecure),
    );
    // Three for OTP_SECRET, three for OTP_SECRET_SECOND.
    expect(withSecrets.map((parameter) => at(parameter, "defaultValue"))).toEqual(
      Array.from({ length: 6 }, () => "[newGuid()]"),
    );
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

  it("is replaced in the three steps of docs/deploy.md, each time by a version that does not change unasked", () => {
    const steps = [
      {},
      { otpSecondSecretName: "new" },
      { otpSecretName: "new", otpSecondSecretName: "otp-secret" },
      { otpSecretName: "new" },
    ].map((given) => {
      const resources = deploy(template, given);
      const { OTP_SECRET, OTP_SECRET_SECOND } = settingsOf(resources);
      const made = all(types.secret, resources).map(({ name }) => name.split("/")[1]);
      const read = [OTP_SECRET, OTP_SECRET_SECOND].map(
        (each = "") => /vaults\/secrets, kv-[\w-]+, ([\w-]+)\).*\.secretUriWithVersion\)$/.exec(each)?.[1],
      );
      return { made, read };
    });
    expect(steps).toEqual([
      { made: ["otp-secret"], read: ["otp-secret", undefined] },
      { made: ["otp-secret", "new"], read: ["otp-secret", "new"] },
      { made: ["new", "otp-secret"], read: ["new", "otp-secret"] },
      { made: ["new"], read: ["new", undefined] },
    ]);
    // The app looks the version up once it is there.
    expect(at(template, "resources", "functionApps", "dependsOn")).toEqual(
      expect.arrayContaining(["otpSecret", "otpSecondSecret"]),
    );
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
    const documents = ["deploy.md", "operate.md", "settings.md"].map((name) =>
      readFileSync(path.join("docs", name), "utf8"),
    );
    const named = documents.flatMap((text) => [
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
    [types.keyVault, /^(?!.*--)[a-z][a-z0-9-]{1,22}[a-z0-9]$/],
    [types.storage, /^[a-z0-9]{3,24}$/],
    [types.cosmosDb, /^[a-z0-9][a-z0-9-]{1,42}[a-z0-9]$/],
    [types.app, /^[a-z][a-z0-9-]{1,58}[a-z0-9]$/],
    ["Microsoft.ApiManagement/service", /^[a-z][a-z0-9-]{0,48}[a-z0-9]$/],
  ])("leave the name of %s one that Azure takes", (type, pattern) => {
    const gateway = { gatewayTier: "StandardV2", gatewayEmail: "a@b.it" };
    for (const name of ["cgn", "1-2", "a-b-c-d-e-f1", "abcdefghijkl"]) {
      expect(one(type, deploy(template, { name, ...gateway }))["name"]).toMatch(pattern);
    }
  });
});

describe("infra/main.json", () => {
  // Any version of the compiler may have made it.
  const withoutGenerator = (text: string): string => text.replaceAll(/"_generator": \{[^}]*\}/g, "").trim();
  const found = spawnSync(process.execPath, ["tools/bicep.mjs", "find"], { encoding: "utf8" });

  if (found.status === 0) {
    it("is what the compiler makes of infra/main.bicep", () => {
      const { command, file } = parseJson(found.stdout);
      const [program = "", ...first] = toArray(command).map(toText);
      const args = [...first, "build", ...toArray(file).map(toText), "infra/main.bicep", "--stdout"];
      const built = spawnSync(program, args, { encoding: "utf8", maxBuffer: 2 ** 26 });
      expect(built.stderr).toBe("");
      expect(withoutGenerator(built.stdout)).toBe(withoutGenerator(readFileSync("infra/main.json", "utf8")));
    });
  } else {
    it.skip(`is not compared with infra/main.bicep: ${found.stderr.trim()}`, () => undefined);
  }
});
