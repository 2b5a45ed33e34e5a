import { startService, type Service } from "../../tools/support/service";
import { sendHostileRequests } from "./hostile";
import { hostileRequests } from "./hostile-requests";

/** A host to ask instead of the local one: `HOSTILE_URL=http://127.0.0.1:… npx jest tests/guarantees/hostile`. */
const otherHost = process.env["HOSTILE_URL"];

/** Node's parser refuses these with 400. The platform does not, but no client sends them by mistake. */
const differences = ["a method in small letters", "an unknown method"];

describe("a hostile request", () => {
  let service: Service;
  let answers: ReadonlyMap<string, readonly string[]>;
  beforeAll(async () => {
    service = await startService();
    // The functions' library warns there that it drops the bodies of GET requests.
    jest.spyOn(console, "warn").mockReturnValue();
    answers = await sendHostileRequests(otherHost ?? service.baseUrl);
  });
  afterAll(async () => {
    jest.restoreAllMocks();
    await service.stop();
  });

  it.each(hostileRequests)(
    "$name: the local host answers as the platform does, unless Node's parser refuses it",
    ({ name, answers: recorded }) => {
      if (otherHost === undefined && differences.includes(name)) {
        expect(answers.get(name)).not.toEqual(recorded);
      } else {
        expect(answers.get(name)).toEqual(recorded);
      }
    },
  );

  it("has a unique name", () => {
    expect(answers.size).toBe(hostileRequests.length);
    expect(differences.filter((name) => !answers.has(name))).toEqual([]);
  });

  it("gets a 5xx only from the platform, and that has no body", () => {
    const failures = [...hostileRequests.flatMap((each) => each.answers), ...[...answers.values()].flat()];
    expect(new Set(failures.filter((answer) => answer.startsWith("5")))).toEqual(new Set(["500 empty"]));
  });

  it("leaves nothing of itself in the log", () => {
    expect(service.log.map(({ text }) => text).join("\n")).not.toMatch(
      /negozio|AAAAAAAAAAA|AAAAAA00A00A000A/,
    );
  });

  it("apart: an idle connection stays open as long as on Kestrel", async () => {
    const { headers } = await service.info();
    expect(headers.get("keep-alive")).toBe("timeout=130");
  });
});
