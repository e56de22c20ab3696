// One size that can be dragged: a slider, and a field for any number.

import { element, say } from "../dom.js";
import { exact, typed } from "../numbers.js";

const ACCEPTED = "A whole number, 1 or more.";
let lastWord = 0;
const MOST_STEPS = 2048n;
const FINE = 1024n;

/** A row for a handle; `onDrag(key, size)` hears every change. */
export function handleRow(handle, networkName, onDrag) {
  const name = element("span", { class: "handle-name" });
  const slider = element("input", { type: "range", class: "slider", min: "0" });
  const field = element("input", { type: "text", class: "size", inputmode: "numeric", autocomplete: "off", spellcheck: "false", maxlength: "1400" });
  const word = element("p", { class: "size-word", id: `word-${++lastWord}`, role: "status" });
  field.setAttribute("aria-describedby", word.id);
  const row = element("div", { class: "handle" }, element("span", { class: "handle-label" }, name), slider, field, word);
  row.scale = null;
  const set = (size) => {
    say(word, "");
    row.handle = { ...row.handle, size };
    onDrag(row.handle.key, size);
  };
  slider.addEventListener("input", () => set(sizeAt(row.scale, slider.value)));
  field.addEventListener("input", () => read(row, set));
  field.addEventListener("change", () => settle(row, set));
  field.addEventListener("keydown", (event) => step(event, row.handle, set));
  row.parts = { name, slider, field, word, networkName };
  return row;
}

/** Show a handle as it is now. */
export function updateHandle(row, handle) {
  const { name, slider, field, word, networkName } = row.parts;
  const isSame = row.handle?.size === handle.size;
  row.handle = handle;
  slider.disabled = field.disabled = handle.isDisabled === true;
  say(name, handle.places > 1 ? `${handle.label} (${handle.places} places)` : handle.label);
  for (const [input, what] of [[slider, ""], [field, ", as a number"]]) input.setAttribute("aria-label", `${handle.label} of ${networkName()}${what}`);
  const isHeld = document.activeElement === slider;
  if (row.scale === null || !fits(row.scale, handle) || (!isHeld && needsAnother(row.scale, handle))) row.scale = scaleOf(handle);
  slider.max = String(row.scale.steps);
  slider.value = String(positionOf(row.scale, handle.size));
  slider.setAttribute("aria-valuetext", exact(handle.size));
  slider.style.setProperty("--share", `${(100 * Number(slider.value)) / Math.max(1, row.scale.steps)}%`);
  if (!isSame) say(word, "");
  const isWrong = field.getAttribute("aria-invalid") === "true";
  if (isSame && isWrong && document.activeElement === field) return;
  if (document.activeElement !== field || typed(field.value) !== handle.size) write(field, handle);
}

function write(field, handle) {
  const text = String(handle.size);
  if (field.value !== text) field.value = text;
  field.removeAttribute("aria-invalid");
}

/** Take what is typed, or say in a word why it is not taken. */
function read({ handle, parts: { field, word } }, set) {
  const size = typed(field.value);
  const reason = size === null ? ACCEPTED : size === nearest(handle, size) ? "" : `${accepted(handle)}: Enter takes ${nearest(handle, size)}.`;
  say(word, reason);
  if (reason === "") field.removeAttribute("aria-invalid");
  else field.setAttribute("aria-invalid", "true");
  if (reason === "") set(size);
}

/** What is typed is done: a size between two steps goes to the nearest, and the last size comes back for what is none. */
function settle(row, set) {
  const { handle, parts: { field, word } } = row;
  const [written, size] = [field.value.trim().slice(0, 20), typed(field.value)];
  if (size !== null && size !== nearest(handle, size)) {
    set(nearest(handle, size));
    say(word, `${accepted(handle)}: ${row.handle.size} is taken instead of ${written}.`);
  } else if (size === null) {
    say(word, `${written === "" ? "Nothing" : `“${written}”`} is no size: ${handle.size} stays. ${ACCEPTED}`);
  }
  write(field, row.handle);
}

function accepted({ step = 1, least, most }) {
  return most ? `From ${least} to ${most}` : `In steps of ${step}`;
}

/** The size nearest to one that the layers accept: attention of several heads in steps, the last of a family within bounds. */
function nearest(handle, size) {
  const { least = 1, most } = handle;
  const stepped = inStep(handle, size);
  if (stepped < BigInt(least)) return BigInt(least);
  return most && stepped > BigInt(most) ? BigInt(most) : stepped;
}

function inStep({ size: present, step = 1 }, size) {
  const unit = BigInt(step);
  const least = present % unit || unit;
  if (size <= least) return least;
  const behind = (size - least) % unit;
  return 2n * behind >= unit ? size - behind + unit : size - behind;
}

/** Arrow and page keys in the field step as those of a slider do. */
function step(event, handle, set) {
  const unit = BigInt(handle.step ?? 1);
  const by = { ArrowUp: unit, ArrowDown: -unit, PageUp: 10n * unit, PageDown: -10n * unit }[event.key];
  if (by === undefined) return;
  event.preventDefault();
  if (handle.size + by >= 1n) set(nearest(handle, handle.size + by));
}

// ------------------------------------------------------------------- sliders go to any size
function scaleOf(handle) {
  const [low, high, unit] = [BigInt(handle.minimum), BigInt(handle.maximum), BigInt(handle.step ?? 1)];
  const far = handle.size > high ? 2n * handle.size : high;
  const top = handle.most && far > BigInt(handle.most) ? BigInt(handle.most) : far;
  const count = (top - low) / unit;
  return { low, unit: count > MOST_STEPS ? (count / FINE) * unit : unit, steps: Number(count > MOST_STEPS ? FINE : count), step: unit };
}

function fits(scale, handle) {
  return handle.size <= scale.low + BigInt(scale.steps) * scale.unit && scale.step === BigInt(handle.step ?? 1);
}

function needsAnother(scale, handle) {
  const top = scale.low + BigInt(scale.steps) * scale.unit;
  return top > 16n * BigInt(handle.maximum) || BigInt(handle.maximum) > 4n * top;
}

function sizeAt(scale, position) {
  const size = scale.low + BigInt(position) * scale.unit;
  return size < 1n ? 1n : size;
}

function positionOf(scale, size) {
  const position = (size - scale.low + scale.unit / 2n) / scale.unit;
  return position < 0n ? 0 : Math.min(Number(position), scale.steps);
}
