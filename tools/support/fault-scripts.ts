/** What tests ask of a fault proxy, by name. */
import type { Fault, Operation, StoreRequest } from "./fault-proxy";

export type Script = (request: StoreRequest) => Fault | undefined;

/** The requests to an item, or those that write one, or all. */
type Target = Operation | "write" | "any";

const isOf = (target: Target, { operation }: StoreRequest): boolean =>
  target === "any" ||
  operation === target ||
  (target === "write" && (operation === "create" || operation === "replace" || operation === "batch"));

/** A refusal that is worth another attempt at once. */
export const throttled: Fault = { kind: "status", status: 429, retryAfterMs: 1 };

/** Every request of this kind meets the fault. */
export const every =
  (target: Target, fault: Fault): Script =>
  (request) =>
    isOf(target, request) ? fault : undefined;

/** The first request of this kind meets the first fault, and so on. The later ones are forwarded. */
export const inOrder = (target: Target, ...faults: readonly (Fault | undefined)[]): Script => {
  const left = [...faults];
  return (request) => (isOf(target, request) ? left.shift() : undefined);
};

/** The first of the scripts that has a fault for a request decides. */
export const firstOf =
  (...scripts: readonly Script[]): Script =>
  (request) =>
    scripts.map((script) => script(request)).find((fault) => fault !== undefined);

/** How many requests of this kind there were. */
export const countOf = (
  { requests }: { readonly requests: readonly StoreRequest[] },
  target: Target,
): number => requests.filter((request) => isOf(target, request)).length;

/**
 * Applies a request that met a `reset-before`, as if it had been on its way until now.
 *
 * @param target the store behind the proxy: `http://127.0.0.1:port`.
 * @returns the status of the answer, which nobody else gets.
 */
export const applyLate = async (target: string, request: StoreRequest): Promise<number> => {
  const { method, path, headers, body } = request;
  const sent = Object.entries(headers).flatMap(([name, value]): [string, string][] =>
    name.startsWith("x-ms-") || name === "if-match" ? [[name, String(value)]] : [],
  );
  return (await fetch(target + path, { method, headers: sent, body })).status;
};
