// Every number of every network, and how it differs from the first one's.

import { element } from "../dom.js";
import { DIFFERENCES, difference } from "../numbers.js";
import { GROUPS, LETTERS } from "../quantities.js";

/** The tables of all numbers, one for each group; `networks` are those on the page with their `numbers`. */
export function comparison(networks, actions) {
  const made = element("div", { class: "groups", "data-count": String(networks.length) }, ...GROUPS.map((group) => table(group, networks, actions)).filter(Boolean));
  return networks.length > 1 ? element("div", {}, element("p", { class: "quiet legend", text: DIFFERENCES }), made) : made;
}

function table(group, networks, actions) {
  const rows = group.rows.map((row) => line(row, networks, actions)).filter(Boolean);
  if (rows.length === 0) return null;
  const title = element("span", { class: "group", text: group.title });
  const head = element("tr", {}, element("th", { scope: "col" }, title), ...networks.flatMap((_, number) => [
    element("th", { scope: "col", class: "number" }, networks.length > 1 ? element("span", { class: "badge", "data-number": String(number), text: LETTERS[number] }) : element("span", { class: "unseen", text: "amount" })),
    ...(number > 0 ? [element("th", { scope: "col", class: "number quiet", text: `to ${LETTERS[0]}`, title: DIFFERENCES })] : []),
  ]));
  return element("div", { class: "wide", tabindex: "0", role: "group", "aria-label": `${group.title}, a table that scrolls` },
    element("table", { class: "all-numbers" }, element("thead", {}, head), element("tbody", {}, ...rows)));
}

function line(row, networks, actions) {
  const amounts = networks.map(({ numbers }) => numbers.of(row.path));
  if (amounts.every((amount) => amount === null || amount === 0n)) return null;
  const cells = networks.flatMap(({ network, numbers }, number) => {
    const amount = amounts[number];
    const text = amount === null ? (numbers.isFinal ? "–" : "…") : row.write(amount);
    const button = element("button", { type: "button", class: "number", "data-path": row.path, title: row.title ? row.title(amount) : null, "aria-label": `${text}, show the arithmetic`, text, on: { click: () => actions.explain(network, row.topic) } });
    return [element("td", { class: "number" }, button), ...(number > 0 ? [element("td", { class: "number quiet", text: difference(amount, amounts[0]) })] : [])];
  });
  return element("tr", {}, element("th", { scope: "row", text: row.label }), ...cells);
}

/** The same as lines of text cells, for copies. */
export function comparisonRows(networks) {
  const lines = [["Quantity", ...networks.map(({ network }) => network.source)]];
  for (const group of GROUPS) {
    for (const row of group.rows) {
      const amounts = networks.map(({ numbers }) => numbers.of(row.path));
      if (amounts.some((amount) => amount !== null && amount !== 0n)) lines.push([row.path, ...amounts]);
    }
  }
  return lines;
}
