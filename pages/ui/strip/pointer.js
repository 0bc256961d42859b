/** What the pointer does on the tracing: pan, zoom, select, move, measure. */

import { placeAt } from "./bands.js";
import { cellAt, sampleAt, secondsAt } from "./layouts.js";
import { letterAt, beatText } from "./letters.js";
import { itemAt, itemText, episodeAt } from "./marks.js";
import { lineMoment } from "./disclosure.js";
import { clock, signed } from "./scale.js";

const CLICK_PX = 3; // a pointer that moved less was held still
const ZOOM_A_PX = 0.0018; // of wheel travel
const WHEEL_LINE_PX = 16; // of wheels that count in lines

export class Pointer {
  armed = false; // M was pressed: the next drag of a letter moves its beat
  #drag = null;

  constructor(viewer) {
    this.viewer = viewer;
    const { stage, abort } = viewer;
    const on = (name, heard, options = {}) => stage.addEventListener(name, heard, { signal: abort.signal, ...options });
    on("pointerdown", (event) => this.#down(event));
    on("pointermove", (event) => this.#move(event));
    on("pointerup", (event) => this.#up(event));
    on("pointercancel", () => this.#cancel());
    on("pointerleave", () => this.#leave());
    on("wheel", (event) => this.#wheel(event), { passive: false });
    on("dblclick", (event) => event.preventDefault());
  }

  armMove() {
    this.armed = true;
    this.viewer.say("Drag a letter to move its beat; Esc to leave it", false);
  }

  /** Which lane or the tracing itself is at a height. */
  #laneAt(y) {
    return this.viewer.frame.lanes.find((lane) => y >= lane.y && y < lane.y + lane.heightPx)?.name ?? "tracing";
  }

  /** Index of the beat whose letter is under the pointer. */
  #letter(x, y) {
    const { frame, beats } = this.viewer;
    return this.#laneAt(y) === "letters" ? letterAt(frame, beats, x) : -1;
  }

  #down(event) {
    if (event.button !== 0 || event.composedPath().some((part) => part === this.viewer.popups.form)) return;
    const { frame, stage, calipers, record, view } = this.viewer;
    const [x, y] = [event.offsetX, event.offsetY];
    stage.focus({ preventScroll: true });
    this.viewer.popups.tip(null);
    stage.setPointerCapture(event.pointerId);
    const letter = this.#letter(x, y);
    this.viewer.lead = cellAt(frame, x, y)?.lead ?? null;
    const begun = { x, y, startS: view.startS, letter, moved: false, shift: event.shiftKey };
    if (frame.layout === "lines") this.#drag = { ...begun, kind: "page" };
    else if (letter >= 0 && (event.altKey || this.armed)) this.#grabBeat(begun);
    else if (letter >= 0 || this.#laneAt(y) === "items") this.#drag = { ...begun, kind: event.shiftKey ? "stretch" : "pan" };
    else if (event.shiftKey) this.#drag = { ...begun, kind: "stretch" };
    else if (calipers.on) {
      calipers.grab(frame, x, record.n_samples);
      this.#drag = { ...begun, kind: "calipers" };
    } else this.#drag = { ...begun, kind: "pan" };
    this.viewer.invalidate();
  }

  #grabBeat(begun) {
    if (!this.viewer.mayEdit()) return;
    const sample = this.viewer.beats.samples[begun.letter];
    this.viewer.moving = { sample, to: sample };
    this.#drag = { ...begun, kind: "beat" };
  }

  #move(event) {
    const { viewer } = this;
    const [x, y] = [event.offsetX, event.offsetY];
    viewer.pointerX = x;
    if (!this.#drag) {
      this.#hover(event, x, y);
      return;
    }
    const drag = this.#drag;
    drag.moved ||= Math.abs(x - drag.x) >= CLICK_PX || Math.abs(y - drag.y) >= CLICK_PX;
    const { frame, record } = viewer;
    if (drag.kind === "calipers") viewer.calipers.drag(frame, x, record.n_samples);
    else if (drag.kind === "beat") viewer.moving.to = sampleAt(frame, x, record.n_samples);
    else if (!drag.moved) return;
    else if (drag.kind === "pan") viewer.moveTo(drag.startS - (x - drag.x) / frame.pxPerS, {});
    else if (drag.kind === "stretch") {
      const ends = [drag.x, x].map((place) => sampleAt(frame, place, record.n_samples));
      viewer.stretch = [Math.min(...ends), Math.max(...ends)];
    }
    this.viewer.stage.dataset.cursor = drag.kind;
    viewer.invalidate();
  }

  #up(event) {
    const drag = this.#drag;
    this.#drag = null;
    this.viewer.stage.dataset.cursor = "";
    if (!drag) return;
    if (drag.kind === "beat") this.#dropBeat();
    else if (drag.kind === "stretch" && drag.moved) this.#selectStretch();
    else if (drag.kind !== "calipers" && !drag.moved) this.#click(event, drag);
    this.viewer.invalidate();
  }

  #dropBeat() {
    const { moving } = this.viewer;
    this.armed = false;
    this.viewer.moving = null;
    if (moving.to !== moving.sample && this.viewer.edit({ command: "move", sample: moving.sample, to: moving.to })) this.viewer.select([moving.to]);
  }

  #selectStretch() {
    const { beats, stretch } = this.viewer;
    const [first, last] = beats.between(stretch[0], stretch[1] + 1);
    this.viewer.select(beats.samples.subarray(first, last));
  }

  #click(event, { x, y, letter, shift }) {
    const { viewer } = this;
    const { frame, beats, selection } = viewer;
    if (frame.layout === "lines") {
      const moment = lineMoment(frame, x, y);
      if (moment !== null) viewer.leaveLines(moment);
      return;
    }
    const item = this.#laneAt(y) === "items" ? itemAt(frame, viewer.items, x) : null;
    if (letter >= 0) viewer.select(shift ? this.#upTo(letter) : event.ctrlKey || event.metaKey ? this.#toggled(letter) : [beats.samples[letter]]);
    else if (item) viewer.commands.openMark(item);
    else {
      if (selection.size) viewer.select([]);
      viewer.stretch = null;
    }
  }

  /** From the selected beat nearest to the clicked one up to it. */
  #upTo(letter) {
    const { beats, selection } = this.viewer;
    const chosen = [...selection].map((sample) => beats.at(sample)).filter((index) => index >= 0);
    if (!chosen.length) return [beats.samples[letter]];
    const [least, most] = [Math.min(...chosen, letter), Math.max(...chosen, letter)];
    return beats.samples.subarray(least, most + 1);
  }

  #toggled(letter) {
    const { beats, selection } = this.viewer;
    const sample = beats.samples[letter];
    return selection.has(sample) ? [...selection].filter((other) => other !== sample) : [...selection, sample];
  }

  #cancel() {
    this.#drag = null;
    this.viewer.moving = null;
    this.viewer.stage.dataset.cursor = "";
    this.viewer.invalidate();
  }

  #leave() {
    if (this.#drag) return;
    this.viewer.pointerX = null;
    this.viewer.popups.tip(null);
    this.viewer.read("");
  }

  #hover(event, x, y) {
    const { viewer } = this;
    const { frame, beats, data, items } = viewer;
    if (frame.layout === "lines") {
      const moment = lineMoment(frame, x, y);
      viewer.read(moment === null ? "" : `${clock(moment, 1)} · click to read it on the strip`);
      return;
    }
    const lane = this.#laneAt(y);
    const letter = this.#letter(x, y);
    const other = lane === "reference" && viewer.reference ? letterAt(frame, viewer.reference, x) : -1;
    const item = lane === "items" ? itemAt(frame, items, x) : null;
    const episode = lane === "episodes" ? episodeAt(frame, data.episodes, x) : null;
    const place = lane === "bands" ? placeAt(frame, viewer.bands, viewer.view, x) : -1;
    let text = null;
    if (letter >= 0) text = beatText(beats, letter, frame.fs, data.class_names, [data.model, "a reader", "a file"]);
    else if (other >= 0) text = beatText(viewer.reference, other, frame.fs, data.class_names, ["", "", viewer.view.annotator]);
    else if (place >= 0) text = viewer.bands.places.text(place, frame.fs, viewer.bands.told.model);
    else if (item) text = itemText(item, frame.fs);
    else if (episode) text = `${clock(episode[0], 1)}–${clock(episode[1], 1)} · ${episode[2]}${episode[3] ? ` · ${episode[3]}` : ""}`;
    else if (lane === "tracing") text = viewer.dashed.textAt(frame, x, y);
    viewer.popups.tip(text, event);
    viewer.stage.dataset.cursor = letter >= 0 || item ? "letter" : "";
    viewer.read(this.#valueAt(x, y));
  }

  /** Time and, where every sample is at hand, the value under the pointer. */
  #valueAt(x, y) {
    const { frame, tiles, record } = this.viewer;
    if (x < frame.left || x > frame.right) return "";
    const sample = sampleAt(frame, x, record.n_samples);
    const cell = cellAt(frame, x, y);
    const value = frame.level === 0 && cell ? tiles.valueAt(frame.band, cell.lead, sample) : null;
    const at = clock(secondsAt(frame, x), frame.spanS < 600 ? 2 : 0);
    return value === null ? at : `${at} · ${cell.lead} ${Number.isNaN(value) ? "missing" : `${signed(value, 2)} mV`}`;
  }

  /** Zoom about the pointer; sideways, or with Shift, pan. On full disclosure a turn is a line. */
  #wheel(event) {
    if (event.composedPath().some((part) => part === this.viewer.popups.form)) return;
    event.preventDefault();
    const { frame, view } = this.viewer;
    const unit = event.deltaMode === 1 ? WHEEL_LINE_PX : event.deltaMode === 2 ? frame.heightPx : 1;
    const [across, down] = [event.deltaX * unit, event.deltaY * unit];
    if (frame.layout === "lines") this.viewer.moveTo(view.startS + 60 * Math.sign(down || across), {});
    else if (event.shiftKey || Math.abs(across) > Math.abs(down)) this.viewer.moveTo(view.startS + (across || down) / frame.pxPerS, {});
    else {
      const about = secondsAt(frame, Math.max(frame.left, Math.min(frame.right, event.offsetX)));
      this.viewer.zoom(view.mmPerS * Math.exp(-down * ZOOM_A_PX), about);
    }
    if (this.#drag?.kind === "pan") this.#drag = null; // a turn of the wheel while dragging begins a new view
  }
}
