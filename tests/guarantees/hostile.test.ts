import { readFileSync } from "node:fs";
import { decode } from "../../tools/support/either";
import { startService } from "../../tools/support/service";
import type { Service } from "../../tools/support/service";
import { sendHostileRequests, HostileAnswers } from "./hostile";
import { hostileDifferences } from "./hostile-differences";
import { hostileRequests } from "./hostile-requests";

const names = hostileRequests.map(({ name }) => name);

/**
 * Recorded with `npm run record:hostile` from the Azure Functions Node.js worker 3.9.1 on Node.js 22, behind Kestrel
 * (ASP.NET Core 10) with the limits of the Functions host. In place of the host, a program between the two did what the
 * host's routing and its `ToRpcHttp` do. It asked for no function keys.
 */
const recorded = decode(
  HostileAnswers,
  JSON.parse(readFileSync("tests/guarantees/hostile-answers.json", "utf8")),
);

describe("a hostile request", () => {
  let service: Service;
  let answers: HostileAnswers;
  beforeAll(async () => {
    service = await startService();
    // The functions' library warns there that it drops the bodies of GET requests.
    jest.spyOn(console, "warn").mockReturnValue();
    answers = await sendHostileRequests(service.baseUrl);
  });
  afterAll(async () => {
    jest.restoreAllMocks();
    await service.stop();
  });

  it.each(names)(
    "%s: the local host answers as the platform does, or lists the reason for the difference",
    (name) => {
      if (name in hostileDifferences) {
        expect(answers[name]).not.toEqual(recorded[name]);
      } else {
        expect(answers[name]).toEqual(recorded[name]);
      }
    },
  );

  it("has a unique name, and a recorded answer", () => {
    expect(new Set(names).size).toBe(names.length);
    expect(Object.keys(recorded).sort()).toEqual([...names].sort());
    expect(Object.keys(hostileDifferences).filter((name) => !names.includes(name))).toEqual([]);
  });

  it("gets a 5xx only from the platform, and that has no body", () => {
    const failures = [...Object.values(recorded), ...Object.values(answers)]
      .flat()
      .filter((answer) => answer.startsWith("5"));
    expect([...new Set(failures)].sort()).toEqual(["500 empty", "505 empty"]);
  });

  it("leaves nothing of itself in the log", () => {
    // The one thing that is kept of a refused key: the merchant that a well-formed one names.
    const claim = '"claimed_merchant_id":"hostile-stranger"';
    const lines = service.log.map(({ text }) => text.replace(claim, "")).join("\n");
    expect(lines).not.toMatch(/hostile-stranger|negozio|AAAAAAAAAAA|AAAAAA00A00A000A/);
  });

  it("apart: an idle connection stays open as long as on Kestrel", async () => {
    const { headers } = await service.info();
    expect(headers.get("keep-alive")).toBe("timeout=130");
  });
});
