import { makeGenerateOtp } from "./GenerateOtp/generate-otp";
import { makeInfo } from "./Info/info";
import { makeOpenApi } from "./OpenApi/open-api";
import { makeRegenerateApiKey } from "./RegenerateApiKey/regenerate-api-key";
import type { Config } from "./shared/config";
import type { HttpFunction } from "./shared/http";
import { makeOtpKeyring } from "./shared/otp-keyring";
import type { ConnectStore } from "./shared/store";
import { makeValidateOtp } from "./ValidateOtp/validate-otp";

/** Every function of the service, for any host to mount. */
export const makeFunctions = (
  config: Config,
  connectStore: ConnectStore,
  clock: () => Date = () => new Date(),
): readonly HttpFunction[] => {
  const keyring = makeOtpKeyring(config.otpSecret);
  const lifetime = config.otpLifetime;
  const runtime = { connectStore, deadlineMs: config.requestDeadlineMs };
  return [
    makeGenerateOtp({ runtime, keyring, lifetime, clock }),
    makeValidateOtp({ runtime, keyring, lifetime, clock }),
    makeRegenerateApiKey({ runtime, clock }),
    makeOpenApi({ runtime }),
    makeInfo({ runtime, isSingleCopy: config.cosmos.isSingleCopy }),
  ];
};
