/** Paper scales, times as people read them, and how the browser keeps small things: what every other file uses. */

export const SPEEDS = [12.5, 25, 50]; // mm/s
export const GAINS = [2.5, 5, 10, 20, 40]; // mm/mV
export const USUAL_SPEED = 25;
export const USUAL_GAIN = 10;

const STEPS_S = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400];
const CSS_PX_PER_MM = 96 / 25.4; // what a browser takes a millimetre for; true on few screens

/** Seconds into the record as h:mm:ss, with decimals where asked for. */
export function clock(seconds, digits = 0) {
  const scale = 10 ** digits;
  const units = Math.round(seconds * scale);
  const whole = Math.floor(units / scale);
  const two = (part) => String(part % 60).padStart(2, "0");
  const text = `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60))}:${two(whole)}`;
  return digits ? `${text}.${String(units % scale).padStart(digits, "0")}` : text;
}

/** The seconds that "h:mm:ss", "mm:ss" or "ss" says; null for anything else. */
export function secondsOf(text) {
  const found = /^(?:(?:(\d+):)?(\d{1,2}):)?(\d+(?:\.\d+)?)$/.exec(text.trim());
  return found && Number(found[1] ?? 0) * 3600 + Number(found[2] ?? 0) * 60 + Number(found[3]);
}

/** Time of day at a moment of the record, hh:mm; null where the record does not say when it began. */
export function timeOfDay(startIso, seconds) {
  const found = /T(\d\d):(\d\d)(?::(\d\d))?/.exec(startIso ?? "");
  if (!found) return null;
  const minutes = Math.floor((Number(found[1]) * 3600 + Number(found[2]) * 60 + Number(found[3] ?? 0) + seconds) / 60);
  return `${String(Math.floor(minutes / 60) % 24).padStart(2, "0")}:${String(minutes % 60).padStart(2, "0")}`;
}

/** Three significant digits: "25", "4.17", "0.00395". */
export function figure(value) {
  return String(Number(value.toPrecision(3)));
}

/** With its sign, and a true minus: "+0.53", "−0.12". */
export function signed(value, digits) {
  const text = Math.abs(value).toFixed(digits);
  return `${value < 0 && Number(text) !== 0 ? "−" : "+"}${text}`;
}

/** The least round step of time that has room for a label. */
export function labelStepS(pxPerS, roomPx) {
  return STEPS_S.find((step) => step * pxPerS >= roomPx) ?? Math.ceil(roomPx / pxPerS / 86400) * 86400;
}

/** A value no less than the one and no more than the other; the least wins where they cross. */
export function clamp(value, least, most) {
  return Math.max(least, Math.min(most, value));
}

/** First index of an ascending array whose value is not below the one sought. */
export function lowerBound(sorted, value, from = 0) {
  let low = from;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The next entry of an ascending list in a direction; the last one there is at its end. */
export function stepped(list, value, direction) {
  const further = direction > 0 ? list.find((entry) => entry > value + 1e-6) : list.findLast((entry) => entry < value - 1e-6);
  return further ?? value;
}

/** What a storage of the browser holds; null where there is nothing, nothing readable, or no storage. */
export function recalled(storage, key) {
  try {
    return JSON.parse(window[storage].getItem(key));
  } catch {
    return null; // private windows may forbid storage
  }
}

/** Keep a value in a storage of the browser, or remove it (null), as far as the browser lets us. */
export function keep(storage, key, value) {
  try {
    if (value === null) window[storage].removeItem(key);
    else window[storage].setItem(key, JSON.stringify(value));
  } catch {
    // full or forbidden: the viewer works without
  }
}

/** The screen as the calibration knows it: another monitor or browser zoom is another screen. */
function screenKey() {
  return `leadwise-px-per-mm:${window.devicePixelRatio}:${window.screen.width}x${window.screen.height}`;
}

/** CSS pixels a millimetre of glass, and whether somebody measured it. */
export function screenScale() {
  const measured = recalled("localStorage", screenKey());
  const calibrated = Number.isFinite(measured) && measured > 1 && measured < 40;
  return { pxPerMm: calibrated ? measured : CSS_PX_PER_MM, calibrated };
}

/** Keep what was measured on this screen; null forgets it. */
export function keepScreenScale(pxPerMm) {
  keep("localStorage", screenKey(), pxPerMm);
}
