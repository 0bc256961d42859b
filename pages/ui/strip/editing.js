/** Edits on their way to the server: in order, each with the id that makes sending it twice harmless. */

import { keep, recalled } from "./scale.js";
import { Refused } from "./wire.js";

const RETRIES_MS = [500, 1000, 2000, 4000, 8000];
const QUEUES = new Map(); // edits go on being sent after their viewer has left the page

/** A random UUID, also where the page is not on a secure origin and the browser's own is missing. */
function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

/** The queue of one user's edits of a reading: the same one as long as the browser's page lives. */
export function queueOf(wire, { base, id, user }) {
  const key = `${base}#${id}#${user}`;
  if (!QUEUES.has(key)) QUEUES.set(key, new EditQueue(base, user && `leadwise-unsaved:${key}`));
  const queue = QUEUES.get(key);
  queue.wire = wire;
  queue.go();
  return queue;
}

class EditQueue {
  #key;
  #path;
  #listener = null;
  #sending = false;
  #failures = 0;
  #timer = null;
  #warn = (event) => event.preventDefault();

  /** Under `key` unsaved edits outlive a reload. Without it they do not: nobody may come to sign what another did. */
  constructor(base, key) {
    this.#path = `${base}/edit`;
    this.#key = key;
    const left = key && recalled("sessionStorage", key);
    this.edits = Array.isArray(left) ? left : [];
    this.#kept();
    window.addEventListener("online", () => this.go());
  }

  /** `listener`: {changed(), saved(edit, reply), refused(edit, error)}. */
  follow(listener) {
    this.#listener = listener;
  }

  /** Nobody looks any more, unless another has come to look. */
  leave(listener) {
    if (this.#listener === listener) this.#listener = null;
  }

  /** Whether sending failed and is tried again. */
  get stuck() {
    return this.#failures > 0;
  }

  push(command) {
    this.edits.push({ id: newId(), command });
    this.#kept();
    this.#listener?.changed();
    this.go();
  }

  /** Send what is there: after a push, when the network is back, when the token is new. */
  go() {
    clearTimeout(this.#timer);
    if (!this.#sending) this.#send();
  }

  async #send() {
    this.#sending = true;
    while (this.edits.length) {
      const edit = this.edits[0];
      let reply;
      try {
        reply = await this.wire.post(this.#path, { id: edit.id, ...edit.command });
      } catch (error) {
        if (!(error instanceof Refused && error.final)) {
          if (!error.expired) this.#later();
          break;
        }
        this.#take(edit, (listener) => listener.refused(edit, error));
        continue;
      }
      this.#failures = 0;
      this.#take(edit, (listener) => listener.saved(edit, reply));
    }
    this.#sending = false;
  }

  /** An edit that has its answer is in the queue no more. */
  #take(edit, tell) {
    this.edits = this.edits.filter((other) => other !== edit);
    this.#kept();
    if (this.#listener) tell(this.#listener);
  }

  #later() {
    this.#timer = setTimeout(() => this.go(), RETRIES_MS[Math.min(this.#failures, RETRIES_MS.length - 1)]);
    this.#failures += 1;
    this.#listener?.changed();
  }

  #kept() {
    if (this.#key) keep("sessionStorage", this.#key, this.edits.length ? this.edits : null);
    window[this.edits.length ? "addEventListener" : "removeEventListener"]("beforeunload", this.#warn);
  }
}
