import * as E from "fp-ts/Either";
import { right } from "../support/either";
import { decodeOptions, program, type LoadArguments } from "./options";

const usual = {
  ...{ rate: "20", seconds: "30", concurrency: "200", merchants: "5", contested: "0.05", sides: "4" },
  yes: false,
};

describe("the options", () => {
  it("have defaults, so that none is needed", () => {
    const defaults = Object.entries(program.options).flatMap(([name, option]) =>
      "default" in option ? [[name, option.default] as const] : [],
    );
    expect(Object.fromEntries(defaults)).toEqual(usual);
    expect(right(decodeOptions(usual))).toEqual({
      ...{ rate: 20, seconds: 30, rampSeconds: 6, concurrency: 200, merchants: 5, contested: 0.05, sides: 4 },
      ...{ url: undefined, isAgreed: false },
    });
  });

  it("are taken", () => {
    const given = {
      ...{ url: "https://example.org:8443", rate: "2.5", seconds: "60", ramp: "5", concurrency: "9" },
      ...{ merchants: "2", contested: "1", sides: "3", yes: true },
    };
    expect(right(decodeOptions(given))).toEqual({
      ...{ url: "https://example.org:8443", rate: 2.5, seconds: 60, rampSeconds: 5, concurrency: 9 },
      ...{ merchants: 2, contested: 1, sides: 3, isAgreed: true },
    });
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
