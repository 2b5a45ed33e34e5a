import { parseArgs } from "node:util";
import * as E from "fp-ts/Either";
import { decodeOptions, program, type LoadArguments } from "./options";

const { values: usual } = parseArgs({ options: program.options, args: [] });

describe("the options", () => {
  it("have defaults, so that none is needed, and a ramp of a fifth", () => {
    expect(decodeOptions(usual)).toMatchObject({ right: { seconds: 30, rampSeconds: 6 } });
  });

  it.each<readonly [Partial<LoadArguments>, RegExp]>([
    ...["0", "-1", "NaN", "1e3", "0x10", " 5", "5s", "2001", ""].map(
      (rate) => [{ rate }, /^--rate is malformed: expected a number from 0.1 to 2000$/] as const,
    ),
    [{ concurrency: "1.5" }, /^--concurrency is malformed: expected a whole number/],
    [{ sides: "1" }, /^--sides is malformed/],
    [{ contested: "1.1" }, /^--contested is malformed/],
    [{ ramp: "9", seconds: "5" }, /^--ramp is malformed: expected a number from 0 to 5$/],
    [{ rate: "1000", seconds: "300" }, /more than 200000 purchases$/],
    [{ url: "https://user:word@example.org" }, /^--url is malformed/],
    [{ url: "localhost:7071" }, /^--url is malformed/],
    [{ url: "http://127.0.0.1.example.org" }, /^--url is plain HTTP/],
  ])("refuse %j, and repeat no value", (given, fault) => {
    expect(decodeOptions({ ...usual, ...given })).toEqual(E.left(expect.stringMatching(fault)));
  });
});
