/** The whole record under the strip: heart rate, ectopic beats, marks, and where the strip is. */

import { lowerBound, clamp, clock, labelStepS, timeOfDay } from "./scale.js";
import { tickColumns } from "./letters.js";
import { FONT } from "./paper.js";
import { itemText } from "./marks.js";

const LONGEST_RR_S = 3; // across a longer one no rate is known
const RATE_PX = 42;
const ROW_PX = 11;
const AXIS_PX = 15;
const LEFT_PX = 60;
const EDGE_PX = 6;
const LEAST_WINDOW_PX = 4;
const ROWS = ["S", "V", "F", "Q", "P"];
const MARKS = [["quality", "noise"], ["episodes", "events"], ["items", "marks"], ["dashed", "filled"]];

/** Least and greatest rate of each pixel of `width`, as two arrays (NaN where none is known), and the range of all. */
function rates(samples, fs, nSamples, width) {
  const [low, high] = [new Float32Array(width).fill(NaN), new Float32Array(width).fill(NaN)];
  let [least, greatest] = [Infinity, -Infinity];
  for (let index = 1; index < samples.length; index += 1) {
    const rrS = (samples[index] - samples[index - 1]) / fs;
    if (rrS > LONGEST_RR_S || rrS <= 0) continue;
    const rate = 60 / rrS;
    const column = Math.min(width - 1, Math.floor((samples[index] / nSamples) * width));
    if (!(rate >= low[column])) low[column] = rate;
    if (!(rate <= high[column])) high[column] = rate;
    if (rate < least) least = rate;
    if (rate > greatest) greatest = rate;
  }
  return { low, high, least, greatest };
}

export class Overview {
  #still = document.createElement("canvas"); // all but the window: drawn anew only when the record's beats or marks change
  #drawn = "";
  #grip = null;

  constructor(canvas, viewer) {
    this.canvas = canvas;
    this.viewer = viewer;
    this.widthPx = 0;
    const { signal } = viewer.abort;
    canvas.addEventListener("pointerdown", (event) => this.#down(event), { signal });
    canvas.addEventListener("pointermove", (event) => this.#move(event), { signal });
    canvas.addEventListener("pointerup", () => (this.#grip = null), { signal });
    canvas.addEventListener("pointercancel", () => (this.#grip = null), { signal });
    canvas.addEventListener("pointerleave", () => viewer.popups.tip(null), { signal });
  }

  /** Rows that have something to show, each {name, kind}. */
  #rows() {
    const { bands, beats, dashed, items, data, view } = this.viewer;
    const mapped = bands.labels(view).map((name) => ({ name, kind: "bands" }));
    const classes = ROWS.filter((letter) => ["S", "V"].includes(letter) || beats.samplesOf(letter).length).map((name) => ({ name, kind: "beats" }));
    const there = { quality: data.quality.length, episodes: data.episodes.length, items: items.length, dashed: dashed.pieces.length };
    return [...classes, ...mapped, ...MARKS.filter(([kind]) => there[kind]).map(([kind, name]) => ({ name, kind }))];
  }

  x(seconds) {
    return LEFT_PX + Math.min(1, seconds / this.viewer.view.durationS) * (this.widthPx - LEFT_PX - EDGE_PX);
  }

  seconds(x) {
    return clamp((x - LEFT_PX) / (this.widthPx - LEFT_PX - EDGE_PX), 0, 1) * this.viewer.view.durationS;
  }

  draw(widthPx, dpr, palette) {
    const { bands, beats, dashed, data, frame, view } = this.viewer;
    const rows = this.#rows();
    const heightPx = RATE_PX + rows.length * ROW_PX + AXIS_PX + 4;
    this.widthPx = widthPx;
    const state = [widthPx, dpr, heightPx, palette.name, this.viewer.version, data.quality.length, data.episodes.length, dashed.pieces.length, ...bands.labels(view)].join(" ");
    const resized = this.canvas.width !== Math.round(widthPx * dpr) || this.canvas.height !== Math.round(heightPx * dpr);
    if (resized) {
      Object.assign(this.canvas, { width: Math.round(widthPx * dpr), height: Math.round(heightPx * dpr) });
      Object.assign(this.canvas.style, { width: `${widthPx}px`, height: `${heightPx}px` });
    }
    if (state !== this.#drawn) this.#drawStill(rows, heightPx, dpr, palette, beats);
    this.#drawn = state;
    const ctx = this.canvas.getContext("2d", { alpha: false });
    ctx.setTransform(1, 0, 0, 1, 0, 0);
    ctx.drawImage(this.#still, 0, 0);
    ctx.setTransform(dpr, 0, 0, dpr, 0, 0);
    this.#drawWindow(ctx, frame, heightPx - AXIS_PX, palette);
  }

  /** Where the strip is, for those who do not see it. */
  say() {
    const { view, frame } = this.viewer;
    const said = { "aria-valuemax": view.durationS.toFixed(0), "aria-valuenow": frame.startS.toFixed(0), "aria-valuetext": `${clock(frame.startS)} of ${clock(view.durationS)}` };
    for (const [name, value] of Object.entries(said)) this.canvas.setAttribute(name, value);
  }

  #window(frame) {
    const [x0, x1] = [this.x(frame.startS), this.x(frame.stopS)];
    const extra = Math.max(0, LEAST_WINDOW_PX - (x1 - x0)) / 2;
    return [x0 - extra, x1 + extra];
  }

  #drawWindow(ctx, frame, footPx, palette) {
    const [x0, x1] = this.#window(frame);
    ctx.fillStyle = palette.accent;
    ctx.globalAlpha = 0.16;
    ctx.fillRect(x0, 1, x1 - x0, footPx - 1);
    ctx.globalAlpha = 1;
    ctx.strokeStyle = palette.accent;
    ctx.lineWidth = 1.5;
    ctx.strokeRect(x0, 1, x1 - x0, footPx - 2);
  }

  #drawStill(rows, heightPx, dpr, palette, beats) {
    Object.assign(this.#still, { width: this.canvas.width, height: this.canvas.height });
    const ctx = this.#still.getContext("2d", { alpha: false });
    ctx.setTransform(dpr, 0, 0, dpr, 0, 0);
    ctx.fillStyle = palette.paper;
    ctx.fillRect(0, 0, this.widthPx, heightPx);
    this.#drawAxis(ctx, heightPx, palette);
    this.#drawRates(ctx, beats, palette);
    rows.forEach((row, index) => this.#drawRow(ctx, row, RATE_PX + 3 + index * ROW_PX, palette, beats));
  }

  #drawAxis(ctx, heightPx, palette) {
    const { view, record } = this.viewer;
    const stepS = labelStepS((this.widthPx - LEFT_PX - EDGE_PX) / view.durationS, record.start ? 110 : 76);
    ctx.font = `11px ${FONT}`;
    ctx.textBaseline = "middle";
    ctx.textAlign = "center";
    for (let seconds = 0; seconds <= view.durationS; seconds += stepS) {
      const day = timeOfDay(record.start, seconds);
      const text = clock(seconds) + (day ? ` · ${day}` : "");
      ctx.fillStyle = palette.grid_heavy;
      ctx.fillRect(Math.round(this.x(seconds)), 0, 1, heightPx - AXIS_PX + 2);
      const half = ctx.measureText(text).width / 2;
      ctx.fillStyle = palette.muted;
      if (this.x(seconds) + half < this.widthPx) ctx.fillText(text, Math.max(half + 2, this.x(seconds)), heightPx - AXIS_PX / 2);
    }
  }

  #drawRates(ctx, beats, palette) {
    const { record } = this.viewer;
    const width = Math.max(1, Math.round(this.widthPx - LEFT_PX - EDGE_PX));
    const { low, high, least, greatest } = rates(beats.samples, record.fs_hz, record.n_samples, width);
    ctx.textAlign = "right";
    ctx.font = `11px ${FONT}`;
    ctx.fillStyle = palette.muted;
    if (least > greatest) {
      ctx.fillText("no rate", LEFT_PX - 5, RATE_PX / 2);
      return;
    }
    const [from, to] = [Math.floor(least / 10) * 10, Math.ceil((greatest + 1) / 10) * 10];
    const y = (rate) => 5 + (RATE_PX - 8) * (1 - (rate - from) / (to - from));
    ctx.fillText(String(to), LEFT_PX - 5, 9);
    ctx.fillText("HR /min", LEFT_PX - 5, RATE_PX / 2 + 1);
    ctx.fillText(String(from), LEFT_PX - 5, RATE_PX - 5);
    ctx.fillStyle = palette.text;
    const joined = Math.max(1, (LONGEST_RR_S / this.viewer.view.durationS) * width); // pixels from one rate to the next it belongs to
    let before = -1;
    for (let column = 0; column < width; column += 1) {
      if (Number.isNaN(low[column])) continue;
      let [top, foot] = [y(high[column]), y(low[column])];
      if (before >= 0 && column - before <= joined) {
        if (column - before > 1) ctx.fillRect(LEFT_PX + before, y((low[before] + high[before]) / 2) - 0.5, column - before, 1);
        top = Math.min(top, y(low[before]));
        foot = Math.max(foot, y(high[before]));
      }
      ctx.fillRect(LEFT_PX + column, top, 1, Math.max(1, foot - top));
      before = column;
    }
  }

  #drawRow(ctx, { name, kind }, y, palette, beats) {
    const { record, data, bands, dashed, items } = this.viewer;
    const letters = { beats: () => beats.samplesOf(name), bands: () => bands.places.peaksOf[name] }[kind];
    const width = this.widthPx - LEFT_PX - EDGE_PX;
    ctx.textAlign = "right";
    ctx.textBaseline = "middle";
    ctx.font = `${letters ? "bold " : ""}10px ${FONT}`;
    ctx.fillStyle = letters ? (palette.beats[name] ?? palette.accent) : palette.muted;
    ctx.fillText(kind === "bands" ? `map ${name}` : name, LEFT_PX - 5, y + ROW_PX / 2);
    if (letters) {
      for (const x of tickColumns(letters(), 0, record.n_samples, width)) ctx.fillRect(LEFT_PX + x, y + 1, 1.5, ROW_PX - 1.5);
      return;
    }
    const spans = {
      quality: () => data.quality.map(([, startS, stopS]) => [startS, stopS, palette.warning]),
      episodes: () => data.episodes.map(([startS, stopS]) => [startS, stopS, palette.muted]),
      items: () => items.map((item) => [item.start / record.fs_hz, item.stop / record.fs_hz, item.kind === "artefact" ? palette.warning : palette.accent]),
      dashed: () => dashed.pieces.map(({ start, stop, accepted }) => [start / record.fs_hz, stop / record.fs_hz, accepted ? palette.accent : palette.warning]),
    }[kind]();
    for (const [startS, stopS, colour] of spans) {
      ctx.fillStyle = colour;
      ctx.fillRect(this.x(startS), y + 2, Math.max(1.5, this.x(stopS) - this.x(startS)), ROW_PX - 3.5);
    }
  }

  #down(event) {
    if (event.button !== 0) return;
    this.canvas.setPointerCapture(event.pointerId);
    const [x0, x1] = this.#window(this.viewer.frame);
    const inside = event.offsetX >= x0 && event.offsetX <= x1;
    const { startS, spanS } = this.viewer.frame;
    this.#grip = inside ? this.seconds(event.offsetX) - startS : spanS / 2;
    if (!inside) this.#go(event.offsetX);
  }

  #move(event) {
    if (this.#grip !== null) this.#go(event.offsetX);
    else this.viewer.popups.tip(this.#textAt(event.offsetX), event);
  }

  #go(x) {
    this.viewer.moveTo(this.seconds(x) - this.#grip, { jump: true });
  }

  /** Time under the pointer, and the events and marks that are there. */
  #textAt(x) {
    const { data, items, record, beats } = this.viewer;
    const [fromS, toS] = [this.seconds(x - 2), this.seconds(x + 2)];
    const near = (startS, stopS) => startS <= toS && stopS >= fromS;
    const fs = record.fs_hz;
    const said = [
      ...data.episodes.filter(([startS, stopS]) => near(startS, stopS)).map(([startS, , kind, text]) => `${clock(startS)} ${kind}${text ? `: ${text}` : ""}`),
      ...items.filter((item) => near(item.start / fs, item.stop / fs)).map((item) => itemText(item, fs)),
      ...data.quality.filter(([, startS, stopS]) => near(startS, stopS)).map(([lead, startS, , kind, reason]) => `${clock(startS)} ${lead} ${kind}: ${reason}`),
    ];
    const atBeat = lowerBound(beats.samples, this.seconds(x) * fs);
    const rrS = atBeat > 0 && atBeat < beats.length ? (beats.samples[atBeat] - beats.samples[atBeat - 1]) / fs : Infinity;
    const here = clock(this.seconds(x)) + (rrS <= LONGEST_RR_S ? ` · ${Math.round(60 / rrS)}/min` : "");
    return [here, ...said.slice(0, 3), ...(said.length > 3 ? [`and ${said.length - 3} more`] : [])].join("\n");
  }
}
