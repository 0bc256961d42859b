/** Tiles of the signal: which are wanted, which are on their way, and which are kept. */

import { Refused } from "./wire.js";

export const MISSING = -32768; // the value of a sample, or of a bucket without any, that is missing
const TILE = 2048; // values or buckets in a tile
const KEPT_BYTES = 64 * 2 ** 20;
const AT_ONCE = 4; // a browser has six connections to a server: two are left for edits and beats
const AHEAD_AT_ONCE = 2; // of these for what is not on screen yet
const TILE_RETRY_MS = 1500;

/** Samples in a tile of a level. */
export function tileSamples(level) {
  return TILE * 4 ** level;
}

/** The coarsest level of a record whose buckets are no wider than a pixel. */
export function levelFor(samplesPerPx, nSamples) {
  const level = Math.floor(Math.log(samplesPerPx) / Math.log(4) + 1e-9);
  return Math.max(0, Math.min(level, wholeLevel(nSamples)));
}

/** The first level at which one tile holds the whole record. There is none above it, but for short records up to level 2. */
export function wholeLevel(nSamples) {
  let level = 0;
  while (nSamples > tileSamples(level)) level += 1;
  return level;
}

/** How a filter and a notch ("0", "50", "60") are asked for; the band "" is the signal as recorded. */
export function bandOf(filter, notch) {
  if (filter === "unfiltered" && notch === "0") return "";
  return `&filter=${encodeURIComponent(filter)}${notch === "0" ? "" : `&notch=${notch}`}`;
}

/** The lead as the server knows it, and the sign with which it is shown: Cabrera's −aVR is aVR turned over. */
function sourceOf(lead) {
  return lead === "-aVR" ? ["aVR", -1] : [lead, 1];
}

/** A tile as it came: its leads' values in the order asked for. Bytes are little-endian, as every browser's machine is. */
function decoded(buffer, leads) {
  const head = new DataView(buffer);
  const [rows, n, per, first] = [0, 4, 8, 12].map((at) => head.getUint32(at, true));
  const body = 16 + 8 * rows;
  if (rows !== leads.length || buffer.byteLength !== body + 2 * rows * n * per) throw new Error(`a tile of ${buffer.byteLength} bytes for ${rows} leads cannot be read`);
  const series = new Map();
  leads.forEach((lead, row) => {
    const values = new Int16Array(buffer, body + 2 * row * n * per, n * per);
    series.set(lead, { values, step: head.getFloat32(16 + 8 * row, true), offset: head.getFloat32(20 + 8 * row, true) });
  });
  return { n, per, first, series };
}

export class Tiles {
  #kept = new Map(); // key → tile, the one used longest ago first
  #bytes = 0;
  #wanted = new Map(); // key → what was asked for, the most urgent first
  #flights = new Map(); // key → {leads, abort}
  #held = new Map(); // key → when it may be asked for again; Infinity for never
  #gone = false;

  /** `base` is where the record's routes begin; `arrived` is called for each tile that came, `failed` with the sentence of one that did not. */
  constructor(wire, base, arrived, failed) {
    this.wire = wire;
    this.base = base;
    this.arrived = arrived;
    this.failed = failed;
  }

  /** What is kept of a lead in a tile: {values, step, offset, n, per, first}, mV = value · step + offset. Null if it is not there. */
  look(band, level, index, lead) {
    const key = `${level}/${index}${band}`;
    const tile = this.#kept.get(key);
    const [source, sign] = sourceOf(lead);
    const found = tile?.series.get(source);
    if (!found) return null;
    this.#kept.delete(key);
    this.#kept.set(key, tile); // used last
    return { values: found.values, step: sign * found.step, offset: sign * found.offset, n: tile.n, per: tile.per, first: tile.first, level };
  }

  /** mV of a lead at a sample, from level 0: NaN where it is missing, null where the tile is not there. */
  valueAt(band, lead, sample) {
    const tile = this.look(band, 0, Math.floor(sample / TILE), lead);
    if (!tile) return null;
    const value = tile.values[sample - tile.first];
    return value === undefined || value === MISSING ? NaN : value * tile.step + tile.offset;
  }

  /** Ask for tiles [{band, level, index, leads, ahead}], the most urgent first; what was asked for before and is not among them is given up. */
  want(wanted) {
    this.#wanted = new Map(wanted.map((one) => [`${one.level}/${one.index}${one.band}`, one]));
    for (const [key, flight] of this.#flights) {
      if (!this.#wanted.has(key) && !flight.kept) flight.abort.abort();
    }
    this.#start();
  }

  /** Have the level-0 tiles with some samples of some leads come, whatever else is wanted. */
  async fetchRaw(band, leads, samples) {
    const indices = [...new Set(samples.map((sample) => Math.floor(sample / TILE)))];
    await Promise.all(indices.map((index) => this.#fetch({ band, level: 0, index, leads, kept: true })));
  }

  /** Ask again for all that failed: the token is new, or the network is back. */
  retry() {
    this.#held.clear();
    this.#start();
  }

  destroy() {
    this.#gone = true;
    for (const flight of this.#flights.values()) flight.abort.abort();
  }

  #start() {
    if (this.#gone || this.wire.waiting) return;
    for (const [key, one] of this.#wanted) {
      if (this.#flights.size >= (one.ahead ? AHEAD_AT_ONCE : AT_ONCE)) return;
      if (performance.now() >= (this.#held.get(key) ?? 0)) this.#fetch(one);
    }
  }

  /** Resolves when the leads are there, or could not be had. */
  async #fetch({ band, level, index, leads, kept }) {
    const key = `${level}/${index}${band}`;
    const has = this.#kept.get(key)?.series;
    const sources = [...new Set(leads.map((lead) => sourceOf(lead)[0]))].filter((lead) => !has?.has(lead));
    const before = this.#flights.get(key);
    if (!sources.length) return;
    if (before && sources.every((lead) => before.leads.includes(lead))) {
      before.kept ||= kept;
      await before.done;
      return;
    }
    const flight = { leads: sources, abort: new AbortController(), kept };
    flight.done = this.#fly(key, flight, `${this.base}/tile?level=${level}&index=${index}&leads=${sources.map(encodeURIComponent).join(",")}${band}`);
    before?.abort.abort();
    this.#flights.set(key, flight);
    await flight.done;
  }

  async #fly(key, flight, path) {
    let arrived = false;
    try {
      this.#add(key, decoded(await this.wire.bytes(path, flight.abort.signal), flight.leads));
      arrived = true;
    } catch (error) {
      if (error.name !== "AbortError") this.#hold(key, error);
    }
    if (this.#flights.get(key) === flight) this.#flights.delete(key);
    if (this.#gone) return;
    if (arrived) this.arrived();
    this.#start();
  }

  /** Do not ask at once again for what failed, and never for what was refused. */
  #hold(key, error) {
    const refused = error instanceof Refused;
    if (refused && error.expired) return;
    this.#held.set(key, refused && error.final ? Infinity : performance.now() + TILE_RETRY_MS);
    if (!(refused && error.final)) setTimeout(() => this.#start(), TILE_RETRY_MS + 10);
    this.failed(refused ? `Signal: ${error.message}` : "The signal could not be fetched; trying again");
  }

  #add(key, tile) {
    const there = this.#kept.get(key) ?? { ...tile, series: new Map() };
    for (const [lead, series] of tile.series) there.series.set(lead, series);
    this.#bytes -= there.bytes ?? 0;
    there.bytes = there.series.size * tile.n * tile.per * 2;
    this.#bytes += there.bytes;
    this.#kept.set(key, there);
    for (const [oldest, { bytes: freed }] of this.#kept) {
      if (this.#bytes <= KEPT_BYTES || oldest === key) break;
      this.#kept.delete(oldest);
      this.#bytes -= freed;
    }
  }
}
