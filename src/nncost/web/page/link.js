// The whole state of the page in its link: readable as long as it is short, compressed where it is not.
//
//   #s=784-16-16-10&b=64&opt=adam&s=784-32-10&on=h100
//
// Each `s` begins a network, and what follows belongs to it; `on`, `show`, `of`, `chart` and `look` belong to the page, and
// `file` names a file that was open there, which no link holds. The names of the API's settings are read, too.

export const MOST_NETWORKS = 4;
export const MOST_READABLE = 1500;
export const MOST_CHARACTERS = 16000;
export const MOST_SPEC = 20000;

const KEYS = { b: "batch", loss: "loss", opt: "optimizer", type: "dtype", bias: "bias", act: "activation", mode: "mode" };
const API_KEYS = { source: "s", batch: "b", optimizer: "opt", dtype: "type", activation: "act" };
const MOST_NAME = 200;
const MOST_KEY = 20;
const PAGE_KEYS = { on: "device", show: "tab", look: "selected", of: "topic", chart: "chart" };
const WORD = /^[A-Za-z0-9_.-]{1,60}$/;
const DIGITS = /^[1-9][0-9]{0,999}$/;
const SYMBOL = /^[A-Za-z_][A-Za-z0-9_]{0,59}$/;

/** A link that cannot be read; its message is for people. */
export class BadLink extends Error {}

/** The state as the part of an address behind `#`. */
export async function written(state) {
  const readable = asText(state);
  if (readable.length <= MOST_READABLE) return readable;
  return `z=${base64url(await through(new TextEncoder().encode(readable), new CompressionStream("deflate-raw")))}`;
}

function asText(state) {
  const parts = [];
  for (const name of state.files ?? []) parts.push(["file", name.slice(0, MOST_NAME)]);
  for (const network of state.networks) {
    parts.push(["s", network.source]);
    for (const [key, name] of Object.entries(KEYS)) if (network[name]) parts.push([key, network[name]]);
    for (const [symbol, size] of Object.entries(network.symbols ?? {})) parts.push([`at.${symbol}`, size]);
  }
  for (const [key, name] of Object.entries(PAGE_KEYS)) if (state[name]) parts.push([key, String(state[name])]);
  return parts.map(([key, value]) => `${key}=${escaped(value)}`).join("&");
}

/** Text as it stands in an address: what specs are made of stays readable. */
function escaped(text) {
  return encodeURIComponent(text).replace(/%(20|2C|3A|3D|5B|5D|2F|40)/g, (_, code) =>
    code === "20" ? "+" : String.fromCharCode(Number.parseInt(code, 16)));
}

function unescaped(text) {
  try {
    return decodeURIComponent(text.replaceAll("+", "%20"));
  } catch {
    throw new BadLink("The link has characters that cannot be read.");
  }
}

/** The state that a link holds; null where it holds none. Throws BadLink. */
export async function read(hash) {
  const text = hash.replace(/^#/, "");
  if (text === "") return null;
  if (text.length > MOST_CHARACTERS) {
    throw new BadLink(`The link has ${text.length.toLocaleString("en")} characters; at most ${MOST_CHARACTERS.toLocaleString("en")} are read.`);
  }
  if (!text.startsWith("z=")) return fromText(text);
  return fromText(await decompressed(text.slice(2)));
}

async function decompressed(text) {
  try {
    const packed = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
    const unpacked = await through(packed, new DecompressionStream("deflate-raw"), MOST_NETWORKS * MOST_SPEC * 3);
    return new TextDecoder("utf-8", { fatal: true }).decode(unpacked);
  } catch (error) {
    if (error instanceof BadLink) throw error;
    throw new BadLink("The link is damaged: a part of it is missing.");
  }
}

function fromText(text) {
  const state = { networks: [], files: [], ignored: [], unread: [] };
  for (const part of text.split("&").filter(Boolean)) {
    const at = part.indexOf("=");
    const key = unescaped(at < 0 ? part : part.slice(0, at));
    place(state, Object.hasOwn(API_KEYS, key) ? API_KEYS[key] : key, at < 0 ? "" : unescaped(part.slice(at + 1)));
  }
  for (const name of ["files", "ignored", "unread"]) if (state[name].length === 0) delete state[name];
  if (state.networks.length === 0 && state.files === undefined) throw new BadLink("The link names no network.");
  return state;
}

function place(state, key, value) {
  const network = state.networks.at(-1);
  if (key === "s") {
    if (state.networks.length === MOST_NETWORKS) throw new BadLink(`The link has more than ${MOST_NETWORKS} networks.`);
    if (value.length > MOST_SPEC) throw new BadLink("A network in the link is too long.");
    state.networks.push({ source: value, symbols: Object.create(null) });
  } else if (Object.hasOwn(PAGE_KEYS, key) && WORD.test(value)) {
    state[PAGE_KEYS[key]] = value;
  } else if (network !== undefined && key === "b" && DIGITS.test(value)) {
    network.batch = value;
  } else if (network !== undefined && key !== "b" && Object.hasOwn(KEYS, key) && WORD.test(value)) {
    network[KEYS[key]] = value;
  } else if (network !== undefined && key.startsWith("at.") && SYMBOL.test(key.slice(3)) && DIGITS.test(value)) {
    network.symbols[key.slice(3)] = value;
  } else if (key === "file" && value !== "" && value.length <= MOST_NAME && state.files.length < MOST_NETWORKS) {
    state.files.push(value);
  } else if (isKnown(key)) {
    state.unread.push(key.slice(0, MOST_KEY));
  } else {
    state.ignored.push(key.slice(0, MOST_KEY));
  }
}

function isKnown(key) {
  return key === "file" || key.startsWith("at.") || Object.hasOwn(KEYS, key) || Object.hasOwn(PAGE_KEYS, key);
}

async function through(data, stream, most = Infinity) {
  const reader = new Blob([data]).stream().pipeThrough(stream).getReader();
  const chunks = [];
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.length;
    if (size > most) {
      await reader.cancel();
      throw new BadLink("The link holds more than a page of networks.");
    }
    chunks.push(value);
  }
  const whole = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

function base64url(data) {
  return btoa(String.fromCharCode(...data)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}
