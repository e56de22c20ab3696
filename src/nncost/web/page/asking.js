// Questions to Python about the networks on the page: one at a time for each purpose, the newest first, equal ones once.

import { Refused } from "./backend.js";
import { accept, fresh, keyOf, requestOf } from "./network.js";
import { adviceInPage, inPage } from "./words.js";

const KEPT = 60;
const NOTHING_TYPED = { code: "spec", message: "No network is typed yet.", hint: "Type a spec such as 784-16-10, or start from one of the networks above." };

/** Asks Python for what networks need; `onChange` hears that something arrived. */
export class Asking {
  #python;
  #onChange;
  #timers = new Map();
  #running = new Map();
  #kept = new Map();
  #ready = new Map();

  constructor(python, onChange) {
    this.#python = python;
    this.#onChange = onChange;
  }

  /** Take the answers that lie beside the page: those to its presets. */
  knows(presets) {
    for (const preset of presets) this.#ready.set(keyOf(fresh({ source: preset.source, ...preset.settings })), `page/answers/${preset.name}.json`);
  }

  /** Ask for a network's numbers, after a pause in which it may change again. */
  numbers(network, pause) {
    network.isBusy = true;
    this.#later(`numbers ${network.id}`, pause, () => this.#numbers(network));
  }

  async #numbers(network) {
    const key = keyOf(network);
    if (network.source.trim() === "") {
      this.#settle(network, () => { network.error = NOTHING_TYPED; });
      return;
    }
    try {
      let answer = await this.#beside(key);
      if (answer === null) {
        if (this.#python.isSlow) await this.#quickly(network, key);
        answer = await this.ask(`numbers ${network.id}`, "calculator", requestOf(network));
      }
      if (keyOf(network) === key) this.#settle(network, () => accept(network, answer));
    } catch (error) {
      if (error.name === "AbortError") return;
      if (keyOf(network) === key) this.#settle(network, () => { network.error = told(error); });
    }
  }

  #settle(network, take) {
    take();
    network.isBusy = false;
    this.#onChange(network);
  }

  /** The numbers before the formulas, which take a while to derive in a browser. */
  async #quickly(network, key) {
    const answer = await this.ask(`numbers ${network.id}`, "calculator", { ...requestOf(network), formulas: false });
    if (keyOf(network) !== key) throw new DOMException("dropped", "AbortError");
    accept(network, answer);
    this.#onChange(network);
  }

  /** The answer that lies beside the page; null if there is none. */
  async #beside(key) {
    if (!this.#ready.has(key)) return null;
    const response = await fetch(this.#ready.get(key));
    return response.ok ? response.json() : null;
  }

  /** The answer to a request; an earlier one for the same purpose is dropped. */
  async ask(purpose, name, request) {
    const key = `${name} ${JSON.stringify(request)}`;
    this.#running.get(purpose)?.abort();
    this.#running.delete(purpose);
    if (this.#kept.has(key)) return this.#kept.get(key);
    const control = new AbortController();
    this.#running.set(purpose, control);
    try {
      const answer = await this.#python.ask(name, request, control.signal);
      this.#keep(key, answer);
      return answer;
    } finally {
      if (this.#running.get(purpose) === control) this.#running.delete(purpose);
    }
  }

  /** Run something after a pause, unless it is asked for again meanwhile. */
  later(purpose, pause, act) {
    this.#later(purpose, pause, act);
  }

  #later(purpose, pause, act) {
    clearTimeout(this.#timers.get(purpose));
    this.#timers.set(purpose, setTimeout(act, pause));
  }

  #keep(key, answer) {
    this.#kept.set(key, answer);
    if (this.#kept.size > KEPT) this.#kept.delete(this.#kept.keys().next().value);
  }

  /** Forget a network that is gone. */
  forget(network) {
    for (const map of [this.#timers, this.#running]) for (const key of [...map.keys()]) if (key.endsWith(` ${network.id}`)) {
      const held = map.get(key);
      if (held instanceof AbortController) held.abort();
      else clearTimeout(held);
      map.delete(key);
    }
  }
}

/** An error as the page shows it, in the page's words. */
export function told(error) {
  if (error instanceof Refused) {
    const { message, hint } = error.told;
    return { ...error.told, message: inPage(message), hint: hint && (error.isOwn ? hint : adviceInPage(hint)) };
  }
  return { code: "error", message: "Something went wrong on this page.", hint: String(error?.message ?? error) };
}
