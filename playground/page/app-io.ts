/** The card holder's app: generates a code for a discount, and shows the live one. */
import type { OtpBody } from "../../shared/http/bodies";
import { makeCopyButton } from "./copy-button";
import { remainingMs, showCountdown } from "./countdown";
import { byId, make, reveal, setBusy, setText } from "./dom";
import { merchants, type Discount, type Merchant } from "./merchants";
import { explain, showNotices, type Notice } from "./notices";
import type { Page, Panel } from "./page";

/** Made up: nobody has this fiscal code. */
const beneficiary = "AAAAAA00A00A000A";

const tickMs = 250;

/** A discount as the app offers it, and the result of asking for its code. */
interface Offer {
  readonly id: string;
  readonly merchant: Merchant;
  readonly discount: Discount;
  otp: OtpBody | undefined;
  /** The state of the code. */
  life: "live" | "expired" | "used";
  isAsking: boolean;
  notices: readonly Notice[];
}

export interface AppIo extends Panel {
  /** Marks a code as used. */
  setUsed(code: string): void;
  /** Whether the code of the chosen discount is there, and can be used. */
  hasLiveCode(): boolean;
}

export const makeAppIo = (page: Page, useAtCheckout: (merchantId: string, code: string) => void): AppIo => {
  const offers = merchants.flatMap((merchant) =>
    merchant.discounts.map((discount): Offer => ({
      id: `${merchant.id}/${discount.id}`,
      merchant,
      discount,
      otp: undefined,
      life: "live",
      isAsking: false,
      notices: [],
    })),
  );
  let [chosen] = offers;

  const generateButton = byId("generate", HTMLButtonElement);
  const card = byId("code-card", HTMLElement);
  const ring = byId("ring", SVGCircleElement);
  const timer = byId("timer", HTMLElement);
  const list = byId("offers", HTMLElement);
  const names = offers.map((offer) => {
    const radio = make("input", { type: "radio", name: "offer", id: offer.id });
    const name = make("span", { class: "fw-semibold" });
    radio.checked = offer === chosen;
    radio.addEventListener("change", () => {
      chosen = offer;
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

  generateButton.addEventListener("click", () => {
    if (chosen && !chosen.isAsking) {
      void generate(chosen);
    }
  });
  byId("use-at-checkout", HTMLButtonElement).addEventListener("click", () => {
    if (chosen?.otp) {
      useAtCheckout(chosen.merchant.id, chosen.otp.code);
    }
  });
  const renderCopy = makeCopyButton(
    byId("copy-code", HTMLButtonElement),
    () => chosen?.otp?.code ?? "",
    ({ messages }) => messages.copy,
    page.locale,
  );

  const generate = async (offer: Offer): Promise<void> => {
    offer.isAsking = true;
    offer.notices = [];
    page.render();
    const answer = await page.api.generate(beneficiary, offer.merchant.id, offer.discount.id);
    offer.isAsking = false;
    const live = answer.tag === "refused" ? answer.problem.otp : undefined;
    const otp = answer.tag === "answered" ? answer.value : live;
    if (otp) {
      offer.otp = otp;
      offer.life = "live";
    }
    if (answer.tag === "answered") {
      offer.notices = [{ level: "success", text: ({ messages }) => messages.codeReady }];
    } else if (live) {
      offer.notices = [{ level: "info", text: ({ messages }) => messages.sameCode }];
    } else {
      offer.notices = [explain(answer)];
    }
    page.render();
    if (offer === chosen) {
      reveal(otp === undefined ? byId("app-notices", HTMLElement) : card);
    }
  };

  /** The code can be used no more. If the focus was on its buttons, which are gone, it moves to the next thing to do. */
  const end = (offer: Offer, life: "expired" | "used", ...notices: readonly Notice[]): void => {
    offer.life = life;
    offer.notices = notices;
    const hadFocus = card.contains(document.activeElement);
    page.render();
    if (hadFocus && offer === chosen) {
      generateButton.focus();
    }
  };

  /** Counts down the codes on the page, and ends those that have expired. */
  const tick = (): void => {
    if (chosen?.otp && chosen.life === "live") {
      showCountdown(ring, timer, chosen.otp);
    }
    for (const offer of offers) {
      if (offer.otp && offer.life === "live" && remainingMs(offer.otp) === 0) {
        end(offer, "expired", { level: "warning", text: ({ messages }) => messages.codeExpired });
      }
    }
  };
  setInterval(tick, tickMs);

  return {
    setUsed: (code) => {
      for (const offer of offers) {
        if (offer.otp?.code === code) {
          end(offer, "used");
        }
      }
    },
    hasLiveCode: () => chosen?.otp !== undefined && chosen.life === "live",
    render: () => {
      const locale = page.locale();
      const { messages } = locale;
      for (const { name, offer } of names) {
        setText(name, offer.discount.name[locale.language]);
      }
      if (!chosen) {
        return;
      }
      const { otp, life, isAsking, notices } = chosen;
      setBusy(generateButton, isAsking);
      card.hidden = otp === undefined;
      byId("no-code", HTMLElement).hidden = otp !== undefined;
      if (otp) {
        setText(byId("code", HTMLElement), otp.code);
        showCountdown(ring, timer, otp, life === "used" ? 0 : remainingMs(otp));
        setText(
          byId("timer-label", HTMLElement),
          { live: messages.expiresIn, expired: messages.expired, used: messages.used }[life],
        );
        timer.hidden = life === "used";
        card.classList.toggle("is-over", life !== "live");
        byId("use-at-checkout", HTMLButtonElement).hidden = life !== "live";
        byId("copy-code", HTMLButtonElement).hidden = life !== "live";
      }
      renderCopy();
      showNotices(byId("app-notices", HTMLElement), notices, locale);
    },
  };
};
