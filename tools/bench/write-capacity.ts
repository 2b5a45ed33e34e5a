/** `npm run capacity`: writes into `docs/capacity.md` what follows from the values in `capacity.ts`. */
import { readCommandLine } from "../../local/command-line.mjs";
import { assumed, writeCapacity } from "./capacity";
import { writeMeasured } from "./write-measured";

const file = "docs/capacity.md";

readCommandLine({
  command: "npm run capacity",
  what: `Writes into ${file} what follows from the values in tools/bench/capacity.ts. It measures nothing.`,
});
console.log("Computing what it takes.");
void writeMeasured(file, writeCapacity(assumed)).then(() => {
  console.log(`Written to ${file}.`);
});
