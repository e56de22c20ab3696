// Whoever answers: Python behind HTTP, or Python in a worker of this browser. Both know the same names and give the same answers.

import { parsed } from "./wire.js";

/** What Python says is wrong; `told` has its message, hint, position and correction. */
export class Refused extends Error {
  constructor(told, isOwn = false) {
    super(told.message);
    this.told = told;
    this.isOwn = isOwn; // said by this page, not by Python
  }
}

/** Python that is behind HTTP. */
class Server {
  canUpload = true;
  isSlow = false;

  async ask(name, request, signal) {
    return received(await reached(`api/${name}`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(request), signal }));
  }

  async upload(file) {
    const form = new FormData();
    form.append("file", file, file.name);
    return received(await reached("api/upload", { method: "POST", body: form }));
  }
}

async function reached(address, options) {
  try {
    return await fetch(address, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused({ code: "unreachable", message: "nncost does not answer.", hint: "Is the command  nncost web  still running?" }, true);
  }
}

async function received(response) {
  let told;
  try {
    told = parsed(await response.text());
  } catch {
    throw new Refused({ code: "error", message: `The server answered with the status ${response.status}.` });
  }
  if (told?.error) throw new Refused(told.error);
  if (!response.ok) throw new Refused({ code: "error", message: `The server answered with the status ${response.status}.` });
  return told;
}

/** Python in a worker, which is fetched and started in the background. */
class Worker_ {
  canUpload = false;
  isSlow = true;
  #waiting = new Map();
  #last = 0;

  constructor(onProgress) {
    this.worker = new Worker("page/python/worker.js", { type: "module" });
    this.worker.onmessage = ({ data }) => {
      if (data.progress !== undefined) {
        onProgress(data.progress, data.isReady, data.failed === true);
      } else {
        this.#settle(data);
      }
    };
    this.worker.onerror = () => onProgress("Python could not be started here. The presets can still be dragged.", false, true);
  }

  #settle({ id, text }) {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    this.#waiting.delete(id);
    const told = parsed(text);
    if (told.error) waiting.reject(new Refused(told.error));
    else waiting.resolve(told);
  }

  ask(name, request, signal) {
    const id = ++this.#last;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      signal?.addEventListener("abort", () => {
        this.#waiting.delete(id);
        this.worker.postMessage({ id, isDropped: true });
        reject(new DOMException("dropped", "AbortError"));
      });
      this.worker.postMessage({ id, name, request });
    });
  }

  upload() {
    return Promise.reject(new Refused({ code: "option", message: "This page runs without a server, which files are read on.", hint: "With Python:  pip install \"nncost[web]\"  and then  nncost web" }, true));
  }
}

/** The Python that the page was made for; `onProgress` hears how it starts. */
export function backend(onProgress) {
  const kind = document.querySelector('meta[name="nncost-backend"]')?.content;
  return kind === "worker" ? new Worker_(onProgress) : new Server();
}
