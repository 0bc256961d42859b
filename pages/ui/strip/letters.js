/** Letters above the tracing: each beat says its class, its letter always beside its colour. */

import { AUTHOR, ECTOPIC, NOT_N } from "./beats.js";
import { sampleAt, xOf } from "./layouts.js";
import { FONT, haloText } from "./paper.js";
import { clock, lowerBound } from "./scale.js";

const LETTER_PX = 10; // room that a letter needs
const LETTER_REACH_PX = 9; // a pointer this near to a letter means it
const OTHERS_ALPHA = 0.45; // of letters outside the chosen classes
const TICK_ROWS = ["S", "V", "F", "Q", "P"];

/** How beats are shown at this zoom: every letter, letters of what is not N, or ticks of what is not N. */
function density(frame, beats) {
  const [first, last] = beats.between(frame.startS * frame.fs, frame.stopS * frame.fs);
  const room = (frame.right - frame.left) / LETTER_PX;
  if (last - first <= room) return { kind: "all", first, last };
  const named = NOT_N.reduce((sum, letter) => {
    const places = beats.samplesOf(letter);
    return sum + lowerBound(places, frame.stopS * frame.fs) - lowerBound(places, frame.startS * frame.fs);
  }, 0);
  return { kind: named <= room / 2 && last - first <= 20 * room ? "named" : "ticks", first, last };
}

/** A line down the paper at each beat that is not N: drawn before the trace. */
export function drawHairlines(ctx, frame, beats, palette, classes) {
  const shown = density(frame, beats);
  if (shown.kind === "ticks") return;
  for (const index of indicesOf(beats, shown, frame)) {
    const letter = beats.letter(index);
    if (letter === "N") continue;
    ctx.globalAlpha = 0.5 * (beats.chosen(index, classes) ? 1 : OTHERS_ALPHA);
    ctx.fillStyle = palette.beats[letter] ?? palette.muted;
    ctx.fillRect(Math.round(xOf(frame, beats.samples[index] / frame.fs)) - 0.5, frame.top, 1, frame.bottom - frame.top);
  }
  ctx.globalAlpha = 1;
}

/** Draw one lane of letters. `options`: {classes, selected, moving, size}. */
export function drawLetters(ctx, frame, lane, beats, palette, options) {
  ctx.textBaseline = "middle";
  const middle = lane.y + lane.heightPx / 2;
  const shown = density(frame, beats);
  if (shown.kind === "ticks") {
    drawTicks(ctx, frame, lane, beats, palette);
    return;
  }
  ctx.textAlign = "center";
  let last = -Infinity;
  for (const index of indicesOf(beats, shown, frame)) {
    const sample = options.moving?.sample === beats.samples[index] ? options.moving.to : beats.samples[index];
    const x = xOf(frame, sample / frame.fs);
    const letter = beats.letter(index);
    const colour = palette.beats[letter] ?? palette.muted;
    const selected = options.selected?.has(beats.samples[index]);
    ctx.globalAlpha = selected || beats.chosen(index, options.classes) ? 1 : OTHERS_ALPHA;
    if (selected) drawSelected(ctx, lane, x, palette);
    if (x - last >= LETTER_PX * 0.8 || selected) {
      ctx.font = `bold ${options.size}px ${FONT}`;
      haloText(ctx, letter, x, middle - 1, colour, palette.paper);
      last = x;
    } else {
      ctx.fillStyle = colour;
      ctx.fillRect(x - 0.5, middle - 4, 1.5, 8); // no room for a letter between its neighbours
    }
    if (beats.authors[index] === AUTHOR.reader) drawDot(ctx, x, lane.y + lane.heightPx - 2, colour);
  }
  ctx.globalAlpha = 1;
}

/** Indices in time order of what is drawn. */
function indicesOf(beats, shown, frame) {
  if (shown.kind === "all") return Array.from({ length: shown.last - shown.first }, (_, k) => shown.first + k);
  const [from, to] = [frame.startS * frame.fs, frame.stopS * frame.fs];
  const samples = NOT_N.flatMap((letter) => {
    const places = beats.samplesOf(letter);
    return places.slice(lowerBound(places, from), lowerBound(places, to));
  });
  return samples.sort((a, b) => a - b).map((sample) => beats.at(sample));
}

function drawSelected(ctx, lane, x, palette) {
  ctx.strokeStyle = palette.accent;
  ctx.lineWidth = 1.5;
  ctx.strokeRect(x - 7.5, lane.y + 0.75, 15, lane.heightPx - 3);
}

function drawDot(ctx, x, y, colour) {
  ctx.fillStyle = colour;
  ctx.beginPath();
  ctx.arc(x, y, 1.6, 0, 2 * Math.PI);
  ctx.fill();
}

/** A row of ticks a class, its letter before it: what a pixel holds is found by search, not by looking at every beat. */
function drawTicks(ctx, frame, lane, beats, palette) {
  const rows = TICK_ROWS.filter((letter) => beats.samplesOf(letter).length);
  const height = lane.heightPx / Math.max(2, rows.length);
  ctx.font = `bold ${Math.min(10, Math.max(7, height))}px ${FONT}`;
  ctx.textAlign = "right";
  rows.forEach((letter, row) => {
    ctx.fillStyle = palette.beats[letter] ?? palette.muted;
    ctx.fillText(letter, frame.left - 4, lane.y + (row + 0.5) * height + 0.5);
    for (const x of tickColumns(beats.samplesOf(letter), frame.startS * frame.fs, frame.stopS * frame.fs, frame.right - frame.left)) {
      ctx.fillRect(frame.left + x, lane.y + row * height + 0.5, 1.5, height - 1);
    }
  });
}

/** Pixels 0 … width of a stretch of samples in which something lies. */
export function* tickColumns(samples, from, to, width) {
  const perPx = (to - from) / width;
  let index = lowerBound(samples, from);
  while (index < samples.length && samples[index] < to) {
    const column = Math.floor((samples[index] - from) / perPx);
    yield column;
    index = lowerBound(samples, from + (column + 1) * perPx, index + 1);
  }
}

/** The beat whose letter is under the pointer; -1 if there is none. */
export function letterAt(frame, beats, x) {
  const index = beats.nearest(sampleAt(frame, x, Infinity));
  if (index < 0 || density(frame, beats).kind === "ticks") return -1;
  return Math.abs(xOf(frame, beats.samples[index] / frame.fs) - x) <= LETTER_REACH_PX ? index : -1;
}

/** What a pointer that rests on a letter is told. `who` names the author by number. */
export function beatText(beats, index, fs, names, who) {
  const code = String.fromCharCode(beats.codes[index]);
  const letter = beats.letter(index);
  const said = [clock(beats.samples[index] / fs, 3), `${letter} ${names[letter] ?? ""}`.trim() + (code === letter ? "" : ` (code ${code})`)];
  const probability = beats.probability(index);
  if (probability !== null) said.push(`p ${probability.toFixed(2)}`);
  if (index > 0) {
    const rrS = (beats.samples[index] - beats.samples[index - 1]) / fs;
    said.push(`RR ${Math.round(rrS * 1000)} ms, ${Math.round(60 / rrS)}/min`);
  }
  return [...said, who[beats.authors[index]] ?? ""].filter(Boolean).join(" · ");
}

/** The letters on screen in one line, for those who do not see them. */
export function lettersText(frame, beats, most = 60) {
  const [first, last] = beats.between(frame.startS * frame.fs, frame.stopS * frame.fs);
  if (last - first <= most) return Array.from({ length: last - first }, (_, k) => beats.letter(first + k)).join(" ") || "none";
  const ectopic = ECTOPIC.map((letter) => {
    const places = beats.samplesOf(letter);
    return `${lowerBound(places, frame.stopS * frame.fs) - lowerBound(places, frame.startS * frame.fs)} ${letter}`;
  });
  return `${last - first}, of these ${ectopic.join(", ")}`;
}
