/** Where a model sees ectopic beats: a band behind the trace at each place of its map, and over it the letter of its class. */

import { LINE_S, xOf } from "./layouts.js";
import { tickColumns } from "./letters.js";
import { FONT, haloText } from "./paper.js";
import { clock, lowerBound } from "./scale.js";

const BAND_ALPHA = { light: [0.07, 0.24], strong: [0.16, 0.46] }; // of a strength of 0 and of 1
const LINE_ALPHA = { light: 0.5, strong: 0.9 }; // of the bars of full disclosure
const BAND_LETTER_PX = 10;
const BAND_REACH_PX = 9; // a pointer this near to a letter means it
const PROFILED_FROM_PX = 3; // a narrower band has one shade

/** The places of a map as they came, in the order in which they begin. */
class Places {
  constructor(buffer, { labels, step_s: stepS }) {
    const head = new DataView(buffer);
    const [n, steps] = [head.getUint32(0, true), head.getUint32(4, true)];
    if (buffer.byteLength !== 8 + 25 * n + steps) throw new Error(`places of ${buffer.byteLength} bytes cannot be read`);
    const [ints, bytes] = [(k) => new Int32Array(buffer, 8 + 4 * n * k, n), (k) => new Uint8Array(buffer, 8 + 20 * n + n * k, n)];
    Object.assign(this, { labels, stepS, length: n, starts: ints(0), stops: ints(1), peaks: ints(2), firsts: ints(3), counts: ints(4) });
    Object.assign(this, { classes: bytes(0), strengths: bytes(1), checks: new Int8Array(buffer, 8 + 22 * n, 3 * n), profile: new Uint8Array(buffer, 8 + 25 * n, steps) });
    this.offsets = new Int32Array(n + 1);
    for (let index = 0; index < n; index += 1) this.offsets[index + 1] = this.offsets[index] + this.counts[index];
    this.longest = this.starts.reduce((most, start, index) => Math.max(most, this.stops[index] - start), 0);
    this.peaksOf = Object.fromEntries(labels.map((label, at) => [label, this.peaks.filter((_, index) => this.classes[index] === at).sort()]));
  }

  label(index) {
    return this.labels[this.classes[index]];
  }

  /** First and past-the-last index of what may reach into samples from ≤ s < to. */
  between(from, to) {
    const first = lowerBound(this.starts, from - this.longest);
    return [first, lowerBound(this.starts, to, first)];
  }

  /** A place in full, for the pointer that rests on its letter. */
  text(index, fs, model) {
    const [fall, elsewhere, like] = [0, 1, 2].map((k) => (this.checks[k * this.length + index] / 100).toFixed(2).replace("-", "−"));
    const strength = (this.strengths[index] / 255).toFixed(2);
    const said = `${clock(this.peaks[index] / fs, 2)} · ${this.label(index)} seen by ${model} · strength ${strength}, no probability`;
    return `${said}\nflattened, its probability falls by ${fall}, elsewhere by ${elsewhere}; correlation with random weights ${like}`;
  }
}

/** The map that the page tells of, its places fetched once. */
export class Bands {
  #flight = "";

  /** `arrived` is called when the places are there, or the map is gone; `failed` with the sentence of what could not be had. */
  constructor(wire, arrived, failed) {
    Object.assign(this, { wire, arrived, failed, told: null, places: null });
  }

  /** Have the map of the page's data, or none. */
  follow({ bands, base }) {
    const same = bands && bands.query === this.told?.query;
    this.told = bands ?? null;
    if (!same) this.places = null;
    if (this.told && !this.places && this.#flight !== this.told.query) this.#fetch(base, this.told);
  }

  async #fetch(base, told) {
    this.#flight = told.query;
    try {
      const places = new Places(await this.wire.bytes(`${base}/bands?${told.query}`), told);
      if (told.query === this.told?.query) this.places = places;
    } catch (error) {
      if (!error.expired) this.failed(`Ectopy map: ${error.message}`); // with a new token the page runs, and it is asked for again
    }
    if (this.#flight === told.query) this.#flight = "";
    this.arrived();
  }

  /** The class the reader chose, or "all"; before he does, what the page would draw unasked. */
  chosen(view) {
    const { labels, unasked } = this.told;
    if (view.bandClass === "all" || labels.includes(view.bandClass)) return view.bandClass;
    return unasked.length === 1 ? unasked[0] : "all";
  }

  /** Classes to be drawn. */
  labels(view) {
    if (!this.places || view.bands === "off") return [];
    return this.told.labels.filter((label) => this.chosen(view) === "all" || this.chosen(view) === label);
  }

  /** Indices of the places in view that are drawn. */
  inView(frame, view) {
    const labels = this.labels(view);
    if (!labels.length) return [];
    const [from, to] = [frame.startS * frame.fs, frame.stopS * frame.fs];
    const [first, last] = this.places.between(from, to);
    const found = [];
    for (let index = first; index < last; index += 1) {
      if (this.places.stops[index] > from && labels.includes(this.places.label(index))) found.push(index);
    }
    return found;
  }

  /** Sample of the next place in a direction, of the classes drawn; null where there is none. */
  next(sample, direction, view) {
    const ends = this.labels(view).map((label) => {
      const peaks = this.places.peaksOf[label];
      return direction > 0 ? peaks[lowerBound(peaks, sample + 1)] : peaks[lowerBound(peaks, sample) - 1];
    });
    const there = ends.filter((peak) => peak !== undefined);
    return there.length ? (direction > 0 ? Math.min(...there) : Math.max(...there)) : null;
  }
}

/** Shade every cell: the stronger the map there, the darker. Drawn before the trace. */
export function drawBands(ctx, frame, bands, view, palette) {
  const found = bands.inView(frame, view);
  if (!found.length) return;
  const [faint, full] = BAND_ALPHA[view.bands];
  for (const label of bands.labels(view)) {
    ctx.fillStyle = palette.beats[label] ?? palette.accent;
    const of = found.filter((index) => bands.places.label(index) === label);
    for (const cell of frame.cells) {
      const columns = shades(frame, cell, bands.places, of);
      for (let x = 0, end = 0; x < columns.length; x = end) {
        for (end = x + 1; end < columns.length && columns[end] === columns[x]; ) end += 1;
        if (!columns[x]) continue;
        ctx.globalAlpha = faint + (full - faint) * (columns[x] / 255);
        ctx.fillRect(cell.x0 + x, cell.middle - frame.rowPx / 2, Math.min(end, cell.x1 - cell.x0) - x, frame.rowPx);
      }
    }
  }
  ctx.globalAlpha = 1;
}

/** The greatest strength (1 … 255; 0: no band) in each pixel of a cell. */
function shades(frame, cell, places, indices) {
  const columns = new Uint8Array(Math.ceil(cell.x1 - cell.x0));
  const x = (seconds) => cell.startX - cell.x0 + (seconds - cell.startS) * frame.pxPerS;
  const put = (x0, x1, strength) => {
    const stop = Math.min(columns.length, Math.max(Math.floor(x0) + 1, Math.round(x1)));
    for (let column = Math.max(0, Math.floor(x0)); column < stop; column += 1) columns[column] = Math.max(columns[column], strength, 1);
  };
  for (const index of indices) {
    const [x0, x1] = [x(places.starts[index] / frame.fs), x(places.stops[index] / frame.fs)];
    if (x1 < 0 || x0 > columns.length) continue;
    if (x1 - x0 < PROFILED_FROM_PX) put(x0, x1, places.strengths[index]);
    else {
      for (let k = 0; k < places.counts[index]; k += 1) {
        const startS = (places.firsts[index] + k) * places.stepS;
        put(Math.max(x0, x(startS)), Math.min(x1, x(startS + places.stepS)), places.profile[places.offsets[index] + k]);
      }
    }
  }
  return columns;
}

/** A lane with the letter of each place at its strongest spot; rows of ticks, each with its letter before it, where there is no room. */
export function drawBandLetters(ctx, frame, lane, bands, view, palette) {
  const found = bands.inView(frame, view);
  ctx.textBaseline = "middle";
  if (found.length * BAND_LETTER_PX > frame.right - frame.left) {
    drawBandTicks(ctx, frame, lane, bands, view, palette);
    return;
  }
  ctx.font = `bold 12px ${FONT}`;
  ctx.textAlign = "center";
  for (const index of found) {
    const x = xOf(frame, bands.places.peaks[index] / frame.fs);
    const label = bands.places.label(index);
    if (x >= frame.left && x <= frame.right) haloText(ctx, label, x, lane.y + lane.heightPx / 2, palette.beats[label] ?? palette.accent, palette.paper);
  }
}

function drawBandTicks(ctx, frame, lane, bands, view, palette) {
  const labels = bands.labels(view);
  const height = lane.heightPx / Math.max(2, labels.length);
  ctx.font = `bold ${Math.min(10, Math.max(7, height))}px ${FONT}`;
  ctx.textAlign = "right";
  labels.forEach((label, row) => {
    ctx.fillStyle = palette.beats[label] ?? palette.accent;
    ctx.fillText(label, frame.left - 4, lane.y + (row + 0.5) * height + 0.5);
    const peaks = bands.places.peaksOf[label];
    for (const x of tickColumns(peaks, frame.startS * frame.fs, frame.stopS * frame.fs, frame.right - frame.left)) {
      ctx.fillRect(frame.left + x, lane.y + row * height + 0.5, 1.5, height - 1);
    }
  });
}

/** Full disclosure: a bar under the line at each place; its letter where no beat bears it there. */
export function drawLineBands(ctx, frame, bands, beats, view, palette) {
  ctx.font = `bold 9px ${FONT}`;
  ctx.textAlign = "center";
  ctx.textBaseline = "middle";
  for (const index of bands.inView(frame, view)) {
    const { starts, stops, peaks } = bands.places;
    const [startS, stopS] = [starts[index] / frame.fs, stops[index] / frame.fs];
    const label = bands.places.label(index);
    const colour = palette.beats[label] ?? palette.accent;
    const foot = frame.rowPx * 0.38 - 3; // of a line, from its middle
    ctx.fillStyle = colour;
    for (const cell of frame.cells.filter((one) => startS < one.startS + LINE_S && stopS > one.startS)) {
      const x = (seconds) => Math.max(cell.x0, Math.min(cell.x1, cell.startX + (seconds - cell.startS) * frame.pxPerS));
      ctx.globalAlpha = LINE_ALPHA[view.bands];
      ctx.fillRect(x(startS), cell.middle + foot, Math.max(1.5, x(stopS) - x(startS)), 3);
      ctx.globalAlpha = 1;
      const of = beats.samplesOf(label);
      const same = of[lowerBound(of, starts[index])] < stops[index];
      const peakS = peaks[index] / frame.fs;
      if (!same && peakS >= cell.startS && peakS < cell.startS + LINE_S) haloText(ctx, label, x(peakS), cell.middle + foot - 4, colour, palette.paper);
    }
  }
}

/** The place whose letter is under the pointer; -1 if there is none. */
export function placeAt(frame, bands, view, x) {
  const away = (index) => Math.abs(xOf(frame, bands.places.peaks[index] / frame.fs) - x);
  const found = bands.inView(frame, view).filter((index) => away(index) <= BAND_REACH_PX);
  return found.length ? found.reduce((best, index) => (away(index) < away(best) ? index : best)) : -1;
}

/** What made the map, in print. */
export function bandsTitle({ model, leads }) {
  return `Ectopy map ${model} on ${leads.join(", ")}`;
}

/** The bands on screen in words. */
export function bandsText(frame, bands, view, most = 12) {
  if (!bands.places || view.bands === "off") return "";
  const found = bands.inView(frame, view);
  const counted = bands.labels(view).map((label) => `${found.filter((index) => bands.places.label(index) === label).length} ${label}`);
  const said = found.length > most ? counted.join(", ") : found.map((index) => `${bands.places.label(index)} at ${clock(bands.places.peaks[index] / frame.fs, 1)}`).join(", ") || "none";
  return `, ${bandsTitle(bands.told)}: ${said}`;
}
