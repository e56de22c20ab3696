// The card of one network: its spec, its sizes, its settings and its main numbers.

import { element, keyed, say } from "../dom.js";
import { handlesOf, isEmpty, isForwardOnly } from "../network.js";
import { DIFFERENCES, bytes, difference, exact, seconds } from "../numbers.js";
import { HEADLINES, LETTERS } from "../quantities.js";
import { adviceInPage } from "../words.js";
import { showFault } from "./fault.js";
import { handleRow, updateHandle } from "./handle.js";

const SETTING_LABELS = { loss: "loss", optimizer: "optimizer", dtype: "numbers", bias: "biases", activation: "activation", mode: "mode" };

/** A card for a network; `actions` are what it can do. */
export function card(network, actions) {
  const at = () => actions.numberOf(network);
  const name = () => `network ${LETTERS[at()]}`;
  const parts = {
    badge: element("span", { class: "badge", "aria-hidden": "true" }),
    title: element("h2", { class: "title" }),
    spec: element("textarea", { class: "spec", rows: "1", spellcheck: "false", autocapitalize: "off", autocomplete: "off", maxlength: "20000" }),
    fault: element("div", { class: "fault", role: "alert" }),
    unknown: element("div", { class: "incomplete", hidden: true }),
    notes: element("div", { class: "notes" }),
    handles: element("div", { class: "handles", role: "group" }),
    detail: element("div", { class: "handles", role: "group" }),
    more: element("details", { class: "more" }),
    settings: {},
    numbers: element("dl", { class: "headlines" }),
  };
  parts.more.append(element("summary", { text: "Widths one by one" }), parts.detail);
  const buttons = toolbar(network, actions);
  parts.buttons = buttons;
  const made = element("article", { class: "card" },
    element("header", { class: "card-top" }, parts.badge, parts.title, buttons.bar),
    parts.spec, parts.fault,
    element("div", { class: "controls" }, parts.handles, parts.more, settingsOf(network, parts, actions)),
    element("div", { class: "results" }, parts.unknown, parts.numbers, parts.notes));
  made.addEventListener("focusin", () => actions.select(network));
  made.addEventListener("pointerdown", () => actions.select(network));
  parts.spec.addEventListener("input", () => actions.write(network, parts.spec.value));
  for (const row of HEADLINES) parts.numbers.append(headline(row, network, actions));
  parts.numbers.append(timeLine());
  made.parts = parts;
  made.named = name;
  return made;
}

function toolbar(network, actions) {
  const button = (text, label, act) => element("button", { type: "button", class: "small wordy", title: label, "aria-label": label, text, on: { click: () => act(network) } });
  const left = button("←", "Move to the left", (each) => actions.move(each, -1));
  const right = button("→", "Move to the right", (each) => actions.move(each, 1));
  const copy = button("Duplicate", "Duplicate", actions.duplicate);
  const remove = button("Remove", "Remove", actions.remove);
  return { bar: element("div", { class: "card-tools", role: "group" }, left, right, copy, remove), left, right, copy, remove };
}

function settingsOf(network, parts, actions) {
  const fields = Object.entries(SETTING_LABELS).map(([key, label]) => {
    const select = element("select", { id: `${key}-${network.id}`, on: { change: () => actions.set(network, key, select.value) } });
    parts.settings[key] = select;
    return element("div", { class: "setting" }, element("label", { for: select.id, text: label }), select);
  });
  parts.summary = element("summary", {});
  return element("details", { class: "settings" }, parts.summary, element("div", { class: "setting-fields" }, ...fields));
}

function headline(row, network, actions) {
  const total = row.path ? numberButton(row, network, actions) : null;
  const parts = row.parts.map((part) => element("span", { class: "part" }, numberButton(part, network, actions), ` ${part.label}`));
  return element("div", { class: `headline ${row.path ? "" : "phase"}` }, element("dt", { text: row.label, "data-label": row.path ?? null }),
    element("dd", {}, total && element("span", { class: "total" }, total, element("span", { class: "difference", "data-path": row.path, title: DIFFERENCES })), element("span", { class: "parts" }, row.lead && element("span", { class: "lead", text: row.lead }), ...parts)));
}

/** A number that shows its arithmetic when it is clicked. */
function numberButton(row, network, actions) {
  return element("button", { type: "button", class: "number", "data-path": row.path, title: "Show the arithmetic", on: { click: () => actions.explain(network, row.topic) } });
}

function timeLine() {
  return element("div", { class: "headline time" }, element("dt", {}),
    element("dd", {}, element("span", { class: "total" }, element("output", { class: "seconds" }), element("span", { class: "difference", title: DIFFERENCES })), element("span", { class: "parts fit" })));
}

// ------------------------------------------------------------------- as it is now
/** Show a network as it is now; `first` are the numbers of the first one, to compare with. */
export function updateCard(made, { network, numbers, first, count, number, isSelected, choices, prediction, firstPrediction, device, actions }) {
  const { parts } = made;
  const name = made.named();
  made.setAttribute("aria-label", name);
  made.dataset.number = String(number);
  made.classList.toggle("selected", isSelected && count > 1);
  made.setAttribute("aria-busy", String(network.isBusy));
  say(parts.badge, LETTERS[number]);
  say(parts.title, network.title || (network.answer && network.answer.kind !== "spec" ? network.answer.name : `Network ${LETTERS[number]}`));
  parts.spec.setAttribute("aria-label", `Spec of ${name}`);
  if (parts.spec.value !== network.source) parts.spec.value = network.source;
  parts.spec.hidden = network.source.startsWith("upload:");
  parts.spec.setAttribute("aria-invalid", String(network.error !== null));
  fit(parts.spec);
  const empty = network.error === null && isEmpty(numbers.rows);
  const fault = network.error ?? (empty ? { message: "Nothing is left of a layer's output at these sizes." } : null);
  showFault(parts.fault, fault, network.source, { onInstead: (spec) => actions.write(network, spec), isWaiting: network.isOther });
  updateHandles(parts, network, name, actions);
  updateSettings(parts, network, choices);
  updateTools(parts, name, count, number);
  const isDim = network.error !== null || empty || network.isOther;
  parts.numbers.classList.toggle("dim", isDim);
  parts.numbers.hidden = network.answer === null && network.error !== null;
  const isForward = isForwardOnly(network);
  updateNumbers(parts, { numbers, first: number > 0 ? first : null, isDim, isForward });
  updateTime(parts.numbers, { prediction, firstPrediction: number > 0 ? firstPrediction : null, device, isForward });
  updateNotes(parts, network);
}

function fit(area) {
  area.style.height = "auto";
  area.style.height = `${area.scrollHeight + 2}px`;
}

function updateHandles(parts, network, name, actions) {
  const isDisabled = network.isTyped && network.error !== null; // its sizes are not known: those are of the spec before
  const handles = handlesOf(network).map((handle) => ({ ...handle, isDisabled }));
  const make = (handle) => handleRow(handle, () => name, (key, size) => actions.drag(network, key, size));
  parts.handles.setAttribute("aria-label", `Sizes of ${name}`);
  parts.detail.setAttribute("aria-label", `Widths of ${name} one by one`);
  keyed(parts.handles, handles.filter((handle) => !handle.isDetail), make, updateHandle);
  keyed(parts.detail, handles.filter((handle) => handle.isDetail), make, updateHandle);
  parts.more.hidden = !handles.some((handle) => handle.isDetail);
}

function updateSettings(parts, network, choices) {
  const known = network.answer?.settings ?? {};
  for (const [key, select] of Object.entries(parts.settings)) {
    const options = ["", ...(choices[key] ?? [])];
    if (select.options.length !== options.length) select.replaceChildren(...options.map((value) => element("option", { value, text: value.replaceAll("_", " ") || "default" })));
    const usual = known[key] && !network[key] ? `${known[key].replaceAll("_", " ")} (default)` : "default";
    if (select.options[0].text !== usual) select.options[0].text = usual;
    if (select.value !== network[key]) select.value = network[key];
  }
  const isWidths = network.answer === null || Boolean(network.answer.depth) || /^[^,]*-/.test(network.source);
  for (const key of ["bias", "activation"]) parts.settings[key].parentElement.hidden = !isWidths && !network[key];
  const shown = [known.loss, known.optimizer, known.dtype].filter((each) => each && each !== "none").map((each) => each.replaceAll("_", " "));
  say(parts.summary, known.loss === "none" ? `Forward only, ${known.dtype}` : shown.length > 0 ? `Trained with ${shown.slice(0, 2).join(" and ")}, ${shown[2] ?? ""}` : "Settings");
}

function updateTools(parts, name, count, number) {
  const { left, right, copy, remove, bar } = parts.buttons;
  bar.setAttribute("aria-label", `Place of ${name}`);
  left.hidden = right.hidden = remove.hidden = count === 1;
  left.disabled = number === 0;
  right.disabled = number === count - 1;
  copy.disabled = count === LETTERS.length;
}

function labelOf(row, isForward) {
  return isForward && row.forwardLabel ? row.forwardLabel : row.label;
}

function updateNumbers(parts, { numbers, first, isDim, isForward }) {
  for (const label of parts.numbers.querySelectorAll("dt[data-label]")) say(label, labelOf(rowOf(label.dataset.label), isForward));
  for (const button of parts.numbers.querySelectorAll("button.number")) {
    const row = rowOf(button.dataset.path);
    const amount = numbers.of(row.path);
    const text = amount === null ? (numbers.isFinal ? "–" : "…") : row.write(amount);
    say(button, text);
    button.title = `${row.title ? `${row.title(amount)}. ` : ""}Show the arithmetic`;
    button.setAttribute("aria-label", `${labelOf(row, isForward)}: ${amount === null ? "not known" : text}, show the arithmetic`);
    const part = button.closest(".part");
    if (part && text !== "…") part.hidden = (amount === 0n && !row.path.startsWith("parameters")) || text === "–";
  }
  for (const mark of parts.numbers.querySelectorAll(".difference[data-path]")) say(mark, first === null || isDim ? "" : difference(numbers.of(mark.dataset.path), first.of(mark.dataset.path)));
  for (const line of parts.numbers.querySelectorAll(".headline.phase")) line.hidden = [...line.querySelectorAll(".part")].every((part) => part.hidden);
}

const ROWS = new Map(HEADLINES.flatMap((row) => [...(row.path ? [row] : []), ...row.parts]).map((row) => [row.path, row]));

function rowOf(path) {
  return ROWS.get(path);
}

function updateTime(place, { prediction, firstPrediction, device, isForward }) {
  const line = place.querySelector(".time");
  const output = line.querySelector(".seconds");
  const fits = line.querySelector(".fit");
  const phase = isForward ? "forward" : "step";
  const middle = prediction?.seconds?.[phase]?.[1];
  say(line.querySelector("dt"), `Time of ${isForward ? "the forward pass" : "a step"}${device ? ` on ${device}` : ""}`);
  say(output, prediction?.told ? "–" : middle === undefined ? "…" : seconds(middle));
  const other = firstPrediction?.seconds?.[phase]?.[1];
  say(line.querySelector(".difference"), middle !== undefined && other ? difference(BigInt(Math.round(middle * 1e12)), BigInt(Math.max(1, Math.round(other * 1e12)))) : "");
  say(fits, prediction?.told ? prediction.told.message : middle === undefined ? "" : rangeOf(prediction, phase));
}

function rangeOf(prediction, phase) {
  const [low, , high] = prediction.seconds[phase];
  const memory = prediction.memory ?? {};
  const room = memory.fits === false ? `; needs more than its ${bytes(BigInt(memory.capacity_bytes))}` : "";
  return `${prediction.label}: ${seconds(low)} to ${seconds(high)}${room}`;
}

function updateNotes(parts, { answer }) {
  const unknown = answer && !answer.complete ? answer.unknown : [];
  const notes = answer ? [...answer.notes, ...answer.memory.notes, ...answer.estimated.map((each) => `Estimated: ${each}`)].map(adviceInPage).filter(Boolean) : [];
  const key = JSON.stringify([unknown, notes]);
  if (parts.notes.dataset.shown === key) return;
  parts.notes.dataset.shown = key;
  parts.unknown.hidden = unknown.length === 0;
  parts.unknown.replaceChildren(...(unknown.length > 0 ? incomplete(unknown) : []));
  const list = element("ul", {}, ...notes.map((text) => element("li", { text })));
  parts.notes.replaceChildren(...(notes.length > 0 ? [element("details", {}, element("summary", { text: notes.length === 1 ? "1 note" : `${notes.length} notes` }), list)] : []));
}

const MOST_UNKNOWN = 12;

/** What is not counted, in plain sight. */
function incomplete(unknown) {
  const lines = unknown.slice(0, MOST_UNKNOWN).map((each) => element("li", { text: `${each.path || "the network"}: ${each.op}${each.reason ? ` (${each.reason})` : ""}` }));
  if (unknown.length > MOST_UNKNOWN) lines.push(element("li", { text: `and ${unknown.length - MOST_UNKNOWN} more` }));
  const what = unknown.length === 1 ? "1 operation is unknown: the numbers leave it out." : `${unknown.length} operations are unknown: the numbers leave them out.`;
  return [element("p", {}, element("strong", { text: "INCOMPLETE. " }), what), element("ul", {}, ...lines)];
}

/** One sentence about a network, for those who do not see it. */
export function sentence(network, numbers, number) {
  if (network.error) return `Network ${LETTERS[number]}: ${network.error.message}`;
  const parameters = numbers.of("parameters.total");
  const flops = numbers.of("step.flops");
  const pass = isForwardOnly(network) ? "the forward pass" : "a step";
  return parameters === null ? "" : `Network ${LETTERS[number]}: ${exact(parameters)} parameters, ${exact(flops)} flops in ${pass}.`;
}
