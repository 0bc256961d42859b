/** Marks on the strip: readers' rhythm spans, artefact and comments, the record's episodes, and what the quality check found. */

import { xOf } from "./layouts.js";
import { FONT, haloText } from "./paper.js";
import { clock } from "./scale.js";

const LEAST_PX = 12; // a mark is never too narrow to be hit
const TEXT_FROM_PX = 24;

/** What an item says in print. */
function itemLabel(item) {
  if (item.kind === "artefact") return item.text || "artefact";
  if (item.kind === "comment") return `“${item.text}”`;
  return item.kind === "decision" ? `decision: ${item.text}` : item.text;
}

/** An item in full, for the pointer that rests on it. */
export function itemText(item, fs) {
  const place = item.start === item.stop ? clock(item.start / fs, 1) : `${clock(item.start / fs, 1)}–${clock(item.stop / fs, 1)}`;
  const said = [place, item.kind, item.kind === "artefact" ? item.text : item.text || "no text", item.lead ?? "", item.unsaved ? "not saved yet" : item.author];
  return said.filter(Boolean).join(" · ");
}

/** Where an item stands in its lane. */
function extent(frame, item) {
  const x0 = xOf(frame, item.start / frame.fs);
  const x1 = Math.max(x0 + LEAST_PX, xOf(frame, item.stop / frame.fs));
  return [Math.max(frame.left, x0), Math.min(frame.right, x1)];
}

function inView(frame, items) {
  return items.filter((item) => item.stop / frame.fs >= frame.startS && item.start / frame.fs <= frame.stopS);
}

/** Bars of the readers' marks, with what they say. Artefact also hatches the tracing it spoils. */
export function drawItems(ctx, frame, lane, items, palette) {
  const shown = inView(frame, items).sort((a, b) => a.start - b.start);
  ctx.textBaseline = "middle";
  ctx.textAlign = "left";
  ctx.font = `bold 11px ${FONT}`;
  shown.forEach((item, index) => {
    const [x0, x1] = extent(frame, item);
    const colour = item.kind === "artefact" ? palette.warning : palette.accent;
    if (item.kind === "artefact") hatch(ctx, frame, item, x0, x1, palette);
    ctx.fillStyle = colour;
    ctx.globalAlpha = item.unsaved ? 0.6 : 1;
    if (item.kind === "comment" && x1 - x0 <= LEAST_PX) flag(ctx, x0, lane);
    else {
      ctx.fillRect(x0, lane.y + lane.heightPx - 3, Math.max(1, x1 - x0), 2);
      ctx.fillRect(x0, lane.y + 2, 1.5, lane.heightPx - 3);
      ctx.fillRect(x1 - 1.5, lane.y + lane.heightPx - 7, 1.5, 6);
    }
    const next = index + 1 < shown.length ? extent(frame, shown[index + 1])[0] : frame.right;
    const room = Math.max(item.kind === "comment" ? next - x0 - 14 : 0, Math.min(x1, Math.max(next, x0)) - x0 - 6);
    if (room >= TEXT_FROM_PX) ctx.fillText(shortened(ctx, itemLabel(item), room), x0 + (item.kind === "comment" && x1 - x0 <= LEAST_PX ? 11 : 5), lane.y + lane.heightPx / 2 - 1);
    ctx.globalAlpha = 1;
  });
}

function flag(ctx, x, lane) {
  ctx.fillRect(x, lane.y + 2, 1.5, lane.heightPx - 3);
  ctx.beginPath();
  ctx.moveTo(x, lane.y + 2);
  ctx.lineTo(x + 9, lane.y + 5);
  ctx.lineTo(x, lane.y + 9);
  ctx.fill();
}

/** Slanted lines over what is artefact, thin enough to read the trace behind them. */
function hatch(ctx, frame, item, x0, x1, palette) {
  const rows = frame.cells.filter((cell) => !item.lead || cell.lead === item.lead);
  ctx.save();
  ctx.strokeStyle = palette.warning;
  ctx.globalAlpha = 0.35;
  ctx.lineWidth = 1;
  for (const cell of rows) {
    const [left, right] = [Math.max(x0, cell.x0), Math.min(x1, cell.x1)];
    if (right <= left) continue;
    const [top, foot] = [cell.middle - frame.rowPx / 2, cell.middle + frame.rowPx / 2];
    ctx.save();
    ctx.beginPath();
    ctx.rect(left, top, right - left, foot - top);
    ctx.clip();
    ctx.beginPath();
    for (let x = left - (foot - top) - (left % 9); x < right; x += 9) {
      ctx.moveTo(x, foot);
      ctx.lineTo(x + foot - top, top);
    }
    ctx.stroke();
    ctx.restore();
  }
  ctx.restore();
}

/** Text cut off with an ellipsis where the room ends. */
function shortened(ctx, text, room) {
  let said = text;
  while (said.length > 1 && ctx.measureText(said).width > room) said = `${said.slice(0, -2).trimEnd()}…`;
  return said;
}

/** Episodes [[start_s, stop_s, kind, text], …]: a thin bracket each, its kind where there is room. */
export function drawEpisodes(ctx, frame, lane, episodes, palette) {
  ctx.textBaseline = "middle";
  ctx.textAlign = "left";
  ctx.font = `11px ${FONT}`;
  ctx.fillStyle = palette.muted;
  let free = -Infinity;
  for (const [startS, stopS, kind] of episodes) {
    if (stopS < frame.startS || startS > frame.stopS) continue;
    const x0 = Math.max(frame.left, xOf(frame, startS));
    const x1 = Math.min(frame.right, Math.max(x0 + 2, xOf(frame, stopS)));
    ctx.fillRect(x0, lane.y + lane.heightPx - 2, x1 - x0, 1);
    ctx.fillRect(x0, lane.y + lane.heightPx - 6, 1, 5);
    ctx.fillRect(x1 - 1, lane.y + lane.heightPx - 6, 1, 5);
    const wide = ctx.measureText(kind).width;
    if (x0 + 3 < free || x0 + 3 + wide > frame.widthPx - 2) continue;
    ctx.fillText(kind, x0 + 3, lane.y + lane.heightPx / 2 - 2);
    free = x0 + wide + 8;
  }
}

/** Quality marks [[lead, start_s, stop_s, kind, reason], …]: a bar along the foot of the lead's row. What is missing is drawn where it is. */
export function drawQuality(ctx, frame, quality, palette) {
  ctx.textBaseline = "bottom";
  ctx.textAlign = "left";
  ctx.font = `11px ${FONT}`;
  const near = quality.filter(([, startS, stopS, kind]) => kind !== "missing" && stopS >= frame.startS && startS <= frame.stopS);
  for (const cell of frame.cells) {
    const shown = near
      .filter(([lead]) => lead === cell.lead)
      .map(([, startS, stopS, kind, reason]) => ({ x0: Math.max(cell.x0, xOf(frame, startS)), x1: Math.min(cell.x1, xOf(frame, stopS)), said: `${kind}: ${reason}` }))
      .filter(({ x0, x1 }) => x1 > x0)
      .sort((a, b) => a.x0 - b.x0);
    const y = cell.middle + frame.rowPx / 2 - 4;
    shown.forEach(({ x0, x1, said }, index) => {
      ctx.fillStyle = palette.warning;
      ctx.fillRect(x0, y, x1 - x0, 3);
      const room = (shown[index + 1]?.x0 ?? cell.x1) - x0 - 6;
      if (Math.min(room, x1 - x0) >= TEXT_FROM_PX) haloText(ctx, shortened(ctx, said, room), x0 + 3, y - 1, palette.warning, palette.paper);
    });
  }
}

/** The item under the pointer: the shortest of those that are there. */
export function itemAt(frame, items, x) {
  const under = inView(frame, items).filter((item) => {
    const [x0, x1] = extent(frame, item);
    return x >= x0 - 3 && x <= x1 + 3;
  });
  return under.sort((a, b) => a.stop - a.start - (b.stop - b.start))[0] ?? null;
}

/** The episode under the pointer. */
export function episodeAt(frame, episodes, x) {
  return episodes.find(([startS, stopS]) => x >= xOf(frame, startS) - 3 && x <= xOf(frame, stopS) + 3) ?? null;
}
