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
      expect(at(account, "enableAutomaticFailover")).toBe(storeAccount.hasSeveralReadRegions);
    },
  );

  it("refuses exactly one further region, whose outage could stop every write", () => {
    expect(() => deploy(template, { readLocations: ["westeurope"] })).toThrow("none, or at least two");
  });

  it("can be restored to any moment, and the template then treats it as its own", () => {
    expect(at(one(types.cosmosDb), "properties", "backupPolicy", "type")).toBe("Continuous");
    const own = toText(one(types.cosmosDb)["name"]);
    const restored = deploy(template, { restoredCosmosDbName: "restored" });
    expect(one(types.cosmosDb, restored)["name"]).toBe("restored");
    expect(JSON.stringify(restored)).toBe(JSON.stringify(deployed).replaceAll(own, "restored"));
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
      `https://reference(functionApp).outputs.hostName.value/${status.route}`,
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
    expect(() => deploy(template, { otpSecondSecretName: "otp-secret" })).toThrow("another name");
    expect(steps).toEqual([
      { made: ["otp-secret"], read: ["otp-secret", undefined] },
      { made: ["otp-secret", "new"], read: ["otp-secret", "new"] },
      { made: ["new", "otp-secret"], read: ["new", "otp-secret"] },
      { made: ["new"], read: ["new", undefined] },
    ]);
    // The app looks the version up once it is there.
    expect(at(template, "resources", "functionApp", "dependsOn")).toEqual(
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

  it.each([
    [types.keyVault, /^[a-z][a-z0-9-]{2,23}$/],
    [types.storage, /^[a-z0-9]{3,24}$/],
    [types.cosmosDb, /^[a-z0-9-]{3,44}$/],
    [types.app, /^[a-z][a-z0-9-]{1,59}$/],
  ])("leave the name of %s not too long", (type, pattern) => {
    expect(one(type, deploy(template, { name: "abcdefghijkl" }))["name"]).toMatch(pattern);
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
