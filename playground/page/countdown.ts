import type { OtpBody } from "../../shared/http/bodies";
import { setText } from "./dom";

/** How long an OTP still lives. */
export const remainingMs = ({ expires_at }: OtpBody): number =>
  Math.max(0, Date.parse(expires_at) - Date.now());

/** The last second is shown as 0:01, and 0:00 only when it is over. */
const format = (ms: number): string => {
  const seconds = Math.ceil(ms / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
};

/** Shows how long an OTP still lives. The full ring has the length 1; its visible part is the rest of the life. */
export const showCountdown = (
  ring: SVGCircleElement,
  timer: HTMLElement,
  otp: OtpBody,
  left = remainingMs(otp),
): void => {
  ring.setAttribute("stroke-dashoffset", String(1 - Math.min(1, left / (otp.ttl * 1000))));
  setText(timer, format(left));
};
