// One size that can be dragged: a slider, and a field for any number.

import { element, say } from "../dom.js";
import { exact, typed } from "../numbers.js";

const MOST_STEPS = 2048n;
const FINE = 1024n;

/** A row for a handle; `onDrag(key, size)` hears every change. */
export function handleRow(handle, networkName, onDrag) {
  const name = element("span", { class: "handle-name" });
  const slider = element("input", { type: "range", class: "slider", min: "0" });
  const field = element("input", { type: "text", class: "size", inputmode: "numeric", autocomplete: "off", spellcheck: "false", maxlength: "1400" });
  const row = element("div", { class: "handle" }, element("span", { class: "handle-label" }, name), slider, field);
  row.scale = null;
  const set = (size) => {
    row.handle = { ...row.handle, size };
    onDrag(row.handle.key, size);
  };
  slider.addEventListener("input", () => set(sizeAt(row.scale, slider.value)));
  field.addEventListener("input", () => read(field, set));
  field.addEventListener("change", () => write(field, row.handle));
  field.addEventListener("keydown", (event) => step(event, row.handle, set));
  row.parts = { name, slider, field, networkName };
  return row;
}

/** Show a handle as it is now. */
export function updateHandle(row, handle) {
  const { name, slider, field, networkName } = row.parts;
  row.handle = handle;
  say(name, handle.places > 1 ? `${handle.label} (${handle.places} places)` : handle.label);
  for (const [input, what] of [[slider, ""], [field, ", as a number"]]) input.setAttribute("aria-label", `${handle.label} of ${networkName()}${what}`);
  const isHeld = document.activeElement === slider;
  if (row.scale === null || !fits(row.scale, handle) || (!isHeld && needsAnother(row.scale, handle))) row.scale = scaleOf(handle);
  slider.max = String(row.scale.steps);
  slider.value = String(positionOf(row.scale, handle.size));
  slider.setAttribute("aria-valuetext", exact(handle.size));
  slider.style.setProperty("--share", `${(100 * Number(slider.value)) / Math.max(1, row.scale.steps)}%`);
  if (document.activeElement !== field || typed(field.value) !== handle.size) write(field, handle);
  field.removeAttribute("aria-invalid");
}

function write(field, handle) {
  const text = String(handle.size);
  if (field.value !== text) field.value = text;
  field.removeAttribute("aria-invalid");
}

function read(field, set) {
  const size = typed(field.value);
  if (size === null) field.setAttribute("aria-invalid", "true");
  else set(size);
}

/** Arrow and page keys in the field step as those of a slider do. */
function step(event, handle, set) {
  const unit = BigInt(handle.step ?? 1);
  const by = { ArrowUp: unit, ArrowDown: -unit, PageUp: 10n * unit, PageDown: -10n * unit }[event.key];
  if (by === undefined) return;
  event.preventDefault();
  if (handle.size + by >= 1n) set(handle.size + by);
}

// ------------------------------------------------------------------- sliders go to any size
function scaleOf(handle) {
  const [low, high, unit] = [BigInt(handle.minimum), BigInt(handle.maximum), BigInt(handle.step ?? 1)];
  const top = handle.size > high ? 2n * handle.size : high;
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
