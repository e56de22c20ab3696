// Where to start from: presets, families with a few named sizes, and files.

import { element } from "../dom.js";
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
  const form = element("form", { class: "family-form" }, ...fields, element("button", { type: "submit", text: "Use it" }));
  const made = element("details", { class: "family" }, element("summary", { class: "chip", text: `${family.title} …` }), form);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const source = specOf(family, form);
    if (source === null) return;
    made.open = false;
    onStart({ source, title: family.title });
  });
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

/** The spec of a family at the sizes in its form; null, with the field marked, where one is none. */
function specOf(family, form) {
  let source = family.spec;
  for (const input of form.querySelectorAll("input")) {
    const size = typed(input.value);
    input.toggleAttribute("aria-invalid", size === null);
    if (size === null) {
      input.setAttribute("aria-invalid", "true");
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
