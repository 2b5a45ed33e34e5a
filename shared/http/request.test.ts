import { HttpRequest } from "@azure/functions";
import * as E from "fp-ts/Either";
import * as t from "io-ts";
import { right } from "../../tools/support/either";
import { decodeJsonBody } from "./request";

describe("a body of JSON", () => {
  const codec = t.type({ name: t.string });
  const decodeBody = (body: string): ReturnType<typeof decodeJsonBody> =>
    decodeJsonBody(
      codec,
      new HttpRequest({ method: "POST", url: "http://localhost/", body: { string: body } }),
    );

  it("is decoded with or without a byte order mark", async () => {
    expect(right(await decodeBody('{"name":"à"}'))).toEqual({ name: "à" });
    expect(right(await decodeBody('\ufeff{"name":"à"}'))).toEqual({ name: "à" });
  });

  it.each([
    ["{", "body"],
    ["", "body"],
    ["1", "body"],
    ['"name"', "body"],
    ["null", "body"],
    ["{}", "name"],
    ['{"name":1}', "name"],
  ])("is refused with the name of the wrong field: %s", async (body, field) => {
    expect(await decodeBody(body)).toEqual(E.left({ tag: "invalid-request", fields: [field] }));
  });

  it("is decoded correctly after a body that was not UTF-8", async () => {
    // All calls share one decoder. This body ends after a byte order mark and half a character.
    const bytes = Uint8Array.from([0xef, 0xbb, 0xbf, 0x7b, 0xc3]);
    const request = new HttpRequest({ method: "POST", url: "http://localhost/", body: { bytes } });
    expect(E.isLeft(await decodeJsonBody(codec, request))).toBe(true);
    expect(right(await decodeBody('\ufeff{"name":"à"}'))).toEqual({ name: "à" });
  });

  it("may have 4 KiB, and is refused when it has more", async () => {
    expect(E.isRight(await decodeBody(`{"name":"x"}`.padEnd(4096)))).toBe(true);
    expect(await decodeBody(`{"name":"x"}`.padEnd(4097))).toEqual(E.left({ tag: "request-too-large" }));
  });

  it("is not read beyond the limit", async () => {
    let chunks = 0;
    const body = new ReadableStream({
      pull: (controller) => {
        chunks += 1;
        controller.enqueue(new Uint8Array(1000));
        if (chunks === 100) {
          controller.close();
        }
      },
    });
    expect(await decodeJsonBody(codec, { body })).toEqual(E.left({ tag: "request-too-large" }));
    expect(chunks).toBeLessThan(10);
  });
});
