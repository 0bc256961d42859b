/** The viewer of one record: it holds what is shown and chosen, and draws a frame whenever something changed. */

import { Bands } from "./bands.js";
import { Beats, lettersByCode } from "./beats.js";
import { Calipers } from "./calipers.js";
import { Centres } from "./centres.js";
import { Commands } from "./commands.js";
import { Dashed } from "./dashed.js";
import { Legend } from "./legend.js";
import { LAYOUTS, frameOf, layoutOf, paperMm, xOf } from "./layouts.js";
import { Overview } from "./overview.js";
import { altText, drawFrame, lanesOf, printedText, tell, wantedTiles } from "./picture.js";
import { Pointer } from "./pointer.js";
import { Popups, openCalibration } from "./popups.js";
import { Reading } from "./reading.js";
import { Tiles } from "./tiles.js";
import { Toolbar } from "./toolbar.js";
import { STANDARD, View } from "./view.js";
import { Wire } from "./wire.js";
import { beatText } from "./letters.js";
import { clamp, keepScreenScale, screenScale } from "./scale.js";
import { listenToKeys, tellKeys } from "./keys.js";

const REST_MS = 200; // a view that has not moved for so long rests
const POLL_MS = 3000;
const AROUND_PX = 340; // what stands above and below the canvas on the page
const HEIGHT_PX = [320, 1000];
const MEASURES = 2000; // performance entries kept

export class Viewer {
  #component;
  #queued = false;
  #frames = 0;
  #measures = 0;
  #input = null; // when the input came that no complete frame has answered yet
  #movedAt = -Infinity;
  #jumped = true;
  #rest = null;
  #topic = "";

  constructor(root, component) {
    this.root = root;
    this.abort = new AbortController();
    this.stage = root.querySelector(".stage");
    this.canvas = root.querySelector("canvas.tracing");
    this.parts = Object.fromEntries(["printed", "screen", "readout", "unsaved", "status", "measured"].map((name) => [name, root.querySelector(`.${name}`)]));
    this.record = component.data.record;
    this.letterOf = lettersByCode(component.data.class_of);
    this.noBeats = Beats.none(this.letterOf);
    Object.assign(this, { reading: null, reference: null, selection: new Set(), stretch: null, lead: null, moving: null, pointerX: null, leaving: [], version: 0, widthPx: 0 });
    this.view = new View(component.data);
    this.view.spanMm = paperMm(this.view, this.stage.clientWidth, screenScale().pxPerMm);
    this.wire = new Wire(component.data.token, () => this.trigger("renew", Date.now()));
    this.tiles = new Tiles(this.wire, component.data.base, () => this.#tileArrived(), (text) => this.say(text, true, "signal"));
    this.bands = new Bands(this.wire, () => this.#changedBands(), (text) => this.say(text, true));
    this.centres = new Centres();
    this.calipers = new Calipers();
    this.dashed = new Dashed();
    this.commands = new Commands(this);
    this.popups = new Popups(root, this.stage, this.abort.signal);
    this.pointer = new Pointer(this);
    this.overview = new Overview(root.querySelector("canvas.overview"), this);
    this.toolbar = new Toolbar(this);
    this.legend = new Legend(this);
    this.#listen();
    this.update(component);
  }

  get beats() {
    return this.reading?.beats ?? this.noBeats;
  }

  get items() {
    return this.reading?.items ?? [];
  }

  get palette() {
    return this.data.palette;
  }

  #listen() {
    const { signal } = this.abort;
    listenToKeys(this.root, (command, told) => this.commands[command](told), signal);
    this.resized = new ResizeObserver(() => this.invalidate());
    this.resized.observe(this.stage);
    window.addEventListener("resize", () => this.invalidate(), { signal });
    window.addEventListener("pagehide", () => this.view.save(), { signal });
    window.addEventListener("online", () => this.tiles.retry(), { signal });
    document.addEventListener("visibilitychange", () => this.#poll(), { signal });
    this.parts.screen.addEventListener("click", () => this.openCalibration(), { signal });
    this.polling = setInterval(() => this.#poll(), POLL_MS);
  }

  /** The page ran anew: new data, the same viewer. */
  update(component) {
    this.#component = component;
    this.data = component.data;
    this.root.dataset.theme = this.palette.name;
    this.dashed.take(this.data);
    this.view.follow(this.dashed, this.record.fs_hz);
    const renewed = this.wire.use(this.data.token);
    this.#takeReading();
    if (renewed) {
      this.tiles.retry();
      this.reading?.queue.go();
      this.reading?.refresh();
    }
    if (this.view.annotator && !this.reference) this.#fetchReference();
    this.bands.follow(this.data);
    this.#goWhereAsked();
    this.version += 1;
    this.frame ??= this.#frameNow();
    this.invalidate();
  }

  destroy() {
    this.view.save();
    this.abort.abort();
    this.resized.disconnect();
    clearInterval(this.polling);
    clearTimeout(this.#rest);
    this.reading?.destroy();
    this.tiles.destroy();
  }

  trigger(name, value) {
    this.#component.setTriggerValue(name, value);
  }

  #takeReading() {
    const given = this.data.reading;
    const { base } = this.data;
    if (this.reading && (this.reading.id !== given?.id || this.reading.base !== base)) {
      this.reading.destroy();
      this.reading = null;
      this.selection = new Set();
    }
    if (!given) return;
    const why = given.editable ? "" : given.why_not || "this reading may not be edited";
    if (this.reading) {
      this.reading.follow(given.seq, why);
      return;
    }
    this.reading = new Reading(this.wire, { base, id: given.id, user: this.data.user ?? "" }, why, this.letterOf, {
      changed: () => this.#readingChanged(),
      said: (text, bad) => this.say(text, bad),
      edited: (seq) => this.trigger("edited", seq),
    });
    this.reading.refresh();
  }

  #readingChanged() {
    this.version += 1;
    if (this.reading?.seq >= 0 && this.selection.size) this.selection = new Set([...this.selection].filter((sample) => this.beats.at(sample) >= 0));
    this.invalidate();
  }

  #changedBands() {
    this.version += 1;
    this.invalidate();
  }

  #poll() {
    this.wire.remind();
    const idle = this.wire.underway === 0 && this.reading?.pending === 0;
    if (document.visibilityState === "visible" && idle) this.reading.refresh();
  }

  #goWhereAsked() {
    const asked = this.data.goto;
    if (!asked) this.view.gotoNonce = null; // the page begins to count anew in a new session
    else if (asked.nonce !== this.view.gotoNonce) {
      this.view.gotoNonce = asked.nonce;
      if (this.view.layout === "lines") this.view.layout = this.view.before;
      this.centre(asked.time_s, asked.span_s);
      this.select(asked.select ?? []);
      if (asked.select?.length > 1 && document.activeElement?.closest("button")) this.stage.focus({ preventScroll: true }); // the next key is meant for them, not for the button that chose them
    }
  }

  // Moving and choosing

  /** Something of the view changed: answer it with a frame. A jump is centred at once, a drag when it rests. */
  #changed(jump) {
    this.#input ??= performance.now();
    this.#movedAt = performance.now();
    this.#jumped ||= jump;
    clearTimeout(this.#rest);
    this.#rest = setTimeout(() => {
      this.view.save();
      this.invalidate();
    }, REST_MS + 10);
    this.invalidate();
  }

  moveTo(startS, { jump = false }) {
    this.view.startS = startS;
    if (this.view.layout !== "lines") this.view.settle();
    this.#changed(jump);
  }

  zoom(mmPerS, aboutS) {
    this.view.zoomTo(mmPerS, aboutS);
    this.#changed(false);
  }

  /** Have a moment in the middle of the strip, or on the page of full disclosure. */
  centre(momentS, spanS = null) {
    if (this.view.layout !== "lines") this.view.centre(momentS, spanS);
    else if (momentS < this.frame.startS || momentS >= this.frame.stopS) this.view.startS = momentS;
    this.#changed(true);
  }

  /** Change what is shown: {filter, notch, layout, chosen, cabrera, rhythm, classes}. */
  choose(patch) {
    Object.assign(this.view, patch);
    this.#changed(true);
  }

  chooseLayout(layout) {
    const { view } = this;
    if (layout === "lines") {
      view.before = layoutOf(view, this.widthPx);
      this.calipers.clear();
      this.calipers.on = false;
    }
    const columns = layout in LAYOUTS && layout !== "stacked" && layout !== "lines";
    const chosen = columns && !STANDARD.every((lead) => view.chosen.includes(lead)) ? [...STANDARD] : view.chosen;
    this.choose({ layout, chosen });
  }

  /** From full disclosure to the strip at a moment. */
  leaveLines(momentS) {
    this.view.layout = this.view.before;
    this.view.mmPerS = Math.max(this.view.mmPerS, 25);
    this.centre(momentS);
  }

  chooseReference(annotator) {
    this.view.annotator = annotator;
    this.reference = null;
    if (annotator) this.#fetchReference();
    this.#changed(false);
  }

  async #fetchReference() {
    const { annotator } = this.view;
    try {
      const body = await this.wire.bytes(`${this.data.base}/reference?annotator=${encodeURIComponent(annotator)}`);
      if (annotator === this.view.annotator) this.reference = Beats.decoded(body, this.letterOf);
    } catch (error) {
      if (!error.expired) this.say(`Reference: ${error.message}`, true);
    }
    this.invalidate();
  }

  // Selecting and editing

  select(samples) {
    this.selection = new Set(samples);
    const { size } = this.selection;
    if (size === 1) {
      const index = this.beats.at([...this.selection][0]);
      if (index >= 0) this.say(`Selected: ${beatText(this.beats, index, this.record.fs_hz, this.data.class_names, [this.data.model, "a reader", "a file"])}`, false);
    } else this.say(size ? `${size.toLocaleString("en")} beats selected: N S V F Q P to relabel, Del to delete` : "", false);
    this.invalidate();
  }

  /** Whether this reader may edit now; if not, it is said why. */
  mayEdit() {
    const why = !this.reading || this.reading.seq < 0 ? "The beats are not there yet" : this.reading.editable ? "" : `Not edited: ${this.reading.whyNot}`;
    if (why) this.say(why, true);
    return why === "";
  }

  /** Make an edit; false, and said why, where it may not be made. */
  edit(command) {
    if (!this.mayEdit()) return false;
    this.reading.edit(command);
    return true;
  }

  // Saying

  /** One line for the reader; `topic` lets it be taken back when its cause is gone. */
  say(text, bad, topic = "") {
    this.#topic = topic;
    this.parts.status.textContent = text;
    this.parts.status.classList.toggle("bad", bad);
  }

  /** What is under the pointer. */
  read(text) {
    if (this.parts.readout.textContent !== text) this.parts.readout.textContent = text;
  }

  #tileArrived() {
    if (this.#topic === "signal") this.say("", false);
    this.invalidate();
  }

  openKeys() {
    const dialog = this.root.querySelector("dialog.keys");
    const place = dialog.querySelector(".groups");
    if (!place.childElementCount) tellKeys(place);
    dialog.showModal();
  }

  openCalibration() {
    openCalibration(this.root, screenScale().pxPerMm, (pxPerMm) => {
      keepScreenScale(pxPerMm);
      this.#changed(true);
    });
  }

  /** Where a question about a sample (or the pointer's place) is asked, in the root's pixels. */
  popupPlace(sample = null) {
    const x = sample === null ? (this.pointerX ?? this.frame.left) : xOf(this.frame, sample / this.frame.fs);
    return [x + 8, this.stage.offsetTop + this.frame.top + 12];
  }

  // Drawing

  invalidate() {
    if (this.#queued || this.abort.signal.aborted) return;
    this.#queued = true;
    requestAnimationFrame(() => {
      this.#queued = false;
      if (!this.abort.signal.aborted && this.stage.clientWidth > 0) this.#draw();
    });
  }

  #frameNow() {
    this.widthPx = this.stage.clientWidth;
    const { pxPerMm } = screenScale();
    const budgetPx = clamp(window.innerHeight - AROUND_PX, ...HEIGHT_PX);
    return frameOf(this.view, this.data, { widthPx: this.widthPx, dpr: window.devicePixelRatio, pxPerMm, budgetPx }, lanesOf(this));
  }

  #draw() {
    this.frame = this.#frameNow();
    this.tiles.want(wantedTiles(this.frame, this.record.n_samples));
    this.#fitCanvas();
    const { ready, leaving } = drawFrame(this.canvas.getContext("2d", { alpha: false }), this);
    this.leaving = leaving;
    this.overview.draw(this.widthPx, this.frame.dpr, this.palette);
    this.#frames += 1;
    this.#print();
    tell(this, ready, this.#frames);
    if (ready) this.#answered();
  }

  #fitCanvas() {
    const { widthPx, heightPx, dpr } = this.frame;
    const [wide, high] = [Math.round(widthPx * dpr), Math.round(heightPx * dpr)];
    if (this.canvas.width === wide && this.canvas.height === high) return;
    Object.assign(this.canvas, { width: wide, height: high });
    Object.assign(this.canvas.style, { width: `${widthPx}px`, height: `${heightPx}px` });
  }

  #print() {
    const { parts } = this;
    const { calibrated } = screenScale();
    const texts = { printed: printedText(this), screen: calibrated ? "screen calibrated" : "screen not calibrated", unsaved: this.#unsavedText() };
    for (const [name, text] of Object.entries(texts)) if (parts[name].textContent !== text) parts[name].textContent = text;
    this.toolbar.update();
    this.legend.update();
  }

  #unsavedText() {
    const pending = this.reading?.pending ?? 0;
    if (!pending) return "";
    return `${pending} edit${pending === 1 ? "" : "s"} not saved yet${this.reading.queue.stuck ? ", trying again" : ""}`;
  }

  /** A frame with the right tiles: the input is answered; at rest rows are centred anew and the tracing is put into words. */
  #answered() {
    if (this.#input !== null) {
      if (this.#measures % MEASURES === 0) performance.clearMeasures("strip-view");
      this.#measures += 1;
      performance.measure("strip-view", { start: this.#input, end: performance.now() });
      this.#input = null;
    }
    if (!this.#jumped && performance.now() - this.#movedAt < REST_MS) return;
    if (this.centres.settle(this.frame, this.tiles, this.record.n_samples)) this.invalidate();
    this.#jumped = false;
    const text = altText(this);
    if (this.canvas.getAttribute("aria-label") !== text) this.canvas.setAttribute("aria-label", text);
    this.overview.say();
  }
}
