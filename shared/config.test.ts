import { hash } from "node:crypto";
import { readFileSync } from "node:fs";
import * as E from "fp-ts/Either";
import * as t from "io-ts";
import { decode, right } from "../tools/support/either";
import { decodeConfig, settingNames } from "./config";

const secretBytes = hash("sha256", "a secret", "buffer");
const secret = secretBytes.toString("base64");
const otherSecretBytes = Buffer.from(secretBytes.map((byte) => byte + 1));
const otherSecret = otherSecretBytes.toString("base64");
const settings = {
  COSMOSDB_ENDPOINT: "https://account.documents.azure.com:443/",
  COSMOSDB_KEY: "a2V5",
  OTP_SECRET: secret,
};

const accepts = (changed: Record<string, string>): boolean =>
  E.isRight(decodeConfig({ ...settings, ...changed }));

const messageOf = (environment: Record<string, string>): string => {
  const config = decodeConfig(environment);
  return E.isLeft(config) ? config.left.message : "";
};

const namesIn = (environment: Record<string, string>): readonly string[] => {
  const config = decodeConfig(environment);
  return E.isLeft(config) ? config.left.names : [];
};

describe("the settings", () => {
  it("have defaults where they can", () => {
    expect(right(decodeConfig(settings))).toEqual({
      cosmos: {
        endpoint: "https://account.documents.azure.com:443/",
        credential: { kind: "key", key: "a2V5" },
        databaseName: "cgn",
        isSingleCopy: false,
      },
      otpSecret: secretBytes,
      otpLifetime: { ttlSeconds: 600, retentionSeconds: 86_400 },
      generateOtpPathForm: true,
      requestDeadlineMs: 5000,
    });
  });

  it("are taken from the environment where they are there, and not empty", () => {
    const config = right(
      decodeConfig({
        ...settings,
        COSMOSDB_ENDPOINT: "https://emulator:8081",
        COSMOSDB_DATABASE_NAME: "other",
        COSMOSDB_SINGLE_COPY: "true",
        OTP_SECRET_SECOND: otherSecret,
        OTP_TTL_IN_SECONDS: "",
        OTP_RETENTION_IN_SECONDS: "100000",
      }),
    );
    expect(config.cosmos).toMatchObject({ databaseName: "other", isSingleCopy: true });
    expect(config.otpSecret).toEqual(secretBytes);
    expect(config.otpSecretSecond).toEqual(otherSecretBytes);
    expect(config.otpLifetime).toEqual({ ttlSeconds: 600, retentionSeconds: 100_000 });
  });

  it.each<[string, string]>([
    ["COSMOSDB_ENDPOINT", "not a URL"],
    ["COSMOSDB_ENDPOINT", "http://account.documents.azure.com"],
    ["COSMOSDB_ENDPOINT", "http://localhost.example.com"],
    ["COSMOSDB_ENDPOINT", "http://notlocalhost"],
    ["COSMOSDB_ENDPOINT", "ftp://127.0.0.1"],
    ...["/path", "?query", "/?query", "#fragment", "/#", ";AccountKey=x", " ", "\n", "//", "\\"].map(
      (end): [string, string] => ["COSMOSDB_ENDPOINT", `https://account.documents.azure.com${end}`],
    ),
    ["COSMOSDB_ENDPOINT", " https://account.documents.azure.com"],
    ["COSMOSDB_ENDPOINT", "https://user@account.documents.azure.com"],
    ["COSMOSDB_KEY", "not base64!"],
    ["COSMOSDB_DATABASE_NAME", "a/b"],
    ["COSMOSDB_DATABASE_NAME", "cgn "],
    ["COSMOSDB_DATABASE_NAME", "cgn\u0085"],
    ["COSMOSDB_SINGLE_COPY", "yes"],
    ["OTP_SECRET", Buffer.alloc(31).toString("base64")],
    ["OTP_SECRET", `${secret}\n`],
    ["OTP_SECRET_SECOND", Buffer.alloc(31).toString("base64")],
    ["OTP_SECRET_SECOND", `${otherSecret}\n`],
    ["OTP_TTL_IN_SECONDS", "1e3"],
    ["OTP_TTL_IN_SECONDS", "0"],
  ])("are refused when malformed, by name and never by value (%s: %j)", (name, value) => {
    const message = messageOf({ ...settings, [name]: value });
    expect(message).toMatch(RegExp(`^  ${name} is malformed: expected \\S`, "m"));
    expect(message).toBe(messageOf({ ...settings, [name]: "another/malformed value" }));
    expect(message.split("\n")).toHaveLength(2);
  });

  it.each([
    "https://account.documents.azure.com",
    "https://ACCOUNT.documents.azure.com:443/",
    "http://127.10.20.30:8081",
    "http://localhost:8081",
    "http://[::1]:8081/",
  ])("take %s for an endpoint", (COSMOSDB_ENDPOINT) => {
    expect(accepts({ COSMOSDB_ENDPOINT })).toBe(true);
  });

  const long = Buffer.concat([secretBytes, otherSecretBytes, Buffer.from("x")]);
  it.each<[string, Buffer, Buffer]>([
    ["the same", secretBytes, secretBytes],
    ["the same with zeros after it", secretBytes, Buffer.concat([secretBytes, Buffer.alloc(3)])],
    ["the SHA-256 of a long one", long, hash("sha256", long, "buffer")],
    ["a long one whose SHA-256 is the first", hash("sha256", long, "buffer"), long],
  ])("take no second secret that is the same HMAC key: %s", (_, first, second) => {
    for (const COSMOSDB_ENDPOINT of [settings.COSMOSDB_ENDPOINT, "http://127.0.0.1:8081"]) {
      const OTP_SECRET = first.toString("base64");
      const OTP_SECRET_SECOND = second.toString("base64");
      expect(messageOf({ ...settings, COSMOSDB_ENDPOINT, OTP_SECRET, OTP_SECRET_SECOND })).toBe(
        "The service cannot work with its settings:\n  OTP_SECRET_SECOND is the same key as OTP_SECRET: expected another secret, or nothing",
      );
    }
  });

  it("take an empty second secret for none, and one that differs after 64 bytes for another", () => {
    expect(right(decodeConfig({ ...settings, OTP_SECRET_SECOND: "" })).otpSecretSecond).toBeUndefined();
    const OTP_SECRET_SECOND = long.subarray(0, 64).toString("base64");
    expect(accepts({ OTP_SECRET: long.toString("base64"), OTP_SECRET_SECOND })).toBe(true);
  });

  it.each([
    ["OTP_TTL_IN_SECONDS", 1, 86_400],
    ["OTP_RETENTION_IN_SECONDS", 86_400, 31_536_000],
    ["REQUEST_DEADLINE_IN_MS", 100, 60_000],
  ])("%s can be from %d to %d", (name, min, max) => {
    const accepted = [min - 1, min, max, max + 1].map((value) => accepts({ [name]: String(value) }));
    expect(accepted).toEqual([false, true, true, false]);
  });
});

describe("the settings of an app with a managed identity", () => {
  const platform = {
    IDENTITY_ENDPOINT: "http://169.254.130.2:8081/msi/token",
    IDENTITY_HEADER: "c29tZSBoZWFkZXI=",
  };
  const { COSMOSDB_KEY, ...withoutKey } = settings;
  const clientId = "6f1c6cbe-33b5-4c68-bd0d-1a4d0f8b9c07";

  it.each([undefined, clientId])("do without a key, user-assigned or not (%s)", (AZURE_CLIENT_ID) => {
    const config = right(
      decodeConfig({
        ...withoutKey,
        ...platform,
        ...(AZURE_CLIENT_ID && { AZURE_CLIENT_ID }),
        COSMOSDB_KEY: "",
      }),
    );
    expect(config.cosmos.credential).toEqual({
      kind: "identity",
      endpoint: platform.IDENTITY_ENDPOINT,
      header: platform.IDENTITY_HEADER,
      clientId: AZURE_CLIENT_ID,
    });
  });

  it("lead to the key where there is one, whatever the platform sets", () => {
    for (const environment of [platform, { IDENTITY_ENDPOINT: "nonsense", AZURE_CLIENT_ID: "nonsense" }]) {
      expect(right(decodeConfig({ ...settings, ...environment })).cosmos.credential).toEqual({
        kind: "key",
        key: COSMOSDB_KEY,
      });
    }
  });

  it.each([
    [{ IDENTITY_ENDPOINT: "file:///etc/passwd" }, "IDENTITY_ENDPOINT is malformed"],
    [{ IDENTITY_HEADER: "" }, "IDENTITY_HEADER is missing"],
    [{ AZURE_CLIENT_ID: "6f1c6cbe-33b5-4c68-bd0d-1a4d0f8b9c0" }, "AZURE_CLIENT_ID is malformed"],
    [{ IDENTITY_HEADER: "two\nlines" }, "IDENTITY_HEADER is malformed"],
  ])("are refused when the platform's are %j", (environment, expected) => {
    const message = messageOf({ ...withoutKey, ...platform, ...environment });
    expect(message).toMatch(RegExp(`^  ${expected}: expected \\S`, "m"));
    expect(message.split("\n")).toHaveLength(2);
    expect(message).not.toMatch(/nonsense|passwd|two|lines/);
  });
});

describe("the settings of a laptop", () => {
  const guessable = [
    Buffer.alloc(32),
    Buffer.alloc(33, 7),
    Buffer.from("0123456789abcdef".repeat(2)),
    Buffer.from(`${"0123456789".repeat(4)}0123`),
    Buffer.alloc(62, secretBytes.subarray(1)),
    Buffer.from(Array.from({ length: 32 }, (_, index) => index)),
    Buffer.from(Array.from({ length: 40 }, (_, index) => 255 - 3 * index)),
    Buffer.from("local-development-only-not-a-secret\n"),
    Buffer.from(" local-development-only-not-a-secret"),
  ].map((bytes) => bytes.toString("base64"));

  it.each(guessable)("do as %s for a secret on loopback, and nowhere else", (guessed) => {
    for (const name of ["OTP_SECRET", "OTP_SECRET_SECOND"]) {
      const laptop = { ...settings, [name]: guessed };
      expect(accepts({ ...laptop, COSMOSDB_ENDPOINT: "http://127.0.0.1:8081" })).toBe(true);
      for (const COSMOSDB_ENDPOINT of [settings.COSMOSDB_ENDPOINT, "https://emulator:8081"]) {
        const message = messageOf({ ...laptop, COSMOSDB_ENDPOINT });
        const [, line, ...others] = message.split("\n");
        expect(line).toMatch(RegExp(`^  ${name} is known or can be guessed: expected .+$`));
        expect(others).toEqual([]);
        expect(message).not.toContain(guessed);
      }
    }
  });

  it.each([
    secretBytes,
    // As many different bytes as must be are there twice.
    Buffer.concat([secretBytes, secretBytes]),
    Buffer.concat([Buffer.alloc(32), Buffer.from([1])]),
    // That it begins as it ends can be chance.
    Buffer.concat([secretBytes.subarray(0, 30), secretBytes.subarray(0, 2)]),
  ])("are not taken for a secret that repeats itself, such as %j", (bytes) => {
    expect(accepts({ OTP_SECRET: bytes.toString("base64") })).toBe(true);
  });

  it.each([
    "https://account.documents.azure.com:443/",
    "https://ACCOUNT.Documents.Azure.com",
    "https://account.documents.azure.com.:443",
    "https://account.documents.azure.us",
    "https://account.documents.azure.cn",
    "https://account.documents.microsoftazure.de",
    "https://account.sqlx.cosmos.azure.com",
    "https://account.sql.cosmosdb.azure.com",
  ])("do not make an account on Azure one copy: %s", (COSMOSDB_ENDPOINT) => {
    expect(accepts({ COSMOSDB_ENDPOINT })).toBe(true);
    expect(messageOf({ ...settings, COSMOSDB_ENDPOINT, COSMOSDB_SINGLE_COPY: "true" })).toBe(
      "The service cannot work with its settings:\n  COSMOSDB_SINGLE_COPY is true for an account on Azure: expected false",
    );
  });

  it.each(["https://emulator:8081", "https://documents.azure.com.example", "https://notdocuments.azure.com"])(
    "make an emulator elsewhere one copy: %s",
    (COSMOSDB_ENDPOINT) => {
      expect(accepts({ COSMOSDB_ENDPOINT, COSMOSDB_SINGLE_COPY: "true" })).toBe(true);
    },
  );

  it("are told of all at once, with what is missing or malformed", () => {
    expect(namesIn({})).toEqual(["COSMOSDB_ENDPOINT", "OTP_SECRET", "COSMOSDB_KEY", "IDENTITY_ENDPOINT"]);
    expect(messageOf({}).match(/^  [A-Z_]+ is missing.*: expected \S/gm)).toHaveLength(3);
    const config = namesIn({
      COSMOSDB_ENDPOINT: settings.COSMOSDB_ENDPOINT,
      COSMOSDB_SINGLE_COPY: "true",
      OTP_SECRET: Buffer.alloc(32).toString("base64"),
      OTP_SECRET_SECOND: Buffer.alloc(32).toString("base64"),
      OTP_TTL_IN_SECONDS: "0",
    });
    expect(config).toEqual([
      "OTP_TTL_IN_SECONDS",
      "COSMOSDB_KEY",
      "IDENTITY_ENDPOINT",
      "OTP_SECRET_SECOND",
      "COSMOSDB_SINGLE_COPY",
      "OTP_SECRET",
      "OTP_SECRET_SECOND",
    ]);
  });
});

describe("local.settings.json.example", () => {
  const text = readFileSync("local.settings.json.example", "utf8");
  // Core Tools take comments in this file; JSON.parse does not.
  const { Values: values } = decode(
    t.type({ Values: t.record(t.string, t.string) }),
    JSON.parse(text.replaceAll(/^ *\/\/.*$/gm, "")),
  );

  it("lists every setting, each after a comment", () => {
    expect(Object.keys(values).sort()).toEqual(["FUNCTIONS_WORKER_RUNTIME", ...settingNames].sort());
    const uncommented = settingNames.filter((name) => !new RegExp(`// .*\r?\n *"${name}":`).test(text));
    expect(uncommented).toEqual([]);
  });

  it("works as it is", () => {
    expect(E.isRight(decodeConfig(values))).toBe(true);
  });

  it("has a secret that serves on loopback only", () => {
    const COSMOSDB_ENDPOINT = "https://account.documents.azure.com";
    expect(namesIn({ ...values, COSMOSDB_ENDPOINT })).toEqual(["COSMOSDB_SINGLE_COPY", "OTP_SECRET"]);
    expect(accepts({ ...values, COSMOSDB_ENDPOINT, COSMOSDB_SINGLE_COPY: "", OTP_SECRET: secret })).toBe(
      true,
    );
  });
});

describe("docs/settings.md", () => {
  it("lists every setting", () => {
    const page = readFileSync("docs/settings.md", "utf8");
    const missing = settingNames.filter((name) => !new RegExp(`^\\| \`${name}\` +\\|`, "m").test(page));
    expect(missing).toEqual([]);
  });
});
