/** The settings, read once, so that a mistake shows before the first request. */
import { hash } from "node:crypto";
import * as E from "fp-ts/Either";
import type { Either } from "fp-ts/Either";
import * as t from "io-ts";
import type { OtpLifetime } from "./domain/otp";
import { isLoopback } from "./loopback";

/** Where the app's managed identity gets its tokens: App Service's protocol, version 2019-08-01. */
export interface ManagedIdentity {
  readonly kind: "identity";
  readonly endpoint: string;
  readonly header: string;
  readonly clientId: string | undefined;
}

export type CosmosCredential = { readonly kind: "key"; readonly key: string } | ManagedIdentity;

export interface CosmosConfig {
  readonly endpoint: string;
  readonly credential: CosmosCredential;
  readonly databaseName: string;
  /** An emulator or the embedded server. */
  readonly isSingleCopy: boolean;
}

export interface Config {
  readonly cosmos: CosmosConfig;
  readonly otpSecret: Buffer;
  /** While the secret is replaced: OTPs issued under this one are found, too. */
  readonly otpSecretSecond: Buffer | undefined;
  readonly otpLifetime: OtpLifetime;
  /** GenerateOtp's deprecated form, with the fiscal code in the path. */
  readonly generateOtpPathForm: boolean;
  readonly requestDeadlineMs: number;
}

/** A codec from the text of a setting. Its name completes the message's `expected …`. */
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

const endpoint = setting(
  "an origin, as https://example.documents.azure.com (http on loopback only)",
  (text) => {
    const url = URL.parse(text);
    const isAllowed = url?.protocol === "https:" || (url?.protocol === "http:" && isLoopback(url.hostname));
    // Requests append their own paths. The portal shows the port and the slash.
    return isAllowed && /^https?:\/\/[^\s/?#@;\\]+\/?$/i.test(text) ? text : undefined;
  },
);

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

const databaseName = setting(
  "1–255 characters other than / \\ # ? and control characters, no blank at the end",
  (text) => (/^[^/\\#?\p{Cc}]{1,255}(?<!\s)$/u.test(text) ? text : undefined),
);

const clientId = setting("the client id of a managed identity, a UUID", (text) =>
  /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text) ? text : undefined,
);

const day = 86_400;

const minSecretBytes = 32;

const secret = base64(`base64 of at least ${minSecretBytes} bytes`, minSecretBytes);

const Settings = t.type({
  COSMOSDB_ENDPOINT: endpoint,
  COSMOSDB_KEY: optional(base64("base64", 1)),
  COSMOSDB_DATABASE_NAME: databaseName,
  COSMOSDB_SINGLE_COPY: flag,
  OTP_SECRET: secret,
  OTP_SECRET_SECOND: optional(secret),
  GENERATE_OTP_PATH_FORM: flag,
  OTP_TTL_IN_SECONDS: integer(1, day),
  // The contract knows expired and used OTPs for at least 24 hours.
  OTP_RETENTION_IN_SECONDS: integer(day, 365 * day),
  REQUEST_DEADLINE_IN_MS: integer(100, 60_000),
});

const defaults = {
  COSMOSDB_DATABASE_NAME: "cgn",
  COSMOSDB_SINGLE_COPY: "false",
  GENERATE_OTP_PATH_FORM: "true",
  OTP_TTL_IN_SECONDS: "600",
  OTP_RETENTION_IN_SECONDS: "86400",
  REQUEST_DEADLINE_IN_MS: "5000",
};

export const settingNames: readonly string[] = [...Object.keys(Settings.props), "AZURE_CLIENT_ID"];

/** The platform sets the first two. Operators may name one of several identities. */
const PlatformIdentity = t.type({
  IDENTITY_ENDPOINT: setting("an http or https URL, which the platform sets", (text) =>
    /^https?:$/.test(URL.parse(text)?.protocol ?? "") ? text : undefined,
  ),
  IDENTITY_HEADER: setting("printable ASCII characters, which the platform sets", (text) =>
    /^[!-~]+$/.test(text) ? text : undefined,
  ),
  AZURE_CLIENT_ID: optional(clientId),
});

/** The public one in `local.settings.json.example`. */
const exampleSecret = Buffer.from("local-development-only-not-a-secret");

/** `0000…`, `abab…` */
const repeatsItself = (secret: Buffer): boolean =>
  Array.from({ length: minSecretBytes - 1 }, (_, index) => index + 1).some(
    (period) => secret.length >= 2 * period && secret.subarray(period).equals(secret.subarray(0, -period)),
  );

/** `00 01 02 …`, or by another step. */
const countsUp = (secret: Buffer): boolean => {
  const step = (index: number): number => ((secret[index + 1] ?? 0) - (secret[index] ?? 0) + 256) % 256;
  return Array.from({ length: secret.length - 1 }, (_, index) => step(index)).every(
    (each) => each === step(0),
  );
};

/** The clouds (`CosmosDBDNSSuffix` in Azure/go-autorest) and the gateways (`SQL_DNS_ZONES` in Azure/cosmos-explorer). */
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
  readonly names: readonly string[];
  readonly text: string;
}

const faultOf = (name: string, text: string): Fault => ({ names: [name], text: `${name} ${text}` });

const toFaults = (errors: t.Errors): readonly Fault[] =>
  // The second entry of an error's context is the setting.
  errors.map(({ value, context: [, setting] }) => {
    const state = value === undefined ? "missing" : "malformed";
    return faultOf(setting?.key ?? "", `is ${state}: expected ${setting?.type.name}`);
  });

type Environment = Readonly<Record<string, string | undefined>>;

/** Forms and templates leave an empty value where nothing is set. */
const pick = (environment: Environment, names: readonly string[]): Readonly<Record<string, string>> =>
  Object.fromEntries(names.flatMap((name) => (environment[name] ? [[name, environment[name]]] : [])));

/** With a key, every setting of an identity is ignored. */
const decodeCredential = (
  environment: Environment,
  key: Buffer | undefined,
): Either<readonly Fault[], CosmosCredential> => {
  if (key !== undefined) {
    return E.right({ kind: "key", key: key.toString("base64") });
  }
  const given = pick(environment, Object.keys(PlatformIdentity.props));
  if (given["IDENTITY_ENDPOINT"] === undefined) {
    return E.left([
      {
        names: ["COSMOSDB_KEY", "IDENTITY_ENDPOINT"],
        text: "COSMOSDB_KEY is missing, and so is IDENTITY_ENDPOINT: expected a key in base64, or an app with a managed identity, for which the platform sets IDENTITY_ENDPOINT",
      },
    ]);
  }
  const platform = PlatformIdentity.decode(given);
  return E.isLeft(platform)
    ? E.left(toFaults(platform.left))
    : E.right({
        kind: "identity",
        endpoint: platform.right.IDENTITY_ENDPOINT,
        header: platform.right.IDENTITY_HEADER,
        clientId: platform.right.AZURE_CLIENT_ID,
      });
};

/** The key that HMAC-SHA-256 makes of a secret (RFC 2104, section 2). */
const toHmacKey = (secret: Buffer): Buffer => {
  const key = secret.length > 64 ? hash("sha256", secret, "buffer") : secret;
  return Buffer.concat([key, Buffer.alloc(64 - key.length)]);
};

const faultsBetweenSecrets = (given: Environment): readonly Fault[] => {
  const [first, second] = [given["OTP_SECRET"], given["OTP_SECRET_SECOND"]].map((text) =>
    secret.decode(text),
  );
  return first !== undefined &&
    second !== undefined &&
    E.isRight(first) &&
    E.isRight(second) &&
    toHmacKey(first.right).equals(toHmacKey(second.right))
    ? [faultOf("OTP_SECRET_SECOND", "is the same key as OTP_SECRET: expected another secret, or nothing")]
    : [];
};

const isGuessable = (text: string | undefined): boolean => {
  const decoded = secret.decode(text);
  return (
    E.isRight(decoded) &&
    (decoded.right.includes(exampleSecret) || repeatsItself(decoded.right) || countsUp(decoded.right))
  );
};

/** Settings of a laptop, copied to a service for others. */
const faultsWithEndpoint = (given: Environment): readonly Fault[] => {
  const url = URL.parse(given["COSMOSDB_ENDPOINT"] ?? "");
  if (url === null || isLoopback(url.hostname)) {
    return [];
  }
  return [
    ...(given["COSMOSDB_SINGLE_COPY"] === "true" && isOnAzure(url)
      ? [faultOf("COSMOSDB_SINGLE_COPY", "is true for an account on Azure: expected false")]
      : []),
    ...["OTP_SECRET", "OTP_SECRET_SECOND"]
      .filter((name) => isGuessable(given[name]))
      .map((name) =>
        faultOf(
          name,
          "is known or can be guessed: expected random bytes of your own, since COSMOSDB_ENDPOINT is not on loopback",
        ),
      ),
  ];
};

export interface BadSettings {
  readonly names: readonly string[];
  readonly message: string;
}

export const decodeConfig = (environment: Environment): Either<BadSettings, Config> => {
  const given = pick(environment, settingNames);
  const settings = Settings.decode({ ...defaults, ...given });
  // A malformed key still counts as present.
  const credential =
    E.isLeft(settings) && given["COSMOSDB_KEY"] !== undefined
      ? undefined
      : decodeCredential(environment, E.isRight(settings) ? settings.right.COSMOSDB_KEY : undefined);
  const faults = [
    ...(E.isLeft(settings) ? toFaults(settings.left) : []),
    ...(credential !== undefined && E.isLeft(credential) ? credential.left : []),
    ...faultsBetweenSecrets(given),
    ...faultsWithEndpoint(given),
  ];
  if (E.isLeft(settings) || credential === undefined || E.isLeft(credential) || faults.length > 0) {
    return E.left({
      names: faults.flatMap(({ names }) => names),
      message: `The service cannot work with its settings:\n${faults.map(({ text }) => `  ${text}`).join("\n")}`,
    });
  }
  return E.right({
    cosmos: {
      endpoint: settings.right.COSMOSDB_ENDPOINT,
      credential: credential.right,
      databaseName: settings.right.COSMOSDB_DATABASE_NAME,
      isSingleCopy: settings.right.COSMOSDB_SINGLE_COPY,
    },
    otpSecret: settings.right.OTP_SECRET,
    otpSecretSecond: settings.right.OTP_SECRET_SECOND,
    otpLifetime: {
      ttlSeconds: settings.right.OTP_TTL_IN_SECONDS,
      retentionSeconds: settings.right.OTP_RETENTION_IN_SECONDS,
    },
    generateOtpPathForm: settings.right.GENERATE_OTP_PATH_FORM,
    requestDeadlineMs: settings.right.REQUEST_DEADLINE_IN_MS,
  });
};
