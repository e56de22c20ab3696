// Where to start from: presets, families with a few named sizes, and files.

import { element, say } from "../dom.js";
import { typed } from "../numbers.js";

/** Fill the bar of presets; `onStart` hears the network that is wanted, `onFile` a file. */
export function startBar(place, { presets, families }, { onStart, onFile, canUpload }) {
  const chips = presets.map((preset) => element("button", { type: "button", class: "chip", title: preset.note, text: preset.title, on: { click: () => onStart({ source: preset.source, title: preset.title, ...preset.settings }) } }));
  const builders = families.map((family) => familyForm(family, onStart));
  place.replaceChildren(element("span", { class: "start", text: "Start from" }), ...chips, ...builders, fileField(onFile, canUpload));
}

function familyForm(family, onStart) {
  const fields = family.parameters.map((parameter) => {
    const input = element("input", { type: "text", class: "size", inputmode: "numeric", maxlength: "40", value: parameter.value, "data-name": parameter.name, autocomplete: "off" });
    return element("label", {}, element("span", { text: parameter.label }), input);
  });
  const word = element("p", { class: "family-word", role: "status" });
  const form = element("form", { class: "family-form" }, ...fields, word, element("button", { type: "submit", text: "Use it" }));
  const made = element("details", { class: "family" }, element("summary", { class: "chip", text: `${family.title} …` }), form);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const source = fitted(family, form, word) ? specOf(family, form, word) : null;
    if (source === null) return;
    made.open = false;
    onStart({ source, title: family.title });
  });
  form.addEventListener("input", () => word.replaceChildren());
  made.addEventListener("toggle", () => {
    if (!made.open) return;
    closeOthers(made);
    keepInside(made, form);
  });
  made.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !made.open) return;
    made.open = false;
    made.querySelector("summary").focus();
  });
  return made;
}

function closeOthers(open) {
  for (const other of open.parentElement.querySelectorAll("details.family[open]")) if (other !== open) other.open = false;
}

/** Put an open form below its button, but not beyond the edge of the page. */
function keepInside(made, form) {
  const bar = made.parentElement;
  form.style.left = `${Math.max(0, Math.min(made.offsetLeft, bar.clientWidth - form.offsetWidth))}px`;
}

/** Whether sizes are multiples of others as they must be, as a width of its heads; one that is not goes to the nearest, with a word. */
function fitted(family, form, word) {
  const field = (name) => form.querySelector(`[data-name="${name}"]`);
  for (const { name, label, multiple_of: other } of family.parameters.filter((each) => each.multiple_of)) {
    const [size, unit] = [typed(field(name).value), typed(field(other).value)];
    if (size === null || unit === null || size % unit === 0n) continue;
    const times = (2n * size + unit) / (2n * unit);
    field(name).value = String((times || 1n) * unit);
    say(word, `${size} is no multiple of ${unit} ${other}: the ${label} is ${field(name).value} now.`);
    return false;
  }
  return true;
}

/** The spec of a family at the sizes in its form; null, with the field marked, where one is none. */
function specOf(family, form, word) {
  let source = family.spec;
  for (const input of form.querySelectorAll("input")) {
    const size = typed(input.value);
    input.toggleAttribute("aria-invalid", size === null);
    if (size === null) {
      input.setAttribute("aria-invalid", "true");
      say(word, "Each is a whole number, 1 or more.");
      input.focus();
      return null;
    }
    source = source.replaceAll(`{${input.dataset.name}}`, String(size));
  }
  return source;
}

function fileField(onFile, canUpload) {
  if (!canUpload) return element("p", { class: "start quiet", text: "Files (ONNX, safetensors, GGUF, config.json) are read by  nncost web  on your own machine, not by this page." });
  const input = element("input", { type: "file", class: "unseen", id: "file", accept: ".onnx,.safetensors,.gguf,.json", on: { change: () => { if (input.files.length > 0) onFile(input.files[0]); input.value = ""; } } });
  return element("span", { class: "file" }, input, element("label", { class: "chip", for: "file", text: "Open a file …", title: "ONNX, safetensors, GGUF or config.json" }));
}
