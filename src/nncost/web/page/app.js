// The page: its state, what is done to it, and when it is shown again.

import { Asking, told } from "./asking.js";
import { backend } from "./backend.js";
import { element, say } from "./dom.js";
import { BadLink, MOST_NETWORKS, read, written } from "./link.js";
import { SETTINGS, closedRequest, drag, fresh, numbersOf, rewrite } from "./network.js";
import { LETTERS } from "./quantities.js";
import { card, sentence, updateCard } from "./views/card.js";
import { copyText } from "./views/copy.js";
import { Panel } from "./views/panel.js";
import { startBar } from "./views/start.js";

const FIRST = { source: "784-16-16-10", title: "Textbook network" };
const DEVICE = "h100";
const [TYPING, DRAGGING, AT_ONCE] = [250, 160, 0];
const place = (id) => document.getElementById(id);

/** `missing` are files that the link names: they were open where it was made. */
const state = { networks: [], device: DEVICE, tab: "", selected: 0, missing: [] };
const predictions = new Map();
let choices = { devices: [] };
let presets = { presets: [], families: [] };
let isScheduled = false;
let linkWritten = "";

const python = backend((text, isReady, failed) => {
  const line = place("python");
  say(line, text);
  line.hidden = isReady;
  line.classList.toggle("failed", failed);
});
const asking = new Asking(python, arrived);

// ------------------------------------------------------------------- what is done
const actions = {
  numberOf: (network) => state.networks.indexOf(network),
  drag(network, key, size) {
    drag(network, key, size);
    if (!isFile(network)) network.title = "";
    asking.numbers(network, DRAGGING);
    show();
  },
  write(network, source) {
    rewrite(network, { source, title: "" });
    foundMissing();
    asking.numbers(network, TYPING);
    show();
  },
  set(network, key, value) {
    rewrite(network, { [key]: value });
    asking.numbers(network, AT_ONCE);
    show();
  },
  select(network) {
    const number = state.networks.indexOf(network);
    if (number < 0 || number === state.selected) return;
    state.selected = number;
    show();
  },
  explain(network, topic) {
    actions.select(network);
    panel.explain(topic);
  },
  duplicate(network) {
    const { source, batch, symbols, title } = network;
    const settings = Object.fromEntries(SETTINGS.map((name) => [name, network[name]]));
    add(fresh({ source, batch, symbols, title, ...settings }), state.networks.indexOf(network) + 1);
  },
  remove(network) {
    const number = state.networks.indexOf(network);
    state.networks.splice(number, 1);
    asking.forget(network);
    state.selected = Math.min(state.selected, state.networks.length - 1);
    announce(`Network ${LETTERS[number]} is removed.`);
    show();
    place("networks").children[state.selected]?.querySelector(".spec").focus();
  },
  move(network, by) {
    const number = state.networks.indexOf(network);
    state.networks.splice(number, 1);
    state.networks.splice(number + by, 0, network);
    state.selected = number + by;
    show();
    announce(`It is network ${LETTERS[number + by]} now.`);
    place("networks").children[state.selected]?.querySelector(".spec").focus();
  },
};

function add(network, at = state.networks.length) {
  if (state.networks.length >= MOST_NETWORKS) return;
  state.networks.splice(at, 0, network);
  state.selected = at;
  asking.numbers(network, AT_ONCE);
  show();
  place("networks").children[at]?.querySelector(".spec").focus({ preventScroll: false });
}

function start(wanted) {
  const old = state.networks[state.selected];
  asking.forget(old);
  const network = fresh(wanted);
  foundMissing();
  state.networks[state.selected] = network;
  asking.numbers(network, AT_ONCE);
  show();
}

async function open(file) {
  announce(`${file.name} is sent to Python on this machine.`);
  try {
    const { source, name } = await python.upload(file);
    start({ source, title: name });
  } catch (error) {
    complain(`${file.name}: ${told(error).message} ${told(error).hint ?? ""}`);
  }
}

// ------------------------------------------------------------------- what arrives
function arrived(network) {
  askTime(network);
  const number = state.networks.indexOf(network);
  if (number >= 0) announce(sentence(network, numbersOf(network), number));
  show();
}

const NO_OPERATIONS = { told: { message: "There are no operations in this file, only parameters." } };
const NO_NETWORK = { told: { message: "It appears once the spec can be read." } };

const timeRequest = (network) => ({ ...closedRequest(network), on: state.device });

/** Ask how long the network takes, as it was answered: what is still being typed is nobody's network yet. */
async function askTime(network) {
  if (network.error !== null || network.answer === null || network.answer.kind === "weights") return;
  const request = timeRequest(network);
  const key = JSON.stringify(request);
  try {
    predictions.set(network.id, { key, found: await asking.ask(`time ${network.id}`, "predict", request) });
  } catch (error) {
    if (error.name === "AbortError") return;
    predictions.set(network.id, { key, found: { told: told(error) } });
  }
  show();
}

/** The time of the network as it is now, or why there is none; nothing while it is not known. */
function timeOf(network) {
  if (network.error !== null) return NO_NETWORK;
  if (network.answer?.kind === "weights") return NO_OPERATIONS;
  const last = predictions.get(network.id);
  return last?.key === JSON.stringify(timeRequest(network)) ? last.found : undefined;
}

// ------------------------------------------------------------------- what is shown
const panel = new Panel({ tabs: place("tabs"), place: place("panel"), asking, actions, state, announce });

function show() {
  if (isScheduled) return;
  isScheduled = true;
  requestAnimationFrame(() => {
    isScheduled = false;
    render();
  });
}

const cards = new Map();

function render() {
  const shown = state.networks.map((network) => ({ network, numbers: numbersOf(network) }));
  const row = place("networks");
  row.dataset.count = String(shown.length);
  for (const [network, made] of cards) if (!state.networks.includes(network)) { made.remove(); cards.delete(network); }
  shown.forEach(({ network }, number) => {
    if (!cards.has(network)) cards.set(network, card(network, actions));
    const made = cards.get(network);
    if (row.children[number] !== made) row.insertBefore(made, row.children[number] ?? null);
  });
  const device = choices.devices.find((each) => each.name === state.device)?.title ?? "";
  shown.forEach(({ network, numbers }, number) => updateCard(cards.get(network), {
    network, numbers, number, first: shown[0].numbers, count: shown.length, isSelected: number === state.selected, choices, device, actions,
    prediction: timeOf(network), firstPrediction: timeOf(shown[0].network),
  }));
  place("add").disabled = shown.length >= MOST_NETWORKS;
  panel.show(shown);
  asking.later("link", 200, writeLink);
}

let said;

/** Tell those who do not see the page, when it has settled. */
function announce(text) {
  clearTimeout(said);
  if (text) said = setTimeout(() => say(place("status"), text), 700);
}

/** What the link missed is there, or is wanted no more. */
function foundMissing() {
  if (state.missing.length === 0) return;
  state.missing = [];
  complain("");
}

function complain(text) {
  const line = place("message");
  say(line, text);
  line.hidden = text === "";
}

// ------------------------------------------------------------------- the link
const isFile = (network) => network.source.startsWith("upload:");

/** The names of the files that are open. */
function openFiles() {
  return [...new Set(state.networks.filter(isFile).map((network) => network.title))];
}

function stateForLink() {
  const networks = state.networks.filter((network) => !isFile(network));
  return {
    networks, files: [...state.missing, ...openFiles()], device: state.device === DEVICE ? "" : state.device, tab: panel.tab === panel.first ? "" : panel.tab,
    topic: panel.tab === "working" ? panel.topic : "", chart: panel.tab === "charts" ? panel.chart : "",
    selected: state.selected > 0 ? String(state.selected + 1) : "",
  };
}

async function writeLink() {
  const found = stateForLink();
  const text = found.networks.length + found.files.length > 0 ? await written(found) : "";
  linkWritten = text;
  if (location.hash.replace(/^#/, "") !== text) history.replaceState(null, "", text === "" ? location.pathname : `#${text}`);
}

async function readLink() {
  try {
    const found = await read(location.hash);
    complain(unshown(found));
    return found;
  } catch (error) {
    if (!(error instanceof BadLink)) throw error;
    complain(`${error.message} The page starts as usual.`);
    return null;
  }
}

/** What a link says that the page does not show. */
function unshown(found) {
  const lines = [];
  const files = found?.files ?? [];
  if (files.length > 0) lines.push(`A link holds no files. Open ${listed(files)} again to see ${files.length > 1 ? "them" : "it"}${found.networks.length === 0 ? "; until then this is the textbook network" : ""}.`);
  if (found?.ignored) lines.push(`The link has ${listed(found.ignored.map((key) => JSON.stringify(key)))}, which nothing here is called: left out.`);
  if (found?.unread) lines.push(`${found.unread.length > 1 ? "The values of" : "The value of"} ${listed(found.unread.map((key) => JSON.stringify(key)))} in the link cannot be read: left out.`);
  return lines.join(" ");
}

function listed(names) {
  return names.length > 1 ? `${names.slice(0, -1).join(", ")} and ${names.at(-1)}` : names[0];
}

function restore(found) {
  state.networks.forEach((network) => asking.forget(network));
  state.missing = found?.files ?? [];
  state.networks = (found?.networks.length > 0 ? found.networks : [FIRST]).map((network) => fresh({ ...network, title: network.title ?? titleOf(network) }));
  state.device = choices.devices.length === 0 || choices.devices.some((each) => each.name === found?.device) ? found?.device ?? DEVICE : DEVICE;
  state.selected = Math.min(Math.max(0, (Number.parseInt(found?.selected ?? "1", 10) || 1) - 1), state.networks.length - 1);
  panel.topic = found?.topic ?? panel.topic;
  panel.chart = found?.chart ?? panel.chart;
  panel.choose(found?.tab ?? panel.first);
  for (const network of state.networks) asking.numbers(network, AT_ONCE);
  place("device").value = state.device;
  show();
}

function titleOf(network) {
  return presets.presets.find((preset) => preset.source === network.source)?.title ?? "";
}

async function shareLink() {
  await writeLink();
  const left = openFiles();
  try {
    await copyText(location.href);
    say(place("share"), "Link copied");
    announce(`The link is copied: ${location.href.length.toLocaleString("en")} characters.`);
    if (left.length > 0) complain(`The link holds the name of ${listed(left)}, not the file: whoever opens it is asked for the file${stateForLink().networks.length === 0 ? ", and sees the textbook network until then" : ""}.`);
  } catch (error) {
    complain(`The link was not copied: ${error.message}. It stands in the address bar.`);
  }
  setTimeout(() => say(place("share"), "Copy link"), 2000);
}

// ------------------------------------------------------------------- the start
async function begin() {
  const found = await readLink();
  const [known, options] = await Promise.all(["presets.json", "answers/choices.json"].map(async (name) => (await fetch(`page/${name}`)).json()));
  presets = known;
  choices = options;
  asking.knows(presets.presets);
  const makers = Map.groupBy ? Map.groupBy(choices.devices, (each) => each.vendor) : new Map([["", choices.devices]]);
  place("device").replaceChildren(...[...makers].map(([vendor, devices]) => element("optgroup", { label: vendor }, ...devices.map((each) => element("option", { value: each.name, text: each.title })))));
  startBar(place("presets"), presets, { onStart: start, onFile: open, canUpload: python.canUpload });
  restore(found);
}

place("add").addEventListener("click", () => add(fresh({ source: state.networks[0]?.source === FIRST.source ? "784-32-10" : FIRST.source })));
place("share").addEventListener("click", shareLink);
place("device").addEventListener("change", () => {
  state.device = place("device").value;
  state.networks.forEach(askTime);
  show();
});
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  place("networks").focus();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
addEventListener("resize", show);
addEventListener("nncost-link", writeLink);
addEventListener("hashchange", async () => {
  if (location.hash.replace(/^#/, "") !== linkWritten) restore(await readLink());
});

begin();
if (document.querySelector('meta[name="nncost-backend"]').content === "worker" && "serviceWorker" in navigator) {
  navigator.serviceWorker.register("offline.js").catch(() => { /* without it the page only needs the network again */ });
}
