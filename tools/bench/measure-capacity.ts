/** `npm run capacity`: measures what a call costs, and writes what follows from it into `docs/capacity.md`. */
import { cpus } from "node:os";
import { dependencies } from "../../package.json";
import { countRoundTrips } from "./round-trips";
import type { RoundTrips } from "./round-trips";
import { readItems, startService } from "../support/service";
import type { Figures, PurchaseOperation } from "./capacity";
import { assumed } from "./capacity-assumptions";
import { writeCapacity } from "./capacity-page";
import { makeOperations } from "./operations";
import { spreadOf } from "./statistics";
import { startStore } from "./store-process";
import { writeMeasured } from "./tables";

const rounds = 15;
const calls = 300;
const concurrency = 16;

/** Median of the rounds, to a hundredth of a millisecond. */
const measureProcessor = async (): Promise<Readonly<Record<PurchaseOperation, number>>> => {
  const store = await startStore(1000);
  const operations = await makeOperations(store.settings);
  const measure = async (operation: PurchaseOperation): Promise<number> => {
    // Node.js compiles a function at its first call, and optimizes it after many calls.
    for (let round = 0; round < rounds / 3; round += 1) {
      await operations.measure(operation, "service", calls, concurrency);
    }
    const measured: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      measured.push((await operations.measure(operation, "service", calls, concurrency)).processorMs);
    }
    return Number(spreadOf(measured).median.toFixed(2));
  };
  const processor = {
    generate: await measure("generate"),
    ask: await measure("ask"),
    use: await measure("use"),
  };
  operations.stop();
  await store.stop();
  return processor;
};

/** Items as the service writes them, with what the store adds. */
const measureItems = async (): Promise<Figures["itemBytes"]> => {
  const service = await startService();
  const bytesOf = (item: object | undefined): number => Buffer.byteLength(JSON.stringify(item ?? {}));
  const apiKey = await service.newApiKey("a".repeat(64));
  await service.newApiKey("a".repeat(64), "secondary", "0123456789abcdef");
  await service.newApiKey("a".repeat(64), "test", "0123456789abcdef");
  const discount = { merchant_id: "a".repeat(64), discount_id: "d".repeat(64) };
  const code = await service.newCode(undefined, discount);
  const issued = await readItems(service.otps);
  await service.use(apiKey, code, "an Idempotency-Key");
  const used = await readItems(service.otps);
  const [keys] = await readItems(service.apiKeys);
  await service.stop();
  const isOtp = ({ id }: { readonly id: string }): boolean => id.startsWith("otp-");
  return {
    slot: bytesOf(issued.find((item) => !isOtp(item))),
    OTP: bytesOf(issued.find(isOtp)),
    "used OTP": bytesOf(used.find(isOtp)),
    "merchant's keys": bytesOf(keys),
  };
};

const run = async (): Promise<void> => {
  const roundTrips = await countRoundTrips();
  const wavesOf = (operation: PurchaseOperation): RoundTrips["waves"] =>
    roundTrips.find((each) => each.operation === operation)?.waves ?? [];
  const processor = await measureProcessor();
  const figures: Figures = {
    operations: {
      generate: { waves: wavesOf("generate"), processorMs: processor.generate },
      ask: { waves: wavesOf("ask"), processorMs: processor.ask },
      use: { waves: wavesOf("use"), processorMs: processor.use },
    },
    itemBytes: await measureItems(),
  };
  const machine =
    `${cpus().length} × ${cpus()[0]?.model.trim() ?? "?"}, ${process.platform} ${process.arch}; ` +
    `Node.js ${process.version}, @azure/cosmos ${dependencies["@azure/cosmos"]}`;
  const text = writeCapacity(figures, assumed, machine);
  console.log(text);
  await writeMeasured("docs/capacity.md", text);
};

void run();
