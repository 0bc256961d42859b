/** The keyboard: what each key does, for the listener and for the dialog that tells it. */

import { CODE_OF_KEY } from "./beats.js";
import { SPEEDS } from "./scale.js";

/** Groups of rows: what is printed on the keys, what they do, and by name of key the command (of viewer.commands) and what it is told. */
const GROUPS = [
  ["Move and zoom", [
    ["← →", "a page back, forward", { arrowleft: ["page", -1], arrowright: ["page", 1], pageup: ["page", -1], pagedown: ["page", 1] }],
    ["Shift + ← →", "a second back, forward", { "shift+arrowleft": ["seconds", -1], "shift+arrowright": ["seconds", 1] }],
    ["Home End", "to the beginning, the end", { home: ["toEdge", -1], end: ["toEdge", 1] }],
    ["+ −", "closer, wider (the wheel does the same about the pointer)", { "+": ["zoom", 1.5], "=": ["zoom", 1.5], "-": ["zoom", 1 / 1.5] }],
    ["0", "back to 25 mm/s", { 0: ["speed", 25] }],
    ["1 2 3", "12.5, 25, 50 mm/s", { 1: ["speed", SPEEDS[0]], 2: ["speed", SPEEDS[1]], 3: ["speed", SPEEDS[2]] }],
    ["↑ ↓", "greater, smaller gain (2.5 to 40 mm/mV)", { arrowup: ["gain", 1], arrowdown: ["gain", -1] }],
    ["B", "ectopy map off, light, strong", { b: ["bands"] }],
    ["Shift + B", "to the next place of the map", { "shift+b": ["nextPlace", 1] }],
    ["G", "go to a time", { g: ["askTime"] }],
  ]],
  ["Beats", [
    ["[ ]", "previous, next beat of the classes chosen; it is selected", { "[": ["nextBeat", -1], "]": ["nextBeat", 1] }],
    ["E Shift + E", "next, previous event", { e: ["nextEpisode", 1], "shift+e": ["nextEpisode", -1] }],
    ["click a letter", "select it; with Shift, up to it; Shift + drag over a stretch selects what is in it", {}],
    ["Ctrl + A", "select all beats in view", { "ctrl+a": ["selectView"] }],
    ["N S V F Q P", "make the selected beats that class (P: paced)", Object.fromEntries(Object.keys(CODE_OF_KEY).map((key) => [key.toLowerCase(), ["relabel", key]]))],
    ["Del", "delete the selected beats", { delete: ["deleteBeats"], backspace: ["deleteBeats"] }],
    ["A or Insert", "add a beat at the pointer, on the largest deflection within 60 ms", { a: ["addBeat"], insert: ["addBeat"] }],
    ["M, or Alt + drag", "move a beat: drag its letter", { m: ["armMove"] }],
  ]],
  ["Marks", [
    ["R", "name the rhythm of the stretch (Shift + drag) or of the calipers", { r: ["markRhythm"] }],
    ["T", "mark it as artefact", { t: ["markArtefact"] }],
    ["K", "comment", { k: ["comment"] }],
    ["click a mark", "change or delete it", {}],
    ["Shift + G", "on the Restore page: the stretch or the calipers are a gap to be filled", { "shift+g": ["markGap"] }],
    ["Ctrl + Z", "undo; with Shift, or Ctrl + Y, redo", { "ctrl+z": ["undo"], "ctrl+shift+z": ["redo"], "ctrl+y": ["redo"] }],
  ]],
  ["Measure", [
    ["C", "calipers on, off: drag over the strip, then drag either line", { c: ["calipers"] }],
    ["Alt + ← →", "move the later-held line by a sample; with Shift, the other", {
      "alt+arrowleft": ["nudge", [-1, false]], "alt+arrowright": ["nudge", [1, false]],
      "alt+shift+arrowleft": ["nudge", [-1, true]], "alt+shift+arrowright": ["nudge", [1, true]],
    }],
    ["X", "march the interval along the strip", { x: ["march"] }],
    ["D", "measure PR, QRS and QT on what is in view", { d: ["measure"] }],
    ["Esc", "clear calipers, stretch, selection", { escape: ["clear"] }],
    ["?", "these keys", { "?": ["keys"] }],
  ]],
];

const BINDINGS = Object.assign({}, ...GROUPS.flatMap(([, rows]) => rows.map(([, , bind]) => bind)));
const TYPED_INTO = "input, textarea, select, [contenteditable=''], [contenteditable=true], [role=textbox], [role=combobox], [role=listbox], [role=slider]:not(canvas)";

/** A key with its modifiers as BINDINGS names it. Shift says nothing of signs such as "+", which some keyboards need it for. */
function nameOf(event) {
  const key = event.key.toLowerCase();
  const graph = event.getModifierState("AltGraph"); // how many keyboards write [ and ]
  const modifiers = [
    (event.ctrlKey || event.metaKey) && !graph ? "ctrl+" : "",
    event.altKey && !graph ? "alt+" : "",
    event.shiftKey && (key.length > 1 || /[a-z]/.test(key)) ? "shift+" : "",
  ];
  return modifiers.join("") + key;
}

/** Whether a key pressed anywhere on the page is meant for the strip. */
function meant(event, root) {
  const target = event.composedPath()[0];
  if (!(target instanceof Element)) return false;
  if (target.closest(TYPED_INTO) || target.closest("dialog, .popup")) return false;
  if (root.contains(target)) return !(target.closest("button") && [" ", "enter"].includes(event.key.toLowerCase()));
  if (target !== document.body && target !== document.documentElement) return false;
  if (document.querySelector("dialog[open], [role=dialog]")) return false;
  const box = root.querySelector(".stage").getBoundingClientRect();
  return box.bottom > 0 && box.top < window.innerHeight; // a strip scrolled out of sight must not change unseen
}

/** Listen on the whole page, before Streamlit does, as long as `signal` lasts. */
export function listenToKeys(root, run, signal) {
  const heard = (event) => {
    if (event.isComposing || !meant(event, root)) return;
    const command = BINDINGS[nameOf(event)];
    if (!command || run(...command) === false) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  };
  window.addEventListener("keydown", heard, { capture: true, signal });
}

/** Fill the dialog of keys. */
export function tellKeys(place) {
  for (const [title, rows] of GROUPS) {
    const section = place.appendChild(document.createElement("section"));
    section.appendChild(document.createElement("h3")).textContent = title;
    const list = section.appendChild(document.createElement("dl"));
    for (const [keys, says] of rows) {
      list.appendChild(document.createElement("dt")).textContent = keys;
      list.appendChild(document.createElement("dd")).textContent = says;
    }
  }
}
