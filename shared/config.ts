/** The settings of the service: read once, all together, so that a mistake is told before the first request. */
import { pipe } from "fp-ts/function";
import * as E from "fp-ts/Either";
import type { Either } from "fp-ts/Either";
import * as t from "io-ts";
import type { OtpLifetime } from "./otp";

export interface CosmosConfig {
  readonly endpoint: string;
  readonly key: string;
  readonly databaseName: string;
  /** The store is one copy of the data: an emulator, or the embedded server. */
  readonly isSingleCopy: boolean;
}

export interface Config {
  readonly cosmos: CosmosConfig;
  readonly otpSecret: Buffer;
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

const endpoint = setting("an https URL (http on loopback only)", (text) => {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isLoopback = url !== undefined && /^(localhost|127(\.\d+){3}|\[::1\])$/.test(url.hostname);
  return url?.protocol === "https:" || (url?.protocol === "http:" && isLoopback) ? text : undefined;
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

const flag = setting("true or false", (text) =>
  text === "true" ? true : text === "false" ? false : undefined,
);

const databaseName = setting("1–255 characters other than / \\ # ?", (text) =>
  /^[^/\\#?]{1,255}$/.test(text) ? text : undefined,
);

const day = 86_400;

const Settings = t.type({
  COSMOSDB_ENDPOINT: endpoint,
  COSMOSDB_KEY: base64("base64", 1),
  COSMOSDB_DATABASE_NAME: databaseName,
  COSMOSDB_SINGLE_COPY: flag,
  OTP_SECRET: base64("base64 of at least 32 bytes", 32),
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

/** What is wrong with the settings: names and expectations, and the value of none. */
export interface BadSettings {
  readonly names: readonly string[];
  /** Says of each what is wrong, on a line of its own. */
  readonly message: string;
}

/** Left: every setting that is missing or malformed. */
export const decodeConfig = (
  environment: Readonly<Record<string, string | undefined>>,
): Either<BadSettings, Config> => {
  // An empty value is what a form or a template leaves for "not set".
  const given = Object.fromEntries(
    settingNames.flatMap((name) => (environment[name] ? [[name, environment[name]]] : [])),
  );
  return pipe(
    Settings.decode({ ...defaults, ...given }),
    E.mapLeft((errors) => {
      // An error's context leads from all settings to the one.
      const faults = errors.map(({ value, context: [, setting] }) => ({
        name: setting?.key ?? "",
        text: `is ${value === undefined ? "missing" : "malformed"}: expected ${setting?.type.name}`,
      }));
      const lines = faults.map(({ name, text }) => `  ${name} ${text}`);
      return {
        names: faults.map(({ name }) => name),
        message: `The service cannot work with its settings:\n${lines.join("\n")}`,
      };
    }),
    E.map((settings) => ({
      cosmos: {
        endpoint: settings.COSMOSDB_ENDPOINT,
        key: settings.COSMOSDB_KEY.toString("base64"),
        databaseName: settings.COSMOSDB_DATABASE_NAME,
        isSingleCopy: settings.COSMOSDB_SINGLE_COPY,
      },
      otpSecret: settings.OTP_SECRET,
      otpLifetime: {
        ttlSeconds: settings.OTP_TTL_IN_SECONDS,
        retentionSeconds: settings.OTP_RETENTION_IN_SECONDS,
      },
      requestDeadlineMs: settings.REQUEST_DEADLINE_IN_MS,
    })),
  );
};
