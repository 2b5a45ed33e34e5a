import * as E from "fp-ts/Either";
import { right } from "../support/either";
import { decodeOptions, help } from "./options";

const faultOf = (...args: string[]): string => {
  const decoded = decodeOptions(args);
  return E.isLeft(decoded) ? decoded.left : "none";
};

describe("the options", () => {
  it("have defaults, so that none is needed", () => {
    expect(right(decodeOptions([]))).toEqual({
      ...{ rate: 20, seconds: 30, rampSeconds: 6, concurrency: 200, merchants: 5, contested: 0.05, sides: 4 },
      ...{ url: undefined, svg: undefined, isAgreed: false },
    });
  });

  it("are taken in both forms", () => {
    expect(
      right(decodeOptions(["--url", "https://example.org:8443", "--rate=2.5", "--seconds", "60", "--yes"])),
    ).toMatchObject({
      ...{ url: "https://example.org:8443", rate: 2.5, seconds: 60, rampSeconds: 10, isAgreed: true },
    });
  });

  it.each(["0", "-1", "NaN", "Infinity", "1e3", "0x10", " 5", "5s", "2001"])(
    "refuse the rate %j, and do not repeat it",
    (rate) => {
      expect(faultOf(`--rate=${rate}`)).toBe("--rate is malformed: expected a number from 0.1 to 2000");
    },
  );

  it.each([
    ["a part of a call", ["--concurrency", "1.5"], /^--concurrency is malformed: expected a whole number/],
    ["a single side", ["--sides", "1"], /^--sides is malformed/],
    ["more than all codes", ["--contested", "1.1"], /^--contested is malformed/],
    ["a ramp longer than the run", ["--ramp", "9", "--seconds", "5"], /^--ramp is malformed/],
    ["more than one run may do", ["--rate", "1000", "--seconds", "300"], /more than 200000 purchases/],
    ["a missing value", ["--seconds"], /^Option '--seconds <value>' argument missing$/],
    ["another option as a value", ["--svg", "--yes"], /^Option '--svg' argument is ambiguous/],
    ["a value for a flag", ["--yes=1"], /^Option '--yes' does not take an argument$/],
    ["a value without a name", ["very-secret"], /^There is a value without a name$/],
    ["an option of another program", ["--function-key=very-secret"], /^Unknown option '--function-key'$/],
    ["a path", ["--url", "https://example.org/api"], /^--url is malformed/],
    ["a name and a password", ["--url", "https://user:word@example.org"], /^--url is malformed/],
    ["another scheme", ["--url", "ftp://example.org"], /^--url is malformed/],
    ["no address", ["--url", "localhost:7071"], /^--url is malformed/],
    ["keys in clear text", ["--url", "http://127.0.0.1.example.org"], /^--url is plain HTTP/],
  ])("refuse %s", (_, args, fault) => {
    expect(faultOf(...args)).toMatch(fault);
  });

  it("are all in the help", () => {
    expect(right(decodeOptions(["--rate", "0", "--help"]))).toBe("help");
    for (const name of "url rate seconds ramp concurrency merchants contested sides svg yes".split(" ")) {
      expect(help).toContain(`--${name} `);
    }
  });
});
