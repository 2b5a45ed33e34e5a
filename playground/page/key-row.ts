/** A key in the portal: its hint and date or, just after it was made, the key itself; and what can be done with it. */
import type { KeyType } from "./api";
import { makeCopyButton } from "./copy-button";
import { byId, copyTemplate, setBusy, setText } from "./dom";
import type { Messages } from "./messages";
import type { Page, Panel } from "./page";
import { findListed, typeInUseOf, type Shop } from "./shop";

interface Actions {
  readonly regenerate: () => void;
  readonly revoke: () => void;
  readonly give: () => void;
  /** Has the shop use this key. */
  readonly choose: () => void;
  /** Whether the user has to ask for the shop's first keys, all at once. */
  readonly hasToAsk: (shop: Shop) => boolean;
}

export const makeKeyRow = (page: Page, keyType: KeyType, actions: Actions): Panel => {
  byId("keys", HTMLElement).append(copyTemplate("key-row", keyType));
  const inRow = <E extends Element>(part: string, type: abstract new () => E): E =>
    byId(`${keyType}-${part}`, type);
  const regenerateButton = inRow("regenerate", HTMLButtonElement);
  const revokeButton = inRow("revoke", HTMLButtonElement);
  const radio = inRow("in-use", HTMLInputElement);
  const isTestKey = keyType === "test";
  inRow("choice", HTMLElement).hidden = isTestKey;
  inRow("about-test", HTMLElement).hidden = !isTestKey;
  const unlessBusy = (act: () => void) => (): void => {
    if (!page.shop().keys[keyType].isBusy) {
      act();
    }
  };
  regenerateButton.addEventListener("click", unlessBusy(actions.regenerate));
  revokeButton.addEventListener("click", unlessBusy(actions.revoke));
  inRow("give", HTMLButtonElement).addEventListener("click", () => {
    actions.give();
    (isTestKey || radio.disabled ? regenerateButton : radio).focus();
  });
  radio.addEventListener("change", actions.choose);
  const renderCopy = makeCopyButton(
    inRow("copy", HTMLButtonElement),
    () => page.shop().keys[keyType].fresh?.api_key ?? "",
    ({ messages }) => messages.copy,
    page.locale,
  );

  return {
    render: () => {
      const { messages, formatDateTime } = page.locale();
      const shop = page.shop();
      const { list, reading, keyInUse, isTesting } = shop;
      const { fresh, given, unsettled, isBusy } = shop.keys[keyType];
      const listed = findListed(shop, keyType);
      const isAbsent = list.tag === "read" && listed === undefined;
      setText(inRow("title", HTMLElement), messages.keyTitle[keyType]);
      setText(
        regenerateButton,
        unsettled !== undefined
          ? messages.retryKey
          : isAbsent && fresh === undefined
            ? messages.generateKey
            : messages.regenerate,
      );
      setBusy(regenerateButton, isBusy);
      regenerateButton.hidden = !isTestKey && actions.hasToAsk(shop);
      const hadFocus = document.activeElement === revokeButton;
      revokeButton.hidden = listed === undefined;
      setBusy(revokeButton, false, isBusy);
      if (hadFocus && revokeButton.hidden) {
        regenerateButton.focus();
      }
      const value = (): string => {
        if (fresh !== undefined) {
          return fresh.api_key;
        }
        if (listed !== undefined) {
          return `•••• ${listed.hint}`;
        }
        if (isBusy || reading !== undefined || list.tag === "unread") {
          return "…";
        }
        return list.tag === "failed" ? messages.unknownKey : messages.noKey;
      };
      setText(inRow("value", HTMLElement), value());
      const createdAt = (fresh ?? listed)?.created_at;
      setText(
        inRow("created", HTMLElement),
        createdAt === undefined ? "" : messages.createdAt(formatDateTime(new Date(createdAt))),
      );
      inRow("fresh", HTMLElement).hidden = fresh === undefined;
      inRow("replaced", HTMLElement).hidden = given === undefined;
      const refusal = fresh === undefined && !isBusy ? explainRefusal(shop, keyType, messages) : undefined;
      inRow("refused", HTMLElement).hidden = refusal === undefined;
      setText(inRow("refused", HTMLElement), refusal ?? "");
      // While the shop uses its test key, it uses neither of these.
      radio.checked = !isTesting && keyInUse === keyType;
      radio.disabled = isTesting;
      setText(inRow("about-test", HTMLElement), isTesting ? messages.testKeyInUse : messages.aboutTestKey);
      inRow("row", HTMLElement).classList.toggle("is-in-use", typeInUseOf(shop) === keyType);
      renderCopy();
    },
  };
};

/** Why the service refuses the key that the shop has, and how the shop comes back. Undefined when it does not refuse it. */
const explainRefusal = (shop: Shop, keyType: KeyType, messages: Messages): string | undefined => {
  const { given } = shop.keys[keyType];
  if (given === undefined || shop.list.tag !== "read") {
    return undefined;
  }
  const listed = findListed(shop, keyType);
  if (listed === undefined) {
    return messages.revokedInShop;
  }
  return given.endsWith(listed.hint) ? undefined : messages.replacedInShop;
};
