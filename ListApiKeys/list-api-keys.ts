import * as E from "fp-ts/Either";
import * as t from "io-ts";
import { keyTypes, type ApiKeys } from "../shared/domain/api-key";
import { MerchantId } from "../shared/domain/identifiers";
import { json, type Success } from "../shared/http/answer";
import type { ApiKeysBody } from "../shared/http/bodies";
import type { FunctionDefinition } from "../shared/http/function";
import { decodeFields } from "../shared/http/request";

const Path = t.type({ merchant_id: MerchantId });

/**
 * Called by the merchants' portal: lists the keys in force without showing any. They are one item, so one read shows them as
 * they were at one instant.
 */
export const listApiKeys: FunctionDefinition<unknown> = {
  name: "ListApiKeys",
  route: "api/v1/cgn/merchants/{merchant_id}/api-keys",
  methods: ["GET"],
  authLevel: "function",
  audience: "developer",
  make:
    () =>
    async (request, { store, note }) => {
      const path = decodeFields(Path, request.params);
      if (E.isLeft(path)) {
        return path;
      }
      const { merchant_id: merchantId } = path.right;
      note({ merchantId });
      const found = await store.findApiKeys(merchantId);
      return E.isLeft(found) ? found : E.right(toBody(merchantId, found.right?.value ?? {}));
    },
};

const toBody = (merchantId: MerchantId, apiKeys: ApiKeys): Success =>
  json({
    merchant_id: merchantId,
    api_keys: keyTypes.flatMap((keyType) => {
      const key = apiKeys[keyType];
      return key === undefined
        ? []
        : // Keys stored before hints existed have none.
          [{ key_type: keyType, created_at: key.createdAt.toISOString(), hint: key.hint ?? "" }];
    }),
  } satisfies ApiKeysBody);
