// The tabs below the networks: the drawing, all numbers, layers, charts, and worked arithmetic.

import { told } from "../asking.js";
import { element, say } from "../dom.js";
import { closedRequest, keyOf } from "../network.js";
import { LETTERS } from "../quantities.js";
import { comparison, comparisonRows } from "./compare.js";
import { copyText, download, fileName, pngOf, tableAs } from "./copy.js";
import { layerRows, layers } from "./layers.js";
import { picture, theme } from "./picture.js";
import { working } from "./working.js";

const TABS = [["drawing", "Drawing"], ["numbers", "All numbers"], ["layers", "Layers"], ["charts", "Charts"], ["working", "Worked arithmetic"]];
const CHARTS = [["layers", "Cost by layer"], ["memory", "Memory over a step"], ["roofline", "Roofline"], ["time", "Time by cause"], ["tree", "Tree of layers"]];
const FORMS = [["markdown", "Markdown"], ["latex", "LaTeX"], ["csv", "CSV"], ["json", "JSON"]];

/** The tabs and what stands below them. */
export class Panel {
  first = "drawing";
  tab = "drawing";
  topic = "parameters";
  chart = "layers";
  #search = "";
  #told = new Map();
  #shown = "";
  #networks = [];

  constructor({ tabs, place, asking, actions, state, announce }) {
    Object.assign(this, { tabs, place, asking, actions, state, announce });
    tabs.replaceChildren(...TABS.map(([name, title]) => element("button", { type: "button", role: "tab", id: `tab-${name}`, "data-name": name, "aria-controls": "panel", text: title, on: { click: () => this.choose(name, true) } })));
    tabs.addEventListener("keydown", (event) => this.#keys(event));
  }

  #keys(event) {
    const names = TABS.map(([name]) => name);
    const at = names.indexOf(this.tab);
    const next = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: names.length - 1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    this.choose(names[(next + names.length) % names.length], true);
    document.getElementById(`tab-${this.tab}`).focus();
  }

  /** Show another tab. */
  choose(name, isShown = false) {
    this.tab = TABS.some(([each]) => each === name) ? name : this.first;
    for (const button of this.tabs.children) {
      button.setAttribute("aria-selected", String(button.dataset.name === this.tab));
      button.tabIndex = button.dataset.name === this.tab ? 0 : -1;
    }
    this.place.setAttribute("aria-labelledby", `tab-${this.tab}`);
    if (!isShown) return;
    this.show(this.#networks);
    this.#changed();
  }

  /** The link says which tab is shown, and of what. */
  #changed() {
    this.asking.later("link", 200, () => dispatchEvent(new Event("nncost-link")));
  }

  /** Show the arithmetic behind a number. */
  explain(topic) {
    this.topic = topic;
    this.choose("working", true);
    this.place.focus({ preventScroll: true });
    this.place.scrollIntoView({ block: "nearest", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  }

  get #selected() {
    return this.#networks[this.state.selected] ?? this.#networks[0];
  }

  /** Show the networks as they are now. */
  show(networks) {
    this.#networks = networks;
    if (networks.length === 0) return;
    const made = { drawing: () => this.#drawing(), numbers: () => this.#numbers(), layers: () => this.#layers(), charts: () => this.#charts(), working: () => this.#working() }[this.tab]();
    if (made !== null) this.#replace(made);
  }

  /** Put new content in, with the focus and the places of scrolling where they were. */
  #replace(made) {
    const held = document.activeElement;
    const key = this.place.contains(held) ? held.id || held.dataset.path : null;
    const scrolled = this.place.querySelector(".wide")?.scrollLeft ?? 0;
    this.place.replaceChildren(...made);
    const wide = this.place.querySelector(".wide");
    if (wide) wide.scrollLeft = scrolled;
    if (key) (this.place.querySelector(`#${CSS.escape(key)}`) ?? this.place.querySelector(`[data-path="${CSS.escape(key)}"]`))?.focus({ preventScroll: true });
  }

  #isShown(key) {
    if (this.#shown === key) return true;
    this.#shown = key;
    return false;
  }

  #heading(text) {
    const { network } = this.#selected;
    const number = this.state.networks.indexOf(network);
    return element("p", { class: "panel-head" }, this.#networks.length > 1 ? element("span", { class: "badge", "data-number": String(number), text: LETTERS[number] }) : "", element("code", { text: network.title && network.source.startsWith("upload:") ? network.title : network.source }), text ? ` ${text}` : "");
  }

  // ----------------------------------------------------------------- tables
  #numbers() {
    const key = `numbers ${this.#networks.map(({ network, numbers }) => keyOf(network) + numbers.of("step.flops") + network.isBusy + numbers.of("memory.step_peak")).join()}`;
    if (this.#isShown(key)) return null;
    return [this.#copies(() => comparisonRows(this.#networks), "Networks compared", "numbers"), comparison(this.#networks, this.actions)];
  }

  #layers() {
    const { network, numbers } = this.#selected;
    const key = `layers ${keyOf(network)} ${network.isBusy} ${numbers.rows === null} ${this.#search}`;
    if (this.#isShown(key)) return null;
    const search = element("input", { type: "search", id: "search", value: this.#search, placeholder: "Find a layer", "aria-label": "Find a layer", maxlength: "200", on: { input: () => { this.#search = search.value; this.show(this.#networks); this.place.querySelector("#search").focus(); } } });
    return [this.#heading(), this.#copies(() => layerRows(numbers), `Layers of ${network.source}`, "layers", search), layers(network, numbers, this.#search)];
  }

  /** Buttons that copy a table. */
  #copies(lines, title, name, ...before) {
    const buttons = FORMS.map(([form, label]) => element("button", { type: "button", class: "small wordy", id: `copy-${name}-${form}`, text: label, on: { click: (event) => this.#copy(tableAs(form, lines(), title), label, event.currentTarget) } }));
    return element("p", { class: "panel-tools" }, ...before, element("span", { class: "quiet", text: "Copy as" }), ...buttons);
  }

  async #copy(text, label, button) {
    const before = button.textContent;
    try {
      await copyText(text);
      this.announce(`Copied as ${label}.`);
      say(button, "Copied");
    } catch (error) {
      this.announce(`Not copied: ${error.message}.`);
      say(button, "Not copied");
    }
    setTimeout(() => say(button, before), 1500);
  }

  // ----------------------------------------------------------------- what Python draws and writes
  #drawing() {
    return this.#picture("drawing", { kind: "network", form: "svg" }, []);
  }

  #charts() {
    const select = element("select", { id: "chart", on: { change: () => { this.chart = select.value; this.show(this.#networks); this.#changed(); } } }, ...CHARTS.map(([value, text]) => element("option", { value, text })));
    select.value = this.chart;
    const needsDevice = this.chart === "roofline" || this.chart === "time";
    return this.#picture(`chart ${this.chart}`, { kind: this.chart, form: "json", theme: theme(), ...(needsDevice ? { on: this.state.device } : {}) }, [element("label", { for: "chart", text: "Chart: " }), select]);
  }

  #picture(purpose, wanted, before) {
    const found = this.#asked(purpose, "plot", wanted);
    if (this.#isShown(`${purpose} ${found.key} ${found.state}`)) return null;
    const of = `${purpose} ${this.#selected.network.id}`;
    const made = this.#lastPicture(found, of) ?? picture(found, "Python draws it …");
    made.dataset.of = of;
    const name = fileName(this.#selected.network, purpose === "drawing" ? "drawing" : this.chart);
    const png = element("button", { type: "button", class: "small wordy", id: "png", text: "PNG", on: { click: () => this.#png(made.querySelector("svg"), name) } });
    const svg = element("button", { type: "button", class: "small wordy", id: "svg", text: "SVG", on: { click: () => download(new Blob([found.answer.picture], { type: "image/svg+xml" }), `${name}.svg`) } });
    png.disabled = svg.disabled = found.isBusy === true;
    const tools = found.answer ? [element("span", { class: "quiet", text: "Save as" }), png, ...(found.answer.form === "svg" ? [svg] : [])] : [];
    return [this.#heading(), ...(before.length + tools.length > 0 ? [element("p", { class: "panel-tools" }, ...before, ...tools)] : []), made];
  }

  /** The picture that is there, dimmed, until that of the network as it is now replaces it. */
  #lastPicture(found, of) {
    const last = this.place.querySelector("figure.drawn");
    if (!found.isBusy || !found.answer || last?.dataset.of !== of) return null;
    last.classList.add("waiting");
    last.setAttribute("aria-busy", "true");
    return last;
  }

  async #png(svg, name) {
    try {
      if (svg === null) throw new Error("it is not drawn yet");
      download(await pngOf(svg), `${name}.png`);
      this.announce("The picture is saved as PNG.");
    } catch (error) {
      this.announce(`No picture: ${error.message}.`);
    }
  }

  #working() {
    const found = this.#asked("working", "explain", { topic: this.topic });
    const { network } = this.#selected;
    if (this.#isShown(`working ${found.key} ${found.state} ${Boolean(network.answer?.formulas)}`)) return null;
    const forms = FORMS.slice(0, 2).map(([form, label]) => element("button", { type: "button", class: "small wordy", id: `copy-working-${form}`, text: label, on: { click: (event) => this.#copyWorking(form, label, event.currentTarget) } }));
    const made = working(network, { topic: this.topic, told: found.told, text: found.answer?.text, isBusy: found.isBusy }, (topic) => this.explain(topic));
    made.querySelector(".panel-tools").append(element("span", { class: "quiet", text: "Copy as" }), ...forms);
    return [this.#heading(), made];
  }

  async #copyWorking(form, label, button) {
    const { network } = this.#selected;
    const answer = await this.asking.ask("copy", "explain", { ...closedRequest(network), topic: this.topic, form });
    await this.#copy(answer.text, label, button);
  }

  /** What Python says to a request about the selected network: asked for once it stands still. */
  #asked(purpose, name, wanted) {
    const { network } = this.#selected;
    if (network.error !== null) return { key: keyOf(network), state: "error", told: { message: "This appears once the spec can be read." } };
    const request = { ...closedRequest(network), ...wanted };
    const key = JSON.stringify([name, request]);
    const last = this.#told.get(purpose);
    if (last?.key === key) return last;
    const waiting = { key, state: "waiting", isBusy: true, answer: last?.network === network.id ? last.answer : undefined, network: network.id };
    this.#told.set(purpose, waiting);
    this.asking.later(`panel ${purpose}`, network.isBusy ? 350 : 60, () => this.#ask(purpose, name, request, key, network));
    return waiting;
  }

  async #ask(purpose, name, request, key, network) {
    let found;
    try {
      found = { key, state: "there", answer: await this.asking.ask(`panel ${purpose}`, name, request), network: network.id };
    } catch (error) {
      if (error.name === "AbortError") return;
      found = { key, state: "told", told: told(error), network: network.id };
    }
    if (this.#told.get(purpose)?.key !== key) return;
    this.#told.set(purpose, found);
    this.show(this.#networks);
  }
}
