/** The merchant's profile in the portal: its two keys, and which of them its shop uses. */
import type { ApiKeyBody } from "../../shared/http/bodies";
import type { Answer, KeyType } from "./api";
import { makeCopyButton } from "./copy-button";
import { byId, setBusy, setText } from "./dom";
import { findKeptKey, keepKey } from "./kept-keys";
import type { Messages } from "./messages";
import { explain, showNotices } from "./notices";
import type { Notice } from "./notices";
import type { Page, Panel } from "./page";
import type { Key, Shop } from "./shop";

const keyTypes: readonly KeyType[] = ["primary", "secondary"];

export interface Portal extends Panel {
  /** Gives a shop its missing keys: kept ones that still work, or new ones. */
  setUp(shop: Shop): Promise<void>;
}

export const makePortal = (page: Page): Portal => {
  const notices = new Map<Shop, readonly Notice[]>();
  let toConfirm: KeyType = "primary";

  const dialog = byId("confirm", HTMLDialogElement);
  byId("confirm-yes", HTMLButtonElement).addEventListener("click", () => {
    dialog.close();
    void regenerate(page.shop(), toConfirm);
  });
  byId("confirm-no", HTMLButtonElement).addEventListener("click", () => {
    dialog.close();
  });

  const say = (shop: Shop, ...said: readonly Notice[]): void => {
    notices.set(shop, said);
    page.render();
  };
  const sayOfKey = (
    shop: Shop,
    keyType: KeyType,
    text: (messages: Messages, key: string) => string,
  ): void => {
    say(shop, { level: "success", text: ({ messages }) => text(messages, messages.keyTitle[keyType]) });
  };

  /** One call at a time: the answers of two calls could come in the wrong order, and the page would show a dead key. */
  const issue = async (shop: Shop, keyType: KeyType): Promise<Answer<ApiKeyBody>> => {
    const key = shop.keys[keyType];
    key.isRegenerating = true;
    say(shop);
    const answer = await page.api.regenerate(shop.merchant.id, keyType);
    key.isRegenerating = false;
    if (answer.tag === "answered") {
      key.issued = answer.value;
      if (page.storeKind() === "own") {
        keepKey(shop.merchant.id, keyType, answer.value);
      }
    }
    return answer;
  };

  /** The key that the browser kept from an earlier visit, unless the service refuses it. */
  const findWorkingKey = async (shop: Shop, keyType: KeyType): Promise<ApiKeyBody | undefined> => {
    const kept = page.storeKind() === "own" ? findKeptKey(shop.merchant.id, keyType) : undefined;
    if (kept === undefined) {
      return undefined;
    }
    const key = shop.keys[keyType];
    key.isRegenerating = true;
    page.render();
    const isWorking = await page.api.tryKey(kept.api_key);
    key.isRegenerating = false;
    return isWorking ? kept : undefined;
  };

  const regenerate = async (shop: Shop, keyType: KeyType): Promise<void> => {
    const isFirst = shop.keys[keyType].issued === undefined;
    const answer = await issue(shop, keyType);
    if (answer.tag === "answered") {
      sayOfKey(shop, keyType, (messages, key) => (isFirst ? messages.generated : messages.regenerated)(key));
    } else {
      say(shop, explain(answer));
    }
  };

  const askSection = byId("ask-for-keys", HTMLElement);
  const askButton = byId("ask-for-keys-button", HTMLButtonElement);
  askButton.addEventListener("click", () => {
    const shop = page.shop();
    if (!isAtWork(shop)) {
      shop.ready = setUp(shop);
    }
  });

  const rows = keyTypes.map((keyType) => {
    const inRow = (part: string): string => `${keyType}-${part}`;
    const regenerateButton = byId(inRow("regenerate"), HTMLButtonElement);
    const radio = byId(inRow("in-use"), HTMLInputElement);
    const isFresh = ({ issued, given }: Key): boolean => issued?.api_key !== given;
    regenerateButton.addEventListener("click", () => {
      const { issued, isRegenerating } = page.shop().keys[keyType];
      if (isRegenerating) {
        return;
      }
      if (issued === undefined) {
        // The page knows of no key that would stop working, or the user was asked before.
        void regenerate(page.shop(), keyType);
        return;
      }
      toConfirm = keyType;
      page.render();
      dialog.showModal();
    });
    byId(inRow("give"), HTMLButtonElement).addEventListener("click", () => {
      const key = page.shop().keys[keyType];
      key.given = key.issued?.api_key;
      sayOfKey(page.shop(), keyType, (messages, name) => messages.given(name));
      radio.focus();
    });
    radio.addEventListener("change", () => {
      page.shop().keyInUse = keyType;
      sayOfKey(page.shop(), keyType, (messages, name) => messages.switched(name));
    });
    const renderCopy = makeCopyButton(
      byId(inRow("copy"), HTMLButtonElement),
      () => page.shop().keys[keyType].issued?.api_key ?? "",
      ({ messages }) => messages.copy,
      page.locale,
    );

    return (): void => {
      const { messages, formatTime } = page.locale();
      const { keys, keyInUse } = page.shop();
      const key = keys[keyType];
      const { issued, given, isRegenerating } = key;
      setText(byId(inRow("title"), HTMLElement), messages.keyTitle[keyType]);
      setText(regenerateButton, issued === undefined ? messages.generateKey : messages.regenerate);
      setBusy(regenerateButton, isRegenerating);
      regenerateButton.hidden = hasToAsk(page.shop());
      setText(
        byId(inRow("value"), HTMLElement),
        issued !== undefined
          ? isFresh(key)
            ? issued.api_key
            : mask(issued.api_key)
          : isRegenerating
            ? "…"
            : messages.noKey,
      );
      setText(
        byId(inRow("created"), HTMLElement),
        issued === undefined ? "" : messages.createdAt(formatTime(new Date(issued.created_at))),
      );
      byId(inRow("fresh"), HTMLElement).hidden = !isFresh(key);
      byId(inRow("replaced"), HTMLElement).hidden = !isFresh(key) || given === undefined;
      radio.checked = keyInUse === keyType;
      renderCopy();
    };
  });

  const setUp = async (shop: Shop): Promise<void> => {
    for (const keyType of keyTypes) {
      const key = shop.keys[keyType];
      if (key.issued !== undefined || key.isRegenerating) {
        continue;
      }
      const kept = await findWorkingKey(shop, keyType);
      if (kept !== undefined) {
        key.issued = kept;
        key.given = kept.api_key;
        page.render();
        continue;
      }
      const answer = await issue(shop, keyType);
      if (answer.tag === "answered") {
        key.given = answer.value.api_key;
        page.render();
      } else {
        say(shop, explain(answer));
      }
    }
  };

  const isAtWork = ({ keys }: Shop): boolean => keyTypes.some((keyType) => keys[keyType].isRegenerating);

  /** In a store that the settings name, the page makes no key for a shop before the user asks for it. */
  const hasToAsk = ({ keys }: Shop): boolean =>
    page.storeKind() === "named" && keyTypes.every((keyType) => keys[keyType].issued === undefined);

  return {
    setUp,
    render: () => {
      const locale = page.locale();
      const { messages } = locale;
      const { merchant, keyInUse } = page.shop();
      setText(byId("portal-role", HTMLElement), messages.portalRole(merchant.name));
      setText(byId("confirm-title", HTMLElement), messages.confirmTitle(messages.keyTitle[toConfirm]));
      setText(
        byId("confirm-text", HTMLElement),
        toConfirm === keyInUse ? messages.confirmInUse : messages.confirmNotInUse,
      );
      const hadFocus = document.activeElement === askButton;
      askSection.hidden = !hasToAsk(page.shop());
      setBusy(askButton, isAtWork(page.shop()));
      for (const renderRow of rows) {
        renderRow();
      }
      if (hadFocus && askSection.hidden) {
        byId("primary-regenerate", HTMLButtonElement).focus();
      }
      showNotices(byId("portal-notices", HTMLElement), notices.get(page.shop()) ?? [], locale);
    },
  };
};

/** The part of a key that the portal still shows after showing it once: whose it is, and its last characters. */
const mask = (apiKey: string): string =>
  `${apiKey.slice(0, apiKey.lastIndexOf("_") + 1)}••••${apiKey.slice(-4)}`;
