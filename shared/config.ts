/** The settings of the service: read once, all together, so that a mistake is told before the first request. */
import * as E from "fp-ts/Either";
import type { Either } from "fp-ts/Either";
import * as t from "io-ts";
import type { OtpLifetime } from "./domain/otp";

export interface CosmosConfig {
  readonly endpoint: string;
  readonly key: string;
  readonly databaseName: string;
  /** The store is one copy of the data: an emulator, or the embedded server. */
  readonly isSingleCopy: boolean;
}

export interface Config {
  readonly cosmos: CosmosConfig;
  /** OTPs are issued under it. */
  readonly otpSecret: Buffer;
  /** While the secret is replaced: OTPs issued under it are found too. */
  readonly otpSecretSecond: Buffer | undefined;
  readonly otpLifetime: OtpLifetime;
  /** Within this time every request is answered, whatever the store does. */
  readonly requestDeadlineMs: number;
}

/** A codec from the text of a setting; its name is what the message says was expected. */
const setting = <A>(expected: string, parse: (text: string) => A | undefined): t.Type<A, A> =>
  new t.Type<A, A>(
    expected,
    t.never.is,
    (input, context) => {
      const value = typeof input === "string" ? parse(input) : undefined;
      return value === undefined ? t.failure(input, context) : t.success(value);
    },
    t.identity,
  );

const isLoopback = ({ hostname }: URL): boolean => /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname);

const endpoint = setting("an https URL (http on loopback only)", (text) => {
  const url = URL.parse(text);
  return url?.protocol === "https:" || (url?.protocol === "http:" && isLoopback(url)) ? text : undefined;
});

const base64 = (expected: string, minBytes: number): t.Type<Buffer<ArrayBuffer>, Buffer<ArrayBuffer>> =>
  setting(expected, (text) => {
    const bytes = Buffer.from(text, "base64");
    return bytes.length >= minBytes && bytes.toString("base64") === text ? bytes : undefined;
  });

const integer = (min: number, max: number): t.Type<number, number> =>
  setting(`a whole number from ${min} to ${max}`, (text) => {
    const value = /^\d{1,9}$/.test(text) ? Number(text) : NaN;
    return value >= min && value <= max ? value : undefined;
  });

const optional = <A>({ name, is, validate }: t.Type<A, A>): t.Type<A | undefined, A | undefined> =>
  new t.Type<A | undefined, A | undefined>(
    `${name}, or nothing`,
    (input): input is A | undefined => input === undefined || is(input),
    (input, context) => (input === undefined ? t.success(undefined) : validate(input, context)),
    t.identity,
  );

const flag = setting("true or false", (text) =>
  text === "true" ? true : text === "false" ? false : undefined,
);

const databaseName = setting("1–255 characters other than / \\ # ?", (text) =>
  /^[^/\\#?]{1,255}$/.test(text) ? text : undefined,
);

const day = 86_400;

const minSecretBytes = 32;

const secret = base64(`base64 of at least ${minSecretBytes} bytes`, minSecretBytes);

const Settings = t.type({
  COSMOSDB_ENDPOINT: endpoint,
  COSMOSDB_KEY: base64("base64", 1),
  COSMOSDB_DATABASE_NAME: databaseName,
  COSMOSDB_SINGLE_COPY: flag,
  OTP_SECRET: secret,
  OTP_SECRET_SECOND: optional(secret),
  OTP_TTL_IN_SECONDS: integer(1, day),
  // The contract tells expired and used OTPs apart from unknown ones for at least 24 hours.
  OTP_RETENTION_IN_SECONDS: integer(day, 365 * day),
  REQUEST_DEADLINE_IN_MS: integer(100, 60_000),
});

const defaults = {
  COSMOSDB_DATABASE_NAME: "cgn",
  COSMOSDB_SINGLE_COPY: "false",
  OTP_TTL_IN_SECONDS: "600",
  OTP_RETENTION_IN_SECONDS: "86400",
  REQUEST_DEADLINE_IN_MS: "5000",
};

/** The name of every setting. */
export const settingNames: readonly string[] = Object.keys(Settings.props);

/** The bytes of the `OTP_SECRET` in `local.settings.json.example`, which whoever reads the repository knows. */
const exampleSecret = Buffer.from("local-development-only-not-a-secret");

/** All of it follows from a sequence that is shorter than a secret must be: `0000…`, `abab…`. */
const repeatsItself = (secret: Buffer): boolean =>
  Array.from({ length: minSecretBytes - 1 }, (_, index) => index + 1).some(
    (period) => secret.length >= 2 * period && secret.subarray(period).equals(secret.subarray(0, -period)),
  );

/**
 * Under these names Azure has its accounts: in the public cloud, in those of the US government, of China and, until it was
 * closed, of Germany (`CosmosDBDNSSuffix` in Azure/go-autorest, environments.go); and, under the last two, the regional
 * and the dedicated gateways (`SQL_DNS_ZONES` in Azure/cosmos-explorer).
 */
const azureDomains = [
  "documents.azure.com",
  "documents.azure.us",
  "documents.azure.cn",
  "documents.microsoftazure.de",
  "cosmos.azure.com",
  "cosmosdb.azure.com",
];

const isOnAzure = ({ hostname }: URL): boolean =>
  azureDomains.some((domain) => `.${hostname}`.replace(/\.$/, "").endsWith(`.${domain}`));

interface Fault {
  readonly name: string;
  readonly text: string;
}

/** A secret twice would replace nothing. */
const faultsBetweenSecrets = (given: Readonly<Record<string, string | undefined>>): readonly Fault[] =>
  given["OTP_SECRET_SECOND"] !== undefined && given["OTP_SECRET_SECOND"] === given["OTP_SECRET"]
    ? [{ name: "OTP_SECRET_SECOND", text: "is the same as OTP_SECRET: expected another secret, or nothing" }]
    : [];

const isGuessable = (text: string | undefined): boolean => {
  const decoded = secret.decode(text);
  return E.isRight(decoded) && (decoded.right.equals(exampleSecret) || repeatsItself(decoded.right));
};

/** What is right by itself, but not for this endpoint: the settings of a laptop, copied to a service for others. */
const faultsWithEndpoint = (given: Readonly<Record<string, string | undefined>>): readonly Fault[] => {
  const url = URL.parse(given["COSMOSDB_ENDPOINT"] ?? "");
  if (url === null || isLoopback(url)) {
    return [];
  }
  return [
    ...(given["COSMOSDB_SINGLE_COPY"] === "true" && isOnAzure(url)
      ? [{ name: "COSMOSDB_SINGLE_COPY", text: "is true for an account on Azure: expected false" }]
      : []),
    ...["OTP_SECRET", "OTP_SECRET_SECOND"]
      .filter((name) => isGuessable(given[name]))
      .map((name) => ({
        name,
        text: "is known or can be guessed: expected random bytes of your own, since COSMOSDB_ENDPOINT is not on loopback",
      })),
  ];
};

/** What is wrong with the settings: names and expectations, and the value of none. */
export interface BadSettings {
  readonly names: readonly string[];
  /** Says of each what is wrong, on a line of its own. */
  readonly message: string;
}

/** Left: every setting that is missing or malformed, or that does not go with the endpoint. */
export const decodeConfig = (
  environment: Readonly<Record<string, string | undefined>>,
): Either<BadSettings, Config> => {
  // An empty value is what a form or a template leaves for "not set".
  const given = Object.fromEntries(
    settingNames.flatMap((name) => (environment[name] ? [[name, environment[name]]] : [])),
  );
  const settings = Settings.decode({ ...defaults, ...given });
  const malformed = E.isRight(settings)
    ? []
    : // An error's context leads from all settings to the one.
      settings.left.map(({ value, context: [, setting] }) => ({
        name: setting?.key ?? "",
        text: `is ${value === undefined ? "missing" : "malformed"}: expected ${setting?.type.name}`,
      }));
  const faults = [...malformed, ...faultsBetweenSecrets(given), ...faultsWithEndpoint(given)];
  if (E.isLeft(settings) || faults.length > 0) {
    const lines = faults.map(({ name, text }) => `  ${name} ${text}`);
    return E.left({
      names: faults.map(({ name }) => name),
      message: `The service cannot work with its settings:\n${lines.join("\n")}`,
    });
  }
  return E.right({
    cosmos: {
      endpoint: settings.right.COSMOSDB_ENDPOINT,
      key: settings.right.COSMOSDB_KEY.toString("base64"),
      databaseName: settings.right.COSMOSDB_DATABASE_NAME,
      isSingleCopy: settings.right.COSMOSDB_SINGLE_COPY,
    },
    otpSecret: settings.right.OTP_SECRET,
    otpSecretSecond: settings.right.OTP_SECRET_SECOND,
    otpLifetime: {
      ttlSeconds: settings.right.OTP_TTL_IN_SECONDS,
      retentionSeconds: settings.right.OTP_RETENTION_IN_SECONDS,
    },
    requestDeadlineMs: settings.right.REQUEST_DEADLINE_IN_MS,
  });
};
