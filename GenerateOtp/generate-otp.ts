import { flow } from "fp-ts/function";
import type { Either } from "fp-ts/Either";
import * as E from "fp-ts/Either";
import * as t from "io-ts";
import { makeBackoff } from "../shared/backoff";
import { deadlinePassed, unknownWrite, type Failure } from "../shared/domain/failure";
import { findLatestOtp, type LatestOtp } from "../shared/domain/find-otp";
import { DiscountId, FiscalCode, MerchantId } from "../shared/domain/identifiers";
import type { Holding, Keyrings } from "../shared/domain/keyring";
import {
  expiryOf,
  isLive,
  otpItemTtl,
  slotItemTtl,
  type IssuedOtp,
  type Otp,
  type OtpLifetime,
} from "../shared/domain/otp";
import { json } from "../shared/http/answer";
import { otpBody } from "../shared/http/bodies";
import type { FunctionDefinition, HttpRequest, Invocation } from "../shared/http/function";
import { decodeFields, decodeJsonBody } from "../shared/http/request";

interface Dependencies {
  readonly keyrings: Keyrings;
  readonly lifetime: OtpLifetime;
  readonly clock: () => Date;
}

const discount = { merchant_id: MerchantId, discount_id: DiscountId };
const Body = t.type({ fiscal_code: FiscalCode, ...discount });
const Path = t.type({ fiscalcode: FiscalCode });
/** With a fiscal code in the path, the body has none. */
const BodyOfPathForm = t.type({ fiscal_code: t.undefined, ...discount });

/**
 * In the deprecated form the fiscal code is in the path, which hosts, gateways and proxies write down:
 * docs/decisions/0022-fiscal-code-in-the-body.md.
 */
const decodeHolding = async (request: HttpRequest): Promise<Either<Failure, Holding>> => {
  if ((request.params["fiscalcode"] ?? "") === "") {
    return E.map(({ fiscal_code, ...body }: t.TypeOf<typeof Body>) => toHolding(fiscal_code, body))(
      await decodeJsonBody(Body, request),
    );
  }
  const path = decodeFields(Path, request.params);
  if (E.isLeft(path)) {
    return path;
  }
  return E.map((body: t.TypeOf<typeof BodyOfPathForm>) => toHolding(path.right.fiscalcode, body))(
    await decodeJsonBody(BodyOfPathForm, request),
  );
};

const toHolding = (
  beneficiary: FiscalCode,
  { merchant_id: merchantId, discount_id: discountId }: Omit<t.TypeOf<typeof Body>, "fiscal_code">,
): Holding => ({ beneficiary, merchantId, discountId });

/** Called by the IO platform when a card holder opens a discount: issues the OTP, or answers with the live one. */
export const generateOtp: FunctionDefinition<Dependencies> = {
  name: "GenerateOtp",
  route: "api/v1/cgn/otp/{fiscalcode?}",
  methods: ["POST"],
  authLevel: "function",
  audience: "developer",
  make: (dependencies) => async (request, invocation) => {
    const holding = await decodeHolding(request);
    if (E.isLeft(holding)) {
      return holding;
    }
    const { merchantId, discountId } = holding.right;
    invocation.note({ merchantId, discountId });
    return E.map(flow(otpBody, json))(await issueOtp(holding.right, invocation, dependencies));
  },
};

/**
 * Takes the slot of this beneficiary and discount. One of many callers can; the others answer with its OTP. All attempts use one
 * nonce, by which a call recognises its own write. It draws another once that OTP is over: another call may have shown the code,
 * and somebody used it.
 *
 * No condition of the write can cover the slot under the second secret, so each attempt reads it first.
 */
const issueOtp = async (
  holding: Holding,
  { store, signal }: Pick<Invocation, "store" | "signal">,
  { keyrings: { first, second }, lifetime, clock }: Dependencies,
): Promise<Either<Failure, IssuedOtp>> => {
  const { merchantId, discountId } = holding;
  const slotRef = first.slotRefOfHolding(holding);
  const { ttlSeconds } = lifetime;
  const toIssued = ({ code, otp }: LatestOtp): IssuedOtp => ({ code, expiresAt: otp.expiresAt, ttlSeconds });

  const nextAttempt = makeBackoff(signal);
  let drawn = first.drawOtp(merchantId, slotRef);
  let slotEtag: string | undefined;
  /** A write of this call may still be applied. */
  let isPending = false;
  while (await nextAttempt()) {
    if (second !== undefined) {
      const { id } = second.slotRefOfHolding(holding);
      const other = await findLatestOtp(merchantId, id, { store, keyring: second });
      if (E.isLeft(other)) {
        return other;
      }
      if (other.right !== undefined && isLive(other.right.otp, clock())) {
        // The write may still put a second live OTP beside this one.
        if (isPending) {
          return E.left(unknownWrite);
        }
        return E.left({ tag: "otp-conflict", otp: toIssued(other.right) });
      }
    }
    const now = clock();
    const otp: Otp = { discountId, slotId: slotRef.id, expiresAt: expiryOf(now, lifetime), use: undefined };
    const outcome = await store.putOtp(
      { ref: drawn.ref, value: otp, ttlSeconds: otpItemTtl(otp, now, lifetime) },
      { ref: slotRef, value: { nonce: drawn.nonce }, ttlSeconds: slotItemTtl(lifetime) },
      slotEtag,
    );
    if (E.isLeft(outcome)) {
      return outcome;
    }
    if (outcome.right === "written") {
      return E.right({ code: drawn.code, expiresAt: otp.expiresAt, ttlSeconds });
    }
    const latest = await findLatestOtp(merchantId, slotRef.id, { store, keyring: first });
    if (E.isLeft(latest)) {
      return latest;
    }
    if (latest.right !== undefined && isLive(latest.right.otp, clock())) {
      const live = toIssued(latest.right);
      return latest.right.nonce === drawn.nonce ? E.right(live) : E.left({ tag: "otp-conflict", otp: live });
    }
    // The condition of such a write fails once the slot has changed.
    isPending = outcome.right === "unknown" && latest.right?.slotEtag === slotEtag;
    if (latest.right?.nonce === drawn.nonce) {
      drawn = first.drawOtp(merchantId, slotRef);
    }
    slotEtag = latest.right?.slotEtag;
  }
  return E.left(deadlinePassed);
};
