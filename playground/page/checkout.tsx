/** The shop's checkout: a cart, a field for the code, and a payment that uses the code. */
import { grantedIn, isTesting, isUnresolved, isWrong, reductionIn, stageOf, totalIn, typedIn } from "./look";
import { Button, Panel, Status, usePage, type View } from "./parts";
import { findDiscount, items, subtotalCents } from "./shop";
import { tellAtCheckout } from "./tell";
import { fill } from "./texts";

const Row: View<{ name: string; cents: number; kind?: string }> = ({ name, cents, kind }) => (
  <tr class={kind}>
    <th scope="row">{name}</th>
    <td>{usePage().locale.formatPrice(cents)}</td>
  </tr>
);

const Cart: View = () => {
  const { state, texts, locale } = usePage();
  const stage = stageOf(state);
  const discount = findDiscount(grantedIn(stage)?.discountId);
  return (
    <table>
      <caption>{texts.cart}</caption>
      <tbody>
        {items.map(({ name, cents }) => (
          <Row key={cents} name={name[locale.language]} cents={cents} />
        ))}
      </tbody>
      <tfoot aria-live="polite">
        {discount && <Row name={texts.subtotal} cents={subtotalCents} />}
        {discount && (
          <Row name={discount.name[locale.language]} cents={-reductionIn(stage)} kind="reduction" />
        )}
        <Row name={texts.total} cents={totalIn(stage)} kind="total" />
      </tfoot>
    </table>
  );
};

const CodeField: View = () => {
  const { state, texts, send } = usePage();
  const stage = stageOf(state);
  return (
    <form
      class="field"
      onSubmit={(event) => {
        event.preventDefault();
        send({ tag: "apply" });
      }}
    >
      <label for="code-field">{texts.codeField}</label>
      <input
        type="text"
        id="code-field"
        autocomplete="off"
        autocapitalize="characters"
        spellcheck={false}
        aria-describedby="checkout-status"
        aria-invalid={isWrong(stage)}
        readOnly={isUnresolved(stage)}
        value={typedIn(stage)}
        onInput={({ currentTarget }) => {
          send({ tag: "type", text: currentTarget.value });
        }}
      />
      {!isUnresolved(stage) && (
        <Button event={{ tag: "apply" }} id="apply" action="apply" isBusy={stage.tag === "asking"}>
          {texts.apply}
        </Button>
      )}
    </form>
  );
};

export const Checkout: View = () => {
  const { state, texts, locale, send } = usePage();
  const stage = stageOf(state);
  const isRetry = stage.tag === "unknown" || (stage.tag === "paying" && stage.isRetry);
  const isPaid = stage.tag === "paid";
  return (
    <Panel step={2} title={texts.checkoutTitle} text={texts.checkoutStep}>
      {isTesting(state) && (
        <p class="notice warning">
          {texts.testMark} <a href={texts.testCodes.href}>{texts.testCodes.text}</a>
        </p>
      )}
      <Cart />
      {!isPaid && <CodeField />}
      <Status id="checkout-status" notices={tellAtCheckout(state, locale)} />
      {(stage.tag === "applied" || isUnresolved(stage)) && (
        <p class="soft">
          Idempotency-Key: <code id="idempotency-key">{state.cart.idempotencyKey}</code>
        </p>
      )}
      {stage.tag === "applied" && (
        <div class="row switch">
          <input
            type="checkbox"
            role="switch"
            id="lose-answer"
            aria-describedby="lose-answer-hint"
            checked={stage.willLoseAnswer}
            onChange={({ currentTarget }) => {
              send({ tag: "lose-answer", isOn: currentTarget.checked });
            }}
          />
          <div>
            <label for="lose-answer">{texts.loseAnswer}</label>
            <p class="soft" id="lose-answer-hint">
              {texts.loseAnswerHint}
            </p>
          </div>
        </div>
      )}
      {grantedIn(stage) && (
        <Button
          event={{ tag: isPaid ? "new-cart" : "pay" }}
          {...(isPaid ? { focus: "code-field" } : {})}
          id="pay"
          action="pay"
          look="wide"
          isBusy={stage.tag === "paying"}
        >
          {isPaid
            ? texts.newCart
            : isRetry
              ? texts.retry
              : fill(texts.pay, { price: locale.formatPrice(totalIn(stage)) })}
        </Button>
      )}
      {isPaid && !isTesting(state) && (
        <a class="button wide primary" href="#step-3">
          {texts.toPortal}
        </a>
      )}
    </Panel>
  );
};
