/** Full disclosure: ectopic beats in colour on the one-minute lines, each with its letter or a tick. */

import { ECTOPIC } from "./beats.js";
import { LINE_S } from "./layouts.js";
import { FONT, haloText } from "./paper.js";
import { lowerBound } from "./scale.js";

const SMALL_LETTER_PX = 9;
const SHOWN = [...ECTOPIC, "Q"]; // a paced rhythm is no ectopy: its letters would hide what is
const AROUND_S = { before: 0.12, after: 0.28 }; // what of the trace takes the beat's colour

/** Cells and places of the ectopic beats on the page: [{cell, x, letter, sample}], by class. */
function placed(frame, beats) {
  const found = [];
  for (const letter of SHOWN) {
    const places = beats.samplesOf(letter);
    const last = lowerBound(places, frame.stopS * frame.fs);
    for (let index = lowerBound(places, frame.startS * frame.fs); index < last; index += 1) {
      const seconds = places[index] / frame.fs;
      const cell = frame.cells[Math.floor((seconds - frame.startS) / LINE_S)];
      if (cell) found.push({ cell, x: frame.left + (seconds - cell.startS) * frame.pxPerS, letter, sample: places[index] });
    }
  }
  return found.sort((a, b) => a.sample - b.sample);
}

/** Colour behind the trace of each ectopic beat: drawn before the trace. */
export function drawTints(ctx, frame, beats, palette) {
  ctx.globalAlpha = 0.22;
  for (const { cell, x, letter } of placed(frame, beats)) {
    ctx.fillStyle = palette.beats[letter] ?? palette.muted;
    ctx.fillRect(x - AROUND_S.before * frame.pxPerS, cell.middle - frame.rowPx * 0.62, (AROUND_S.before + AROUND_S.after) * frame.pxPerS, frame.rowPx);
  }
  ctx.globalAlpha = 1;
}

/** Letters over the lines; a tick where the next letter is too near. */
export function drawLineLetters(ctx, frame, beats, palette, selected) {
  ctx.font = `bold 10px ${FONT}`;
  ctx.textAlign = "center";
  ctx.textBaseline = "middle";
  let [row, last] = [-1, -Infinity];
  for (const { cell, x, letter, sample } of placed(frame, beats)) {
    if (cell.row !== row) [row, last] = [cell.row, -Infinity];
    const y = cell.middle - frame.rowPx * 0.62 + 5;
    const colour = palette.beats[letter] ?? palette.muted;
    if (x - last >= SMALL_LETTER_PX) {
      haloText(ctx, letter, x, y, colour, palette.paper);
      last = x;
    } else {
      ctx.fillStyle = colour;
      ctx.fillRect(x - 0.75, y - 3, 1.5, 6);
    }
    if (selected.has(sample)) {
      ctx.strokeStyle = palette.accent;
      ctx.lineWidth = 1.5;
      ctx.strokeRect(x - 6, y - 6, 12, 12);
    }
  }
}

/** The moment at a place of the page; null outside its lines. */
export function lineMoment(frame, x, y) {
  const cell = frame.cells[Math.floor((y - frame.top) / frame.rowPx)];
  return cell && x >= cell.x0 && x <= cell.x1 ? cell.startS + (x - cell.startX) / frame.pxPerS : null;
}
