import * as E from "fp-ts/Either";
import document from "../openapi.yaml";
import { makeHttpFunction } from "../shared/http";
import type { HttpFunction, Runtime } from "../shared/http";

interface Dependencies {
  readonly runtime: Runtime;
}

/** Called by a developer, or by a tool of theirs: the contract as an OpenAPI document. */
export const makeOpenApi = ({ runtime }: Dependencies): HttpFunction =>
  makeHttpFunction(
    { name: "OpenApi", route: "api/v1/openapi.yaml", methods: ["GET"], authLevel: "anonymous" },
    runtime,
    // RFC 9512 registers the media type.
    () => Promise.resolve(E.right({ contentType: "application/yaml", body: document })),
  );
