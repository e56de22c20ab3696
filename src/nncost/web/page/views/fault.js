// What is wrong with a spec, with the caret under the fault as the terminal shows it, and what may be meant as a button.

import { element } from "../dom.js";

/**
 * Show a fault in its place, or nothing; `onInstead` hears the spec that may be meant. While an answer is waited for, the last
 * fault is out of sight and keeps its room, so that the page does not jump below a spec that is being typed.
 */
export function showFault(place, told, source, { onInstead, isWaiting }) {
  place.classList.toggle("waiting", told === null && isWaiting);
  if (told === null && isWaiting) return;
  const key = told === null ? "" : JSON.stringify([told, source, roomOf(place)]);
  if (place.dataset.shown === key) return;
  place.dataset.shown = key;
  place.replaceChildren();
  place.hidden = told === null;
  if (told === null) return;
  place.append(element("p", { class: "fault-message", text: told.message }));
  if (Number.isInteger(told.position)) place.append(excerpt(told, source, roomOf(place)));
  if (told.hint) place.append(element("p", { class: "fault-hint", text: told.hint }));
  if (told.code === "spec" && told.instead && told.instead !== source) {
    place.append(element("p", {}, "Perhaps ", element("button", { type: "button", class: "instead", on: { click: () => onInstead(told.instead) } }, element("code", { text: told.instead }))));
  }
}

/** The line of the fault with carets below, as many characters as there is room for; `…` stands where it is cut. */
function excerpt({ position, length = 1 }, source, room) {
  const characters = Array.from(source); // Python counts characters, not their halves
  const start = characters.lastIndexOf("\n", position - 1) + 1;
  const end = characters.indexOf("\n", position);
  const line = characters.slice(start, end < 0 ? undefined : end).map(printable);
  const column = position - start;
  const first = Math.max(0, Math.min(column - Math.floor(room / 2), line.length - room));
  const shown = line.slice(first, first + room);
  if (first > 0) shown[0] = "…";
  if (first + room < line.length) shown[shown.length - 1] = "…";
  const carets = "^".repeat(Math.max(1, Math.min(length, shown.length - (column - first))));
  return element("pre", { class: "caret", "aria-label": `at character ${position + 1}` }, `${shown.join("")}\n`, element("b", { text: `${" ".repeat(column - first)}${carets}` }));
}

const LEAST = 24;
const CHARACTER = 8.5; // pixels, of the caret's letters
const MARGIN = 72;

/** How many characters fit into a line of the fault's card. */
function roomOf(place) {
  return Math.max(LEAST, Math.floor(((place.parentElement?.clientWidth ?? 0) - MARGIN) / CHARACTER));
}

/** One character of its width: control characters would move the caret. */
function printable(character) {
  return character.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "·");
}
