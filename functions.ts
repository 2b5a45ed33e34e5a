import { makeGenerateOtp } from "./GenerateOtp/generate-otp";
import { makeInfo } from "./Info/info";
import { makeRegenerateApiKey } from "./RegenerateApiKey/regenerate-api-key";
import type { Config } from "./shared/config";
import type { HttpFunction } from "./shared/http";
import { makeOtpKeyring } from "./shared/otp-keyring";
import type { Store } from "./shared/store";
import { makeValidateOtp } from "./ValidateOtp/validate-otp";

/** Every function of the service, for any host to mount. */
export const makeFunctions = (
  config: Config,
  store: Store,
  clock: () => Date = () => new Date(),
): readonly HttpFunction[] => {
  const keyring = makeOtpKeyring(config.otpSecret);
  const lifetime = config.otpLifetime;
  return [
    makeGenerateOtp({ store, keyring, lifetime, clock }),
    makeValidateOtp({ store, keyring, lifetime, clock }),
    makeRegenerateApiKey({ store, clock }),
    makeInfo({ store, isSingleCopy: config.cosmos.isSingleCopy }),
  ];
};
