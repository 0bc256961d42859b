/** One reading as the browser knows it: what the server said last, and on top of it the edits that are not saved yet. */

import { Beats } from "./beats.js";
import { queueOf } from "./editing.js";
import { Refused } from "./wire.js";

const EDITED_EVERY_MS = 300; // the page runs anew for each "edited": many edits in a row make few runs

export class Reading {
  #base; // the beats that the server gave, with the edits that it took since
  #listener;
  #fetching = null;
  #again = false;
  #told = 0;
  #timer = null;
  #gone = false;

  /** `whose`: {base, id, user}, where the reading's routes begin, its id, and who reads it; `tell`: {changed(), said(text, bad), edited(seq)}. */
  constructor(wire, whose, why, letterOf, tell) {
    Object.assign(this, { wire, why, tell, base: whose.base, id: whose.id });
    this.#base = Beats.none(letterOf);
    this.beats = this.#base;
    this.items = [];
    this.state = null; // of GET state; null until it has come
    this.queue = queueOf(wire, whose);
    this.#listener = { changed: () => this.#work(), saved: (edit, reply) => this.#saved(edit, reply), refused: (edit, error) => this.#refused(error) };
    this.queue.follow(this.#listener);
    this.#work();
  }

  /** Of the newest beats that the browser has; -1 before any. */
  get seq() {
    return this.#base.seq;
  }

  /** Whether this reader may edit; `why` says why not. */
  get editable() {
    return this.state ? this.state.editable : this.why === "";
  }

  get whyNot() {
    return this.state?.why_not || this.why || "this reading may not be edited";
  }

  /** Edits made here that the server has not confirmed. */
  get pending() {
    return this.queue.edits.length;
  }

  /** Make an edit: shown at once, saved at once. */
  edit(command) {
    this.queue.push(command);
  }

  /** The page knows of a newer state. */
  follow(seq, why) {
    const other = why !== this.why;
    this.why = why;
    if (other || seq > this.seq) this.refresh();
  }

  /** Ask for the state, and for the beats where it has moved on. One question at a time; what is asked meanwhile is asked after it. */
  refresh() {
    if (this.#fetching) this.#again = true;
    else {
      this.#fetching = this.#fetch().finally(() => {
        this.#fetching = null;
        if (this.#again && !this.#gone) this.refresh();
      });
    }
    return this.#fetching;
  }

  destroy() {
    this.#gone = true;
    clearTimeout(this.#timer);
    this.queue.leave(this.#listener);
  }

  async #fetch() {
    this.#again = false;
    const before = this.seq;
    try {
      const [state, first] = await Promise.all([this.wire.json(`${this.base}/state`), before < 0 ? this.wire.bytes(`${this.base}/beats`) : null]);
      const body = first ?? (state.seq > this.seq ? await this.wire.bytes(`${this.base}/beats`) : null);
      if (this.#gone) return;
      const fetched = body && Beats.decoded(body, this.#base.letterOf);
      if (fetched && fetched.seq >= this.seq) this.#base = fetched; // else an edit was saved while they were on their way
      if (state.seq >= (this.state?.seq ?? -1)) this.state = state;
    } catch (error) {
      if (error instanceof Refused && !error.expired) this.tell.said(`Beats: ${error.message}`, true);
      return; // asked again in a few seconds
    }
    this.#work();
    if (before >= 0 && this.seq > before) this.#tellEdited(); // another reader's edit: the page's numbers follow it too
  }

  /** What is shown: what is saved, with what is on its way on top. */
  #work() {
    this.beats = this.queue.edits.reduce((beats, edit) => beats.applied(edit.command), this.#base);
    this.items = this.queue.edits.reduce((items, edit) => itemsAfter(items, edit), this.state?.items ?? []);
    this.tell.changed();
  }

  /** The server took an edit. Where nobody else edited in between, its outcome is known here without asking. */
  #saved(edit, reply) {
    const known = reply.seq <= this.seq || (reply.seq === this.seq + 1 && !["undo", "redo"].includes(edit.command.command));
    if (known && reply.seq > this.seq) this.#base = this.#base.applied(edit.command).numbered(reply.seq);
    this.state = reply;
    if (reply.said) this.tell.said(reply.said, false);
    this.#work();
    if (!known) this.refresh();
    this.#tellEdited();
  }

  #refused(error) {
    this.tell.said(error.message, true);
    this.#work();
    this.refresh();
  }

  #tellEdited() {
    clearTimeout(this.#timer);
    const wait = Math.max(0, this.#told + EDITED_EVERY_MS - performance.now());
    this.#timer = setTimeout(() => {
      this.#told = performance.now();
      this.tell.edited(Math.max(this.seq, this.state?.seq ?? 0));
    }, wait);
  }
}

/** Marks after an edit of marks; `unsaved` ones have no id of the server's yet. */
function itemsAfter(items, { id, command }) {
  if (command.command === "mark") {
    const { kind, start, stop, text, lead } = command;
    return [...items, { id, kind, start, stop, text, lead, author: "", unsaved: true }];
  }
  if (command.command === "unmark") return items.filter((item) => item.id !== command.item);
  if (command.command === "change_mark") {
    const { text, start, stop } = command;
    return items.map((item) => (item.id === command.item ? { ...item, text, start, stop } : item));
  }
  return items;
}
