// The layers of one network: what each returns, has and computes.

import { element } from "../dom.js";
import { exact } from "../numbers.js";

const COLUMNS = [
  ["parameters", "Parameters", (row) => row.parameters],
  ["forward.mul", "forward ×", (row) => row.phases.forward?.mul], ["forward.add", "forward +", (row) => row.phases.forward?.add],
  ["backward.mul", "backward ×", (row) => row.phases.backward?.mul], ["backward.add", "backward +", (row) => row.phases.backward?.add],
  ["update.mul", "update ×", (row) => row.phases.update?.mul], ["update.add", "update +", (row) => row.phases.update?.add],
];
const MOST_ROWS = 300;

/** The table of layers; a sentence where only Python knows them. */
export function layers(network, numbers, found = "") {
  if (numbers.rows === null) return element("p", { class: "quiet", text: network.answer === null ? "The layers appear with the numbers." : "Python is asked for the layers at these sizes …" });
  const wanted = found.trim().toLowerCase();
  const rows = numbers.rows.filter((row) => wanted === "" || row.path.toLowerCase().includes(wanted) || row.op.toLowerCase().includes(wanted));
  const columns = COLUMNS.filter(([, , amount]) => numbers.rows.some((row) => amount(row)));
  const most = Object.fromEntries(columns.map(([key, , amount]) => [key, numbers.rows.reduce((top, row) => ((amount(row) ?? 0n) > top ? amount(row) : top), 1n)]));
  const head = element("tr", {}, element("th", { scope: "col", text: "Layer" }), element("th", { scope: "col", text: "Operation" }), element("th", { scope: "col", text: "Output" }),
    ...columns.map(([, title]) => element("th", { scope: "col", class: "number", text: title })));
  const lines = rows.slice(0, MOST_ROWS).map((row) => element("tr", {},
    element("th", { scope: "row", text: row.path || "(network)" }), element("td", { text: operation(row) }), element("td", { class: "shape", text: shape(row) }),
    ...columns.map(([key, , amount]) => cell(amount(row) ?? 0n, most[key], key))));
  const more = rows.length > MOST_ROWS ? element("p", { class: "quiet", text: `${rows.length - MOST_ROWS} more layers: search, or copy them as CSV.` }) : null;
  return element("div", {}, element("div", { class: "wide", tabindex: "0", role: "group", "aria-label": "Layers, a table that scrolls" },
    element("table", { class: "layers" }, element("caption", { class: "unseen", text: "Layers" }), element("thead", {}, head), element("tbody", {}, ...lines))), more);
}

function operation(row) {
  return row.times && row.times !== 1n ? `${row.op} × ${exact(row.times)}` : row.op;
}

function shape(row) {
  return row.output ? row.output.map((size) => (size === null ? "?" : exact(size))).join(" × ") : "";
}

/** An amount with a bar of its share of the column's largest. */
function cell(amount, most, key) {
  const made = element("td", { class: `number bar ${key.split(".")[0]}` }, element("span", { text: amount === 0n ? "" : exact(amount) }));
  made.style.setProperty("--share", `${Number((amount * 1000n) / most) / 10}%`);
  return made;
}

/** The same as lines of cells, for copies. */
export function layerRows(numbers) {
  const head = ["path", "op", "times", "output", ...COLUMNS.map(([key]) => key)];
  return [head, ...(numbers.rows ?? []).map((row) => [row.path, row.op, row.times ?? 1n, row.output ? row.output.map((size) => size ?? "?").join("x") : "", ...COLUMNS.map(([, , amount]) => amount(row) ?? 0n)])];
}
