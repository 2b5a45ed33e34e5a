import * as E from "fp-ts/Either";
import { right } from "../support/either";
import { decodeOptions, help, isOnThisMachine } from "./options";

const faultsOf = (...args: string[]): readonly string[] => {
  const decoded = decodeOptions(args);
  return E.isLeft(decoded) ? decoded.left : [];
};

describe("the options", () => {
  it("have defaults, so that none is needed", () => {
    expect(right(decodeOptions([]))).toEqual({
      url: undefined,
      rate: 20,
      seconds: 30,
      rampSeconds: 6,
      concurrency: 200,
      merchants: 5,
      contested: 0.05,
      sides: 4,
      svg: undefined,
      isAgreed: false,
    });
  });

  it("are taken in both forms", () => {
    expect(
      right(decodeOptions(["--url", "https://example.org:8443", "--rate=2.5", "--seconds", "60", "--yes"])),
    ).toMatchObject({
      url: "https://example.org:8443",
      rate: 2.5,
      seconds: 60,
      rampSeconds: 10,
      isAgreed: true,
    });
  });

  it.each(["0", "-1", "NaN", "Infinity", "1e3", "0x10", " 5", "5s", "2001"])(
    "refuse the rate %j, and do not repeat it",
    (rate) => {
      expect(faultsOf(`--rate=${rate}`)).toEqual([
        "--rate is malformed: expected a number from 0.1 to 2,000",
      ]);
    },
  );

  it.each([
    ["a rate below 0 in two arguments", ["--rate", "-1"], /^--rate is malformed/],
    ["a part of a call", ["--concurrency", "1.5"], /^--concurrency is malformed: expected a whole number/],
    ["a single side", ["--sides", "1"], /^--sides is malformed/],
    ["more than all codes", ["--contested", "1.1"], /^--contested is malformed/],
    ["a ramp longer than the run", ["--ramp", "9", "--seconds", "5"], /^--ramp is longer/],
    ["more than one run may do", ["--rate", "1000", "--seconds", "300"], /more than 200,000 purchases/],
    ["a missing value", ["--seconds"], /^--seconds needs a value/],
    ["another option as a value", ["--svg", "--yes"], /^--svg needs a value/],
    ["a value for a flag", ["--yes=1"], /^--yes takes no value/],
    ["the same twice", ["--rate", "1", "--rate", "2"], /^--rate is given twice/],
    ["a value without a name", ["20"], /^There is a value without a name/],
    ["an option of another program", ["--users", "5"], /^--users is no option/],
    ["a path", ["--url", "https://example.org/api"], /^--url is malformed/],
    ["a name and a password", ["--url", "https://user:word@example.org"], /^--url is malformed/],
    ["another scheme", ["--url", "ftp://example.org"], /^--url is malformed/],
    ["no address", ["--url", "localhost:7071"], /^--url is malformed/],
    ["keys in clear text", ["--url", "http://example.org"], /^--url must be https/],
    [
      "keys in clear text, to a name like loopback",
      ["--url", "http://127.0.0.1.example.org"],
      /must be https/,
    ],
  ])("refuse %s", (_, args, fault) => {
    expect(faultsOf(...args)[0]).toMatch(fault);
  });

  it("take no key, and do not repeat one", () => {
    const faults = faultsOf("--function-key=very-secret", "--key", "very-secret").join("\n");
    expect(faults).toContain("Set FUNCTION_KEY instead");
    expect(faults).not.toContain("very-secret");
  });

  it("name every fault at once", () => {
    expect(faultsOf("--rate", "0", "--seconds", "0")).toHaveLength(2);
  });

  it("are all in the help", () => {
    expect(right(decodeOptions(["--rate", "0", "--help"]))).toBe("help");
    for (const name of [
      "url",
      "rate",
      "seconds",
      "ramp",
      "concurrency",
      "merchants",
      "contested",
      "sides",
      "svg",
    ]) {
      expect(help).toContain(`--${name} `);
    }
  });

  it("tell this machine from others", () => {
    expect(["http://127.0.0.1:7071", "http://localhost", "http://[::1]:1"].map(isOnThisMachine)).toEqual([
      true,
      true,
      true,
    ]);
    expect(["https://example.org", "https://127.0.0.1.example.org"].map(isOnThisMachine)).toEqual([
      false,
      false,
    ]);
  });
});
