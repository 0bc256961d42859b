/** Calipers: two lines on all leads at once, on samples; what lies between them in ms, bpm and mV. */

import { sampleAt, xOf } from "./layouts.js";
import { FONT, haloText } from "./paper.js";
import { clamp, clock, signed } from "./scale.js";

const LINE_REACH_PX = 6;

export class Calipers {
  on = false;
  marching = false;
  a = null; // samples; null while no line is set
  b = null;
  active = "b";

  get set() {
    return this.a !== null;
  }

  clear() {
    Object.assign(this, { a: null, b: null, marching: false });
  }

  /** Begin a new span, or take hold of the line under the pointer. */
  grab(frame, x, nSamples) {
    const near = ["a", "b"].find((line) => this.set && Math.abs(xOf(frame, this[line] / frame.fs) - x) <= LINE_REACH_PX);
    if (near) this.active = near;
    else {
      this.a = this.b = sampleAt(frame, x, nSamples);
      this.active = "b";
    }
  }

  /** Put the line that is held at a place. */
  drag(frame, x, nSamples) {
    this[this.active] = sampleAt(frame, x, nSamples);
  }

  /** Move a line by samples. */
  nudge(line, by, nSamples) {
    if (this.set) this[line] = clamp(this[line] + by, 0, nSamples - 1);
  }

  /** First and last sample of the span; null while there is none. */
  get span() {
    return this.set && this.a !== this.b ? [Math.min(this.a, this.b), Math.max(this.a, this.b)] : null;
  }

  /** What the calipers show: Δ is the value at the later line minus that at the earlier; null where one is missing, undefined where it is not here yet. */
  measured(frame, tiles) {
    if (!this.set) return null;
    const [first, last] = [Math.min(this.a, this.b), Math.max(this.a, this.b)];
    const ms = ((last - first) / frame.fs) * 1000;
    const band = frame.band;
    const mv = Object.fromEntries(
      frame.leads.map((lead) => {
        const [from, to] = [tiles.valueAt(band, lead, first), tiles.valueAt(band, lead, last)];
        return [lead, from === null || to === null ? undefined : Number.isNaN(to - from) ? null : to - from];
      }),
    );
    return { first, last, ms, bpm: ms > 0 ? 60000 / ms : null, mv, complete: Object.values(mv).every((value) => value !== undefined) };
  }

  draw(ctx, frame, palette) {
    if (!this.set) return;
    const xs = [this.a, this.b].map((sample) => xOf(frame, sample / frame.fs)).sort((p, q) => p - q);
    if (this.marching) this.#march(ctx, frame, palette, xs);
    ctx.fillStyle = palette.accent;
    ctx.globalAlpha = 0.08;
    ctx.fillRect(xs[0], frame.top, xs[1] - xs[0], frame.bottom - frame.top);
    ctx.globalAlpha = 1;
    for (const x of xs) line(ctx, frame, x);
    if (this.a === this.b) return;
    const ms = (Math.abs(this.b - this.a) / frame.fs) * 1000;
    ctx.font = `bold 12px ${FONT}`;
    ctx.textBaseline = "middle";
    ctx.textAlign = "center";
    const text = `${Math.round(ms)} ms · ${Math.round(60000 / ms)}/min`;
    const half = ctx.measureText(text).width / 2 + 4;
    haloText(ctx, text, clamp((xs[0] + xs[1]) / 2, frame.left + half, frame.widthPx - half), frame.top + 9, palette.accent, palette.paper);
  }

  /** The interval repeated both ways along the strip. */
  #march(ctx, frame, palette, [x0, x1]) {
    const step = x1 - x0;
    if (step < 3) return; // closer lines would only grey the paper
    ctx.strokeStyle = palette.accent;
    ctx.lineWidth = 1;
    ctx.setLineDash([4, 4]);
    ctx.beginPath();
    for (let k = Math.ceil((frame.left - x0) / step); x0 + k * step <= frame.right; k += 1) {
      if (k === 0 || k === 1) continue;
      const x = Math.round((x0 + k * step) * frame.dpr) / frame.dpr + 0.5;
      ctx.moveTo(x, frame.top);
      ctx.lineTo(x, frame.bottom);
    }
    ctx.stroke();
    ctx.setLineDash([]);
  }
}

function line(ctx, frame, x) {
  if (x < frame.left - 1 || x > frame.right + 1) return;
  ctx.fillRect(Math.round(x * frame.dpr) / frame.dpr - 0.5 / frame.dpr, frame.top, Math.max(1, 1 / frame.dpr), frame.bottom - frame.top);
}

/** The measurement in words. */
export function measuredText(measured, fs) {
  if (!measured) return "";
  const digits = fs > 1000 ? 1 : 0;
  const { first, last, ms, bpm, mv } = measured;
  const rate = bpm === null ? "–" : `${bpm.toFixed(bpm < 100 ? 1 : 0)}/min`;
  const change = Object.entries(mv).map(([lead, value]) => `${lead} ${value === undefined ? "…" : value === null ? "–" : signed(value, 2)}`);
  return `Calipers ${clock(first / fs, 3)} to ${clock(last / fs, 3)}: ${ms.toFixed(digits)} ms · ${rate} · Δ mV ${change.join(", ")}`;
}

/** The measurement for whoever reads the element's data. */
export function measuredData(measured) {
  if (!measured) return "";
  const mv = Object.fromEntries(Object.entries(measured.mv).map(([lead, value]) => [lead, value ?? null]));
  return JSON.stringify({ first: measured.first, last: measured.last, ms: measured.ms, bpm: measured.bpm, mv, complete: measured.complete });
}
