import { readFileSync } from "node:fs";
import * as E from "fp-ts/Either";
import * as t from "io-ts";
import { decode, right } from "../tests/support";
import { decodeConfig, settingNames } from "./config";

const secret = Buffer.alloc(32, 7).toString("base64");
const settings = {
  COSMOSDB_ENDPOINT: "https://account.documents.azure.com:443/",
  COSMOSDB_KEY: "a2V5",
  OTP_SECRET: secret,
};

const messageOf = (environment: Record<string, string>): string => {
  const config = decodeConfig(environment);
  return E.isLeft(config) ? config.left.message : "";
};

describe("the settings", () => {
  it("have defaults where they can", () => {
    expect(right(decodeConfig(settings))).toEqual({
      cosmos: {
        endpoint: "https://account.documents.azure.com:443/",
        key: "a2V5",
        databaseName: "cgn",
        isSingleCopy: false,
      },
      otpSecret: Buffer.alloc(32, 7),
      otpLifetime: { ttlSeconds: 600, retentionSeconds: 86_400 },
      requestDeadlineMs: 5000,
    });
  });

  it("are taken from the environment where they are there, and not empty", () => {
    const config = right(
      decodeConfig({
        ...settings,
        COSMOSDB_DATABASE_NAME: "other",
        COSMOSDB_SINGLE_COPY: "true",
        OTP_TTL_IN_SECONDS: "",
        OTP_RETENTION_IN_SECONDS: "100000",
      }),
    );
    expect(config.cosmos).toMatchObject({ databaseName: "other", isSingleCopy: true });
    expect(config.otpLifetime).toEqual({ ttlSeconds: 600, retentionSeconds: 100_000 });
  });

  it("are told all at once when they are missing", () => {
    const message = messageOf({});
    for (const name of ["COSMOSDB_ENDPOINT", "COSMOSDB_KEY", "OTP_SECRET"]) {
      expect(message).toContain(`${name} is missing: expected `);
    }
    expect(message).not.toContain("OTP_TTL_IN_SECONDS");
    expect(message).toBe(
      [
        "The service cannot work with its settings:",
        "  COSMOSDB_ENDPOINT is missing: expected an https URL (http on loopback only)",
        "  COSMOSDB_KEY is missing: expected base64",
        "  OTP_SECRET is missing: expected base64 of at least 32 bytes",
      ].join("\n"),
    );
  });

  it.each([
    ["COSMOSDB_ENDPOINT", "not a URL"],
    ["COSMOSDB_ENDPOINT", "http://account.documents.azure.com"],
    ["COSMOSDB_ENDPOINT", "http://localhost.example.com"],
    ["COSMOSDB_ENDPOINT", "http://notlocalhost"],
    ["COSMOSDB_ENDPOINT", "ftp://127.0.0.1"],
    ["COSMOSDB_KEY", "not base64!"],
    ["COSMOSDB_DATABASE_NAME", "a/b"],
    ["COSMOSDB_SINGLE_COPY", "yes"],
    ["OTP_SECRET", Buffer.alloc(31).toString("base64")],
    ["OTP_SECRET", `${secret}\n`],
    ["OTP_TTL_IN_SECONDS", "0"],
    ["OTP_TTL_IN_SECONDS", "-1"],
    ["OTP_TTL_IN_SECONDS", "1e3"],
    ["OTP_TTL_IN_SECONDS", "86401"],
    ["OTP_RETENTION_IN_SECONDS", "86399"],
    ["OTP_RETENTION_IN_SECONDS", "31536001"],
    ["REQUEST_DEADLINE_IN_MS", "99"],
    ["REQUEST_DEADLINE_IN_MS", "60001"],
  ])("are refused when malformed, by name and never by value (%s: %j)", (name, value) => {
    const message = messageOf({ ...settings, [name]: value });
    expect(message).toContain(`${name} is malformed: expected `);
    expect(message).toBe(messageOf({ ...settings, [name]: "another/malformed value" }));
    expect(message.split("\n")).toHaveLength(2);
  });

  it.each([
    ["OTP_TTL_IN_SECONDS", "1"],
    ["OTP_TTL_IN_SECONDS", "86400"],
    ["OTP_RETENTION_IN_SECONDS", "86400"],
    ["OTP_RETENTION_IN_SECONDS", "31536000"],
    ["REQUEST_DEADLINE_IN_MS", "100"],
    ["REQUEST_DEADLINE_IN_MS", "60000"],
  ])("can be as small and as large as is said (%s: %s)", (name, value) => {
    expect(E.isRight(decodeConfig({ ...settings, [name]: value }))).toBe(true);
  });

  it.each([
    "http://127.0.0.1:8081",
    "http://127.10.20.30:8081",
    "http://localhost:8081",
    "http://[::1]:8081",
    "https://localhost:8081",
  ])("allow the emulator at %s", (endpoint) => {
    expect(E.isRight(decodeConfig({ ...settings, COSMOSDB_ENDPOINT: endpoint }))).toBe(true);
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
    for (const name of settingNames) {
      expect(text).toMatch(new RegExp(`// .*\n *"${name}":`));
    }
  });

  it("works as it is", () => {
    expect(E.isRight(decodeConfig(values))).toBe(true);
  });
});

describe("the README", () => {
  it("lists every setting", () => {
    const readme = readFileSync("README.md", "utf8");
    for (const name of settingNames) {
      expect(readme).toMatch(new RegExp(`^\\| \`${name}\` +\\|`, "m"));
    }
  });
});
