/** `npm run capacity`: writes into `docs/capacity.md` what follows from the values in `capacity.ts`. */
import { assumed, writeCapacity } from "./capacity";
import { writeMeasured } from "./tables";

void writeMeasured("docs/capacity.md", writeCapacity(assumed));
