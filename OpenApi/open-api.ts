import * as E from "fp-ts/Either";
import document from "../openapi.yaml";
import { makeHttpFunction } from "../shared/http/function";
import type { FunctionDefinition, HttpFunction, Runtime } from "../shared/http/function";

interface Dependencies {
  readonly runtime: Runtime;
}

export const openApiDefinition: FunctionDefinition = {
  name: "OpenApi",
  route: "api/v1/openapi.yaml",
  methods: ["GET"],
  authLevel: "anonymous",
  reader: "developer",
};

/** Called by a developer, or by a tool of theirs: the contract as an OpenAPI document. */
export const makeOpenApi = ({ runtime }: Dependencies): HttpFunction =>
  makeHttpFunction(
    openApiDefinition,
    runtime,
    // RFC 9512 registers the media type.
    () => Promise.resolve(E.right({ contentType: "application/yaml", body: document })),
  );
