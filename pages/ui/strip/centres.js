/** The level on which each row is centred: the median of what it shows, moved only when the view rests and only where it matters. */

import { MISSING } from "./tiles.js";
import { bucketsIn, cellSamples, piecesOf } from "./trace.js";

const MOVES_MM = 5; // a smaller shift is not worth a jump of the trace
const ENOUGH = 1500; // values from which a median is taken

export class Centres {
  #known = new Map(); // row and band → {mv, exact}; not exact where only coarser tiles were there to judge by

  /** What is in the middle of a cell, in mV. */
  of(frame, cell, tiles, nSamples) {
    const key = `${cell.key}${frame.band}`;
    const known = this.#known.get(key);
    if (known?.exact) return known.mv;
    const median = medianOf(frame, cell, tiles, nSamples);
    if (median) this.#known.set(key, median);
    return median?.mv ?? 0;
  }

  /** The view rests and its tiles are there: true if any row was centred anew. */
  settle(frame, tiles, nSamples) {
    let moved = false;
    for (const cell of frame.cells) {
      const median = medianOf(frame, cell, tiles, nSamples);
      const key = `${cell.key}${frame.band}`;
      if (!median || Math.abs(median.mv - (this.#known.get(key)?.mv ?? Infinity)) * frame.gain <= MOVES_MM) continue;
      this.#known.set(key, median);
      moved = true;
    }
    if (this.#known.size > 500) this.#known.clear(); // each line of full disclosure has its own
    return moved;
  }

  /** By row, for whoever reads the element's data: mV in the middle of its row. */
  told(frame) {
    return Object.fromEntries(frame.cells.map((cell) => [cell.key, this.#known.get(`${cell.key}${frame.band}`)?.mv ?? null]));
  }
}

/** Null where no sample is known. */
function medianOf(frame, cell, tiles, nSamples) {
  const [from, to] = cellSamples(frame, cell);
  const values = [];
  const pieces = piecesOf(tiles, frame, cell.lead, Math.max(0, from), Math.min(nSamples, to), nSamples);
  for (const { tile, ...piece } of pieces) {
    if (!tile) continue;
    const [first, last] = bucketsIn(tile, piece.from, piece.to);
    const step = Math.max(1, Math.floor(((last - first) * pieces.length) / ENOUGH));
    for (let bucket = first; bucket < last; bucket += step) {
      const one = tile.values[bucket * tile.per];
      if (one !== MISSING) values.push(((one + tile.values[bucket * tile.per + tile.per - 1]) / 2) * tile.step + tile.offset);
    }
  }
  if (!values.length) return null;
  return { mv: Float32Array.from(values).sort()[values.length >> 1], exact: pieces.every((piece) => piece.exact) };
}
