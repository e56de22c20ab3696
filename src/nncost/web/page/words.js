// What Python says in the words of its command line and its API, in the words of this page.

const SETTING = "loss|optimizer|dtype|bias|activation|mode";
const NAMED = { dtype: "numbers", bias: "biases" };
const VERB = "(?:out|applies|changes|takes|does|is|and|or|with|to)\\b";
const REWRITES = [
  [/(--\S+ \S+) (?=--)/g, "$1, "],
  [new RegExp(`--(${SETTING}) (?!${VERB})([a-z0-9_]+)`, "g"), (_, name, value) => `the setting “${NAMED[name] ?? name}: ${value.replaceAll("_", " ")}”`],
  [new RegExp(`--(${SETTING})\\b`, "g"), (_, name) => `the setting “${NAMED[name] ?? name}”`],
  [/--batch (\d+)/g, "batch $1"],
  [/--symbol (\S+?)=([\d…]+)/g, "$1 = $2"],
  [/--symbol\b/g, "a number in its field"],
];
/** A clause of a sentence that asks for something which this page does not have. */
const ELSEWHERE = /--[a-z]|\bnncost (?!web\b)[a-z]+/;

/** A text with the page's names for its settings and sizes. */
export function inPage(text) {
  return REWRITES.reduce((told, [from, to]) => told.replace(from, to), text).replace(/^the setting/, "The setting");
}

/** The same of a hint or a note, without the clauses that name other options or commands; nothing where that is all of it. */
export function adviceInPage(text) {
  const clauses = inPage(text).split(/(?<=[.;?:])\s+/);
  const kept = clauses.filter((clause) => !ELSEWHERE.test(clause)).join(" ").replace(/^(?:For example|Examples|e\.g\.|Or):?\s*$/i, "").replace(/[;:]$/, ".");
  return kept === "" ? undefined : kept;
}
