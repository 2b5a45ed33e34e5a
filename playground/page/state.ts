/**
 * The one state of the page. What the page shows follows from it (look.ts), and events change it (update.ts). What the
 * browser keeps over a reload has a codec.
 */
import * as E from "fp-ts/Either";
import * as t from "io-ts";
import { ProblemBody } from "../../shared/http/bodies";
import type { Language } from "./shop";

const optional = <C extends t.Mixed>(codec: C): t.UnionC<[C, t.UndefinedC]> => t.union([codec, t.undefined]);

export const keyTypes = ["primary", "secondary", "test"] as const;
export type KeyType = (typeof keyTypes)[number];
type ByKeyType<A> = Readonly<Partial<Record<KeyType, A>>>;

/** Why a call brought nothing. `lost`: no readable answer came, so nobody knows what the service did. */
const Failure = t.union([
  t.type({ tag: t.literal("refused"), problem: ProblemBody, language: t.keyof({ it: null, en: null }) }),
  t.type({ tag: t.literal("lost") }),
]);
export type Failure = t.TypeOf<typeof Failure>;

const Refusal = t.union([Failure, t.type({ tag: t.keyof({ "other-discount": null, "ran-out": null }) })]);
export type Refusal = t.TypeOf<typeof Refusal>;

const CodeEnd = t.keyof({ used: null, expired: null, superseded: null });
export type CodeEnd = t.TypeOf<typeof CodeEnd>;

/** A code in the app. `isNew` is false for one that was there already; `end` is what the service said of it. */
const AppCode = t.type({
  code: t.string,
  expiresAt: t.number,
  ttlMs: t.number,
  isNew: t.boolean,
  end: optional(CodeEnd),
});
export type AppCode = t.TypeOf<typeof AppCode>;

/** A code that the service found valid for this shop. */
const Granted = t.type({ code: t.string, discountId: t.string, expiresAt: t.number });
export type Granted = t.TypeOf<typeof Granted>;

const Stage = t.union([
  t.type({ tag: t.literal("open"), typed: t.string, refusal: optional(Refusal) }),
  t.type({ tag: t.literal("asking"), typed: t.string, callId: t.number }),
  t.type({
    tag: t.literal("applied"),
    granted: Granted,
    willLoseAnswer: t.boolean,
    failure: optional(Failure),
  }),
  t.type({ tag: t.literal("paying"), granted: Granted, isRetry: t.boolean, callId: t.number }),
  // Nobody knows the outcome of the payment. Only the same call again can show it.
  t.type({ tag: t.literal("unknown"), granted: Granted, failure: Failure }),
  t.type({ tag: t.literal("paid"), granted: Granted, isRetry: t.boolean }),
]);
export type Stage = t.TypeOf<typeof Stage>;

/** A shop saves its `Idempotency-Key` with the cart, and so does this page. */
const Cart = t.type({ idempotencyKey: t.string, stage: Stage });
type Cart = t.TypeOf<typeof Cart>;

const PerKeyType = t.partial({ primary: t.string, secondary: t.string, test: t.string });

/** The settings of the shop's server: the one key that it uses, which it was given last. */
const Settings = t.type({
  keyType: t.keyof({ primary: null, secondary: null, test: null }),
  key: optional(t.string),
});

/** Where the portal is with one kind of key. */
export interface Step {
  readonly isBusy: boolean;
  /**
   * The `Idempotency-Key` of a regeneration until its outcome is known. The same one gets the key that was made, and makes
   * no other.
   */
  readonly press?: string | undefined;
  readonly failure?: Failure;
}

export interface ListedKey {
  readonly hint: string;
  readonly createdAt: string;
}

export interface Portal {
  /** The keys in force. Undefined until ListApiKeys has answered. */
  readonly listed: ByKeyType<ListedKey> | undefined;
  readonly listFailure: Failure | undefined;
  readonly steps: Readonly<Record<KeyType, Step>>;
  /** Keys that were just made. The portal shows each in full until the shop has it, and never again. */
  readonly fresh: ByKeyType<string>;
}

export type Purpose =
  | { readonly tag: "generate" | "list" }
  | { readonly tag: "ask" | "use"; readonly code: string; readonly keyType: KeyType }
  | { readonly tag: "regenerate" | "revoke"; readonly keyType: KeyType };

export interface Message {
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
}
export interface Response extends Message {
  readonly status: number;
}

export interface Call {
  readonly id: number;
  readonly purpose: Purpose;
  /** `page`: the visitor did not ask for it. */
  readonly by: "visitor" | "page";
  readonly at: number;
  readonly method: "GET" | "POST" | "DELETE";
  readonly path: string;
  readonly request: Message;
  /** The page withholds the answer from the caller. */
  readonly willBeLost: boolean;
  /** `lost` has the answer that the caller never got. */
  readonly outcome:
    | { readonly tag: "pending" }
    | { readonly tag: "answered" | "lost"; readonly response: Response; readonly ms: number }
    | { readonly tag: "none"; readonly ms: number };
}

export interface State {
  readonly language: Language;
  readonly store: "own" | "named";
  /** Differs at each start of the local host. What the browser kept of an earlier one is of no use. */
  readonly since: string;
  readonly now: number;
  readonly app: {
    readonly isWaiting: boolean;
    readonly failure: Failure | undefined;
    readonly code: AppCode | undefined;
  };
  readonly cart: Cart;
  readonly shop: t.TypeOf<typeof Settings>;
  readonly portal: Portal;
  /** The latest first. */
  readonly calls: readonly Call[];
}

export const makeCart = (uuid: string, typed = ""): Cart => ({
  idempotencyKey: `cart-${uuid}`,
  stage: { tag: "open", typed, refusal: undefined },
});

/** Kept in the tab. `presses` has the `Idempotency-Key` of each regeneration whose outcome is unknown. */
const Session = t.type({ since: t.string, code: optional(AppCode), cart: Cart, presses: PerKeyType });
/** Kept in the browser, as a shop's server keeps its settings. */
const Kept = t.type({ since: t.string, shop: Settings });

export const saveSession = ({ since, app, cart, portal }: State): string => {
  const presses = Object.fromEntries(keyTypes.map((keyType) => [keyType, portal.steps[keyType].press]));
  return JSON.stringify(Session.encode({ since, code: app.code, cart, presses }));
};

/** Keys of a store that the settings name are not kept. */
export const saveSettings = ({ since, store, shop }: State): string =>
  JSON.stringify(Kept.encode({ since, shop: store === "own" ? shop : { ...shop, key: undefined } }));

/** Nothing, if it is not this page's, or of another start of the local host. */
const parse = <A extends { readonly since: string }>(
  codec: t.Decoder<unknown, A>,
  text: string | null | undefined,
  since: string,
): A | undefined => {
  const json = E.tryCatch((): unknown => JSON.parse(text ?? ""), String);
  const value = E.isRight(json) ? codec.decode(json.right) : json;
  return E.isRight(value) && value.right.since === since ? value.right : undefined;
};

/** A call that was under way when the page ended: its answer is lost. */
const resume = (cart: Cart): Cart => {
  const { stage } = cart;
  switch (stage.tag) {
    case "asking":
      return { ...cart, stage: { tag: "open", typed: stage.typed, refusal: undefined } };
    case "paying":
      return { ...cart, stage: { tag: "unknown", granted: stage.granted, failure: { tag: "lost" } } };
    default:
      return cart;
  }
};

export interface Start extends Pick<State, "language" | "store" | "since" | "now"> {
  readonly uuid: string;
  /** What the browser kept, as `saveSession` and `saveSettings` wrote it. */
  readonly session?: string | null | undefined;
  readonly settings?: string | null | undefined;
}

export const start = ({ language, store, since, now, uuid, session, settings }: Start): State => {
  const saved = parse(Session, session, since);
  const step = (keyType: KeyType): Step => ({ isBusy: false, press: saved?.presses[keyType] });
  return {
    language,
    store,
    since,
    now,
    app: { isWaiting: false, failure: undefined, code: saved?.code },
    cart: saved === undefined ? makeCart(uuid) : resume(saved.cart),
    shop: parse(Kept, settings, since)?.shop ?? { keyType: "primary", key: undefined },
    portal: {
      listed: undefined,
      listFailure: undefined,
      steps: { primary: step("primary"), secondary: step("secondary"), test: step("test") },
      fresh: {},
    },
    calls: [],
  };
};
