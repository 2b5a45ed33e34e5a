/** The merchant's profile in the portal: which of its keys are in force, and which of them its shop has and uses. */
import type { ApiKeyBody, ApiKeysBody } from "../../shared/http/bodies";
import { keyTypes, shopKeyTypes, type Answer, type Api, type KeyType } from "./api";
import { byId, reveal, setBusy, setText } from "./dom";
import { makeKeyRow } from "./key-row";
import type { Messages } from "./messages";
import { explain, showNotices, type Notice } from "./notices";
import type { Page, Panel } from "./page";
import { findListed, typeInUseOf, type Shop } from "./shop";
import { findGivenKey, keepGivenKey } from "./shop-settings";

export interface Portal extends Panel {
  /**
   * Reads which of a shop's keys are in force. On the local host's own store it also makes the keys that the shop never
   * had. A key that was replaced or revoked since the shop got it stays so, over a reload too.
   * @param api makes the calls.
   */
  open(shop: Shop, api: Api): Promise<void>;
  /** Whether the user has to ask for the keys of the shop on the page. */
  hasToAsk(): boolean;
}

/** The row of a key, or the portal as a whole. */
type Place = KeyType | "portal";

/** What came of an action is said where the action was. */
interface Said {
  readonly place: Place;
  readonly notices: readonly Notice[];
}

export const makePortal = (page: Page): Portal => {
  const saidOf = new Map<Shop, Said>();
  let toConfirm: { readonly action: "regenerate" | "revoke"; readonly keyType: KeyType } = {
    action: "regenerate",
    keyType: "primary",
  };

  const dialog = byId("confirm", HTMLDialogElement);
  const confirmButton = byId("confirm-yes", HTMLButtonElement);
  confirmButton.addEventListener("click", () => {
    const { action, keyType } = toConfirm;
    dialog.close();
    void (action === "revoke" ? revoke : regenerate)(page.shop(), keyType);
  });
  byId("confirm-no", HTMLButtonElement).addEventListener("click", () => {
    dialog.close();
  });
  const confirm = (asked: typeof toConfirm): void => {
    toConfirm = asked;
    page.render();
    dialog.showModal();
  };

  const say = (shop: Shop, place: Place, ...notices: readonly Notice[]): void => {
    saidOf.set(shop, { place, notices });
    page.render();
  };
  const success = (keyType: KeyType, text: (messages: Messages) => (key: string) => string): Notice => ({
    level: "success",
    text: ({ messages }) => text(messages)(messages.keyTitle[keyType]),
  });

  /** Only the last reading that was started counts: the answer of an earlier one may come later. */
  const readList = async (shop: Shop, api = page.api): Promise<Answer<ApiKeysBody>> => {
    const reading = Symbol("reading");
    shop.reading = reading;
    page.render();
    const answer = await api.list(shop.merchant.id);
    if (shop.reading === reading) {
      shop.reading = undefined;
      shop.list =
        answer.tag === "answered" ? { tag: "read", apiKeys: answer.value.api_keys } : { tag: "failed" };
    }
    return answer;
  };

  /** Does something to keys, reads the list again, and says what came of it. */
  const change = async (
    shop: Shop,
    place: Place,
    changed: readonly KeyType[],
    task: () => Promise<readonly Notice[]>,
    api = page.api,
  ): Promise<void> => {
    for (const keyType of changed) {
      const key = shop.keys[keyType];
      key.isBusy = true;
      key.fresh = undefined;
    }
    say(shop, place);
    const said = await task();
    const list = await readList(shop, api);
    for (const keyType of changed) {
      shop.keys[keyType].isBusy = false;
    }
    say(shop, place, ...(list.tag === "answered" || said.some(isFailure) ? said : [...said, explain(list)]));
    if (place !== "portal" && shop === page.shop()) {
      reveal(byId(`${place}-row`, HTMLElement));
    }
  };

  /**
   * Each press has an `Idempotency-Key` of its own, which nobody can guess. As long as nobody knows what came of the press,
   * the next one repeats it: that is told the key which was made, and makes no other.
   */
  const issue = async (
    shop: Shop,
    keyType: KeyType,
    loseAnswer = false,
    api = page.api,
  ): Promise<Answer<ApiKeyBody>> => {
    const key = shop.keys[keyType];
    const idempotencyKey = key.unsettled ?? crypto.randomUUID();
    const answer = await api.regenerate(shop.merchant.id, keyType, { idempotencyKey, loseAnswer });
    key.unsettled = isUnsettled(answer) ? idempotencyKey : undefined;
    return answer;
  };

  const give = (shop: Shop, keyType: KeyType, { api_key: apiKey }: ApiKeyBody): void => {
    const key = shop.keys[keyType];
    key.given = apiKey;
    key.fresh = undefined;
    if (page.storeKind() === "own") {
      keepGivenKey(shop.merchant.id, keyType, apiKey);
    }
  };

  /** Gives the shop the keys that it never had. */
  const setUp = async (shop: Shop, api: Api): Promise<void> => {
    const missing = shopKeyTypes.filter((keyType) => {
      const { given, fresh, isBusy } = shop.keys[keyType];
      return given === undefined && fresh === undefined && !isBusy;
    });
    if (missing.length === 0) {
      return;
    }
    const makeKeys = async (): Promise<readonly Notice[]> => {
      let failure: readonly Notice[] = [];
      for (const keyType of missing) {
        const answer = await issue(shop, keyType, false, api);
        if (answer.tag === "answered") {
          give(shop, keyType, answer.value);
        } else {
          failure = explainIssue(answer);
        }
      }
      return failure;
    };
    await change(shop, "portal", missing, makeKeys, api);
  };

  const open = async (shop: Shop, api: Api): Promise<void> => {
    const isOwnStore = page.storeKind() === "own";
    const isFirst = shop.list.tag !== "read";
    if (shop.list.tag === "failed") {
      say(shop, "portal");
    }
    if (isOwnStore && isFirst) {
      for (const keyType of keyTypes) {
        shop.keys[keyType].given ??= findGivenKey(shop.merchant.id, keyType);
      }
    }
    const answer = await readList(shop, api);
    if (answer.tag !== "answered") {
      say(shop, "portal", explain(answer));
      return;
    }
    if (isOwnStore && isFirst && answer.value.api_keys.length === 0) {
      // The store that the kept keys were for has ended.
      for (const keyType of keyTypes) {
        shop.keys[keyType].given = undefined;
      }
    }
    page.render();
    // In a store that is not the local host's own, the user has to ask for keys.
    if (isOwnStore) {
      await setUp(shop, api);
    }
  };

  const loseKey = byId("lose-key", HTMLInputElement);

  const regenerate = (shop: Shop, keyType: KeyType): Promise<void> => {
    const key = shop.keys[keyType];
    const isRetry = key.unsettled !== undefined;
    const isFirst = isAbsent(shop, keyType);
    const loseAnswer = loseKey.checked;
    // Lose one answer only, so that the retry succeeds.
    loseKey.checked = false;
    return change(shop, keyType, [keyType], async () => {
      const answer = await issue(shop, keyType, loseAnswer);
      if (answer.tag !== "answered") {
        return explainIssue(answer);
      }
      key.fresh = answer.value;
      return [
        success(keyType, (messages) =>
          isRetry ? messages.regeneratedOnRetry : isFirst ? messages.generated : messages.regenerated,
        ),
      ];
    });
  };

  const revoke = (shop: Shop, keyType: KeyType): Promise<void> =>
    change(shop, keyType, [keyType], async () => {
      const answer = await page.api.revoke(shop.merchant.id, keyType);
      if (answer.tag !== "answered") {
        return [explain(answer)];
      }
      shop.keys[keyType].unsettled = undefined;
      return [success(keyType, (messages) => messages.revoked)];
    });

  const askSection = byId("ask-for-keys", HTMLElement);
  const askButton = byId("ask-for-keys-button", HTMLButtonElement);
  askButton.addEventListener("click", () => {
    const shop = page.shop();
    if (!isSettingUp(shop)) {
      shop.ready = setUp(shop, page.api);
    }
  });
  const readButton = byId("read-keys", HTMLButtonElement);
  readButton.addEventListener("click", () => {
    const shop = page.shop();
    if (shop.reading === undefined) {
      shop.ready = open(shop, page.api);
    }
  });

  const isSettingUp = ({ keys }: Shop): boolean => shopKeyTypes.some((keyType) => keys[keyType].isBusy);

  /** In a store that the settings name, the page makes no key for a shop before the user asks for it. */
  const hasToAsk = ({ keys }: Shop): boolean =>
    page.storeKind() === "named" &&
    shopKeyTypes.every((keyType) => keys[keyType].given === undefined && keys[keyType].fresh === undefined);

  const rows = keyTypes.map((keyType) =>
    makeKeyRow(page, keyType, {
      regenerate: () => {
        const shop = page.shop();
        // No key stops working, or the user was asked before.
        if (isAbsent(shop, keyType) || shop.keys[keyType].unsettled !== undefined) {
          void regenerate(shop, keyType);
        } else {
          confirm({ action: "regenerate", keyType });
        }
      },
      revoke: () => {
        confirm({ action: "revoke", keyType });
      },
      give: () => {
        const shop = page.shop();
        const { fresh } = shop.keys[keyType];
        if (fresh !== undefined) {
          give(shop, keyType, fresh);
          say(
            shop,
            keyType,
            success(keyType, (messages) => messages.given),
          );
        }
      },
      choose: () => {
        const shop = page.shop();
        if (keyType !== "test") {
          shop.keyInUse = keyType;
          say(
            shop,
            keyType,
            success(keyType, (messages) => messages.switched),
          );
        }
      },
      hasToAsk,
    }),
  );

  return {
    open,
    hasToAsk: () => hasToAsk(page.shop()),
    render: () => {
      const locale = page.locale();
      const { messages } = locale;
      const shop = page.shop();
      const { action, keyType } = toConfirm;
      setText(byId("portal-role", HTMLElement), messages.portalRole(shop.merchant.name));
      const isUsed = keyType === typeInUseOf(shop) && shop.keys[keyType].given !== undefined;
      const [title, textIfUsed, textIfNot] =
        action === "revoke"
          ? [messages.revokeTitle, messages.revokeInUse, messages.revokeNotInUse]
          : [messages.regenerateTitle, messages.regenerateInUse, messages.regenerateNotInUse];
      setText(byId("confirm-title", HTMLElement), title(messages.keyTitle[keyType]));
      setText(byId("confirm-text", HTMLElement), isUsed ? textIfUsed : textIfNot);
      setText(confirmButton, messages[action]);
      confirmButton.classList.toggle("btn-primary", action === "regenerate");
      confirmButton.classList.toggle("btn-danger", action === "revoke");
      const hadFocus = [askButton, readButton].find((button) => button === document.activeElement);
      askSection.hidden = !hasToAsk(shop);
      setBusy(askButton, isSettingUp(shop));
      readButton.hidden = shop.list.tag !== "failed";
      setBusy(readButton, shop.reading !== undefined);
      for (const row of rows) {
        row.render();
      }
      if (hadFocus?.closest("[hidden]")) {
        byId("primary-regenerate", HTMLButtonElement).focus();
      }
      const said = saidOf.get(shop);
      for (const place of [...keyTypes, "portal"] as const) {
        showNotices(byId(`${place}-notices`, HTMLElement), said?.place === place ? said.notices : [], locale);
      }
    },
  };
};

const isFailure = ({ level }: Notice): boolean => level === "danger";

/** Nobody knows whether a call without an answer, or one that failed, made a key. */
const isUnsettled = (answer: Answer<ApiKeyBody>): boolean =>
  answer.tag === "lost" || (answer.tag === "refused" && answer.problem.status >= 500);

const explainIssue = (answer: Exclude<Answer<ApiKeyBody>, { tag: "answered" }>): readonly Notice[] => [
  explain(answer),
  ...(isUnsettled(answer)
    ? [{ level: "info", text: ({ messages }) => messages.keyUnsettled } satisfies Notice]
    : []),
];

/** The list says that there is no such key. */
const isAbsent = (shop: Shop, keyType: KeyType): boolean =>
  shop.list.tag === "read" && findListed(shop, keyType) === undefined;
