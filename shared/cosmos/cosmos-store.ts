/** The store on Azure Cosmos DB for NoSQL: point operations only, each on one logical partition. */
import { CosmosDiagnostics } from "@azure/cosmos";
import type {
  Container,
  ContainerDefinition,
  ContainerResponse,
  IndexingPolicy,
  ItemDefinition,
  ItemResponse,
  JSONObject,
  OperationInput,
  OperationResponse,
  RequestOptions,
} from "@azure/cosmos";
import * as E from "fp-ts/Either";
import type { Either } from "fp-ts/Either";
import * as t from "io-ts";
import { ApiKeyHash } from "../domain/api-key";
import { makeBackoff, makePauses } from "../backoff";
import type { CosmosConfig } from "../config";
import { accountTiming, makeRegionalClient, noAnswer } from "./client";
import type { AccountTiming } from "./client";
import { isTransient, toStoreError, toUnavailable, toWriteOutcome } from "./error";
import type { StoreError } from "./error";
import { hasSeveralWriteRegions } from "./regions";
import { Defect, unsettled } from "../domain/failure";
import { DiscountId } from "../domain/identifiers";
import type { ItemRef } from "../domain/keyring";
import { containerShapes } from "../domain/store";
import type {
  ConnectStore,
  ContainerName,
  ContainerShape,
  Entry,
  Store,
  StoreCall,
  StoreResult,
  Versioned,
  WriteOutcome,
} from "../domain/store";

// Every item is reached by its id: an index would only make each write dearer. (Indexing cannot be switched off
// altogether, because the time to live needs it.)
const indexingPolicy = {
  indexingMode: "consistent",
  includedPaths: [],
  excludedPaths: [{ path: "/*" }],
} satisfies IndexingPolicy;

/** The definition with which a container is created. */
export const toDefinition = (name: ContainerName): ContainerDefinition => {
  const { partitionKeyPaths, defaultTtlSeconds } = containerShapes[name];
  return {
    id: name,
    partitionKey: { paths: [...partitionKeyPaths] },
    ...(defaultTtlSeconds === undefined ? {} : { defaultTtl: defaultTtlSeconds }),
    indexingPolicy,
  };
};

const toShape = ({ resource }: ContainerResponse): ContainerShape => ({
  partitionKeyPaths: resource?.partitionKey?.paths ?? [],
  // REST says null for none, too.
  defaultTtlSeconds: resource?.defaultTtl ?? undefined,
});

const DateFromISOString = new t.Type<Date, string>(
  "DateFromISOString",
  (input): input is Date => input instanceof Date,
  (input, context) => {
    const date = new Date(typeof input === "string" ? input : NaN);
    return Number.isNaN(date.getTime()) ? t.failure(input, context) : t.success(date);
  },
  (date) => date.toISOString(),
);

const nullable = <C extends t.Mixed>(codec: C): t.UnionC<[C, t.NullC]> => t.union([codec, t.null]);

const OtpItem = t.type({
  discountId: DiscountId,
  slotId: t.string,
  expiresAt: DateFromISOString,
  use: nullable(
    t.type({ usedAt: DateFromISOString, attemptId: t.string, idempotencyKeyHash: nullable(t.string) }),
  ),
});

const SlotItem = t.type({ nonce: t.string });

const StoredApiKeyItem = t.type({ hash: ApiKeyHash, createdAt: DateFromISOString });
const ApiKeyInForceItem = t.intersection([
  StoredApiKeyItem,
  t.partial({ replaced: t.readonlyArray(StoredApiKeyItem) }),
]);
const ApiKeysItem = t.partial({ primary: ApiKeyInForceItem, secondary: ApiKeyInForceItem });

export interface CosmosStore {
  readonly connect: ConnectStore;
  /** Creates the database and the containers that are missing; leaves the others as they are. */
  createContainers(): StoreResult<void>;
  /** Ends the client's timers and connections, and lets no more requests be made: what still tries keeps no process alive. */
  dispose(): void;
}

/**
 * @param deadlineMs within which a call of a function is over, with all the calls of the store that it makes.
 * @param timing when the account is read again.
 */
export const makeCosmosStore = (
  config: CosmosConfig,
  deadlineMs: number,
  timing: AccountTiming = accountTiming,
): CosmosStore => {
  const patienceMs = Math.floor(deadlineMs / 3);
  const { client, readAccount, dispose } = makeRegionalClient(config, patienceMs, timing);
  const database = client.database(config.databaseName);
  const otps = database.container("otps" satisfies ContainerName);
  const apiKeys = database.container("api-keys" satisfies ContainerName);

  return {
    connect: ({ signal, onCall }) => {
      const options = { abortSignal: signal };
      const caller = { signal, onCall, patienceMs, isInDoubt: false };
      const readItem = <A>(
        operation: keyof Store,
        container: Container,
        { id, partitionKey }: ItemRef,
        codec: t.Decoder<unknown, A>,
      ): StoreResult<Versioned<A> | undefined> =>
        runRead(
          operation,
          () => container.item(id, partitionKey).read<ItemDefinition>(options),
          (response) => decodeItem(response, codec),
          caller,
        );
      return {
        findOtp: (ref) => readItem("findOtp", otps, ref, OtpItem),
        findSlot: (ref) => readItem("findSlot", otps, ref, SlotItem),
        putOtp: (otp, slot, slotEtag) =>
          runWrite(
            "putOtp",
            () => {
              const operations = [
                // The write that can fail comes first: the embedded server stops at a failure, but undoes nothing.
                putOperation(toItem(slot, SlotItem), slotEtag),
                putOperation(toItem(otp, OtpItem), undefined),
              ];
              return otps.items.batch(operations, slot.ref.partitionKey, options);
            },
            batchStatus,
            caller,
          ),
        replaceOtp: (otp, etag) =>
          runWrite(
            "replaceOtp",
            () =>
              otps
                .item(otp.ref.id, otp.ref.partitionKey)
                .replace(toItem(otp, OtpItem), { ...options, ...ifMatch(etag) }),
            ({ statusCode }) => statusCode,
            caller,
          ),
        findApiKeys: (merchantId) =>
          readItem("findApiKeys", apiKeys, { partitionKey: merchantId, id: merchantId }, ApiKeysItem),
        putApiKeys: (merchantId, keys, etag) =>
          runWrite(
            "putApiKeys",
            () => {
              const item = { id: merchantId, ...ApiKeysItem.encode(keys) };
              return etag === undefined
                ? apiKeys.items.create(item, options)
                : apiKeys.item(merchantId, merchantId).replace(item, { ...options, ...ifMatch(etag) });
            },
            ({ statusCode }) => statusCode,
            caller,
          ),
        describeAccount: () =>
          runRead(
            "describeAccount",
            async () => {
              const [account, ofOtps, ofApiKeys] = await Promise.all([
                readAccount(),
                otps.read(options),
                apiKeys.read(options),
              ]);
              return { resource: account.resource, ofOtps, ofApiKeys, diagnostics: account.diagnostics };
            },
            ({ resource, ofOtps, ofApiKeys }) =>
              E.right({
                consistencyLevel: resource?.consistencyPolicy ?? "unknown",
                hasSeveralWriteRegions: resource === undefined || hasSeveralWriteRegions(resource),
                hasSeveralReadRegions: (resource?.readableLocations.length ?? 0) > 1,
                containers: { otps: toShape(ofOtps), "api-keys": toShape(ofApiKeys) },
              }),
            caller,
          ),
      };
    },
    createContainers: async () => {
      const steps = [
        () => client.databases.createIfNotExists({ id: config.databaseName }),
        () => database.containers.createIfNotExists(toDefinition("otps")),
        () => database.containers.createIfNotExists(toDefinition("api-keys")),
      ];
      const { signal } = new AbortController();
      for (const step of steps) {
        const caller = { signal, patienceMs, isInDoubt: false };
        const result = await requestHeedingThrottle<Diagnosed>(step, caller, attempt);
        if (E.isLeft(result)) {
          return E.left(toUnavailable(result.left));
        }
      }
      return E.right(undefined);
    },
    dispose,
  };
};

interface Diagnosed {
  readonly diagnostics?: CosmosDiagnostics;
}

/** How many requests an SDK call took, with those that it made again by itself. */
const countAttempts = ({ diagnostics }: Diagnosed): number =>
  1 + (diagnostics?.clientSideRequestStatistics.retryDiagnostics.failedAttempts.length ?? 0);

const isDiagnosed = (error: unknown): error is Diagnosed =>
  error instanceof Error && "diagnostics" in error && error.diagnostics instanceof CosmosDiagnostics;

/** For whom the store is called. */
interface Caller {
  readonly signal: AbortSignal;
  readonly onCall: (call: StoreCall) => void;
  /** How long one request may take, and how long a throttled one waits to be made again. */
  readonly patienceMs: number;
  /**
   * Whether the outcome of a write of this call's was unknown. Its caller must not be sent away as long as there is time to
   * find out: from then on all that passes is waited for, a 429 included.
   */
  isInDoubt: boolean;
}

/** What an SDK call came to, and with how many requests. */
interface Requested<R> {
  readonly result: Either<StoreError, R>;
  readonly attempts: number;
}

/** Makes one SDK call. */
type Attempt = <R extends Diagnosed>(call: () => Promise<R>) => Promise<Requested<R>>;

const attempt: Attempt = async (call) => {
  try {
    const response = await call();
    return { result: E.right(response), attempts: countAttempts(response) };
  } catch (error) {
    return { result: E.left(toStoreError(error)), attempts: isDiagnosed(error) ? countAttempts(error) : 1 };
  }
};

const maxThrottledRetries = 3;

/**
 * Makes an SDK call again when a 429 says: what is throttled was not applied. A store that goes on throttling, or says to
 * come back later than the caller can wait, is left in peace, unless the call is in doubt.
 */
const requestHeedingThrottle = async <R extends Diagnosed>(
  call: () => Promise<R>,
  { signal, patienceMs, isInDoubt }: Pick<Caller, "signal" | "patienceMs" | "isInDoubt">,
  request: Attempt,
): Promise<Either<StoreError, R>> => {
  const pause = makePauses(signal);
  for (let retries = 0; ; retries += 1) {
    const { result } = await request(call);
    if (E.isRight(result) || result.left.status !== 429) {
      return result;
    }
    const { retryAfterMs } = result.left;
    if (!isInDoubt && (retryAfterMs > patienceMs || retries === maxThrottledRetries)) {
      return result;
    }
    await pause(retryAfterMs);
  }
};

/** One call of the store, as its caller gets to know of it. */
interface ObservedCall {
  readonly request: Attempt;
  /** Tells the caller how the call ended, unless the signal came first. */
  readonly end: (failure: string | undefined) => void;
}

/**
 * Counts the requests of a call. When the signal ends it, the caller is told at once how far it came: it answers then, and
 * whatever is logged after the answer is lost.
 */
const observeCall = (operation: keyof Store, { signal, onCall }: Caller): ObservedCall => {
  const start = performance.now();
  let attempts = 0;
  let attemptsUnderWay = 0;
  let lastFailure: string = noAnswer;
  const tell = (failure: string | undefined): void => {
    onCall({
      operation,
      attempts: attempts + attemptsUnderWay,
      durationMs: performance.now() - start,
      failure,
    });
  };
  const onAbort = (): void => {
    tell(lastFailure);
  };
  signal.addEventListener("abort", onAbort);
  return {
    request: async (call) => {
      attemptsUnderWay = 1;
      const requested = await attempt(call);
      attemptsUnderWay = 0;
      attempts += requested.attempts;
      lastFailure = E.isLeft(requested.result) ? requested.result.left.cause : noAnswer;
      return requested;
    },
    end: (failure) => {
      if (!signal.aborted) {
        signal.removeEventListener("abort", onAbort);
        tell(failure);
      }
    },
  };
};

/** Reads until there is an answer, or no more time for one: a read changes nothing. */
const runRead = async <R extends Diagnosed, A>(
  operation: keyof Store,
  call: () => Promise<R>,
  decode: (response: R) => Either<StoreError, A>,
  caller: Caller,
): StoreResult<A> => {
  const { request, end } = observeCall(operation, caller);
  const another = makeBackoff(caller.signal);
  let answer: Either<StoreError, A> | undefined;
  while (await another()) {
    const result = await requestHeedingThrottle(call, caller, request);
    answer = E.isRight(result) ? decode(result.right) : result;
    if (E.isRight(answer) || !isTransient(answer.left)) {
      break;
    }
  }
  end(answer !== undefined && E.isLeft(answer) ? answer.left.cause : undefined);
  return answer === undefined ? E.left(unsettled) : E.mapLeft(toUnavailable)(answer);
};

/**
 * Writes once: if the outcome is unknown, only what is read next can tell whether to write again. Once it was unknown, the
 * call is in doubt, and no 429 ends it: a batch tells one for an operation, without a time to wait.
 */
const runWrite = async <R extends Diagnosed>(
  operation: keyof Store,
  call: () => Promise<R>,
  statusOf: (response: R) => number | string,
  caller: Caller,
): Promise<WriteOutcome> => {
  const { request, end } = observeCall(operation, caller);
  const result = await requestHeedingThrottle(call, caller, request);
  const status = E.isLeft(result) ? result.left.status : statusOf(result.right);
  const outcome = toWriteOutcome(status, E.isLeft(result) ? result.left.retryAfterMs : undefined);
  end(outcome === "written" || outcome === "conflict" ? undefined : `store: ${status}`);
  caller.isInDoubt ||= outcome === "unknown";
  return caller.isInDoubt && typeof outcome === "object" ? "unknown" : outcome;
};

const decodeItem = <A>(
  { statusCode, substatus, resource, etag }: ItemResponse<ItemDefinition>,
  codec: t.Decoder<unknown, A>,
): Either<StoreError, Versioned<A> | undefined> => {
  if (statusCode === 404) {
    // With a substatus it is not the item that is missing: 1003 says that the container is, 1002 that a replica lags behind.
    return substatus
      ? E.left({ cause: `store: 404/${substatus}`, status: 404, substatus, retryAfterMs: 0 })
      : E.right(undefined);
  }
  const value = codec.decode(resource);
  if (E.isLeft(value)) {
    const fields = value.left.map(({ context }) => context.map(({ key }) => key).join("."));
    throw new Defect(`malformed item: ${[...new Set(fields)].join(", ")}`);
  }
  return E.right({ value: value.right, etag });
};

/** A failed batch answers for each operation; 424 marks those that another one's failure undid. */
const batchStatus = ({ result = [] }: { readonly result?: OperationResponse[] }): number | string => {
  const statuses = result.map(({ statusCode }) => statusCode);
  return statuses.find((status) => status >= 400 && status !== 424) ?? statuses[0] ?? "no result";
};

type Item = JSONObject & { id: string; partitionKey: string; ttl: number };

const toItem = <A>(entry: Entry<A>, codec: t.Encoder<A, JSONObject>): Item => ({
  ...codec.encode(entry.value),
  ...entry.ref,
  ttl: entry.ttlSeconds,
});

const ifMatch = (etag: string): RequestOptions => ({
  accessCondition: { type: "IfMatch", condition: etag },
});

const putOperation = (item: Item, etag: string | undefined): OperationInput =>
  etag === undefined
    ? { operationType: "Create", resourceBody: item }
    : {
        operationType: "Replace",
        id: item.id,
        // The batch has one partition key for all; the embedded server wants to read it here too.
        partitionKey: item.partitionKey,
        ifMatch: etag,
        resourceBody: item,
      };
