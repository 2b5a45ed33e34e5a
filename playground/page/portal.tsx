/** The merchant's profile in the portal: its keys in force, and what its shop has of them. */
import { holdingOf, mayGet, regenerationOf } from "./look";
import { Button, CopyButton, Panel, Status, usePage, type ButtonProps, type View } from "./parts";
import { keyTypes, type KeyType } from "./state";
import { tellHolding, tellOfKey, tellOfKeys } from "./tell";
import { fill } from "./texts";

interface KeyButtonProps extends Omit<ButtonProps, "event"> {
  keyType: KeyType;
  tag: "give" | "regenerate" | "revoke";
}

const KeyButton: View<KeyButtonProps> = ({ keyType, tag, ...props }) => {
  const { isBusy } = usePage().state.portal.steps[keyType];
  const names = { id: `${keyType}-${tag}`, of: `${keyType}-title` };
  return <Button {...props} {...names} event={{ tag, keyType }} isBusy={isBusy} />;
};

const Key: View<{ keyType: KeyType }> = ({ keyType }) => {
  const { state, texts, locale } = usePage();
  const { listed, listFailure, fresh } = state.portal;
  const inForce = listed?.[keyType];
  const key = fresh[keyType];
  const shown = key ?? (inForce && `•••• ${inForce.hint}`);
  const absent = listed ? texts.noKey : listFailure ? texts.unknownKey : "…";
  const holding = tellHolding(state, keyType, texts);
  const regeneration = regenerationOf(state, keyType);
  const of = `${keyType}-title`;
  const question =
    regeneration === "regenerate" ? fill(texts.confirm, { key: texts.keyTitle[keyType] }) : undefined;
  return (
    <div class={`box stack ${holdingOf(state, keyType) === "none" ? "" : "chosen"}`} data-place>
      <h3 id={of}>{texts.keyTitle[keyType]}</h3>
      <div role="status">
        <p id={`${keyType}-value`}>{shown === undefined ? absent : <code>{shown}</code>}</p>
        {inForce && (
          <p class="soft">
            {fill(texts.createdAt, { time: locale.formatDateTime(Date.parse(inForce.createdAt)) })}
          </p>
        )}
        <p class={holding.level === "info" ? "soft" : `holding ${holding.level}`}>{holding.text}</p>
      </div>
      <Status notices={tellOfKey(state, keyType, locale)} />
      <div class="row">
        {key !== undefined && <CopyButton id={`${keyType}-copy`} text={key} label={texts.copy} of={of} />}
        {key !== undefined && mayGet(state, keyType) && (
          <KeyButton keyType={keyType} tag="give" action={`give-${keyType}`}>
            {texts.give}
          </KeyButton>
        )}
        {regeneration && (
          <KeyButton keyType={keyType} tag="regenerate" action={keyType} question={question}>
            {texts.regenerations[regeneration]}
          </KeyButton>
        )}
        {regeneration === "regenerate" && (
          <KeyButton keyType={keyType} tag="revoke" look="danger" question={question}>
            {texts.revoke}
          </KeyButton>
        )}
      </div>
    </div>
  );
};

export const Portal: View = () => {
  const { state, texts, locale } = usePage();
  return (
    <Panel step={3} title={texts.portalTitle} text={texts.portalStep}>
      {state.store === "named" && <p>{texts.namedStore}</p>}
      <Status notices={tellOfKeys(state, locale)} />
      <div class="stack keys">
        {keyTypes.map((keyType) => (
          <Key key={keyType} keyType={keyType} />
        ))}
      </div>
    </Panel>
  );
};
