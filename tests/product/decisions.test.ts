/** Every decision record has one form, so that whoever knows one finds their way in all. */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";

const folder = path.join("docs", "decisions");
const records = readdirSync(folder).toSorted();

const head = /^# \S.*\n\n- Status: (.+)\n- Date: (\d{4}-\d{2}-\d{2})\n\n## Context\n/;

/** A later decision that takes the place of this one is linked. */
const status = /^(proposed|accepted|superseded by \[.+\]\(\d{4}-[a-z-]+\.md\))$/;

describe("the decision records", () => {
  it("are numbered without a gap", () => {
    const numbers = records.map((name) => /^(\d{4})-[a-z][a-z0-9-]*\.md$/.exec(name)?.[1]);
    expect(numbers).toEqual(records.map((_, index) => String(index + 1).padStart(4, "0")));
  });

  it.each(records)("%s has a title, a status, a date and the four sections", (name) => {
    const text = readFileSync(path.join(folder, name), "utf8");
    const [, itsStatus = "", date = ""] = head.exec(text) ?? [];
    expect(itsStatus).toMatch(status);
    expect(new Date(`${date}T00:00:00Z`).toISOString().slice(0, 10)).toBe(date);
    const sections = [...text.matchAll(/^## (.+)$/gm)].map(([, title]) => title);
    expect(sections).toEqual(["Context", "Alternatives", "Decision", "Consequences"]);
  });

  it.each(records)("%s names what lost, and why", (name) => {
    const text = readFileSync(path.join(folder, name), "utf8");
    const alternatives = /\n## Alternatives\n([^]*)\n## Decision\n/.exec(text)?.[1] ?? "";
    expect(alternatives).toMatch(/^- [_*]{1,2}\S.*[_*]{1,2}.* \S/m);
  });
});
