/** Reconstructed signal: dashed, with its band, beside what was recorded; and the gap that is marked to be filled. */

import { cellAt } from "./layouts.js";
import { FONT, haloText } from "./paper.js";
import { clock } from "./scale.js";

const DASH_PX = [5, 3];
const DASHED_POINTS = 300; // longer paths are slow to stroke
const LABEL_GAP_PX = 8;
const LABEL_LINE_PX = 13;
export const NEVER_MEASURED = "reconstructed signal is never counted or measured";

/** Samples of a reconstruction: three rows of int16 in base64, signal, low and high, in steps of so many mV. */
function unpacked(piece) {
  const bytes = Uint8Array.from(atob(piece.samples), (letter) => letter.charCodeAt(0));
  const values = new Int16Array(bytes.buffer);
  const n = values.length / 3;
  return { ...piece, n, stop: piece.start + n, signal: values.subarray(0, n), low: values.subarray(n, 2 * n), high: values.subarray(2 * n) };
}

/** The lead of a row as the record names it: Cabrera's −aVR is aVR turned over. */
export function recordedLead(lead) {
  return lead === "-aVR" ? "aVR" : lead;
}

export class Dashed {
  pieces = [];
  gap = null; // {lead, start_s, stop_s}: marked, not filled yet

  /** The page ran anew. */
  take({ reconstructions = [], gap = null }) {
    this.pieces = reconstructions.map(unpacked);
    this.gap = gap;
  }

  /** Where the last one ends, in seconds; 0 where there is none. */
  endS(fs) {
    return this.pieces.reduce((end, { stop }) => Math.max(end, stop / fs), 0);
  }

  /** Those that a frame shows, each with its cell. */
  shown(frame) {
    return frame.cells.flatMap((cell) => this.pieces.filter((piece) => piece.lead === recordedLead(cell.lead) && inCell(frame, cell, piece.start, piece.stop)).map((piece) => [cell, piece]));
  }

  /** Whether one lies on a lead in view between two samples. */
  touches(frame, first, last) {
    const leads = frame.leads.map(recordedLead);
    return this.pieces.some(({ lead, start, stop }) => leads.includes(lead) && start <= last && first < stop);
  }

  draw(ctx, { frame, view, tiles, centres, record, palette }) {
    if (this.gap?.stop_s > this.gap?.start_s) drawMarkedGap(ctx, frame, this.gap, palette);
    let [row, free] = [null, 0];
    for (const [cell, piece] of this.shown(frame)) {
      if (cell !== row) [row, free] = [cell, -Infinity];
      ctx.save();
      ctx.beginPath();
      ctx.rect(cell.x0, 0, cell.x1 - cell.x0, frame.heightPx);
      ctx.clip();
      drawDashedPiece(ctx, frame, piece, dashedPen(frame, cell, piece, centres.of(frame, cell, tiles, record.n_samples), frame.band === "" ? "" : view.filter), palette);
      ctx.restore();
      free = drawDashedLabel(ctx, frame, cell, piece, palette, free);
    }
  }

  /** What is said of the one under the pointer. */
  textAt(frame, x, y) {
    const cell = cellAt(frame, x, y);
    const sample = cell && (cell.startS + (x - cell.startX) / frame.pxPerS) * frame.fs;
    const piece = cell && this.pieces.find(({ lead, start, stop }) => lead === recordedLead(cell.lead) && sample >= start && sample < stop);
    return piece ? piece.said : null;
  }

  /** Those in view in words, for who does not see them. */
  text(frame) {
    const said = new Set(this.shown(frame).map(([, { lead, start, stop, accepted }]) => `${lead} ${clock(start / frame.fs, 1)} to ${clock(stop / frame.fs, 1)}${accepted ? "" : ", not accepted"}`));
    return said.size ? `, dashed where reconstructed: ${[...said].join("; ")}` : "";
  }
}

function inCell(frame, cell, start, stop) {
  const x = (sample) => cell.startX + (sample / frame.fs - cell.startS) * frame.pxPerS;
  return x(stop) > cell.x0 && x(start) < cell.x1;
}

/** From samples and values of a reconstruction to pixels. Where the strip is filtered it stands as high as the signal around it: what the filter takes there is taken from it too. */
function dashedPen(frame, cell, piece, centre, filter) {
  const [first, last] = piece.taken_mv[filter] ?? [0, 0];
  const perMv = frame.gain * frame.pxPerMm;
  const turned = cell.lead === piece.lead ? 1 : -1;
  return {
    x: (index) => cell.startX + ((piece.start + index) / frame.fs - cell.startS) * frame.pxPerS,
    y: (value, index) => cell.middle - (turned * (value * piece.step_mv - first - ((last - first) * index) / piece.n) - centre) * perMv,
  };
}

function drawDashedPiece(ctx, frame, piece, pen, palette) {
  ctx.fillStyle = palette.accent;
  ctx.globalAlpha = 0.18;
  ctx.beginPath();
  for (let index = 0; index < piece.n; index += 1) ctx.lineTo(pen.x(index), pen.y(piece.high[index], index));
  for (let index = piece.n - 1; index >= 0; index -= 1) ctx.lineTo(pen.x(index), pen.y(piece.low[index], index));
  ctx.fill();
  ctx.globalAlpha = 1;
  ctx.strokeStyle = palette.accent;
  ctx.lineWidth = 1.6;
  ctx.setLineDash(DASH_PX);
  let [along, before] = [0, null];
  ctx.beginPath();
  for (let index = 0; index < piece.n; index += 1) {
    const here = [pen.x(index), pen.y(piece.signal[index], index)];
    ctx.lineTo(...here);
    if (before) along += Math.hypot(here[0] - before[0], here[1] - before[1]);
    before = here;
    if (index === piece.n - 1 || index % DASHED_POINTS !== DASHED_POINTS - 1) continue;
    ctx.stroke();
    ctx.lineDashOffset = along; // the next part goes on with the dash where this one left it
    ctx.beginPath();
    ctx.moveTo(...here);
  }
  ctx.stroke();
  ctx.setLineDash([]);
  ctx.lineDashOffset = 0;
}

/** A bar over the row where it is reconstructed, seen at any zoom, and what it is; returns where the next label may begin. */
function drawDashedLabel(ctx, frame, cell, piece, palette, free) {
  const x0 = Math.max(cell.x0, cell.startX + (piece.start / frame.fs - cell.startS) * frame.pxPerS);
  const x1 = Math.min(cell.x1, cell.startX + (piece.stop / frame.fs - cell.startS) * frame.pxPerS);
  const colour = piece.accepted ? palette.accent : palette.warning;
  const y = Math.max(frame.top, cell.middle - frame.rowPx / 2) + 2;
  ctx.fillStyle = colour;
  ctx.fillRect(x0, y, Math.max(2, x1 - x0), 2);
  if (frame.layout === "lines") return free;
  ctx.font = `11px ${FONT}`;
  ctx.textAlign = "left";
  ctx.textBaseline = "top";
  const text = `${piece.kind === "gap" ? "reconstructed" : "forecast"}${piece.accepted ? "" : ", not accepted"}`;
  const at = Math.min(x0, cell.x1 - ctx.measureText(text).width);
  if (at < free && piece.accepted) return free;
  haloText(ctx, text, at, y + 4 + (at < free ? LABEL_LINE_PX : 0), colour, palette.paper); // what is not accepted is always said
  return at + ctx.measureText(text).width + LABEL_GAP_PX;
}

/** The gap that is marked: its ends, and how long it is. */
function drawMarkedGap(ctx, frame, gap, palette) {
  for (const cell of frame.cells) {
    if (recordedLead(cell.lead) !== gap.lead || !inCell(frame, cell, gap.start_s * frame.fs, gap.stop_s * frame.fs)) continue;
    const [x0, x1] = [gap.start_s, gap.stop_s].map((seconds) => cell.startX + (seconds - cell.startS) * frame.pxPerS);
    const [left, right] = [Math.max(cell.x0, x0), Math.min(cell.x1, x1)];
    const [top, foot] = [Math.max(frame.top, cell.middle - frame.rowPx / 2), Math.min(frame.bottom, cell.middle + frame.rowPx / 2)];
    ctx.fillStyle = palette.accent;
    ctx.globalAlpha = 0.1;
    ctx.fillRect(left, top, right - left, foot - top);
    ctx.globalAlpha = 1;
    for (const x of [x0, x1]) if (x >= cell.x0 && x <= cell.x1) ctx.fillRect(x - 0.5, top, 1, foot - top);
    ctx.font = `11px ${FONT}`;
    ctx.textAlign = "left";
    ctx.textBaseline = "bottom";
    haloText(ctx, `marked ${(gap.stop_s - gap.start_s).toFixed(2)} s`, left + 3, foot - 8, palette.accent, palette.paper);
  }
}
