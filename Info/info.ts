import * as E from "fp-ts/Either";
import { name, version } from "../package.json";
import { json, makeHttpFunction } from "../shared/http";
import type { FunctionDefinition, HttpFunction, Runtime } from "../shared/http";
import type { StoreAccount } from "../shared/store";

interface Dependencies {
  readonly runtime: Runtime;
  /** The store is one copy of the data, and gives every guarantee whatever it says of itself. */
  readonly isSingleCopy: boolean;
}

export const infoDefinition: FunctionDefinition = {
  name: "Info",
  route: "api/v1/info",
  methods: ["GET"],
  authLevel: "anonymous",
};

/** Called by whoever watches over the service: 200 when it can keep its promises. */
export const makeInfo = ({ runtime, isSingleCopy }: Dependencies): HttpFunction =>
  makeHttpFunction(infoDefinition, runtime, async (_, { store }) => {
    const account = await store.describeAccount();
    if (E.isLeft(account)) {
      return account;
    }
    const missing = isSingleCopy ? undefined : missingGuarantee(account.right);
    return missing === undefined
      ? E.right(json({ name, version }))
      : E.left({ tag: "service-unavailable", retryAfterSeconds: 60, cause: missing });
  });

/** What keeps an account from giving the guarantees that the contract rests on, if anything does. */
export const missingGuarantee = (account: StoreAccount): string | undefined => {
  if (account.hasSeveralWriteRegions) {
    return "single use: two write regions can both accept a conditional write, so there must be only one";
  }
  if (account.hasSeveralReadRegions && account.consistencyLevel !== "Strong") {
    return "immediate revocation: with several regions to read from, the default consistency must be Strong";
  }
  if (account.consistencyLevel !== "Strong" && account.consistencyLevel !== "BoundedStaleness") {
    return "immediate revocation: the default consistency must be Strong or BoundedStaleness";
  }
  return undefined;
};
