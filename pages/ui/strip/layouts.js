/** Where each lead stands: rows, columns, and full disclosure; all in CSS pixels of the canvas. */

import { SPEEDS, clamp } from "./scale.js";
import { bandOf, levelFor, tileSamples } from "./tiles.js";

export const LAYOUTS = { stacked: "stacked", "12x1": "12 × 1", "6x2": "6 × 2", "3x4": "3 × 4 + rhythm", lines: "full disclosure" };
const MARGIN_MM = 16; // left of the signal: the lead's name and the 1 mV pulse
const PULSE_MM = 11; // the pulse alone; the name then stands over the trace
const RIGHT_PX = 6; // right of the signal
const FOOT_PX = 17; // the time labels
const ROW_MM = [70, 50, 40, 35, 30, 30, 25, 25, 20]; // height of a row where there is room, by the number of rows
const LEAST_ROW_MM = 5;
const COLUMNS_FROM_PX = 760; // narrower than this, four columns hold too little of a lead
const FILTERED_TILE_S = 600; // the server filters no longer tile
const LINES = { most: 30, least: 20, px: [18, 21, 34], marginPx: 62, topPx: 8 }; // px of a line: the least, the usual, the most
export const LINE_S = 60;

/** The layout drawn: that chosen, or the one that suits the leads and the width. */
export function layoutOf(view, widthPx) {
  if (view.layout !== "auto") return view.standard || view.layout === "lines" ? view.layout : "stacked";
  const twelve = view.standard && view.chosen.length >= 12;
  return twelve && widthPx >= COLUMNS_FROM_PX ? "3x4" : "stacked";
}

/** Rows of leads, each a list of what stands beside each other: filled down the columns, as leads are printed. */
function grid(layout, leads, rhythm) {
  const height = layout === "3x4" ? 3 : layout === "6x2" ? 6 : leads.length;
  const rows = Array.from({ length: Math.min(height, leads.length) }, () => []);
  leads.forEach((lead, index) => rows[index % height].push(lead));
  if (layout === "3x4") rows.push([rhythm]);
  return { rows, columns: Math.ceil(leads.length / height) };
}

/** How high a row is, in mm: less than is usual where all rows would not fit otherwise. Where there is room, middles lie on heavy lines. */
function rowMm(count, budgetMm) {
  const usual = ROW_MM[Math.min(count, ROW_MM.length) - 1];
  const fits = Math.max(LEAST_ROW_MM, Math.min(usual, Math.floor(budgetMm / count)));
  return fits >= 20 ? Math.floor(fits / 5) * 5 : fits;
}

/** Pixels left of the signal. At a usual speed the names give way where a short record, such as ten seconds of twelve leads, is then seen whole. */
function marginPx(view, widthPx, pxPerMm) {
  const spareMm = (widthPx - RIGHT_PX) / pxPerMm - view.durationS * view.mmPerS;
  const short = SPEEDS.includes(view.mmPerS) && spareMm >= PULSE_MM && spareMm < MARGIN_MM;
  return Math.round((short ? PULSE_MM : MARGIN_MM) * pxPerMm);
}

/** Millimetres of signal that a width of screen shows. */
export function paperMm(view, widthPx, pxPerMm) {
  return Math.max(20, (widthPx - marginPx(view, widthPx, pxPerMm) - RIGHT_PX) / pxPerMm);
}

/** What may change from frame to frame, worked out once a frame: size, scale, rows, level and band of the signal.

size   {widthPx, dpr, pxPerMm, budgetPx}: the room there is, and the highest that the canvas may be
lanes  [{name, heightPx}]: what stands above the rows
*/
export function frameOf(view, data, size, lanes) {
  const layout = layoutOf(view, size.widthPx);
  view.spanMm = paperMm(view, size.widthPx, size.pxPerMm);
  return layout === "lines" ? linesFrame(view, data, size) : stripFrame(view, data, size, lanes, layout);
}

function stripFrame(view, data, size, lanes, layout) {
  const { widthPx, dpr, pxPerMm, budgetPx } = size;
  const left = marginPx(view, widthPx, pxPerMm);
  view.settle();
  const pxPerS = view.mmPerS * pxPerMm;
  const stopS = Math.min(view.endS, view.startS + view.spanS);
  const right = left + (stopS - view.startS) * pxPerS; // a record shorter than the paper leaves the rest of it blank
  const top = lanes.reduce((sum, lane) => sum + lane.heightPx, 0);
  const { rows, columns } = grid(layout, view.leads, view.rhythm);
  const rowPx = rowMm(rows.length, (budgetPx - top - FOOT_PX) / pxPerMm) * pxPerMm;
  const cells = [];
  rows.forEach((row, index) => {
    const middle = top + (index + 0.5) * rowPx;
    const wide = (right - left) / (row.length === 1 ? 1 : columns);
    row.forEach((lead, column) => {
      const [x0, x1] = [left + column * wide, row.length === 1 ? right : left + (column + 1) * wide];
      cells.push({ key: `${lead}@${index}.${column}`, lead, row: index, column, middle, x0, x1, startS: view.startS + (x0 - left) / pxPerS, startX: x0 });
    });
  });
  const base = { layout, left, right, top, named: left >= Math.round(MARGIN_MM * pxPerMm), rowPx, columns, cells, pxPerS, pxPerMm, widthPx, dpr, lanes, gain: view.gain, mmPerS: view.mmPerS };
  const height = Math.ceil(top + rows.length * rowPx + FOOT_PX);
  return finished({ ...base, heightPx: height, bottom: height - FOOT_PX, startS: view.startS, stopS }, view, data);
}

/** Full disclosure: a line a minute of one lead. */
function linesFrame(view, data, size) {
  const { widthPx, dpr, pxPerMm, budgetPx } = size;
  const left = LINES.marginPx;
  const right = widthPx - RIGHT_PX;
  const [least, usual, most] = LINES.px;
  const roomPx = budgetPx - FOOT_PX - LINES.topPx;
  const lines = Math.min(clamp(Math.floor(roomPx / usual), LINES.least, LINES.most), Math.ceil(view.endS / LINE_S));
  const pxPerS = (right - left) / LINE_S;
  view.startS = clamp(Math.floor(view.startS / LINE_S) * LINE_S, 0, Math.max(0, Math.floor((view.endS - 0.001) / LINE_S) * LINE_S));
  const rowPx = clamp(Math.floor(roomPx / lines), least, most);
  const stopS = Math.min(view.endS, view.startS + lines * LINE_S);
  const cells = [];
  for (let line = 0; line < lines && view.startS + line * LINE_S < view.endS; line += 1) {
    const startS = view.startS + line * LINE_S;
    const x1 = left + Math.min(LINE_S, view.endS - startS) * pxPerS;
    cells.push({ key: `${view.rhythm}@line${startS}`, lead: view.rhythm, row: line, column: 0, middle: LINES.topPx + (line + 0.62) * rowPx, x0: left, x1, startS, startX: left });
  }
  const heightPx = Math.ceil(LINES.topPx + lines * rowPx + FOOT_PX);
  const base = { layout: "lines", left, right, top: LINES.topPx, rowPx, columns: 1, cells, pxPerS, pxPerMm, widthPx, dpr, lanes: [], gain: view.linesGain };
  return finished({ ...base, mmPerS: pxPerS / pxPerMm, heightPx, bottom: heightPx - FOOT_PX, startS: view.startS, stopS, pageS: lines * LINE_S }, view, data);
}

function finished(frame, view, data) {
  const { fs_hz: fs, n_samples: nSamples } = data.record;
  const spanS = frame.pageS ?? frame.stopS - frame.startS;
  const level = levelFor(fs / (frame.pxPerS * frame.dpr), nSamples);
  const allowed = spanS <= data.filtered_up_to_s + 1e-6 && tileSamples(level) / fs <= FILTERED_TILE_S;
  const chosen = bandOf(view.filter, view.notch);
  const shown = new Set(frame.cells.map((cell) => cell.lead));
  const leads = [...new Set([...view.leads.filter((lead) => shown.has(lead)), ...shown])]; // in the reader's order
  return { ...frame, fs, spanS, level, leads, samplesPerPx: fs / (frame.pxPerS * frame.dpr), band: allowed ? chosen : "", refused: !allowed && chosen !== "" };
}

/** Where a moment of the strip stands, in CSS pixels. */
export function xOf(frame, seconds) {
  return frame.left + (seconds - frame.startS) * frame.pxPerS;
}

/** The moment at a place of the strip. */
export function secondsAt(frame, x) {
  return frame.startS + (x - frame.left) / frame.pxPerS;
}

/** The sample nearest to a place of the strip, within the record. */
export function sampleAt(frame, x, nSamples) {
  return clamp(Math.round(secondsAt(frame, x) * frame.fs), 0, nSamples - 1);
}

/** The cell at a place: the row nearest to it of those that reach over it. */
export function cellAt(frame, x, y) {
  const over = frame.cells.filter((cell) => x >= cell.x0 && x <= cell.x1);
  return over.reduce((best, cell) => (best && Math.abs(best.middle - y) <= Math.abs(cell.middle - y) ? best : cell), null);
}
