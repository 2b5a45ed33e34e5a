/** Every way in which an operation can end without a 200, named as the last segment of its problem `type`. */
import type { IssuedOtp } from "./otp";

export type Failure =
  /** `fields` are names of the contract, never taken from the request. `bodyFault` says what is wrong with a whole body. */
  | { readonly tag: "invalid-request"; readonly fields: readonly string[]; readonly bodyFault?: BodyFault }
  /** Only GenerateOtp gives the live OTP, because it answers the beneficiary. A merchant never gets a code. */
  | { readonly tag: "otp-conflict"; readonly otp?: IssuedOtp }
  | ServiceUnavailable
  /** Too many calls with API keys that this instance does not know. */
  | { readonly tag: "too-many-requests"; readonly retryAfterSeconds: number }
  | {
      readonly tag:
        | "otp-invalid"
        | "unauthorized"
        | "otp-not-found"
        | "otp-expired"
        | "otp-already-used"
        | "request-too-large"
        | "internal-error";
    };

/** Why a body holds no fields. */
export const bodyFaults = [
  "empty",
  "gzip",
  "utf-16",
  "not-utf-8",
  "form",
  "multipart",
  "not-json",
  "not-an-object",
] as const;
export type BodyFault = (typeof bodyFaults)[number];

export interface ServiceUnavailable {
  readonly tag: "service-unavailable";
  readonly retryAfterSeconds: number;
  readonly cause: string;
}

export const deadlinePassed: ServiceUnavailable = {
  tag: "service-unavailable",
  retryAfterSeconds: 1,
  cause: "deadline",
};

/** A write of the call may still be applied, so no refusal would be final. */
export const unknownWrite: ServiceUnavailable = { ...deadlinePassed, cause: "unknown write" };

/** A bug, or an item that another program wrote. Its message is fixed words. */
export class Defect extends Error {}
