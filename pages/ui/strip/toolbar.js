/** The line of controls over the strip, and the menu of leads. */

import { ECTOPIC, LETTERS } from "./beats.js";
import { LAYOUTS, layoutOf } from "./layouts.js";
import { make } from "./popups.js";
import { GAINS, SPEEDS, figure } from "./scale.js";
import { STANDARD } from "./view.js";

const USUAL_GAINS = [5, 10, 20];

export class Toolbar {
  #drawn = {};

  constructor(viewer) {
    this.viewer = viewer;
    this.bar = viewer.root.querySelector(".toolbar");
    this.menu = viewer.root.querySelector(".leads-menu");
    const { signal } = viewer.abort;
    const chosen = (name, act) => this.#select(name).addEventListener("change", (event) => this.#chosen(event, act), { signal });
    chosen("speed", (value) => viewer.commands.speed(Number(value)));
    chosen("gain", (value) => this.#choose({}, () => viewer.view.setGain(Number(value))));
    chosen("filter", (value) => viewer.choose({ filter: value }));
    chosen("notch", (value) => viewer.choose({ notch: value }));
    chosen("layout", (value) => viewer.chooseLayout(value));
    chosen("classes", (value) => viewer.choose({ classes: value }));
    const acts = {
      previous: () => viewer.commands.nextBeat(-1),
      next: () => viewer.commands.nextBeat(1),
      calipers: () => viewer.commands.calipers(),
      measure: () => viewer.commands.measure(),
      gap: () => viewer.commands.markGap(),
      undo: () => viewer.commands.undo(),
      redo: () => viewer.commands.redo(),
      keys: () => viewer.commands.keys(),
      leads: () => this.#toggleMenu(),
    };
    for (const [name, act] of Object.entries(acts)) this.#button(name).addEventListener("click", act, { signal });
    window.addEventListener("pointerdown", (event) => this.#away(event), { capture: true, signal });
    this.menu.addEventListener("keydown", (event) => event.key === "Escape" && this.#close(true), { signal });
  }

  #select(name) {
    return this.bar.querySelector(`select[name=${name}]`);
  }

  #button(name) {
    return this.bar.querySelector(`button[name=${name}]`);
  }

  #choose(patch, act) {
    act();
    this.viewer.choose(patch);
  }

  /** After a choice by pointer the keys are the strip's again; one who chose by keyboard stays on the control. */
  #chosen(event, act) {
    act(event.target.value);
    if (!event.target.matches(":focus-visible")) this.viewer.stage.focus({ preventScroll: true });
  }

  /** Have the controls say what is on screen. */
  update() {
    const { view, data, frame, calipers, reading, widthPx } = this.viewer;
    const layout = layoutOf(view, widthPx);
    this.#options("speed", SPEEDS.map((speed) => [speed, `${speed} mm/s`]), frame.mmPerS, `${figure(frame.mmPerS)} mm/s`);
    this.#options("gain", (USUAL_GAINS.includes(view.shownGain) ? USUAL_GAINS : GAINS).map((gain) => [gain, `${gain} mm/mV`]), view.shownGain);
    this.#options("filter", data.filters.map((filter) => [filter.name, filter.name]), view.filter);
    this.#select("filter").title = `Filter: ${view.filter}; zero phase, for display only`;
    this.#options("notch", [["0", "no notch"], ["50", "notch 50 Hz"], ["60", "notch 60 Hz"]], view.notch);
    const offered = Object.entries(LAYOUTS).filter(([name]) => view.standard || name === "stacked" || name === "lines");
    this.#options("layout", offered, layout);
    this.#options("classes", this.#classes(), view.classes);
    this.#press("calipers", calipers.on);
    this.#button("gap").hidden = !data.gap;
    this.#button("measure").hidden = Boolean(data.gap); // where gaps are marked there is no room for it, and no panel
    for (const name of ["previous", "next"]) this.#able(name, this.viewer.beats.length > 0);
    this.#able("undo", reading !== null && (reading.state?.can_undo || reading.pending > 0));
    this.#able("redo", reading !== null && reading.state?.can_redo === true);
    this.#able("calipers", frame.layout !== "lines");
  }

  #classes() {
    const { beats } = this.viewer;
    const said = (n) => (beats.seq < 0 ? "" : ` ${n.toLocaleString("en")}`);
    const ectopic = ECTOPIC.reduce((sum, letter) => sum + beats.count(letter), 0);
    const letters = LETTERS.filter((letter) => letter !== "P" || beats.count("P"));
    return [["all", `all${said(beats.length)}`], ["ectopic", `ectopic${said(ectopic)}`], ...letters.map((letter) => [letter, letter + said(beats.count(letter))])];
  }

  /** Options and value of a choice; `other` is the text of a value that is none of them. */
  #options(name, options, value, other = null) {
    const known = options.some(([option]) => Math.abs(option - value) < 1e-6 || String(option) === String(value));
    const all = known || other === null ? options : [[value, other], ...options];
    const state = JSON.stringify([all, value]);
    if (this.#drawn[name] === state) return;
    this.#drawn[name] = state;
    const select = this.#select(name);
    all.forEach(([option, text], index) => {
      const there = select.options[index] ?? select.appendChild(document.createElement("option"));
      if (there.value !== String(option)) there.value = String(option);
      if (there.textContent !== text) there.textContent = text;
    });
    while (select.options.length > all.length) select.lastElementChild.remove();
    select.selectedIndex = Math.max(0, all.findIndex(([option]) => Math.abs(option - value) < 1e-6 || String(option) === String(value)));
  }

  #press(name, on) {
    const button = this.#button(name);
    if (button.getAttribute("aria-pressed") !== String(on)) button.setAttribute("aria-pressed", String(on));
  }

  #able(name, able) {
    const button = this.#button(name);
    if (button.disabled === Boolean(able)) button.disabled = !able;
  }

  // The menu of leads

  #toggleMenu() {
    if (this.menu.hidden) this.#open();
    else this.#close(true);
  }

  #open() {
    this.#fill();
    this.menu.hidden = false;
    this.#button("leads").setAttribute("aria-expanded", "true");
    const left = this.#button("leads").offsetLeft;
    this.menu.style.left = `${Math.max(0, Math.min(left, this.viewer.root.offsetWidth - this.menu.offsetWidth - 4))}px`;
    this.menu.querySelector("input").focus();
  }

  #close(focus) {
    this.menu.hidden = true;
    this.#button("leads").setAttribute("aria-expanded", "false");
    if (focus) this.#button("leads").focus();
  }

  #away(event) {
    const inside = event.composedPath().some((part) => part === this.menu || part === this.#button("leads"));
    if (!this.menu.hidden && !inside) this.#close(false);
  }

  #fill() {
    const { view, record, data } = this.viewer;
    const order = [...view.chosen, ...record.leads.filter((lead) => !view.chosen.includes(lead))];
    const rows = order.map((lead) => this.#leadRow(lead, order));
    const cabrera = make("label", {}, make("input", { type: "checkbox", name: "cabrera", checked: view.cabrera, change: (event) => this.viewer.choose({ cabrera: event.target.checked }) }), "Cabrera order");
    const rhythm = make("select", { name: "rhythm", change: (event) => this.viewer.choose({ rhythm: event.target.value }) });
    rhythm.append(...record.leads.map((lead) => make("option", { value: lead, text: lead, selected: lead === view.rhythm })));
    const reference = make("select", { name: "reference", change: (event) => this.viewer.chooseReference(event.target.value) });
    reference.append(...["", ...data.annotators].map((name) => make("option", { value: name, text: name || "none", selected: name === view.annotator })));
    const all = make("button", { type: "button", text: "All leads", click: () => this.#lead(() => [...new Set([...STANDARD.filter((lead) => record.leads.includes(lead)), ...record.leads])]) });
    this.menu.replaceChildren(
      make("div", { class: "leads-list", role: "group", "aria-label": "Leads and their order" }, ...rows),
      make("div", { class: "leads-more" }, all, cabrera, make("label", {}, "Rhythm strip, full disclosure ", rhythm), ...(data.annotators.length ? [make("label", {}, "Reference letters ", reference)] : [])),
    );
  }

  #leadRow(lead, order) {
    const { view } = this.viewer;
    const shown = view.chosen.includes(lead);
    const at = view.chosen.indexOf(lead);
    const box = make("input", { type: "checkbox", name: `lead-${lead}`, checked: shown, change: (event) => this.#lead(() => this.#toggled(lead, event.target.checked, order), `lead-${lead}`) });
    const move = (by, sign, says) =>
      make("button", { type: "button", text: sign, name: `${says}-${lead}`, "aria-label": `${lead} ${says}`, disabled: !shown || at + by < 0 || at + by >= view.chosen.length, click: () => this.#lead(() => this.#moved(at, by), `${says}-${lead}`) });
    return make("div", { class: "lead" }, make("label", {}, box, lead), move(-1, "↑", "up"), move(1, "↓", "down"));
  }

  #toggled(lead, on, order) {
    const { chosen } = this.viewer.view;
    const after = order.filter((other) => (other === lead ? on : chosen.includes(other)));
    return after.length ? after : chosen; // a strip shows one lead at least
  }

  #moved(at, by) {
    const after = [...this.viewer.view.chosen];
    [after[at], after[at + by]] = [after[at + by], after[at]];
    return after;
  }

  /** Change the leads; the focus stays on the control that did it. */
  #lead(change, name = null) {
    this.viewer.choose({ chosen: change() });
    this.#fill();
    const again = name && this.menu.querySelector(`[name="${CSS.escape(name)}"]`);
    if (again && !again.disabled) again.focus();
    else this.menu.querySelector("input").focus();
  }
}
