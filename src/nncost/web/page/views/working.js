// Worked arithmetic, as Python explains it.

import { element } from "../dom.js";
import { safeHtml } from "../sanitize.js";
import { inPage } from "../words.js";

const TOPICS = [["shapes", "Shapes"], ["parameters", "Parameters"], ["neurons", "Neurons"], ["forward", "Forward pass"], ["loss", "Loss"], ["backward", "Backward pass"], ["update", "Update"], ["step", "Whole step"], ["memory", "Memory"]];

/** What is explained at a time: the topic's menu, and Python's text or what it is waiting for. */
export function working(network, { topic, told, text, isBusy }, onTopic) {
  const isTopic = TOPICS.some(([value]) => value === topic);
  const select = element("select", { id: "topic", on: { change: () => onTopic(select.value) } },
    ...(isTopic ? [] : [element("option", { value: topic, text: topic })]), ...TOPICS.map(([value, label]) => element("option", { value, text: label })));
  select.value = topic;
  const body = element("div", { class: "nncost working", "aria-live": "off" });
  if (told) body.append(element("p", { class: "warning", text: told.message }), told.hint ? element("p", { class: "note", text: told.hint }) : "");
  else if (text) body.append(reworded(safeHtml(text)));
  else body.append(element("p", { class: "note", text: isBusy ? "Python writes it out …" : "Click a number to see its arithmetic." }));
  body.classList.toggle("waiting", Boolean(text) && isBusy === true);
  body.setAttribute("aria-busy", String(isBusy === true));
  const letters = inLetters(network, topic);
  if (letters && text && !isBusy) body.prepend(letters);
  return element("div", {}, element("p", { class: "panel-tools" }, element("label", { for: "topic", text: "Explained: " }), select), body);
}

/** The explanation with the page's words for settings in its text. */
function reworded(made) {
  const walker = document.createTreeWalker(made, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const { currentNode: place } = walker;
    if (place.data.includes("--")) place.data = inPage(place.data);
  }
  return made;
}

/** The formula of a quantity in the sizes that can be dragged, with what its letters are; null where there is none. */
function inLetters(network, topic) {
  const formula = network.answer?.formulas?.written[topic === "parameters" ? "parameters.total" : topic];
  if (!formula) return null;
  const used = new Set(formula.match(/[A-Za-z_]\w*/g));
  const letters = network.answer.handles.filter((handle) => used.has(handle.name));
  const names = letters.map((handle) => `${handle.label === handle.name ? "" : `${handle.label} `}${handle.name} = ${network.sizes[handle.name]}`);
  return element("div", { class: "letters" }, element("p", {}, element("span", { class: "quiet", text: "In letters: " }), element("span", { class: "formula", text: formula })), element("p", { class: "quiet", text: `where ${names.join("; ")}.` }));
}
