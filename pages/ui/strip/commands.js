/** What the reader can have done, by key, button or pointer. A command that returns false leaves its key to the page. */

import { bandsTitle } from "./bands.js";
import { CODE_OF_KEY } from "./beats.js";
import { recordedLead } from "./dashed.js";
import { cellAt, sampleAt, xOf } from "./layouts.js";
import { clamp, clock, secondsOf } from "./scale.js";
import { BAND_STRENGTHS } from "./view.js";

const SNAP_S = 0.06; // an added beat goes to the largest deflection this near

export class Commands {
  #episodeS = null; // where the event is that was gone to last
  #placeS = null; // and the place of the map

  constructor(viewer) {
    this.viewer = viewer;
  }

  // Movement

  page(direction) {
    const { frame, view } = this.viewer;
    this.viewer.moveTo(view.startS + direction * frame.spanS, { jump: true });
  }

  seconds(by) {
    const { frame, view } = this.viewer;
    this.viewer.moveTo(view.startS + by * (frame.layout === "lines" ? 60 : 1), {});
  }

  toEdge(direction) {
    this.viewer.moveTo(direction < 0 ? 0 : this.viewer.view.durationS, { jump: true });
  }

  zoom(factor) {
    const { view, frame } = this.viewer;
    if (frame.layout === "lines") return;
    this.viewer.zoom(view.mmPerS * factor, frame.startS + frame.spanS / 2);
  }

  speed(mmPerS) {
    const { view, frame } = this.viewer;
    if (frame.layout === "lines") this.viewer.choose({ layout: view.before });
    this.viewer.zoom(mmPerS, frame.startS + (frame.layout === "lines" ? 0 : frame.spanS / 2));
  }

  gain(direction) {
    this.viewer.view.stepGain(direction);
    this.viewer.choose({});
  }

  askTime() {
    const { popups, frame, view } = this.viewer;
    const [x, y] = this.viewer.popupPlace();
    popups.askText({ title: "Go to", label: "h:mm:ss", value: clock(frame.startS), verb: "Go", x, y }, (text) => {
      const seconds = secondsOf(text);
      if (seconds === null || seconds > view.durationS) {
        this.viewer.say(seconds === null ? `“${text}” is no time; write h:mm:ss` : `The record ends at ${clock(view.durationS)}`, true);
        return false;
      }
      this.viewer.moveTo(seconds, { jump: true });
      return true;
    });
  }

  // Beats and events

  nextBeat(direction) {
    const { beats, view, frame, selection } = this.viewer;
    const only = selection.size === 1 ? [...selection][0] : null;
    const index = beats.next(Math.round(this.#from(only === null ? null : only / frame.fs, direction) * frame.fs), direction, view.classes);
    if (index < 0) {
      this.viewer.say(`No ${direction > 0 ? "later" : "earlier"} beat${view.classes === "all" ? "" : ` of the class ${view.classes}`}`, false);
      return;
    }
    this.viewer.select([beats.samples[index]]);
    this.viewer.centre(beats.samples[index] / frame.fs);
  }

  nextEpisode(direction) {
    const { episodes } = this.viewer.data;
    const from = this.#from(this.#episodeS, direction);
    const found = direction > 0 ? episodes.find(([startS]) => startS > from) : episodes.findLast(([startS]) => startS < from);
    if (!found) {
      this.viewer.say(`No ${direction > 0 ? "later" : "earlier"} event`, false);
      return;
    }
    const [startS, , kind, text] = found;
    this.#episodeS = startS;
    this.viewer.centre(startS);
    this.viewer.say(`${clock(startS, 1)} ${kind}${text ? `: ${text}` : ""}`, false);
  }

  /** Off, light, strong, and off again. */
  bands() {
    const { bands, view } = this.viewer;
    if (!this.#hasMap()) return;
    const after = BAND_STRENGTHS[(BAND_STRENGTHS.indexOf(view.bands) + 1) % BAND_STRENGTHS.length];
    this.viewer.choose({ bands: after });
    this.viewer.say(`${bandsTitle(bands.told)}: ${after}`, false);
  }

  nextPlace(direction) {
    const { bands, view, frame } = this.viewer;
    if (!this.#hasMap()) return;
    const from = this.#from(this.#placeS, direction);
    const sample = bands.next(Math.round(from * frame.fs), direction, view);
    if (sample === null) {
      this.viewer.say(view.bands === "off" ? "The ectopy map is off; B shows it" : `No ${direction > 0 ? "later" : "earlier"} place of the ectopy map`, false);
      return;
    }
    this.#placeS = sample / frame.fs;
    this.viewer.centre(this.#placeS);
  }

  #hasMap() {
    const there = this.viewer.bands.places !== null;
    if (!there) this.viewer.say("There is no ectopy map yet: the panel Places has it made", false);
    return there;
  }

  /** From where a search goes on: what was found last if it is in view, else the edge of the view that the search leaves behind. */
  #from(lastS, direction) {
    const { frame } = this.viewer;
    if (lastS !== null && lastS >= frame.startS && lastS <= frame.stopS) return lastS;
    return direction > 0 ? frame.startS : frame.stopS;
  }

  selectView() {
    const { beats, frame } = this.viewer;
    const [first, last] = beats.between(frame.startS * frame.fs, frame.stopS * frame.fs);
    this.viewer.select(beats.samples.subarray(first, last));
  }

  relabel(key) {
    const { beats, selection } = this.viewer;
    if (!selection.size) {
      this.viewer.say("Select a beat first: click its letter, or press ]", false);
      return;
    }
    const code = CODE_OF_KEY[key];
    const other = (index) => index >= 0 && String.fromCharCode(beats.codes[index]) !== code;
    const samples = [...selection].filter((sample) => other(beats.at(sample))).sort((a, b) => a - b);
    if (samples.length) this.viewer.edit({ command: "relabel", samples, code });
    else this.viewer.say(`${selection.size === 1 ? "It is" : "They are"} ${key} already`, false);
  }

  deleteBeats() {
    const { selection } = this.viewer;
    if (!selection.size) return false;
    if (this.viewer.edit({ command: "delete", samples: [...selection].sort((a, b) => a - b) })) this.viewer.select([]);
    return true;
  }

  /** On the largest deflection of the top lead near the pointer, as the signal is shown. */
  async addBeat() {
    const { frame, tiles, record, centres } = this.viewer;
    if (frame.layout === "lines" || !this.viewer.mayEdit()) return;
    const x = this.#place();
    if (x === null) {
      this.viewer.say("To add a beat, point at its place or put a line of the calipers there", false);
      return;
    }
    const middle = sampleAt(frame, x, record.n_samples);
    const cell = cellAt(frame, x, frame.top);
    const reach = Math.round(SNAP_S * frame.fs);
    const [from, to] = [Math.max(0, middle - reach), Math.min(record.n_samples - 1, middle + reach)];
    await tiles.fetchRaw(frame.band, [cell.lead], [from, to]);
    const centre = centres.of(frame, cell, tiles, record.n_samples);
    let [best, most] = [middle, -1];
    for (let sample = from; sample <= to; sample += 1) {
      const away = Math.abs((tiles.valueAt(frame.band, cell.lead, sample) ?? NaN) - centre);
      if (away > most) [best, most] = [sample, away];
    }
    if (this.viewer.edit({ command: "add", sample: best, code: "N" })) this.viewer.select([best]);
  }

  /** Where something new is to stand: at the pointer, else at the line of the calipers held last; null where there is neither. */
  #place() {
    const { frame, pointerX, calipers } = this.viewer;
    const x = pointerX ?? (calipers.set ? xOf(frame, calipers[calipers.active] / frame.fs) : null);
    return x === null ? null : clamp(x, frame.left, frame.right);
  }

  armMove() {
    if (this.viewer.mayEdit()) this.viewer.pointer.armMove();
  }

  // Marks

  /** Samples of the stretch that was dragged, else of the calipers; null where there is neither. */
  #stretch() {
    return this.viewer.stretch ?? this.viewer.calipers.span;
  }

  #span(what) {
    const span = this.#stretch();
    if (!span) this.viewer.say(`To ${what}, first drag over its stretch with Shift, or set the calipers`, false);
    return span;
  }

  markRhythm() {
    const span = this.viewer.mayEdit() && this.#span("name a rhythm");
    if (!span) return;
    const [x, y] = this.viewer.popupPlace(span[0]);
    this.viewer.popups.askRhythm({ title: `Rhythm, ${this.#said(span)}`, verb: "Mark", x, y }, (text) => this.#mark("rhythm", span, text));
  }

  markArtefact() {
    const span = this.viewer.mayEdit() && this.#span("mark artefact");
    if (span) this.#mark("artefact", span, "");
  }

  comment() {
    if (!this.viewer.mayEdit()) return;
    const { frame, record } = this.viewer;
    const here = sampleAt(frame, this.#place() ?? (frame.left + frame.right) / 2, record.n_samples);
    const span = this.#stretch() ?? [here, here];
    const [x, y] = this.viewer.popupPlace(span[0]);
    this.viewer.popups.askText({ title: `Comment, ${this.#said(span)}`, label: "Text", verb: "Save", x, y }, (text) => text !== "" && this.#mark("comment", span, text));
  }

  /** On the page that fills gaps: this stretch is one. */
  markGap() {
    if (!this.viewer.data.gap) return false;
    const span = this.#span("mark a gap");
    if (!span) return true;
    const { fs } = this.viewer.frame;
    const { lead } = this.viewer;
    this.viewer.trigger("gap", { start_s: span[0] / fs, stop_s: (span[1] + 1) / fs, lead: lead && recordedLead(lead) });
    this.viewer.stretch = null;
    this.viewer.calipers.clear();
    this.viewer.invalidate();
    return true;
  }

  #said([start, stop]) {
    const { fs } = this.viewer.frame;
    return start === stop ? clock(start / fs, 1) : `${clock(start / fs, 1)}–${clock(stop / fs, 1)}`;
  }

  #mark(kind, [start, stop], text) {
    this.viewer.edit({ command: "mark", kind, start, stop, text, lead: null });
    this.viewer.stretch = null;
    this.viewer.invalidate();
    return true;
  }

  /** Change or delete a mark that was clicked. */
  openMark(item) {
    if (item.unsaved || item.kind === "decision") {
      this.viewer.say(item.unsaved ? "This mark is being saved" : "A decision of the adjudication is not changed here", false);
      return;
    }
    if (!this.viewer.mayEdit()) return;
    const span = this.#stretch() ?? [item.start, item.stop];
    const change = (text, [start, stop] = [item.start, item.stop]) => this.viewer.edit({ command: "change_mark", item: item.id, text, start, stop });
    const more = { Delete: () => this.viewer.edit({ command: "unmark", item: item.id }) };
    if (this.#stretch()) more["Take the stretch"] = () => change(item.text, span);
    const [x, y] = this.viewer.popupPlace(Math.max(item.start, Math.round(this.viewer.frame.startS * this.viewer.frame.fs)));
    const asked = { title: `${item.kind[0].toUpperCase()}${item.kind.slice(1)}, ${this.#said([item.start, item.stop])}`, value: item.text, verb: "Save", more, x, y };
    const { popups } = this.viewer;
    if (item.kind === "rhythm") popups.askRhythm(asked, (text) => (change(text), true));
    else popups.askText({ ...asked, label: item.kind === "comment" ? "Text" : "What it is (may stay empty)" }, (text) => (item.kind === "comment" && text === "" ? false : (change(text), true)));
  }

  undo() {
    this.viewer.edit({ command: "undo" });
  }

  redo() {
    this.viewer.edit({ command: "redo" });
  }

  // Measuring

  calipers() {
    const { calipers, frame } = this.viewer;
    if (frame.layout === "lines") return;
    calipers.on = !calipers.on;
    if (!calipers.on) calipers.clear();
    this.viewer.invalidate();
  }

  march() {
    const { calipers } = this.viewer;
    if (!calipers.span) return false;
    calipers.marching = !calipers.marching;
    this.viewer.invalidate();
    return true;
  }

  nudge([by, other]) {
    const { calipers, record } = this.viewer;
    if (!calipers.set) return false;
    const line = other ? { a: "b", b: "a" }[calipers.active] : calipers.active;
    calipers.nudge(line, by, record.n_samples);
    this.viewer.invalidate();
    return true;
  }

  /** Esc: what was begun last goes first. */
  clear() {
    const { calipers, pointer } = this.viewer;
    if (pointer.armed) pointer.armed = false;
    else if (calipers.set) calipers.clear();
    else if (this.viewer.stretch) this.viewer.stretch = null;
    else if (this.viewer.selection.size) this.viewer.select([]);
    else if (calipers.on) calipers.on = false;
    else return false;
    this.viewer.invalidate();
    return true;
  }

  measure() {
    const { frame } = this.viewer;
    this.viewer.trigger("measure", { start_s: frame.startS, stop_s: frame.stopS });
  }

  keys() {
    this.viewer.openKeys();
  }
}
