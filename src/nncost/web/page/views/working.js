// Worked arithmetic, as Python explains it.

import { element } from "../dom.js";
import { safeHtml } from "../sanitize.js";

const TOPICS = [["shapes", "Shapes"], ["parameters", "Parameters"], ["neurons", "Neurons"], ["forward", "Forward pass"], ["loss", "Loss"], ["backward", "Backward pass"], ["update", "Update"], ["step", "Whole step"], ["memory", "Memory"]];

/** What is explained at a time: the topic's menu, and Python's text or what it is waiting for. */
export function working(state, { topic, told, text, isBusy }, onTopic) {
  const isTopic = TOPICS.some(([value]) => value === topic);
  const select = element("select", { id: "topic", on: { change: () => onTopic(select.value) } },
    ...(isTopic ? [] : [element("option", { value: topic, text: topic })]), ...TOPICS.map(([value, label]) => element("option", { value, text: label })));
  select.value = topic;
  const body = element("div", { class: "nncost working", "aria-live": "off" });
  if (told) body.append(element("p", { class: "warning", text: told.message }), told.hint ? element("p", { class: "note", text: told.hint }) : "");
  else if (text) body.append(safeHtml(text));
  else body.append(element("p", { class: "note", text: isBusy ? "Python writes it out …" : "Click a number to see its arithmetic." }));
  return element("div", {}, element("p", { class: "panel-tools" }, element("label", {}, "Explained: ", select)), body);
}
