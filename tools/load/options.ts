/** The options of `npm run load`: what they are, and how far they may go. */
import * as E from "fp-ts/Either";
import type { Either } from "fp-ts/Either";
import { decodeOrigin } from "../support/origin";

interface NumberOption {
  readonly what: string;
  readonly least: number;
  readonly most: number;
  readonly usual: number;
  readonly isWhole?: true;
}

const numbers = {
  rate: { what: "purchases that begin in a second", least: 0.1, most: 2000, usual: 20 },
  seconds: { what: "how long purchases begin", least: 1, most: 3600, usual: 30 },
  concurrency: { what: "calls under way at once", least: 1, most: 2000, usual: 200, isWhole: true },
  merchants: { what: "merchants that it makes", least: 1, most: 100, usual: 5, isWhole: true },
  contested: { what: "part of the codes that several sides use at once", least: 0, most: 1, usual: 0.05 },
  sides: { what: "how many sides they are", least: 2, most: 20, usual: 4, isWhole: true },
} satisfies Readonly<Record<string, NumberOption>>;

export interface LoadOptions extends Readonly<Record<keyof typeof numbers, number>> {
  /** An origin. Undefined: the run starts a local host of its own. */
  readonly url: string | undefined;
  readonly rampSeconds: number;
  readonly isAgreed: boolean;
}

export const describeRun = ({ rate, seconds, rampSeconds }: LoadOptions): string =>
  `${rate} purchases a second for ${seconds} s, the first ${rampSeconds} s rising.`;

/** The history of every code is kept until the end. */
const maxPurchases = 200_000;

const numberOption = (name: keyof typeof numbers) => {
  const { what, least, most, usual } = numbers[name];
  return { type: "string", value: "N", default: String(usual), help: `${what}: ${least}–${most}` } as const;
};

export const program = {
  command: "npm run load",
  what: `Beneficiaries generate a code, shops ask about it and use it: so many a second, whether or not the service keeps up.`,
  options: {
    url: {
      type: "string",
      value: "URL",
      help: "the origin of a service that runs, as http://127.0.0.1:7071; without it, a local host is started",
    },
    rate: numberOption("rate"),
    seconds: numberOption("seconds"),
    concurrency: numberOption("concurrency"),
    merchants: numberOption("merchants"),
    contested: numberOption("contested"),
    sides: numberOption("sides"),
    ramp: {
      type: "string",
      value: "N",
      help: "how long the rate rises, of these seconds: a fifth, and at most 10 s, unless given",
    },
    yes: { type: "boolean", default: false, help: "goes on although the service is not on this machine" },
  },
  more: `At most ${maxPurchases} purchases. A deployed service asks for its function key: the environment variable FUNCTION_KEY.
Ctrl-C ends the run early, with the report of what happened. A second one ends it at once.
It ends with 0, with 1 if a code was used twice or a live one refused, or with 2 if it could not run or check to its end.`,
} as const;

export type LoadArguments = Readonly<
  Record<keyof typeof numbers, string> & Partial<Record<"url" | "ramp", string>>
> & { readonly yes: boolean };

/** @returns a left with the first fault, which repeats no value. */
export const decodeOptions = (values: LoadArguments): Either<string, LoadOptions> => {
  const faults: string[] = [];
  const decode = (name: "ramp" | keyof typeof numbers, option: NumberOption): number => {
    const { least, most, usual, isWhole } = option;
    const text = values[name] ?? String(usual);
    const value = (isWhole ? /^\d+$/ : /^\d+(\.\d+)?$/).test(text) ? Number(text) : NaN;
    if (!(value >= least && value <= most)) {
      const kind = isWhole ? "a whole number" : "a number";
      faults.push(`--${name} is malformed: expected ${kind} from ${least} to ${most}`);
    }
    return value;
  };
  const url = values.url === undefined ? E.right(undefined) : decodeOrigin(values.url);
  if (E.isLeft(url)) {
    faults.push(url.left);
  }
  const [rate, seconds] = [decode("rate", numbers.rate), decode("seconds", numbers.seconds)];
  if (rate * seconds > maxPurchases) {
    faults.push(`--rate times --seconds is more than ${maxPurchases} purchases`);
  }
  const ramp = { what: "", least: 0, most: seconds, usual: Math.min(10, seconds / 5) };
  const options: LoadOptions = {
    ...{ url: E.isRight(url) ? url.right : undefined, isAgreed: values.yes },
    ...{ rate, seconds, rampSeconds: decode("ramp", ramp) },
    concurrency: decode("concurrency", numbers.concurrency),
    merchants: decode("merchants", numbers.merchants),
    contested: decode("contested", numbers.contested),
    sides: decode("sides", numbers.sides),
  };
  const [fault] = faults;
  return fault === undefined ? E.right(options) : E.left(fault);
};
