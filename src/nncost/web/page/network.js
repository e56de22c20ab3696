// One network on the page: its text and settings, Python's last answer, the sizes as they are dragged, and the numbers at them.

import { NoValue, evaluate, valueOrNull } from "./evaluator.js";

export const SETTINGS = ["loss", "optimizer", "dtype", "bias", "activation", "mode"];
/** Hidden layers up to which equal widths are written out, as in `16-16-16`; more of them are `16*12`. */
const WRITTEN_OUT = 8;
export const DEPTH = "depth";
export const ALL_WIDTHS = "all widths";
const BATCH = "batch";

let lastId = 0;

/** An object for names that people gave: one may be called `constructor` or `__proto__`. */
function byName(content = {}) {
  return Object.assign(Object.create(null), content);
}

/** A network as the link has it; its numbers come with an answer. */
export function fresh({ source, batch = "", symbols = {}, title = "", ...settings }) {
  const network = { id: ++lastId, source, batch, symbols: byName(symbols), title, answer: null, error: null, isBusy: false, isOther: false, isTyped: false, sizes: byName(), depth: null };
  for (const name of SETTINGS) network[name] = settings[name] ?? "";
  return network;
}

/** Whether it is counted forward only, as a file is, and a network without a loss. */
export function isForwardOnly(network) {
  return (network.loss || network.answer?.settings.loss) === "none";
}

/** What Python is asked about a network. */
export function requestOf(network) {
  const request = { source: network.source };
  if (network.batch) request.batch = network.batch;
  for (const name of SETTINGS) if (network[name]) request[name] = network[name];
  if (Object.keys(network.symbols).length > 0) request.symbols = { ...network.symbols };
  return request;
}

/** The request about a network as it was answered, with a size for each of its symbols. */
export function closedRequest(network) {
  const request = requestOf(network);
  const known = byName(network.answer?.symbols);
  delete request.symbols;
  const symbols = Object.fromEntries(Object.keys(byName({ ...known, ...network.symbols })).map((name) => [name, network.symbols[name] ?? known[name]]));
  return Object.keys(symbols).length > 0 ? { ...request, symbols } : request;
}

/** What tells an answer to this network, as it is now, from one to an earlier question. */
export function keyOf(network) {
  return JSON.stringify(requestOf(network));
}

/** Write another spec or setting: the last answer is to another network than this one until the next arrives. */
export function rewrite(network, changes) {
  Object.assign(network, changes, { isOther: true, error: null });
  if ("source" in changes) network.isTyped = true;
}

/** Take Python's answer: its sizes and values are the truth. */
export function accept(network, answer) {
  network.answer = answer;
  network.error = null;
  network.isOther = network.isTyped = false;
  for (const name of Object.keys(network.symbols)) if (!Object.hasOwn(answer.symbols, name)) delete network.symbols[name];
  network.sizes = byName(Object.fromEntries(answer.handles.map((handle) => [handle.name, BigInt(handle.value)])));
  network.depth = answer.depth
    ? { number: BigInt(answer.depth.number.value), width: answer.depth.width ? BigInt(answer.depth.width.value) : null }
    : null;
}

/** The sizes that can be dragged, each with its value now; `isDetail` marks those that one handle moves together. */
export function handlesOf(network) {
  const { answer, depth } = network;
  if (answer === null) return [];
  const hidden = new Set(answer.depth?.width ? answer.depth.runs.map((run) => run.width) : []);
  const counts = new Set(answer.depth?.runs.map((run) => run.count));
  const single = answer.handles
    .map((handle) => ({ ...handle, key: handle.name, size: network.sizes[handle.name], isDetail: hidden.has(handle.name) }))
    .filter((handle) => !(hidden.size === 1 && handle.isDetail) && !counts.has(handle.name));
  const joint = [];
  if (answer.depth?.width) joint.push({ ...answer.depth.width, key: ALL_WIDTHS, size: depth.width, label: hidden.size > 1 ? "all hidden widths" : "hidden width" });
  if (answer.depth) joint.push({ ...answer.depth.number, key: DEPTH, size: depth.number });
  const [batch, ...others] = single;
  return [...joint, ...others.filter((handle) => !handle.isDetail), ...(batch ? [batch] : []), ...others.filter((handle) => handle.isDetail)];
}

/** Give a handle another size; the text of the spec follows. */
export function drag(network, key, size) {
  const { answer, depth } = network;
  if (key === DEPTH && depth !== null) {
    depth.number = size;
  } else if (key === ALL_WIDTHS && depth !== null) {
    depth.width = size;
    for (const run of answer.depth.runs) network.sizes[run.width] = size;
  } else {
    network.sizes[key] = size;
    if (depth !== null && depth.width !== null) depth.width = jointWidth(network);
  }
  const handle = answer.handles.find((each) => each.name === key);
  if (!answer.pieces) network.isOther = true;
  if (handle?.group === BATCH) network.batch = String(size);
  if (answer.handles.some((each) => each.open)) network.symbols = bindings(network);
  network.source = sourceOf(network);
}

/** The one width that all hidden layers have; that of the first where they differ. */
function jointWidth(network) {
  return network.sizes[network.answer.depth.runs[0].width];
}

function hiddenAreAlike(network) {
  return network.answer.depth.runs.every((run) => network.sizes[run.width] === network.depth.width);
}

/** The sizes of the symbols that the spec's writer left open. */
function bindings(network) {
  const found = byName();
  for (const handle of network.answer.handles.filter((each) => each.open && each.group !== BATCH)) {
    const size = network.sizes[handle.name];
    if (!handle.base) found[handle.name] = String(size);
    else for (let k = BigInt(handle.first); k <= lastMember(network); k++) found[`${handle.base}${k}`] = String(size);
  }
  return found;
}

const MOST_MEMBERS = 400n;

function lastMember(network) {
  const last = network.answer.handles.find((each) => each.open && each.group === "repeat");
  const size = last ? network.sizes[last.name] : 0n;
  return size < MOST_MEMBERS ? size : MOST_MEMBERS;
}

/** The spec with the sizes as they are. */
function sourceOf(network) {
  const { answer } = network;
  if (!answer.pieces) return network.source;
  if (!hasOtherDepth(network)) return joined(answer.pieces, network);
  const { prefix, suffix } = answer.depth;
  return joined(prefix, network) + hiddenText(network) + joined(suffix, network);
}

function joined(pieces, network) {
  return pieces.map((piece) => (typeof piece === "string" ? piece : String(network.sizes[piece[0]]))).join("");
}

/** As many hidden layers as there shall be: the last ones go, or the last one is there several times. */
function hiddenText(network) {
  const runs = [];
  let left = network.depth.number;
  for (const { width, behind, count } of network.answer.depth.runs) {
    const times = count ? network.sizes[count] : 1n;
    add(runs, `${network.sizes[width]}${behind}`, times < left ? times : left);
    left -= times < left ? times : left;
  }
  add(runs, runs.at(-1).text, left);
  const isWrittenOut = network.depth.number <= WRITTEN_OUT;
  return runs.map(({ text, times }) => (isWrittenOut ? Array(Number(times)).fill(text).join("-") : times === 1n ? text : `${text}*${times}`)).join("-");
}

function add(runs, text, times) {
  if (times === 0n) return;
  if (runs.at(-1)?.text === text) runs.at(-1).times += times;
  else runs.push({ text, times });
}

function hasOtherDepth(network) {
  return network.depth !== null && network.depth.number !== BigInt(network.answer.depth.number.value);
}

// ------------------------------------------------------------------- numbers
/**
 * The value of each quantity at the sizes as they are: `of(path)` is a BigInt, or null where only Python knows; `rows` are the
 * layers, or null. Without a change they are Python's own, and final: what is null then is not known.
 */
export function numbersOf(network) {
  const { answer } = network;
  if (answer === null || network.isOther) return { of: () => null, rows: null, isFinal: network.error !== null };
  if (!hasChanged(network)) return { of: (path) => given(answer, path), rows: rowsAt(answer.rows, {}), isFinal: true };
  const derived = formulasFor(network);
  if (derived === null) return { of: () => null, rows: null, isFinal: false };
  const { formulas, sizes, memoryHolds } = derived;
  const of = (path) => {
    if (!memoryHolds && (BYTES_MOVED.test(path) || (path.startsWith("memory.") && !MEMORY_ALWAYS.has(path)))) return null;
    if (Object.hasOwn(formulas.quantities, path)) return valueOrNull(formulas.quantities[path], sizes);
    return Object.hasOwn(answer.values, path) || path.startsWith("memory.") ? null : 0n;
  };
  return { of, rows: rowsAt(formulas.rows, sizes), isFinal: false };
}

/** Traffic: that of a recurrent layer is another one in a sequence of one step. */
const BYTES_MOVED = /\.(read|write)_bytes$/;
/** Bytes that do not depend on when memory is freed. */
const MEMORY_ALWAYS = new Set(["parameters", "gradients", "optimizer_state", "buffers", "inputs", "resident"].map((name) => `memory.${name}`));

function given(answer, path) {
  if (Object.hasOwn(answer.values, path)) return BigInt(answer.values[path]);
  return path.startsWith("memory.") ? null : 0n;
}

function hasChanged(network) {
  return hasOtherDepth(network) || network.answer.handles.some((handle) => network.sizes[handle.name] !== BigInt(handle.value));
}

/** The formulas that hold at the sizes as they are, with a size for each of their symbols; null if there are none. */
function formulasFor(network) {
  const { answer } = network;
  const isDeeper = hasOtherDepth(network);
  const formulas = isDeeper ? answer.depth.formulas : answer.formulas;
  if (!formulas || (isDeeper && !hiddenAreAlike(network))) return null;
  const hidden = new Set(isDeeper ? answer.depth.runs.flatMap((run) => [run.width, run.count]) : []);
  const sizes = byName();
  let memoryHolds = true;
  for (const handle of answer.handles.filter((each) => !hidden.has(each.name))) {
    const size = network.sizes[handle.name];
    const isOpen = formulas.symbols.includes(handle.name);
    if (size !== BigInt(handle.value) && (!isOpen || !isInStep(handle, size))) return null;
    sizes[handle.name] = handle.base ? () => size : size;
    if (isOpen && handle.memory_from && size < BigInt(handle.memory_from)) memoryHolds = false;
  }
  if (isDeeper) {
    sizes[answer.depth.number.name] = network.depth.number;
    sizes[answer.depth.width.name] = network.depth.width;
    memoryHolds &&= network.depth.number >= BigInt(answer.depth.number.memory_from);
  }
  return { formulas, sizes, memoryHolds };
}

function isInStep(handle, size) {
  return (size - BigInt(handle.value)) % BigInt(handle.step ?? 1) === 0n;
}

function rowsAt(rows, sizes) {
  if (!rows || rows.length === 0) return null;
  try {
    return rows.map((row) => rowAt(row, sizes));
  } catch (error) {
    if (error instanceof NoValue) return null;
    throw error;
  }
}

const ROW_SIZES = ["times", "parameters", "weights", "biases", "other"];

function rowAt(row, sizes) {
  const found = { path: row.path, op: row.op, phases: {} };
  if (row.output) found.output = row.output.map((size) => (size === null ? null : evaluate(size, sizes)));
  for (const name of ROW_SIZES) if (row[name] !== undefined) found[name] = row[name] === null ? null : evaluate(row[name], sizes);
  for (const [phase, counts] of Object.entries(row.phases)) {
    found.phases[phase] = Object.fromEntries(Object.entries(counts).map(([name, tree]) => [name, tree === null ? null : evaluate(tree, sizes)]));
  }
  return found;
}

/** Whether some layer's output has no values left at the sizes as they are, so that the network does not exist. */
export function isEmpty(rows) {
  return rows !== null && rows.some((row) => row.output?.some((size) => size !== null && size < 1n));
}
