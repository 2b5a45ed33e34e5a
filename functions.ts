import { generateOtpDefinition, makeGenerateOtp } from "./GenerateOtp/generate-otp";
import { infoDefinition, makeInfo } from "./Info/info";
import { openApiDefinition, makeOpenApi } from "./OpenApi/open-api";
import { listApiKeysDefinition, makeListApiKeys } from "./ListApiKeys/list-api-keys";
import { regenerateApiKeyDefinition, makeRegenerateApiKey } from "./RegenerateApiKey/regenerate-api-key";
import { makeRevokeApiKey, revokeApiKeyDefinition } from "./RevokeApiKey/revoke-api-key";
import type { BadSettings, Config } from "./shared/config";
import { makeKeyring } from "./shared/domain/keyring";
import type { Keyrings } from "./shared/domain/keyring";
import type { StoreForCall } from "./shared/domain/store";
import { makeFailingFunction } from "./shared/http/function";
import type { HttpFunction } from "./shared/http/function";
import { makeHealthCheck } from "./shared/http/health";
import { makeStatus, statusDefinition } from "./Status/status";
import { validateOtpDefinition, makeValidateOtp } from "./ValidateOtp/validate-otp";

/** Every function of the service, for any host to mount. */
export const makeFunctions = (
  config: Config,
  storeForCall: StoreForCall,
  clock: () => Date = () => new Date(),
): readonly HttpFunction[] => {
  const keyrings: Keyrings = {
    first: makeKeyring(config.otpSecret),
    second: config.otpSecretSecond && makeKeyring(config.otpSecretSecond),
  };
  const lifetime = config.otpLifetime;
  const runtime = { storeForCall, deadlineMs: config.requestDeadlineMs };
  const checkHealth = makeHealthCheck({ runtime, isSingleCopy: config.cosmos.isSingleCopy, clock });
  return [
    makeGenerateOtp({ runtime, keyrings, lifetime, clock }),
    makeValidateOtp({ runtime, keyrings, lifetime, clock }),
    makeRegenerateApiKey({ runtime, keyrings, clock }),
    makeListApiKeys({ runtime }),
    makeRevokeApiKey({ runtime, clock }),
    makeOpenApi({ runtime }),
    makeInfo({ runtime, checkHealth }),
    makeStatus({ runtime, checkHealth }),
  ];
};

/**
 * Every function of a service that cannot work: each answers 503, and its log says why. Without any function the host
 * would answer an empty 404, which a shop takes for a code that does not exist.
 */
export const makeFunctionsWithoutConfig = ({ names }: BadSettings): readonly HttpFunction[] =>
  [
    generateOtpDefinition,
    validateOtpDefinition,
    regenerateApiKeyDefinition,
    listApiKeysDefinition,
    revokeApiKeyDefinition,
    openApiDefinition,
    infoDefinition,
    statusDefinition,
  ].map((definition) =>
    makeFailingFunction(definition, {
      tag: "service-unavailable",
      retryAfterSeconds: 60,
      cause: `settings: ${names.join(", ")}`,
    }),
  );
