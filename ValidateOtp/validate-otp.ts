import { randomUUID } from "node:crypto";
import * as E from "fp-ts/Either";
import type { Either } from "fp-ts/Either";
import * as t from "io-ts";
import { makeBackoff } from "../shared/backoff";
import { decodeApiKey, typeInForce } from "../shared/domain/api-key";
import { deadlinePassed, type Failure } from "../shared/domain/failure";
import { OtpCode, type MerchantId } from "../shared/domain/identifiers";
import { findLatestOtp, startFindingOtp, type FoundOtp } from "../shared/domain/find-otp";
import type { KeyGate } from "../shared/domain/key-gate";
import type { Keyrings } from "../shared/domain/keyring";
import {
  decideValidation,
  expiryOf,
  isLive,
  otpItemTtl,
  type Otp,
  type OtpLifetime,
  type UseMark,
} from "../shared/domain/otp";
import { decideTestCode, testDiscountId } from "../shared/domain/test-codes";
import { json, type Success } from "../shared/http/answer";
import type { ValidationBody } from "../shared/http/bodies";
import type { FunctionDefinition, Invocation } from "../shared/http/function";
import { decodeFields, decodeJsonBody, headerOf } from "../shared/http/request";

interface Dependencies {
  readonly keyrings: Keyrings;
  readonly keyGate: KeyGate;
  readonly lifetime: OtpLifetime;
  readonly clock: () => Date;
}

const Headers = t.type({
  "Idempotency-Key": t.union([
    t.refinement(t.string, (value) => /^[\x20-\x7e]{1,255}$/.test(value)),
    t.undefined,
  ]),
});

const Body = t.type({
  otp_code: t.string,
  /** Required, so that a misspelt name cannot turn a use into a question. */
  invalidate_otp: t.boolean,
});

/** Called by a merchant's server: says whether a code is valid, and at checkout uses it up. */
export const validateOtp: FunctionDefinition<Dependencies> = {
  name: "ValidateOtp",
  route: "api/v1/merchant/cgn/otp/validate",
  methods: ["POST"],
  // The API key names the merchant whose OTPs can be validated, so this function checks it itself.
  authLevel: "anonymous",
  audience: "customer",
  make: (dependencies) => async (request, invocation) => {
    const headers = decodeFields(Headers, {
      "Idempotency-Key": headerOf(request, "idempotency-key"),
    });
    if (E.isLeft(headers)) {
      return headers;
    }
    const body = await decodeJsonBody(Body, request);
    if (E.isLeft(body)) {
      return body;
    }
    const code = OtpCode.decode(body.right.otp_code);
    if (E.isLeft(code)) {
      return E.left({ tag: "otp-invalid" });
    }
    const validation = {
      apiKey: headerOf(request, "ocp-apim-subscription-key"),
      code: code.right,
      invalidate: body.right.invalidate_otp,
      idempotencyKey: headers.right["Idempotency-Key"],
    };
    return validate(validation, invocation, dependencies);
  },
};

interface Validation {
  readonly apiKey: string | undefined;
  readonly code: OtpCode;
  readonly invalidate: boolean;
  readonly idempotencyKey: string | undefined;
}

const validate = async (
  { apiKey, code, invalidate, idempotencyKey }: Validation,
  invocation: Invocation,
  dependencies: Dependencies,
): Promise<Either<Failure, Success>> => {
  invocation.note({ isUse: invalidate });
  const presented = decodeApiKey(apiKey ?? "");
  if (presented === undefined) {
    return E.left({ tag: "unauthorized" });
  }
  const { merchantId } = presented;
  const { store } = invocation;
  const { keyrings, keyGate } = dependencies;
  if (!keyGate.admits(presented)) {
    invocation.note({ claimedMerchantId: merchantId });
    return E.left({ tag: "too-many-requests", retryAfterSeconds: 1 });
  }
  // Both are read at once. Keys are never cached, so every instance refuses a replaced one. Until the key is known to be in
  // force nothing waits for the OTP: the time of a 401 would reveal whether a code exists.
  const findOtp = presented.isTest ? undefined : startFindingOtp(merchantId, code, { store, keyrings });
  const apiKeys = await store.findApiKeys(merchantId);
  if (E.isLeft(apiKeys)) {
    return apiKeys;
  }
  const keyType = apiKeys.right && typeInForce(presented, apiKeys.right.value);
  keyGate.note(presented, keyType !== undefined);
  if (keyType === undefined) {
    invocation.note({ claimedMerchantId: merchantId });
    return E.left({ tag: "unauthorized" });
  }
  invocation.note({ merchantId, keyType });
  if (findOtp === undefined) {
    return validateTestCode(code, invalidate, dependencies);
  }
  const found = await findOtp();
  if (E.isLeft(found)) {
    return found;
  }
  if (found.right === undefined) {
    return E.left({ tag: "otp-not-found" });
  }
  invocation.note({ discountId: found.right.stored.value.discountId });
  const { keyring } = found.right;
  const mark = invalidate
    ? {
        callId: randomUUID(),
        idempotencyKeyHash:
          idempotencyKey === undefined ? undefined : keyring.hmacOfIdempotencyKey(merchantId, idempotencyKey),
      }
    : undefined;
  return decideAndUse({ merchantId, found: found.right, mark }, invocation, dependencies);
};

interface AuthenticatedValidation {
  readonly merchantId: MerchantId;
  readonly found: FoundOtp;
  /** Undefined when the merchant only asks. */
  readonly mark: UseMark | undefined;
}

/**
 * A use is written on condition that the OTP has not changed since it was read. If another call came first, or the answer was
 * lost, the OTP is read again and decides anew.
 *
 * An OTP is refused as expired only once no pending use can be applied any more: the OTP is written once, unchanged, so that the
 * condition of such a use fails.
 */
const decideAndUse = async (
  { merchantId, found, mark }: AuthenticatedValidation,
  { store, signal, note }: Invocation,
  { lifetime, clock }: Dependencies,
): Promise<Either<Failure, Success>> => {
  const nextAttempt = makeBackoff(signal);
  const { keyring, ref } = found;
  let { stored } = found;
  /** A use with this condition is pending: one of this call, or of an earlier one with its `Idempotency-Key`. */
  let pendingEtag = mark?.idempotencyKeyHash === undefined ? undefined : stored.etag;
  while (await nextAttempt()) {
    const { value, etag } = stored;
    const now = clock();
    const decision = decideValidation(value, mark, now, lifetime);
    const refusal = async (): Promise<Either<Failure, never>> =>
      decision.tag === "otp-expired" || decision.tag === "otp-already-used"
        ? refuse({ reason: decision.tag, merchantId, otp: decision.otp, now }, { store, keyring })
        : E.left({ tag: "otp-not-found" });
    if (decision.tag === "live") {
      return E.right(toBody(decision.otp));
    }
    if (decision.tag === "used-by-this-call") {
      note({ isRepetition: decision.use.callId !== mark?.callId });
      return E.right(toBody({ ...decision.otp, expiresAt: decision.use.usedAt }));
    }
    if (decision.tag !== "use" && (decision.tag !== "otp-expired" || etag !== pendingEtag)) {
      return refusal();
    }
    const next = decision.tag === "use" ? decision.otp : value;
    const outcome = await store.replaceOtp(
      { ref, value: next, ttlSeconds: otpItemTtl(next, now, lifetime) },
      etag,
    );
    if (E.isLeft(outcome)) {
      return outcome;
    }
    if (outcome.right === "written") {
      return decision.tag === "use"
        ? E.right(toBody({ ...decision.otp, expiresAt: decision.use.usedAt }))
        : refusal();
    }
    if (outcome.right === "unknown") {
      pendingEtag = etag;
    }
    const reread = await store.findOtp(ref);
    if (E.isLeft(reread)) {
      return reread;
    }
    if (reread.right === undefined) {
      return E.left({ tag: "otp-not-found" });
    }
    stored = reread.right;
  }
  return E.left(deadlinePassed);
};

const validateTestCode = (
  code: OtpCode,
  invalidate: boolean,
  { lifetime, clock }: Dependencies,
): Either<Failure, Success> => {
  const now = clock();
  const decision = decideTestCode(code, invalidate);
  return decision === "valid"
    ? E.right(toBody({ discountId: testDiscountId, expiresAt: invalidate ? now : expiryOf(now, lifetime) }))
    : E.left(decision);
};

const toBody = ({ discountId, expiresAt }: Pick<Otp, "discountId" | "expiresAt">): Success =>
  json({ expires_at: expiresAt.toISOString(), discount_id: discountId } satisfies ValidationBody);

interface OtpThatIsOver {
  readonly reason: "otp-expired" | "otp-already-used";
  readonly merchantId: MerchantId;
  readonly otp: Otp;
  readonly now: Date;
}

/** Says why the OTP is over, unless its beneficiary has a newer one to paste instead. */
const refuse = async (
  { reason, merchantId, otp, now }: OtpThatIsOver,
  { store, keyring }: Pick<Invocation, "store"> & Pick<FoundOtp, "keyring">,
): Promise<Either<Failure, never>> => {
  const latest = await findLatestOtp(merchantId, otp.slotId, { store, keyring });
  if (E.isLeft(latest)) {
    return latest;
  }
  const hasNewer = latest.right !== undefined && isLive(latest.right.otp, now);
  return E.left({ tag: hasNewer ? "otp-conflict" : reason });
};
