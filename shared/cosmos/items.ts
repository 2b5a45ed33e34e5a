/** What is stored: the codecs of the items. */
import type { ItemDefinition, ItemResponse, JSONObject, OperationInput, RequestOptions } from "@azure/cosmos";
import * as E from "fp-ts/Either";
import type { Either } from "fp-ts/Either";
import * as t from "io-ts";
import { ApiKeyHash, IdempotencyKeyHash } from "../domain/api-key";
import { Defect } from "../domain/failure";
import { DiscountId } from "../domain/identifiers";
import type { OtpUse } from "../domain/otp";
import type { Entry, Versioned } from "../domain/store";
import { unforeseen, type StoreError } from "./error";

const DateFromISOString = new t.Type<Date, string>(
  "DateFromISOString",
  (input): input is Date => input instanceof Date,
  (input, context) => {
    const date = new Date(typeof input === "string" ? input : NaN);
    return Number.isNaN(date.getTime()) ? t.failure(input, context) : t.success(date);
  },
  (date) => date.toISOString(),
);

/** What the service leaves undefined is stored as null. */
const orNull = <A, O>(codec: t.Type<A, O>): t.Type<A | undefined, O | null> =>
  new t.Type<A | undefined, O | null>(
    `${codec.name} | null`,
    (input): input is A | undefined => input === undefined || codec.is(input),
    (input, context) => (input === null ? t.success(undefined) : codec.validate(input, context)),
    (value) => (value === undefined ? null : codec.encode(value)),
  );

const StoredUse = t.type({
  usedAt: DateFromISOString,
  attemptId: t.string,
  idempotencyKeyHash: orNull(t.string),
});

/** The stored name of a `callId` is `attemptId`. */
const UseItem = new t.Type<OtpUse, t.OutputOf<typeof StoredUse>>(
  "OtpUse",
  t.never.is,
  (input, context) =>
    E.map(({ attemptId, ...use }: t.TypeOf<typeof StoredUse>) => ({ ...use, callId: attemptId }))(
      StoredUse.validate(input, context),
    ),
  ({ callId, ...use }) => StoredUse.encode({ ...use, attemptId: callId }),
);

export const OtpItem = t.type({
  discountId: DiscountId,
  slotId: t.string,
  expiresAt: DateFromISOString,
  use: orNull(UseItem),
});

export const SlotItem = t.type({ nonce: t.string });

const StoredApiKeyItem = t.intersection([
  t.type({ hash: ApiKeyHash, createdAt: DateFromISOString }),
  t.partial({
    hint: t.string,
    derivation: t.type({ idempotencyKeyHash: IdempotencyKeyHash, nonce: t.string }),
  }),
]);
const EndedApiKeysItem = t.readonlyArray(
  t.intersection([
    t.type({ endedAt: DateFromISOString }),
    t.partial({ idempotencyKeyHash: IdempotencyKeyHash, hash: ApiKeyHash, endedBy: t.string }),
  ]),
);
export const ApiKeysItem = t.partial({
  primary: StoredApiKeyItem,
  secondary: StoredApiKeyItem,
  test: StoredApiKeyItem,
  ended: t.partial({ primary: EndedApiKeysItem, secondary: EndedApiKeysItem, test: EndedApiKeysItem }),
});

export const decodeItem = <A>(
  { statusCode, substatus, resource, etag }: ItemResponse<ItemDefinition>,
  codec: t.Decoder<unknown, A>,
): Either<StoreError, Versioned<A> | undefined> => {
  if (statusCode === 404) {
    // A substatus means that more than the item is missing: 1003 says the container is, 1002 that a replica lags behind.
    return substatus
      ? E.left({ cause: `store: 404/${substatus}`, status: 404, substatus, retryAfterMs: 0 })
      : E.right(undefined);
  }
  if (statusCode !== 200 || typeof resource?.id !== "string") {
    return E.left(unforeseen(statusCode));
  }
  const value = codec.decode(resource);
  if (E.isLeft(value)) {
    const fields = value.left.map(({ context }) => context.map(({ key }) => key).join("."));
    throw new Defect(`malformed item: ${[...new Set(fields)].join(", ")}`);
  }
  return E.right({ value: value.right, etag });
};

/** Cosmos DB's answer to a write shows what was written. Any other answer may come from another program. */
export const decodeWritten = ({
  statusCode,
  resource,
}: Pick<ItemResponse<ItemDefinition>, "statusCode" | "resource">): Either<StoreError, void> =>
  typeof resource?.id === "string" ? E.right(undefined) : E.left(unforeseen(statusCode));

/** https://learn.microsoft.com/rest/api/cosmos-db/ has no page on batches; `retryAfterMilliseconds` is what the .NET SDK reads. */
const BatchResults = t.readonlyArray(
  t.intersection([t.type({ statusCode: t.number }), t.partial({ retryAfterMilliseconds: t.number })]),
);

const isSuccess = ({ statusCode }: { readonly statusCode: number }): boolean =>
  statusCode >= 200 && statusCode < 300;

/** A failed batch answers for each operation; 424 marks those that another one's failure undid. */
export const decodeBatch = ({ result }: { readonly result?: unknown }): Either<StoreError, void> => {
  const results = BatchResults.decode(result);
  if (E.isLeft(results) || results.right.length === 0) {
    return E.left(unforeseen("batch"));
  }
  if (results.right.every(isSuccess)) {
    return E.right(undefined);
  }
  const failed = results.right.filter((each) => !isSuccess(each));
  const { statusCode: status = 424, retryAfterMilliseconds: retryAfterMs = 0 } =
    failed.find(({ statusCode }) => statusCode !== 424) ?? {};
  return E.left({ cause: `store: ${status}`, status, retryAfterMs });
};

type Item = JSONObject & { id: string; partitionKey: string; ttl: number };

export const toItem = <A>(entry: Entry<A>, codec: t.Encoder<A, JSONObject>): Item => ({
  ...codec.encode(entry.value),
  ...entry.ref,
  ttl: entry.ttlSeconds,
});

export const ifMatch = (etag: string): RequestOptions => ({
  accessCondition: { type: "IfMatch", condition: etag },
});

export const putOperation = (item: Item, etag: string | undefined): OperationInput =>
  etag === undefined
    ? { operationType: "Create", resourceBody: item }
    : {
        operationType: "Replace",
        id: item.id,
        // The batch has one partition key for all, but the embedded server reads it here too.
        partitionKey: item.partitionKey,
        ifMatch: etag,
        resourceBody: item,
      };
