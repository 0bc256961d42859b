/** One frame, top to bottom: what is to be fetched, what is drawn, and what is said of it in print and for those who do not see it. */

import { bandsText, drawBandLetters, drawBands, drawLineBands } from "./bands.js";
import { NEVER_MEASURED } from "./dashed.js";
import { drawItems, drawEpisodes, drawQuality } from "./marks.js";
import { drawHairlines, drawLetters, lettersText } from "./letters.js";
import { drawLineLetters, drawTints } from "./disclosure.js";
import { FONT, drawNames, drawPaper, drawTimes, haloText } from "./paper.js";
import { drawTraces } from "./trace.js";
import { measuredData, measuredText } from "./calipers.js";
import { LAYOUTS, xOf } from "./layouts.js";
import { clock, figure } from "./scale.js";
import { tileSamples, wholeLevel } from "./tiles.js";

const LANES = { episodes: 14, items: 15, letters: 18, bands: 15, reference: 15 };

/** What stands above the rows, with the height at which each begins. */
export function lanesOf(viewer) {
  const { bands, data, items, view } = viewer;
  const names = [data.episodes.length && "episodes", items.length && "items", "letters", bands.labels(view).length && "bands", view.annotator && "reference"].filter(Boolean);
  let y = 2;
  const lanes = [{ name: "edge", heightPx: 2, y: 0 }];
  for (const name of names) {
    lanes.push({ name, heightPx: LANES[name], y });
    y += LANES[name];
  }
  return lanes;
}

/** Tiles for a frame, the most urgent first: on screen, the whole record at a glance, a page on either side, and a level coarser. */
export function wantedTiles(frame, nSamples) {
  const { level, band, leads, fs } = frame;
  const [from, to] = [Math.max(0, frame.startS * fs - 2), Math.min(nSamples - 1, frame.stopS * fs + 2)];
  const span = to - from;
  const wanted = new Map();
  const add = (tileLevel, tileBand, first, last, ahead) => {
    const size = tileSamples(tileLevel);
    const end = Math.floor(Math.min(nSamples - 1, last) / size);
    for (let index = Math.floor(Math.max(0, first) / size); index <= end; index += 1) {
      const key = `${tileLevel}/${index}${tileBand}`;
      if (!wanted.has(key)) wanted.set(key, { level: tileLevel, index, band: tileBand, leads, ahead });
    }
  };
  add(level, band, from, to, false);
  add(wholeLevel(nSamples), "", 0, nSamples, true);
  add(level, band, to, to + span, true);
  add(level, band, from - span, from, true);
  if (level < wholeLevel(nSamples)) add(level + 1, tileSamples(level + 1) / fs <= 600 ? band : "", from, to, true);
  return [...wanted.values()];
}

/** Draw; returns what drawTraces does. */
export function drawFrame(ctx, viewer) {
  const { frame, data, view, tiles, centres, bands, beats, items, palette, record } = viewer;
  drawPaper(ctx, frame, palette);
  if (frame.layout === "lines") {
    drawTints(ctx, frame, beats, palette);
    const drawn = drawTraces(ctx, frame, tiles, centres, palette, record.n_samples);
    viewer.dashed.draw(ctx, viewer);
    drawTimes(ctx, frame, palette);
    drawLineLetters(ctx, frame, beats, palette, viewer.selection);
    drawLineBands(ctx, frame, bands, beats, view, palette);
    return drawn;
  }
  const lane = (name) => frame.lanes.find((one) => one.name === name);
  drawBands(ctx, frame, bands, view, palette);
  drawHairlines(ctx, frame, beats, palette, view.classes);
  drawStretch(ctx, viewer);
  const drawn = drawTraces(ctx, frame, tiles, centres, palette, record.n_samples);
  viewer.dashed.draw(ctx, viewer);
  drawQuality(ctx, frame, data.quality, palette);
  drawNames(ctx, frame, palette);
  drawTimes(ctx, frame, palette);
  if (lane("episodes")) drawEpisodes(ctx, frame, lane("episodes"), data.episodes, palette);
  if (lane("items")) drawItems(ctx, frame, lane("items"), items, palette);
  drawLetters(ctx, frame, lane("letters"), beats, palette, { classes: view.classes, selected: viewer.selection, moving: viewer.moving, size: 14 });
  if (lane("bands")) drawBandLetters(ctx, frame, lane("bands"), bands, view, palette);
  if (lane("reference") && viewer.reference) drawLetters(ctx, frame, lane("reference"), viewer.reference, palette, { classes: "all", size: 12 });
  nameLanes(ctx, viewer, lane);
  viewer.calipers.draw(ctx, frame, palette);
  return drawn;
}

/** Who writes the letters of a lane, in the margin. */
function nameLanes(ctx, { data, view, frame, palette }, lane) {
  const said = { letters: data.model, bands: "map", reference: view.annotator };
  ctx.font = `11px ${FONT}`;
  ctx.textAlign = "left";
  ctx.textBaseline = "middle";
  for (const [name, text] of Object.entries(said)) {
    const there = lane(name);
    if (there && text) haloText(ctx, text, 4, there.y + there.heightPx / 2, palette.muted, palette.paper, Math.max(30, frame.left - 14));
  }
}

/** The stretch that was dragged with Shift. */
function drawStretch(ctx, { stretch, frame, palette }) {
  if (!stretch) return;
  const [x0, x1] = stretch.map((sample) => xOf(frame, sample / frame.fs));
  ctx.globalAlpha = 0.12;
  ctx.fillStyle = palette.accent;
  ctx.fillRect(Math.max(frame.left, x0), frame.top, Math.min(frame.right, x1) - Math.max(frame.left, x0), frame.bottom - frame.top);
  ctx.globalAlpha = 1;
}

/** The filter in print: what it does at this sampling rate, or why it does nothing. */
function filterText({ frame, view, data }) {
  if (frame.refused) return `unfiltered (view longer than ${data.filtered_up_to_s} s)`;
  return data.filters.find((filter) => filter.name === view.filter)?.printed[view.notch] ?? view.filter;
}

/** First and last time on screen. */
function rangeText(frame, joined) {
  const digits = frame.spanS < 5 ? 2 : 0;
  return `${clock(frame.startS, digits)}${joined}${clock(frame.stopS, digits)}`;
}

/** The line under the paper. */
export function printedText(viewer) {
  const { frame, data, view, leaving } = viewer;
  const said = [rangeText(frame, "–"), `${figure(frame.mmPerS)} mm/s`, `${frame.gain} mm/mV`, filterText(viewer)];
  if (frame.layout === "lines") said.push(`${view.rhythm}, a minute a line`);
  else if (frame.columns > 1) said.push(`${LAYOUTS[frame.layout].replace("rhythm", view.rhythm)}, columns in consecutive time`);
  said.push(`${figure(data.record.fs_hz)} Hz`, "centred on medians");
  if (data.author_line) said.push(data.author_line);
  if (frame.layout === "lines" && viewer.dashed.shown(frame).length) said.push("dashed is reconstructed"); // elsewhere a label says so
  if (leaving.length && frame.layout !== "lines") said.push(`${leaving.join(", ")} leaves the paper: choose a lower gain`);
  return said.join(" · ");
}

/** The tracing in words. */
export function altText(viewer) {
  const { frame, bands, beats, view } = viewer;
  const leads = frame.leads.join(", ").replaceAll("-aVR", "−aVR");
  const scale = `${figure(frame.mmPerS)} mm/s, ${frame.gain} mm/mV, ${filterText(viewer)}`;
  return `ECG, ${leads}, ${rangeText(frame, " to ")}, ${scale}, beats ${beats.length ? lettersText(frame, beats) : "not there yet"}${bandsText(frame, bands, view)}${viewer.dashed.text(frame)}`;
}

/** What is on screen, as data of the root element, and the caliper's figures in print. */
export function tell(viewer, ready, frames) {
  const { frame, view, reading, selection, calipers, tiles, parts } = viewer;
  const measured = calipers.measured(frame, tiles);
  if (measured && !measured.complete) tiles.fetchRaw(frame.band, frame.leads, [measured.first, measured.last]);
  const beside = measured && viewer.dashed.touches(frame, measured.first, measured.last) ? ` · ${NEVER_MEASURED}` : "";
  const text = calipers.on || measured ? measuredText(measured, frame.fs) + beside || "Calipers: drag over the strip" : "";
  if (parts.measured.textContent !== text) parts.measured.textContent = text;
  parts.measured.hidden = text === "";
  const cells = frame.cells.map(({ lead, middle, x0, x1, startS, key }) => ({ lead, middle, x0, x1, startS, key }));
  const said = {
    start: frame.startS.toFixed(4),
    stop: frame.stopS.toFixed(4),
    level: frame.level,
    speed: figure(frame.mmPerS),
    gain: frame.gain,
    filter: filterText(viewer),
    layout: frame.layout,
    leads: frame.leads.join(","),
    classes: view.classes,
    bands: viewer.bands.places ? view.bands : "",
    places: viewer.bands.inView(frame, view).length,
    tool: calipers.on ? "calipers" : "",
    seq: reading?.seq ?? "",
    beats: viewer.beats.length,
    pending: reading?.pending ?? 0,
    selected: selection.size,
    tiles: ready ? "ready" : "loading",
    caliper: measuredData(measured),
    geometry: JSON.stringify({ left: frame.left, right: frame.right, top: frame.top, bottom: frame.bottom, pxPerS: frame.pxPerS, pxPerMm: frame.pxPerMm, lanes: frame.lanes, cells }),
    centres: JSON.stringify(viewer.centres.told(frame)),
    frames,
  };
  for (const [name, value] of Object.entries(said)) {
    if (viewer.root.dataset[name] !== String(value)) viewer.root.dataset[name] = value;
  }
}
