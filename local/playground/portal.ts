/** The merchant's profile in the portal: its two keys, and which of them its shop uses. */
import type { ApiKey, KeyType } from "./api";
import { makeCopyButton } from "./copy-button";
import { byId, setText } from "./dom";
import { explain, showNotices } from "./notices";
import type { Notice } from "./notices";
import type { Page, Panel } from "./page";
import type { Shop } from "./shop";

const keyTypes: readonly KeyType[] = ["primary", "secondary"];

export interface Portal extends Panel {
  /** Gives a shop that has no keys both of them. */
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

  const say = (shop: Shop, notice: Notice): void => {
    notices.set(shop, [notice]);
    page.render();
  };

  const regenerate = async (shop: Shop, keyType: KeyType): Promise<ApiKey | undefined> => {
    const answer = await page.api.regenerate(shop.merchant.id, keyType);
    if (answer.tag === "answered") {
      shop.issued.set(keyType, answer.value);
      say(shop, {
        level: "success",
        text: ({ messages }) => messages.regenerated(messages.keyTitle[keyType]),
      });
      return answer.value;
    }
    say(shop, explain(answer));
    return undefined;
  };

  const rows = keyTypes.map((keyType) => {
    const inRow = (part: string): string => `${keyType}-${part}`;
    const radio = byId(inRow("in-use"), HTMLInputElement);
    const isFresh = (): boolean => {
      const { issued, given } = page.shop();
      return issued.get(keyType)?.api_key !== given.get(keyType);
    };
    byId(inRow("regenerate"), HTMLButtonElement).addEventListener("click", () => {
      toConfirm = keyType;
      page.render();
      dialog.showModal();
    });
    byId(inRow("give"), HTMLButtonElement).addEventListener("click", () => {
      const shop = page.shop();
      const key = shop.issued.get(keyType);
      if (key) {
        shop.given.set(keyType, key.api_key);
        say(shop, {
          level: "success",
          text: ({ messages }) => messages.given(messages.keyTitle[keyType]),
        });
        radio.focus();
      }
    });
    radio.addEventListener("change", () => {
      const shop = page.shop();
      shop.keyInUse = keyType;
      say(shop, {
        level: "success",
        text: ({ messages }) => messages.switched(messages.keyTitle[keyType]),
      });
    });
    const renderCopy = makeCopyButton(
      byId(inRow("copy"), HTMLButtonElement),
      () => page.shop().issued.get(keyType)?.api_key ?? "",
      ({ messages }) => messages.copy,
      page.locale,
    );

    return (): void => {
      const { messages, formatTime } = page.locale();
      const { issued, keyInUse, given } = page.shop();
      const key = issued.get(keyType);
      setText(byId(inRow("title"), HTMLElement), messages.keyTitle[keyType]);
      setText(
        byId(inRow("value"), HTMLElement),
        key === undefined ? messages.noKey : isFresh() ? key.api_key : mask(key.api_key),
      );
      setText(
        byId(inRow("created"), HTMLElement),
        key === undefined ? "" : messages.createdAt(formatTime(new Date(key.created_at))),
      );
      byId(inRow("fresh"), HTMLElement).hidden = !isFresh();
      byId(inRow("replaced"), HTMLElement).hidden = !isFresh() || given.get(keyType) === undefined;
      radio.checked = keyInUse === keyType;
      renderCopy();
    };
  });

  return {
    setUp: async (shop) => {
      for (const keyType of keyTypes) {
        const key = await regenerate(shop, keyType);
        if (key) {
          shop.given.set(keyType, key.api_key);
        }
      }
      if (keyTypes.every((keyType) => shop.given.has(keyType))) {
        notices.delete(shop);
      }
      page.render();
    },
    render: () => {
      const locale = page.locale();
      const { messages } = locale;
      setText(byId("portal-role", HTMLElement), messages.portalRole(page.shop().merchant.name));
      setText(byId("confirm-title", HTMLElement), messages.confirmTitle(messages.keyTitle[toConfirm]));
      for (const renderRow of rows) {
        renderRow();
      }
      showNotices(byId("portal-notices", HTMLElement), notices.get(page.shop()) ?? [], locale);
    },
  };
};

/** What the portal still shows of a key that it has shown once: whose it is, and how it ends. */
const mask = (apiKey: string): string =>
  `${apiKey.slice(0, apiKey.lastIndexOf("_") + 1)}••••${apiKey.slice(-4)}`;
