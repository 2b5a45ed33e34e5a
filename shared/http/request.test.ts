import { deflateSync, gzipSync } from "node:zlib";
import { HttpRequest } from "@azure/functions";
import * as E from "fp-ts/Either";
import * as t from "io-ts";
import { right } from "../../tools/support/either";
import type { BodyFault } from "../domain/failure";
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

  it.each(["{}", '{"name":1}'])("is refused with the name of the wrong field: %s", async (body) => {
    expect(await decodeBody(body)).toEqual(E.left({ tag: "invalid-request", fields: ["name"] }));
  });

  const json = '{"name":"à"}';
  const form = new FormData();
  form.append("name", "à");
  it.each<[BodyFault, string, ConstructorParameters<typeof Response>[0]]>([
    ["empty", "nothing", ""],
    ["gzip", "gzip", Uint8Array.from(gzipSync(json))],
    ["utf-16", "UTF-16", Uint8Array.from(Buffer.from(json, "utf16le"))],
    ["utf-16", "UTF-16 with its byte order mark", Uint8Array.from(Buffer.from(`\ufeff${json}`, "utf16le"))],
    ["utf-16", "UTF-16, big-endian", Uint8Array.from(Buffer.from(json, "utf16le").swap16())],
    ["not-utf-8", "Latin-1", Uint8Array.from(Buffer.from(json, "latin1"))],
    ["not-utf-8", "zlib's deflate", Uint8Array.from(deflateSync(json))],
    ["form", "a form", new URLSearchParams({ name: "à", other: "" })],
    ["multipart", "a multipart form", form],
    ["not-json", "half of the JSON", json.slice(0, 5)],
    ["not-json", "a query in place of a form", "?name=a"],
    ["not-an-object", "an array", `[${json}]`],
    ["not-an-object", "a string", '"name"'],
    ["not-an-object", "null", "null"],
  ])("is refused as %s: %s", async (bodyFault, _, sent) => {
    const { body } = new Response(sent);
    expect(await decodeJsonBody(codec, { body })).toEqual(
      E.left({ tag: "invalid-request", fields: ["body"], bodyFault }),
    );
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
