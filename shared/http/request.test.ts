import { HttpRequest } from "@azure/functions";
import * as E from "fp-ts/Either";
import * as t from "io-ts";
import { right } from "../../tests/support/either";
import { decodeJsonBody } from "./request";

describe("a body of JSON", () => {
  const codec = t.type({ name: t.string });
  const decodeBody = (body: string): ReturnType<typeof decodeJsonBody> =>
    decodeJsonBody(
      codec,
      new HttpRequest({ method: "POST", url: "http://localhost/", body: { string: body } }),
    );

  it("decodes it, with or without a byte order mark", async () => {
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
  ])("names what is wrong in %s", async (body, field) => {
    expect(await decodeBody(body)).toEqual(E.left({ tag: "invalid-request", fields: [field] }));
  });

  it("is not disturbed by what was not UTF-8 before it", async () => {
    // A byte order mark and half a character, in a decoder that all calls share.
    const bytes = Uint8Array.from([0xef, 0xbb, 0xbf, 0x7b, 0xc3]);
    const request = new HttpRequest({ method: "POST", url: "http://localhost/", body: { bytes } });
    expect(E.isLeft(await decodeJsonBody(codec, request))).toBe(true);
    expect(right(await decodeBody('\ufeff{"name":"à"}'))).toEqual({ name: "à" });
  });

  it("takes 4 KiB, and refuses more", async () => {
    expect(E.isRight(await decodeBody(`{"name":"x"}`.padEnd(4096)))).toBe(true);
    expect(await decodeBody(`{"name":"x"}`.padEnd(4097))).toEqual(E.left({ tag: "request-too-large" }));
  });

  it("reads no more of a body than it may have", async () => {
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
