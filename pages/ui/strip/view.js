/** What the reader chose to see and where: kept for the session by record, so that it outlives reruns and page switches. */

import { GAINS, USUAL_GAIN, USUAL_SPEED, clamp, keep, recalled, stepped } from "./scale.js";

export const STANDARD = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"];
export const BAND_STRENGTHS = ["off", "light", "strong"];
const CABRERA = ["aVL", "I", "-aVR", "II", "aVF", "III", "V1", "V2", "V3", "V4", "V5", "V6"];
const SHORTEST_S = 1;
const READABLE_MM_S = 3; // slower than this a single beat cannot be read: going to one returns to the usual speed
const SAVED = ["startS", "mmPerS", "gain", "filter", "notch", "layout", "chosen", "cabrera", "rhythm", "classes", "annotator", "linesGain", "before", "gotoNonce", "bands", "bandClass"];

export class View {
  /** The view of a record as it was left in this session, or the first one. */
  constructor(data) {
    this.record = data.record;
    this.durationS = data.record.n_samples / data.record.fs_hz;
    this.endS = this.durationS; // a forecast may go on behind the record
    this.spanMm = 250; // what of the paper shows signal; the viewer says how much it is
    Object.assign(this, {
      startS: 0,
      mmPerS: USUAL_SPEED,
      gain: USUAL_GAIN,
      filter: data.default_filter,
      notch: "0",
      layout: "auto",
      chosen: data.record.first_leads.length ? [...data.record.first_leads] : data.record.leads.slice(0, 1),
      cabrera: false,
      rhythm: ["II", "MLII"].find((lead) => data.record.leads.includes(lead)) ?? data.record.leads[0],
      classes: "all",
      annotator: "",
      linesGain: 5,
      before: "auto", // the layout to which full disclosure returns
      gotoNonce: null,
      bands: "light", // how strongly a map is drawn
      bandClass: "",
    });
    this.#recall(data);
  }

  get #key() {
    return `leadwise-strip:${this.record.id}`;
  }

  /** A record read anew may lack what was chosen: only what still fits is taken over. */
  #recall(data) {
    const saved = recalled("sessionStorage", this.#key);
    if (!saved || typeof saved !== "object") return;
    for (const name of SAVED) {
      if (typeof saved[name] === typeof this[name] || name === "gotoNonce") this[name] = saved[name] ?? this[name];
    }
    const there = Array.isArray(saved.chosen) ? saved.chosen.filter((lead) => data.record.leads.includes(lead)) : [];
    this.chosen = there.length ? there : [...data.record.first_leads];
    if (!data.record.leads.includes(this.rhythm)) this.rhythm = data.record.leads[0];
    if (!data.filters.some((filter) => filter.name === this.filter)) this.filter = data.default_filter;
    if (!data.annotators.includes(this.annotator)) this.annotator = "";
    if (!BAND_STRENGTHS.includes(this.bands)) this.bands = "light";
    if (!GAINS.includes(this.gain)) this.gain = USUAL_GAIN;
  }

  save() {
    keep("sessionStorage", this.#key, Object.fromEntries(SAVED.map((name) => [name, this[name]])));
  }

  /** Seconds that the strip shows. */
  get spanS() {
    return this.spanMm / this.mmPerS;
  }

  /** The leads in the order shown. Cabrera's puts −aVR in the place between I and II. */
  get leads() {
    if (!this.cabrera) return this.chosen;
    const turned = this.chosen.map((lead) => (lead === "aVR" ? "-aVR" : lead));
    const rank = (lead) => (CABRERA.includes(lead) ? CABRERA.indexOf(lead) : CABRERA.length);
    return turned.sort((a, b) => rank(a) - rank(b));
  }

  /** Whether the record has the twelve standard leads, for which the column layouts are made. */
  get standard() {
    return STANDARD.every((lead) => this.record.leads.includes(lead));
  }

  /** The gain of what is on screen: full disclosure has its own. */
  get shownGain() {
    return this.layout === "lines" ? this.linesGain : this.gain;
  }

  setGain(gain) {
    this[this.layout === "lines" ? "linesGain" : "gain"] = gain;
  }

  stepGain(direction) {
    this.setGain(stepped(GAINS, this.shownGain, direction));
  }

  /** Keep within the record, and no closer than a second. */
  settle() {
    const slowest = Math.min(USUAL_SPEED / 2, this.spanMm / this.endS);
    this.mmPerS = clamp(this.mmPerS, slowest, this.spanMm / SHORTEST_S);
    this.startS = clamp(this.startS, 0, Math.max(0, this.endS - this.spanS));
  }

  /** Have room for forecasts, and the lead shown on which a gap is to be marked. */
  follow(dashed, fs) {
    this.endS = Math.max(this.durationS, dashed.endS(fs));
    const lead = dashed.gap?.lead;
    if (lead && lead !== this.gapLead && !this.chosen.includes(lead)) this.chosen = [lead];
    this.gapLead = lead;
  }

  /** Change the speed so that a moment stays where it is on screen. */
  zoomTo(mmPerS, aboutS) {
    const share = (aboutS - this.startS) / this.spanS;
    this.mmPerS = mmPerS;
    this.settle();
    this.startS = aboutS - share * this.spanS;
    this.settle();
  }

  /** Have a moment in the middle; `spanS` says how much is to be seen, null leaves it unless nothing could be read. */
  centre(momentS, spanS = null) {
    if (spanS !== null) this.mmPerS = this.spanMm / Math.max(SHORTEST_S, spanS);
    else if (this.mmPerS < READABLE_MM_S) this.mmPerS = USUAL_SPEED;
    this.settle();
    this.startS = momentS - this.spanS / 2;
    this.settle();
  }
}
