// What is wrong with a spec, with the caret under the fault as the terminal shows it, and what may be meant as a button.

import { element } from "../dom.js";

const WIDTH = 46;

/**
 * Show a fault in its place, or nothing; `onInstead` hears the spec that may be meant. While an answer is waited for, the last
 * fault is out of sight and keeps its room, so that the page does not jump below a spec that is being typed.
 */
export function showFault(place, told, source, { onInstead, isWaiting }) {
  place.classList.toggle("waiting", told === null && isWaiting);
  if (told === null && isWaiting) return;
  const key = told === null ? "" : JSON.stringify([told, source]);
  if (place.dataset.shown === key) return;
  place.dataset.shown = key;
  place.replaceChildren();
  place.hidden = told === null;
  if (told === null) return;
  place.append(element("p", { class: "fault-message", text: told.message }));
  if (Number.isInteger(told.position)) place.append(excerpt(told, source));
  if (told.hint) place.append(element("p", { class: "fault-hint", text: told.hint }));
  if (told.code === "spec" && told.instead && told.instead !== source) {
    place.append(element("p", {}, "Perhaps ", element("button", { type: "button", class: "instead", on: { click: () => onInstead(told.instead) } }, element("code", { text: told.instead }))));
  }
}

function excerpt({ position, length = 1 }, source) {
  const start = source.lastIndexOf("\n", position - 1) + 1;
  const end = source.indexOf("\n", position);
  const line = printable(source.slice(start, end < 0 ? undefined : end));
  const column = position - start;
  const first = Math.max(0, Math.min(column - Math.floor(WIDTH / 2), line.length - WIDTH));
  const shown = line.slice(first, first + WIDTH);
  const carets = "^".repeat(Math.max(1, Math.min(length, shown.length - (column - first))));
  return element("pre", { class: "caret", "aria-label": `at character ${position + 1}` }, `${shown}\n`, element("b", { text: `${" ".repeat(column - first)}${carets}` }));
}

/** One character of its width for each: control characters would move the caret. */
function printable(text) {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "·");
}
