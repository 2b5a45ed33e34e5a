/**
 * `npm run record:hostile -- URL [FILE]`: sends the hostile requests to a host, and writes its answers into
 * `tests/guarantees/hostile-answers.json` or another file.
 */
import { writeFile } from "node:fs/promises";
import { format, resolveConfig } from "prettier";
import { fail } from "../local/server";
import { sendHostileRequests } from "../tests/guarantees/hostile";

const run = async (baseUrl: string, file: string): Promise<void> => {
  const answers = await sendHostileRequests(baseUrl);
  const style = await resolveConfig(file);
  await writeFile(file, await format(JSON.stringify(answers), { ...style, parser: "json" }));
  console.log(`${Object.keys(answers).length} requests sent to ${baseUrl}`);
};

const [, , baseUrl, file = "tests/guarantees/hostile-answers.json"] = process.argv;
if (baseUrl === undefined || !URL.canParse(baseUrl)) {
  fail("The URL of the host is missing: npm run record:hostile -- http://127.0.0.1:7071");
} else {
  void run(baseUrl, file);
}
