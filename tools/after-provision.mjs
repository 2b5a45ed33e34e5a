/** What `azd` prints at the end of a deployment of the infrastructure, of what nobody would notice: see `hooks` in azure.yaml. */
import { readCommandLine } from "../local/command-line.mjs";

readCommandLine({
  command: "node tools/after-provision.mjs",
  what: "Warns where the alerts of a deployment tell nobody. azd runs it (azure.yaml).",
});
if (process.env.ALERTS_TELL === "NOBODY") {
  console.warn(
    [
      "WARNING: the alerts tell nobody. They are seen in the portal only.",
      `  azd env set CGN_OTP_ALERT_EMAILS '["on-call@example.org"]' && azd provision`,
    ].join("\n"),
  );
}
