/** The card holder's app: generates a code for a discount, and shows the live one. */
import { codeToTake, lifeOf } from "./look";
import { Button, CopyButton, Panel, Status, usePage, type View } from "./parts";
import { cardDiscount, shopName } from "./shop";
import type { AppCode } from "./state";
import { tellInApp } from "./tell";

/** The last second is shown as 0:01, and 0:00 only when it is over. */
const formatLeft = (ms: number): string => {
  const seconds = Math.ceil(ms / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
};

const Countdown: View<{ code: AppCode }> = ({ code }) => {
  const { state, texts } = usePage();
  const leftMs = code.expiresAt - state.now;
  return (
    <p class="countdown" style={{ "--left": leftMs / code.ttlMs }}>
      {texts.expiresIn}
      <strong role="timer">{formatLeft(leftMs)}</strong>
    </p>
  );
};

const CodeCard: View<{ code: AppCode }> = ({ code }) => {
  const { state, texts } = usePage();
  const isLive = lifeOf(code, state.now) === "live";
  return (
    <div class={`row code-card ${isLive ? "" : "over"}`}>
      {isLive && <Countdown code={code} />}
      <div class="stack">
        <h3>{texts.yourCode}</h3>
        <output id="code" translate={false}>
          {code.code}
        </output>
        {isLive && (
          <div class="row">
            <CopyButton text={code.code} label={texts.copy} />
            {codeToTake(state) !== undefined && (
              <Button event={{ tag: "take" }} action="take" focus="apply">
                {texts.take}
              </Button>
            )}
          </div>
        )}
      </div>
    </div>
  );
};

export const AppIo: View = () => {
  const { state, texts, locale } = usePage();
  const { code, isWaiting } = state.app;
  return (
    <Panel step={1} title={texts.appTitle} text={texts.appStep}>
      <div class="box">
        <p class="soft">{shopName}</p>
        <h3>{cardDiscount.name[locale.language]}</h3>
      </div>
      <Button event={{ tag: "generate" }} action="generate" look="wide" isBusy={isWaiting}>
        {texts.generate}
      </Button>
      <Status notices={tellInApp(state, locale)} />
      {code === undefined ? <p class="row code-card soft">{texts.noCode}</p> : <CodeCard code={code} />}
    </Panel>
  );
};
