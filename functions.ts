import { generateOtp } from "./GenerateOtp/generate-otp";
import { info } from "./Info/info";
import { listApiKeys } from "./ListApiKeys/list-api-keys";
import { openApi } from "./OpenApi/open-api";
import { regenerateApiKey } from "./RegenerateApiKey/regenerate-api-key";
import { revokeApiKey } from "./RevokeApiKey/revoke-api-key";
import type { BadSettings, Config } from "./shared/config";
import { makeKeyGate, type KeyGate } from "./shared/domain/key-gate";
import { makeKeyring, type Keyrings } from "./shared/domain/keyring";
import type { OtpLifetime } from "./shared/domain/otp";
import type { StoreForCall } from "./shared/domain/store";
import { makeHealthCheck, type CheckHealth } from "./shared/health";
import {
  makeFailingFunction,
  makeHttpFunction,
  type FunctionDefinition,
  type HttpFunction,
} from "./shared/http/function";
import { status } from "./Status/status";
import { validateOtp } from "./ValidateOtp/validate-otp";

interface Parts {
  readonly keyrings: Keyrings;
  readonly keyGate: KeyGate;
  readonly lifetime: OtpLifetime;
  readonly clock: () => Date;
  readonly checkHealth: CheckHealth;
}

/** The functions of the service, each from the folder of its name. */
export const functions: readonly FunctionDefinition<Parts>[] = [
  generateOtp,
  validateOtp,
  regenerateApiKey,
  listApiKeys,
  revokeApiKey,
  openApi,
  info,
  status,
];

/** Without the optional parameter, the host answers an address with one, and no function reads it. */
const withoutPathForm = (definition: FunctionDefinition<Parts>): FunctionDefinition<Parts> => ({
  ...definition,
  route: definition.route.replace(/\/\{\w+\?\}$/, ""),
});

/** For any host to mount. */
export const makeFunctions = (
  config: Config,
  storeForCall: StoreForCall,
  clock: () => Date = () => new Date(),
): readonly HttpFunction[] => {
  const runtime = { storeForCall, deadlineMs: config.requestDeadlineMs };
  const keyrings = {
    first: makeKeyring(config.otpSecret),
    second: config.otpSecretSecond && makeKeyring(config.otpSecretSecond),
  };
  const parts = {
    keyrings,
    keyGate: makeKeyGate(keyrings),
    lifetime: config.otpLifetime,
    clock,
    checkHealth: makeHealthCheck({ ...runtime, clock }),
  };
  return functions.map((each) =>
    makeHttpFunction(config.generateOtpPathForm ? each : withoutPathForm(each), parts, runtime),
  );
};

/**
 * The functions of a service with bad settings: each answers 503, and its log says why. Without any function the host would
 * answer an empty 404, which a shop takes for a code that does not exist.
 */
export const makeFunctionsWithoutConfig = ({ names }: BadSettings): readonly HttpFunction[] =>
  functions.map((each) =>
    makeFailingFunction(each, {
      tag: "service-unavailable",
      retryAfterSeconds: 60,
      cause: `settings: ${names.join(", ")}`,
    }),
  );
