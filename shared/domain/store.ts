/** What the functions ask of the store, in their own words. */
import type { Either } from "fp-ts/Either";
import type { ApiKeys } from "./api-key";
import type { ServiceUnavailable } from "./failure";
import type { MerchantId } from "./identifiers";
import type { Otp, Slot } from "./otp";
import type { ItemRef } from "./keyring";

/** Left when the store gave no reliable answer. A rejection is a defect; no caller can cause one. */
export type StoreResult<A> = Promise<Either<ServiceUnavailable, A>>;

/** A write with the `etag` fails if the item has changed since it was read. */
export interface Versioned<A> {
  readonly value: A;
  readonly etag: string;
}

/** `ttlSeconds` after the write the store forgets the item. */
export interface Entry<A> {
  readonly ref: ItemRef;
  readonly value: A;
  readonly ttlSeconds: number;
}

/**
 * How a conditional write ended:
 * - `written`: by this call;
 * - `conflict`: another call wrote first;
 * - `unknown`: the write may have been applied, or may yet be, and only a read can show. After this, temporary failures (a
 *   throttled store included) are retried until the deadline.
 */
export type WriteOutcome = "written" | "conflict" | "unknown";

/** Left when the write was not applied, and no earlier write of the same call was `unknown`. */
export type WriteResult = StoreResult<WriteOutcome>;

export interface OtpStore {
  findOtp(ref: ItemRef): StoreResult<Versioned<Otp> | undefined>;
  findSlot(ref: ItemRef): StoreResult<Versioned<Slot> | undefined>;
  /**
   * Puts both or none.
   * Without `slotEtag` the slot must not exist; with it, the slot must be unchanged since it was read.
   */
  putOtp(otp: Entry<Otp>, slot: Entry<Slot>, slotEtag: string | undefined): WriteResult;
  replaceOtp(otp: Entry<Otp>, etag: string): WriteResult;
}

export interface ApiKeyStore {
  findApiKeys(merchantId: MerchantId): StoreResult<Versioned<ApiKeys> | undefined>;
  /** Without `etag` the merchant must have no keys; with it, they must be unchanged since they were read. */
  putApiKeys(merchantId: MerchantId, apiKeys: ApiKeys, etag: string | undefined): WriteResult;
}

export interface StoreHealth {
  /** Left also when the store cannot give a guarantee of the contract: the cause says which. */
  checkGuarantees(): StoreResult<void>;
}

export type Store = OtpStore & ApiKeyStore & StoreHealth;

export interface StoreCall {
  readonly operation: keyof Store;
  readonly attempts: number;
  readonly durationMs: number;
  /** The store charges for those that it answered. */
  readonly requestUnits: number;
  readonly failure: string | undefined;
}

/** The store, for one call of a function. */
export type StoreForCall = (options: {
  /** Cancels requests under way, and prevents new ones. */
  readonly signal: AbortSignal;
  readonly onCall: (call: StoreCall) => void;
}) => Store;
