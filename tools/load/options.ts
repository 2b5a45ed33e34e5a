/** The arguments of `npm run load`: what they are, how far they may go, and what somebody is told of wrong ones. */
import { parseArgs } from "node:util";
import type { ParseArgsConfig } from "node:util";
import * as E from "fp-ts/Either";
import type { Either } from "fp-ts/Either";
import { isLoopback } from "../../shared/loopback";

export interface LoadOptions {
  /** The origin of a service that already runs. Undefined: the run starts a local host of its own. */
  readonly url: string | undefined;
  /** Purchases that begin in a second, once the ramp is over. */
  readonly rate: number;
  /** How long purchases begin, with the ramp. */
  readonly seconds: number;
  /** How long the rate rises from 0, in seconds. */
  readonly rampSeconds: number;
  /** Calls under way at once. A call beyond them waits, and its wait counts. */
  readonly concurrency: number;
  readonly merchants: number;
  /** Of all codes, the part that is used from several sides at once: 0–1. */
  readonly contested: number;
  /** How many calls use such a code at once. */
  readonly sides: number;
  /** The file for the plot. */
  readonly svg: string | undefined;
  /** Whether the caller agreed to a run against a service that is not on this machine. */
  readonly isAgreed: boolean;
}

/** The history of every code is kept until the end. */
const maxPurchases = 200_000;

/** A number, its limits, and what it is by default. */
interface NumberRule {
  readonly meaning: string;
  readonly unit: string;
  readonly least: number;
  readonly most: number;
  readonly byDefault: number | undefined;
  readonly isWhole: boolean;
}

const numberRules = {
  rate: {
    meaning: "purchases that begin in a second",
    unit: "",
    least: 0.1,
    most: 2000,
    byDefault: 20,
    isWhole: false,
  },
  seconds: {
    meaning: "how long purchases begin",
    unit: " s",
    least: 1,
    most: 3600,
    byDefault: 30,
    isWhole: false,
  },
  ramp: {
    meaning: "how long the rate rises, of these seconds",
    unit: " s",
    least: 0,
    most: 3600,
    byDefault: undefined,
    isWhole: false,
  },
  concurrency: {
    meaning: "calls under way at once",
    unit: "",
    least: 1,
    most: 2000,
    byDefault: 200,
    isWhole: true,
  },
  merchants: {
    meaning: "merchants that it makes",
    unit: "",
    least: 1,
    most: 100,
    byDefault: 5,
    isWhole: true,
  },
  contested: {
    meaning: "part of the codes that several sides use at once",
    unit: "",
    least: 0,
    most: 1,
    byDefault: 0.05,
    isWhole: false,
  },
  sides: {
    meaning: "how many sides they are",
    unit: "",
    least: 2,
    most: 20,
    byDefault: 4,
    isWhole: true,
  },
} as const satisfies Readonly<Record<string, NumberRule>>;

type NumberName = keyof typeof numberRules;

const texts = {
  url: "address of a service that runs, such as http://127.0.0.1:7071; without it, a local host is started and ended",
  svg: "file for the plot",
  yes: "go on although the service is not on this machine",
  help: "this text",
} as const;

const config = {
  url: { type: "string" },
  rate: { type: "string" },
  seconds: { type: "string" },
  ramp: { type: "string" },
  concurrency: { type: "string" },
  merchants: { type: "string" },
  contested: { type: "string" },
  sides: { type: "string" },
  svg: { type: "string" },
  yes: { type: "boolean" },
  help: { type: "boolean" },
} as const satisfies NonNullable<ParseArgsConfig["options"]>;

type OptionName = keyof typeof config;

const isOptionName = (name: string): name is OptionName => Object.hasOwn(config, name);

const describeRule = ({ meaning, unit, least, most, byDefault }: NumberRule): string =>
  `${meaning}: ${least}–${most.toLocaleString("en")}${unit}${byDefault === undefined ? "" : `, ${byDefault} unless given`}`;

const helpRow = (name: string, text: string): string => `  --${name.padEnd(12)} ${text}`;

export const help = [
  "npm run load -- [options]",
  "",
  "Beneficiaries generate a code, shops ask about it and use it: so many a second, whether or not the service keeps up.",
  "",
  helpRow("url", texts.url),
  ...Object.entries(numberRules).map(([name, rule]) => helpRow(name, describeRule(rule))),
  helpRow("svg", texts.svg),
  helpRow("yes", texts.yes),
  helpRow("help", texts.help),
  "",
  `At most ${maxPurchases.toLocaleString("en")} purchases. A fifth of the seconds is the ramp unless given, and at most 10 s.`,
  "A deployed service asks for its function key: the environment variable FUNCTION_KEY.",
  "Ctrl-C ends the run early, with the report of what happened. A second one ends it at once.",
  "It ends with 0, with 1 if a code was used twice or a live one refused, or with 2 if it could not run or check to its end.",
].join("\n");

/** Whether a service at this origin runs on this machine. */
export const isOnThisMachine = (origin: string): boolean => isLoopback(new URL(origin).hostname);

/** Nothing else than an origin is taken: the contract fixes the paths, and a name and a password would be a secret. */
const decodeUrl = (text: string): Either<string, string> => {
  const url = URL.parse(text);
  const isOrigin =
    url !== null &&
    /^https?:$/.test(url.protocol) &&
    url.pathname === "/" &&
    [url.search, url.hash, url.username, url.password].every((part) => part === "");
  if (!isOrigin) {
    return E.left("--url is malformed: expected http:// or https://, a host, and perhaps a port");
  }
  return url.protocol === "https:" || isLoopback(url.hostname)
    ? E.right(url.origin)
    : E.left("--url must be https://, because keys travel: http:// is for a service on this machine");
};

const decodeNumber = (name: NumberName, text: string): Either<string, number> => {
  const rule = numberRules[name];
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : NaN;
  const isFine = value >= rule.least && value <= rule.most && (!rule.isWhole || Number.isInteger(value));
  const kind = rule.isWhole ? "a whole number" : "a number";
  return isFine
    ? E.right(value)
    : E.left(
        `--${name} is malformed: expected ${kind} from ${rule.least} to ${rule.most.toLocaleString("en")}`,
      );
};

/** @returns "help" when that was asked for; a left with every fault, none of which repeats a value. */
export const decodeOptions = (args: readonly string[]): Either<readonly string[], LoadOptions | "help"> => {
  const { tokens } = parseArgs({
    args: [...args],
    options: config,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const faults: string[] = [];
  const given = new Map<OptionName, string>();
  const flags = new Set<OptionName>();
  for (const token of tokens) {
    if (token.kind === "positional") {
      faults.push("There is a value without a name. Every option has one: --rate 20");
    } else if (token.kind === "option") {
      const { name, value } = token;
      if (!isOptionName(name)) {
        faults.push(
          /key|secret|password|token/i.test(name)
            ? "No key is taken from the command line, where others can read it. Set FUNCTION_KEY instead"
            : /^[a-z-]{1,20}$/.test(name)
              ? `--${name} is no option of this`
              : "There is an option that is not known",
        );
      } else if (given.has(name) || flags.has(name)) {
        faults.push(`--${name} is given twice`);
      } else if (config[name].type === "boolean") {
        if (value === undefined) {
          flags.add(name);
        } else {
          faults.push(`--${name} takes no value`);
        }
      } else if (value === undefined || value === "" || value.startsWith("--")) {
        faults.push(`--${name} needs a value`);
      } else {
        given.set(name, value);
      }
    }
  }
  if (flags.has("help")) {
    return E.right("help");
  }
  const numberOf = (name: NumberName, byDefault: number): number => {
    const text = given.get(name);
    const decoded = text === undefined ? E.right(byDefault) : decodeNumber(name, text);
    if (E.isLeft(decoded)) {
      faults.push(decoded.left);
      return byDefault;
    }
    return decoded.right;
  };
  const urlText = given.get("url");
  const url = urlText === undefined ? E.right(undefined) : decodeUrl(urlText);
  if (E.isLeft(url)) {
    faults.push(url.left);
  }
  const rate = numberOf("rate", numberRules.rate.byDefault);
  const seconds = numberOf("seconds", numberRules.seconds.byDefault);
  const rampSeconds = numberOf("ramp", Math.min(10, seconds / 5));
  if (rampSeconds > seconds) {
    faults.push("--ramp is longer than --seconds");
  }
  if (rate * seconds > maxPurchases) {
    faults.push(
      `--rate times --seconds is more than ${maxPurchases.toLocaleString("en")} purchases: the limit of one run`,
    );
  }
  const options: LoadOptions = {
    url: E.isRight(url) ? url.right : undefined,
    rate,
    seconds,
    rampSeconds,
    concurrency: numberOf("concurrency", numberRules.concurrency.byDefault),
    merchants: numberOf("merchants", numberRules.merchants.byDefault),
    contested: numberOf("contested", numberRules.contested.byDefault),
    sides: numberOf("sides", numberRules.sides.byDefault),
    svg: given.get("svg"),
    isAgreed: flags.has("yes"),
  };
  return faults.length === 0 ? E.right(options) : E.left(faults);
};
