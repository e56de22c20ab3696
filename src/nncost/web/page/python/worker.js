// nncost's Python in a worker of the browser: it is fetched in the background, and then answers as the server would.

import { loadPyodide } from "./pyodide.mjs";

const waiting = [];
let answer = null;
let isWorking = false;

const say = (progress, isReady = false, failed = false) => postMessage({ progress, isReady, failed });
const megabytes = (size) => (size / 1e6).toFixed(0);

/** Fetches that count what has arrived, so that the page can say how far it is. */
function counting(total) {
  const plain = self.fetch.bind(self);
  let arrived = 0;
  self.fetch = async (...request) => {
    const response = await plain(...request);
    if (response.body === null || !response.ok) return response;
    const counter = new TransformStream({
      transform(chunk, out) {
        arrived += chunk.byteLength;
        say(`Python is starting: ${megabytes(Math.min(arrived, total))} of ${megabytes(total)} MB`);
        out.enqueue(chunk);
      },
    });
    return new Response(response.body.pipeThrough(counter), { status: response.status, headers: response.headers });
  };
  return () => { self.fetch = plain; };
}

async function begin() {
  const address = (name) => new URL(name, import.meta.url).href;
  const parts = await (await fetch(address("parts.json"))).json();
  const stop = counting(parts.bytes);
  const [python, core] = await Promise.all([
    loadPyodide({ indexURL: address("./"), packageBaseUrl: address("./") }),
    fetch(address(parts.core)).then((response) => response.arrayBuffer()),
  ]);
  stop();
  say("Python is starting: it reads nncost");
  python.unpackArchive(core, "zip", { extractDir: python.runPython("import site; site.getsitepackages()[0]") });
  self.nncostFetch = (name) => fetched(address(name), parts.sizes[name]);
  answer = python.runPython("from nncost.web.browser import begin; begin()");
  say("Python is ready", true);
  work();
}

/** A file at once, as Python's import needs it. */
function fetched(address, size) {
  say(`Formulas are fetched: ${megabytes(size)} MB, once`);
  const request = new XMLHttpRequest();
  request.open("GET", address, false);
  request.responseType = "arraybuffer";
  request.send();
  say("Python is ready", true);
  if (request.status !== 200) throw new Error(`${address}: status ${request.status}`);
  return new Uint8Array(request.response);
}

/** Answer what waits, one after another; between two the newest messages are heard, so that dropped ones are not computed. */
async function work() {
  if (isWorking || answer === null) return;
  isWorking = true;
  while (waiting.length > 0) {
    const { id, name, request } = waiting.shift();
    postMessage({ id, text: answer(name, JSON.stringify(request)) });
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  isWorking = false;
}

self.onmessage = ({ data }) => {
  if (data.isDropped) {
    const at = waiting.findIndex((each) => each.id === data.id);
    if (at >= 0) waiting.splice(at, 1);
    return;
  }
  waiting.push(data);
  work();
};

begin().catch((error) => say(`Python could not be started (${error.message}). Presets can still be dragged.`, false, true));
