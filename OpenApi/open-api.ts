import * as E from "fp-ts/Either";
import document from "../openapi.yaml";
import type { FunctionDefinition } from "../shared/http/function";

/** Called by developers and their tools: the contract as an OpenAPI document. */
export const openApi: FunctionDefinition<unknown> = {
  name: "OpenApi",
  route: "api/v1/openapi.yaml",
  methods: ["GET"],
  authLevel: "anonymous",
  audience: "developer",
  // RFC 9512 registers the media type.
  make: () => () => Promise.resolve(E.right({ contentType: "application/yaml", body: document })),
};
