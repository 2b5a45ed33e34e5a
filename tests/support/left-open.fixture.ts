/** `left-open.test.ts` makes jest run this: a test that fails before it stops what it started. */
import { createServer } from "node:net";
import { listen } from "../../local/server";
import { startProgram } from "../../tools/support/processes";
import { startBehindFaults, startService } from "../../tools/support/service";

it("fails too early", async () => {
  const service = await startService();
  const { proxy, instance, stop } = await startBehindFaults(service, 60_000);
  const server = createServer();
  await listen(server, 0);
  const program = startProgram(["-e", "setInterval(() => undefined, 1000)"], {});
  proxy.script(() => ({ kind: "hang" }));
  const asking = instance.info().catch(() => undefined);
  expect("this").toBe("that");
  await asking;
  await program.stop();
  server.close();
  await stop();
  await service.stop();
});
