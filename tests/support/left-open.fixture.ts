/** `left-open.test.ts` makes jest run this: a test that fails before it stops what it started. */
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { listen } from "../../local/server";
import { startProgram } from "../../tools/support/processes";

it("fails too early", async () => {
  const server = createServer();
  const client = connect(await listen(server, 0), "127.0.0.1");
  await once(client, "connect");
  const program = startProgram(["-e", "setInterval(() => undefined, 1000)"], {});
  expect("this").toBe("that");
  await program.stop();
  client.destroy();
  server.close();
});
