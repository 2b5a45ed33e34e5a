/** The arguments of `npm run load`: what they are, and how far they may go. */
import { parseArgs } from "node:util";
import * as E from "fp-ts/Either";
import type { Either } from "fp-ts/Either";
import * as t from "io-ts";
import { decodeOrigin } from "../support/origin";

/** `help` says what each is. */
export interface LoadOptions {
  /** An origin. Undefined: the run starts a local host of its own. */
  readonly url: string | undefined;
  readonly rate: number;
  readonly seconds: number;
  readonly rampSeconds: number;
  readonly concurrency: number;
  readonly merchants: number;
  readonly contested: number;
  readonly sides: number;
  readonly svg: string | undefined;
  readonly isAgreed: boolean;
}

/** The history of every code is kept until the end. */
const maxPurchases = 200_000;

export const help = `npm run load -- [options]

Beneficiaries generate a code, shops ask about it and use it: so many a second, whether or not the service keeps up.

  --url          address of a service that runs, such as http://127.0.0.1:7071; without it, a local host is started
  --rate         purchases that begin in a second: 0.1–2000, 20 unless given
  --seconds      how long purchases begin: 1–3600 s, 30 unless given
  --ramp         how long the rate rises, of these seconds: a fifth, and at most 10 s, unless given
  --concurrency  calls under way at once: 1–2000, 200 unless given
  --merchants    merchants that it makes: 1–100, 5 unless given
  --contested    part of the codes that several sides use at once: 0–1, 0.05 unless given
  --sides        how many sides they are: 2–20, 4 unless given
  --svg          file for the plot
  --yes          go on although the service is not on this machine
  --help         this text

At most ${maxPurchases} purchases. A deployed service asks for its function key: the environment variable FUNCTION_KEY.
Ctrl-C ends the run early, with the report of what happened. A second one ends it at once.
It ends with 0, with 1 if a code was used twice or a live one refused, or with 2 if it could not run or check to its end.`;

const ErrorLike = t.type({ message: t.string });

/** Of `parseArgs`, which repeats no value of an option. */
const parse = (args: readonly string[]) =>
  E.tryCatch(
    () =>
      parseArgs({
        args: [...args],
        allowPositionals: true,
        options: {
          url: { type: "string" },
          rate: { type: "string", default: "20" },
          seconds: { type: "string", default: "30" },
          ramp: { type: "string" },
          concurrency: { type: "string", default: "200" },
          merchants: { type: "string", default: "5" },
          contested: { type: "string", default: "0.05" },
          sides: { type: "string", default: "4" },
          svg: { type: "string" },
          yes: { type: "boolean", default: false },
          help: { type: "boolean", default: false },
        },
      }),
    (error) => (ErrorLike.is(error) ? (error.message.split(/\n|\. /)[0] ?? "") : String(error)),
  );

/** @returns "help" when that was asked for; a left with the first fault, which repeats no value. */
export const decodeOptions = (args: readonly string[]): Either<string, LoadOptions | "help"> => {
  const parsed = parse(args);
  if (E.isLeft(parsed)) {
    return parsed;
  }
  const { values, positionals } = parsed.right;
  if (values.help) {
    return E.right("help");
  }
  const faults: string[] = positionals.length > 0 ? ["There is a value without a name"] : [];
  const number = (name: string, text: string, least: number, most: number, isWhole = false): number => {
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
  const rate = number("rate", values.rate, 0.1, 2000);
  const seconds = number("seconds", values.seconds, 1, 3600);
  const options: LoadOptions = {
    url: E.isRight(url) ? url.right : undefined,
    rate,
    seconds,
    rampSeconds:
      values.ramp === undefined ? Math.min(10, seconds / 5) : number("ramp", values.ramp, 0, seconds),
    concurrency: number("concurrency", values.concurrency, 1, 2000, true),
    merchants: number("merchants", values.merchants, 1, 100, true),
    contested: number("contested", values.contested, 0, 1),
    sides: number("sides", values.sides, 2, 20, true),
    svg: values.svg,
    isAgreed: values.yes,
  };
  if (rate * seconds > maxPurchases) {
    faults.push(`--rate times --seconds is more than ${maxPurchases} purchases`);
  }
  const [fault] = faults;
  return fault === undefined ? E.right(options) : E.left(fault);
};
