/** The signal. No smoothing, and no extreme is ever lost: where several samples share a pixel, the least and the greatest are both drawn. */

import { MISSING, tileSamples, wholeLevel } from "./tiles.js";
import { FONT } from "./paper.js";

const TRACE_PX = 1.15; // on fine screens; where a pixel is a device pixel one is drawn, eight times as fast without a graphics card
const POLYLINE_SAMPLES_PX = 4; // up to so many samples a pixel a line through all of them is drawn
const STROKE_POINTS = 300; // longer paths are slow to stroke
const GAP_WORD_PX = 62;
const FAINT = 0.35; // of a coarser tile that stands in until the right one has come

/** What of a lead lies in samples from ≤ s < to, in order: of the level wanted, else of a coarser one, else of another band. */
export function piecesOf(tiles, frame, lead, from, to, nSamples) {
  const size = tileSamples(frame.level);
  const pieces = [];
  for (let index = Math.floor(Math.max(0, from) / size); index * size < Math.min(to, nSamples); index += 1) {
    const range = { from: Math.max(from, index * size), to: Math.min(to, (index + 1) * size) };
    const tile = tiles.look(frame.band, frame.level, index, lead);
    if (tile) pieces.push({ ...range, tile, exact: true });
    else {
      const stand = standIn(tiles, frame, lead, index, nSamples);
      pieces.push({ ...range, tile: stand, exact: false });
    }
  }
  return pieces;
}

/** The finest tile that covers a tile that is not there. */
function standIn(tiles, frame, lead, index, nSamples) {
  const bands = frame.band === "" ? [""] : [frame.band, ""];
  for (let up = 0; frame.level + up <= Math.max(frame.level, wholeLevel(nSamples)); up += 1) {
    for (const band of bands) {
      const tile = tiles.look(band, frame.level + up, Math.floor(index / 4 ** up), lead);
      if (tile) return tile;
    }
  }
  return null;
}

/** First and past-the-last bucket of a tile that samples from ≤ s < to touch. */
export function bucketsIn(tile, from, to) {
  const size = 4 ** tile.level;
  return [Math.max(0, Math.floor((from - tile.first) / size)), Math.min(tile.n, Math.ceil((to - tile.first) / size))];
}

/** Samples that a cell shows, one more on either side so that its line reaches the edges. */
export function cellSamples(frame, cell) {
  const at = (x) => (cell.startS + (x - cell.startX) / frame.pxPerS) * frame.fs;
  return [Math.floor(at(cell.x0)) - 1, Math.ceil(at(cell.x1)) + 2];
}

/** Draw all cells. Returns {ready: every tile is the right one, leaving: leads of which some is off the canvas}. */
export function drawTraces(ctx, frame, tiles, centres, palette, nSamples) {
  const leaving = new Set();
  let ready = true;
  for (const cell of frame.cells) {
    const pen = penOf(frame, cell, centres.of(frame, cell, tiles, nSamples));
    const pieces = piecesOf(tiles, frame, cell.lead, ...clipped(cellSamples(frame, cell), nSamples), nSamples);
    ready &&= pieces.every((piece) => piece.exact);
    ctx.save();
    ctx.setTransform(1, 0, 0, 1, 0, 0);
    ctx.beginPath();
    ctx.rect(Math.floor(cell.x0 * frame.dpr), 0, Math.ceil((cell.x1 - cell.x0) * frame.dpr) + 1, frame.heightPx * frame.dpr);
    ctx.clip();
    drawCell(ctx, frame, cell, pen, pieces, palette);
    ctx.restore();
    drawGaps(ctx, frame, cell, pen.gaps, palette);
    if (pen.least < 0 || pen.greatest > frame.heightPx * frame.dpr) leaving.add(cell.lead);
  }
  return { ready, leaving: [...leaving] };
}

function clipped([from, to], nSamples) {
  return [Math.max(0, from), Math.min(nSamples, to)];
}

/** From samples and mV to device pixels, and what was met on the way. */
function penOf(frame, cell, centre) {
  const { dpr } = frame;
  const perS = frame.pxPerS * dpr;
  return {
    x: (sample) => cell.startX * dpr + (sample / frame.fs - cell.startS) * perS,
    perSample: perS / frame.fs,
    middle: cell.middle * dpr,
    perMv: frame.gain * frame.pxPerMm * dpr,
    centre,
    gaps: [],
    least: Infinity,
    greatest: -Infinity,
  };
}

function drawCell(ctx, frame, cell, pen, pieces, palette) {
  const asLine = frame.level === 0 && frame.samplesPerPx * frame.dpr <= POLYLINE_SAMPLES_PX;
  const thick = frame.dpr > 1 ? TRACE_PX * frame.dpr : 1;
  const columns = columnsOf(frame, cell);
  ctx.strokeStyle = palette.trace;
  ctx.lineWidth = thick;
  ctx.lineJoin = "miter";
  ctx.miterLimit = 3;
  for (const piece of pieces) {
    if (piece.tile && !piece.exact) drawStandIn(ctx, pen, piece, palette);
    if (piece.exact && !asLine) fillColumns(columns, pen, piece);
  }
  ctx.fillStyle = palette.trace;
  if (asLine) drawLine(ctx, pen, pieces.filter((piece) => piece.exact));
  else drawColumns(ctx, columns, thick);
}

/** A line through every sample; broken where samples are missing. */
function drawLine(ctx, pen, pieces) {
  let down = false;
  let points = 0;
  ctx.beginPath();
  let expected = -1;
  for (const { tile, from, to } of pieces) {
    const [perMv, at] = [pen.perMv * tile.step, pen.middle - (tile.offset - pen.centre) * pen.perMv];
    if (from !== expected) down = false;
    expected = to;
    for (let sample = from; sample < to; sample += 1) {
      const value = tile.values[sample - tile.first];
      if (value === MISSING || value === undefined) {
        if (value === MISSING) addGap(pen, sample - 0.5, sample + 0.5);
        down = false;
        continue;
      }
      const [x, y] = [pen.x(sample), at - value * perMv];
      if (!down) ctx.moveTo(x - 0.6, y); // a lone sample between gaps is seen too
      ctx.lineTo(x, y);
      down = true;
      if (y < pen.least) pen.least = y;
      if (y > pen.greatest) pen.greatest = y;
      points += 1;
      if (points % STROKE_POINTS === 0) {
        ctx.stroke();
        ctx.beginPath();
        ctx.moveTo(x, y);
      }
    }
  }
  ctx.stroke();
}

/** For each column of device pixels the highest and lowest place of the trace; the arrays are used again by the next cell. */
const shared = { top: new Float32Array(0), foot: new Float32Array(0) };
function columnsOf(frame, cell) {
  const first = Math.floor(cell.x0 * frame.dpr);
  const n = Math.ceil(cell.x1 * frame.dpr) - first + 1;
  if (shared.top.length < n) Object.assign(shared, { top: new Float32Array(2 * n), foot: new Float32Array(2 * n) });
  shared.top.fill(Infinity, 0, n);
  shared.foot.fill(-Infinity, 0, n);
  return { first, n, top: shared.top, foot: shared.foot };
}

/** Every bucket is put into the column of its middle; none is wider than a column, so that none is left empty. */
function fillColumns(columns, pen, { tile, from, to }) {
  const { values, per } = tile;
  const size = 4 ** tile.level;
  const [first, last] = bucketsIn(tile, from, to);
  const [perMv, at] = [pen.perMv * tile.step, pen.middle - (tile.offset - pen.centre) * pen.perMv];
  const stepX = pen.perSample * size;
  let x = pen.x(tile.first + first * size + (size - 1) / 2) - columns.first;
  for (let bucket = first; bucket < last; bucket += 1, x += stepX) {
    const one = values[bucket * per];
    if (one === MISSING) {
      addGap(pen, tile.first + bucket * size, tile.first + (bucket + 1) * size);
      continue;
    }
    const column = Math.floor(x);
    if (column < 0 || column >= columns.n) continue;
    const [a, b] = [at - one * perMv, at - values[bucket * per + per - 1] * perMv];
    if (a < columns.top[column]) columns.top[column] = a;
    if (b < columns.top[column]) columns.top[column] = b;
    if (a > columns.foot[column]) columns.foot[column] = a;
    if (b > columns.foot[column]) columns.foot[column] = b;
  }
  for (let column = 0; column < columns.n; column += 1) {
    if (columns.top[column] < pen.least) pen.least = columns.top[column];
    if (columns.foot[column] > pen.greatest) pen.greatest = columns.foot[column];
  }
}

/** A line down each column from its highest to its lowest place, joined half-way to its neighbours. */
function drawColumns(ctx, { first, n, top, foot }, thick) {
  const wide = Math.round(thick);
  for (let column = 0; column < n; column += 1) {
    let [high, low] = [top[column], foot[column]];
    if (high > low) continue;
    for (const beside of [column - 1, column + 1]) {
      if (beside < 0 || beside >= n || top[beside] > foot[beside]) continue;
      if (top[beside] > low) low = Math.max(low, (foot[column] + top[beside]) / 2);
      else if (foot[beside] < high) high = Math.min(high, (top[column] + foot[beside]) / 2);
    }
    const short = Math.max(0, thick - (low - high));
    ctx.fillRect(first + column - (wide >> 1), high - short / 2, wide, low - high + short);
  }
}

/** A coarser tile stretched over the place of the right one: faint, so that nobody reads it. */
function drawStandIn(ctx, pen, { tile, from, to }, palette) {
  const { values, per } = tile;
  const size = 4 ** tile.level;
  const [first, last] = bucketsIn(tile, from, to);
  const [perMv, at] = [pen.perMv * tile.step, pen.middle - (tile.offset - pen.centre) * pen.perMv];
  ctx.globalAlpha = FAINT;
  ctx.fillStyle = palette.trace;
  for (let bucket = first; bucket < last; bucket += 1) {
    const [one, other] = [values[bucket * per], values[bucket * per + per - 1]];
    if (one === MISSING) continue;
    const [a, b] = [at - one * perMv, at - other * perMv];
    const x = pen.x(Math.max(from, tile.first + bucket * size));
    const right = pen.x(Math.min(to, tile.first + (bucket + 1) * size));
    ctx.fillRect(x, Math.min(a, b) - 0.5, right - x, Math.abs(a - b) + 1);
  }
  ctx.globalAlpha = 1;
}

/** Join a stretch without signal to the one before it. */
function addGap(pen, from, to) {
  const [x0, x1] = [pen.x(from), pen.x(to)];
  const before = pen.gaps.at(-1);
  if (before && x0 - before.x1 < 0.5) before.x1 = x1;
  else pen.gaps.push({ x0, x1 });
}

function drawGaps(ctx, frame, cell, gaps, palette) {
  const height = Math.min(frame.rowPx, 30 * frame.pxPerMm);
  for (const { x0, x1 } of gaps) {
    const left = Math.max(cell.x0, x0 / frame.dpr);
    const wide = Math.min(cell.x1, x1 / frame.dpr) - left;
    if (wide <= 0) continue;
    ctx.globalAlpha = 0.25;
    ctx.fillStyle = palette.muted;
    ctx.fillRect(left, cell.middle - height / 2, Math.max(wide, 1 / frame.dpr), height);
    ctx.globalAlpha = 1;
    if (wide < GAP_WORD_PX) continue;
    ctx.font = `12px ${FONT}`;
    ctx.textAlign = "center";
    ctx.textBaseline = "bottom";
    ctx.fillStyle = palette.text;
    ctx.fillText("missing", left + wide / 2, cell.middle + height / 2 - 3); // a reconstruction may stand in the middle
  }
}
