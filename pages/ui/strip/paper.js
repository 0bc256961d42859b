/** The paper: its millimetre grid, lead names, calibration pulses and times. */

import { clock, labelStepS } from "./scale.js";
import { xOf } from "./layouts.js";

export const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'DejaVu Sans', sans-serif";
const MM_LINES_FROM_PX = 2.5; // closer than this millimetre lines are mush
const MM_LINES_FROM_MM_S = 2.5; // slower than this a millimetre says nothing of a beat
const CM_LINES_FROM_MM_S = 0.3; // and five say nothing either: the times' own lines remain
const LABEL_PX = 78;
const PULSE_S = 0.2; // of standard paper: 5 mm at 25 mm/s

/** Text with a rim of paper around it, for what a trace may pass behind. */
export function haloText(ctx, text, x, y, colour, paper, maxPx) {
  ctx.lineJoin = "round";
  ctx.lineWidth = 3;
  ctx.strokeStyle = paper;
  ctx.strokeText(text, x, y, maxPx);
  ctx.fillStyle = colour;
  ctx.fillText(text, x, y, maxPx);
}

/** Ground and grid. Lines are whole device pixels, so that they are sharp on any screen. */
export function drawPaper(ctx, frame, palette) {
  const { dpr, widthPx, heightPx, pxPerMm } = frame;
  ctx.setTransform(1, 0, 0, 1, 0, 0);
  ctx.fillStyle = palette.paper;
  ctx.fillRect(0, 0, Math.ceil(widthPx * dpr), Math.ceil(heightPx * dpr));
  if (frame.layout === "lines") drawLinesGrid(ctx, frame, palette);
  else {
    const phase = frame.startS * frame.mmPerS; // the grid lies on the record and moves with it, as on paper
    const across = { origin: frame.left - phase * pxPerMm, from: 0, to: widthPx };
    const down = { origin: frame.cells[0].middle, from: frame.top, to: frame.bottom };
    const fine = pxPerMm >= MM_LINES_FROM_PX && frame.mmPerS >= MM_LINES_FROM_MM_S;
    for (const [everyMm, colour, drawn] of [[1, palette.grid, fine], [5, palette.grid_heavy, true]]) {
      if (!drawn) continue;
      ctx.fillStyle = colour;
      rules(across, everyMm * pxPerMm, frame.mmPerS >= CM_LINES_FROM_MM_S, (x) => ctx.fillRect(Math.round(x * dpr), down.from * dpr, 1, (down.to - down.from) * dpr));
      rules(down, everyMm * pxPerMm, true, (y) => ctx.fillRect(0, Math.round(y * dpr), widthPx * dpr, 1));
    }
  }
  ctx.setTransform(dpr, 0, 0, dpr, 0, 0);
}

function rules({ origin, from, to }, stepPx, drawn, draw) {
  if (!drawn) return;
  for (let k = Math.ceil((from - origin) / stepPx); origin + k * stepPx < to; k += 1) draw(origin + k * stepPx);
}

/** Full disclosure has no room for millimetres: a line each five seconds, a heavier one each ten. */
function drawLinesGrid(ctx, frame, palette) {
  for (let s = 0; s <= 60; s += 5) {
    ctx.fillStyle = s % 10 ? palette.grid : palette.grid_heavy;
    ctx.fillRect(Math.round((frame.left + s * frame.pxPerS) * frame.dpr), 0, 1, frame.bottom * frame.dpr);
  }
  ctx.fillStyle = palette.grid;
  for (const cell of frame.cells) ctx.fillRect(frame.left * frame.dpr, Math.round(cell.middle * frame.dpr), (frame.right - frame.left) * frame.dpr, 1);
}

/** Lead names; for each row the 1 mV pulse at its own gain; where a column begins, a mark. */
export function drawNames(ctx, frame, palette) {
  const { pxPerMm } = frame;
  ctx.textBaseline = "middle";
  for (const cell of frame.cells) {
    const name = cell.lead.replace("-", "−");
    ctx.textAlign = "left";
    ctx.font = `bold 13px ${FONT}`;
    if (frame.layout === "lines") continue;
    if (cell.column === 0) drawPulse(ctx, frame, cell, palette);
    if (cell.column === 0 && frame.named) haloText(ctx, name, 4, cell.middle, palette.text, palette.paper, 8 * pxPerMm - 6);
    else haloText(ctx, name, cell.x0 + 5, cell.middle - Math.min(frame.rowPx * 0.42, 9 * pxPerMm), palette.text, palette.paper, cell.x1 - cell.x0);
    if (cell.column > 0) {
      ctx.fillStyle = palette.muted;
      ctx.fillRect(Math.round(cell.x0) - 0.5, cell.middle - 3 * pxPerMm, 1, 6 * pxPerMm);
    }
  }
}

/** A step of 1 mV, as the recorder writes it before each row. */
function drawPulse(ctx, frame, cell, palette) {
  const { pxPerMm } = frame;
  const wide = PULSE_S * 25 * pxPerMm;
  const x = frame.left - wide - 2 * pxPerMm;
  const top = cell.middle - frame.gain * pxPerMm;
  ctx.beginPath();
  ctx.moveTo(x - pxPerMm, cell.middle);
  ctx.lineTo(x, cell.middle);
  ctx.lineTo(x, top);
  ctx.lineTo(x + wide, top);
  ctx.lineTo(x + wide, cell.middle);
  ctx.lineTo(x + wide + pxPerMm, cell.middle);
  ctx.strokeStyle = palette.trace;
  ctx.lineWidth = 1.15;
  ctx.lineJoin = "miter";
  ctx.stroke();
}

/** Times under the paper. Where the grid is left out, their lines stand in for it. */
export function drawTimes(ctx, frame, palette) {
  ctx.font = `11px ${FONT}`;
  ctx.textBaseline = "middle";
  if (frame.layout === "lines") {
    drawLineTimes(ctx, frame, palette);
    return;
  }
  const stepS = labelStepS(frame.pxPerS, LABEL_PX);
  const digits = stepS >= 1 ? 0 : stepS >= 0.1 ? 1 : 2;
  const bare = frame.mmPerS < CM_LINES_FROM_MM_S;
  for (let k = Math.ceil(frame.startS / stepS - 1e-9); k * stepS <= frame.stopS + 1e-9; k += 1) {
    const x = xOf(frame, k * stepS);
    const text = clock(k * stepS, digits);
    ctx.fillStyle = bare ? palette.grid_heavy : palette.muted;
    ctx.fillRect(Math.round(x * frame.dpr) / frame.dpr, bare ? frame.top : frame.bottom, 1 / frame.dpr, bare ? frame.bottom - frame.top + 4 : 4);
    const half = ctx.measureText(text).width / 2;
    if (x - half < 2 || x + half > frame.widthPx - 2) continue;
    ctx.textAlign = "center";
    haloText(ctx, text, x, frame.bottom + 10, palette.muted, palette.paper);
  }
}

function drawLineTimes(ctx, frame, palette) {
  for (const cell of frame.cells) {
    ctx.textAlign = "right";
    ctx.fillStyle = palette.muted;
    ctx.fillText(clock(cell.startS), frame.left - 6, cell.middle);
  }
  ctx.textAlign = "center";
  for (let s = 0; s <= 60; s += 10) ctx.fillText(`${s} s`, Math.min(frame.left + s * frame.pxPerS, frame.widthPx - 14), frame.bottom + 10);
}
