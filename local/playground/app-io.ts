/** The card holder's app: generates a code for a discount, and shows the one that lives. */
import type { Otp } from "./api";
import { makeCopyButton } from "./copy-button";
import { remainingMs, showCountdown } from "./countdown";
import { byId, make, setText } from "./dom";
import { merchants } from "./merchants";
import { explain, showNotices } from "./notices";
import type { Notice } from "./notices";
import type { Page, Panel } from "./page";

/** Made up: nobody has this fiscal code. */
const beneficiary = "AAAAAA00A00A000A";

const tickMs = 250;

export const makeAppIo = (page: Page, useAtCheckout: (merchantId: string, code: string) => void): Panel => {
  const offers = merchants.flatMap((merchant) =>
    merchant.discounts.map((discount) => ({ id: `${merchant.id}/${discount.id}`, merchant, discount })),
  );
  type Offer = (typeof offers)[number];
  const otps = new Map<Offer, Otp>();
  let [chosen] = offers;
  let notices: readonly Notice[] = [];
  let asking = false;
  /** The OTP of which it was last said that it is over. */
  let ended: Otp | undefined;

  const otp = (): Otp | undefined => chosen && otps.get(chosen);

  const list = byId("offers", HTMLElement);
  const names = offers.map((offer) => {
    const radio = make("input", { type: "radio", name: "offer", id: offer.id });
    const name = make("span", { class: "fw-semibold" });
    radio.checked = offer === chosen;
    radio.addEventListener("change", () => {
      chosen = offer;
      notices = [];
      page.render();
    });
    list.append(
      make(
        "div",
        { class: "offer" },
        radio,
        make(
          "label",
          { for: offer.id },
          make("span", { class: "d-block shop-name" }, offer.merchant.name),
          name,
        ),
      ),
    );
    return { name, offer };
  });

  byId("generate", HTMLButtonElement).addEventListener("click", () => {
    void generate();
  });
  byId("use-at-checkout", HTMLButtonElement).addEventListener("click", () => {
    const shown = otp();
    if (chosen && shown) {
      useAtCheckout(chosen.merchant.id, shown.code);
    }
  });
  const renderCopy = makeCopyButton(
    byId("copy-code", HTMLButtonElement),
    () => otp()?.code ?? "",
    ({ messages }) => messages.copy,
    page.locale,
  );

  const generate = async (): Promise<void> => {
    const offer = chosen;
    if (asking || !offer) {
      return;
    }
    asking = true;
    const answer = await page.api.generate(beneficiary, offer.merchant.id, offer.discount.id);
    asking = false;
    const live = answer.tag === "refused" ? answer.problem.otp : undefined;
    if (answer.tag === "answered") {
      otps.set(offer, answer.value);
      notices = [{ level: "success", text: ({ messages }) => messages.codeReady }];
    } else if (live) {
      otps.set(offer, live);
      notices = [{ level: "info", text: ({ messages }) => messages.sameCode }];
    } else {
      notices = [explain(answer)];
    }
    page.render();
  };

  const render = (): void => {
    const locale = page.locale();
    for (const { name, offer } of names) {
      setText(name, offer.discount.name[locale.language]);
    }
    const shown = otp();
    byId("code-card", HTMLElement).hidden = shown === undefined;
    if (shown) {
      const isOver = remainingMs(shown) === 0;
      setText(byId("code", HTMLElement), shown.code);
      showCountdown(byId("ring", SVGCircleElement), byId("timer", HTMLElement), shown);
      setText(byId("timer-label", HTMLElement), isOver ? locale.messages.expired : locale.messages.expiresIn);
      byId("code-card", HTMLElement).classList.toggle("is-over", isOver);
      byId("use-at-checkout", HTMLButtonElement).hidden = isOver;
      byId("copy-code", HTMLButtonElement).hidden = isOver;
      if (isOver && ended !== shown) {
        ended = shown;
        notices = [{ level: "warning", text: ({ messages }) => messages.codeExpired }];
      }
    }
    renderCopy();
    showNotices(byId("app-notices", HTMLElement), notices, locale);
  };
  setInterval(render, tickMs);
  return { render };
};
