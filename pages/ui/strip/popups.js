/** Small windows over the strip: what the pointer rests on, and the few questions that need an answer. */

import { clamp } from "./scale.js";

const RHYTHMS = { N: "sinus rhythm", SBR: "sinus bradycardia", STACH: "sinus tachycardia", SARRH: "sinus arrhythmia", AFIB: "atrial fibrillation", AFL: "atrial flutter", SVTA: "supraventricular tachycardia", AT: "atrial tachycardia", VT: "ventricular tachycardia", BIG: "bigeminy", TRI: "trigeminy", PACED: "paced rhythm", AVB: "AV block" };
const TIP_OFFSET_PX = 14;
const CARD_MM = [85.6, 53.98]; // ISO/IEC 7810 ID-1: every bank card

/** An element with attributes (`text` is its text, functions are listeners) and children. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") element.textContent = value;
    else if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== false && value !== null) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

export class Popups {
  /** `back` takes the focus when a question is answered. */
  constructor(root, back, signal) {
    this.root = root;
    this.back = back;
    this.form = root.querySelector(".popup");
    this.tooltip = root.querySelector(".tooltip");
    const away = (event) => !this.form.hidden && !event.composedPath().includes(this.form) && this.close(false);
    window.addEventListener("pointerdown", away, { capture: true, signal });
    this.form.addEventListener("keydown", (event) => this.#key(event), { signal });
  }

  /** Esc leaves the question; Enter answers it from a list of choices too, where browsers ignore it. */
  #key(event) {
    if (event.key === "Escape") this.close();
    if (event.key === "Enter" && event.target.matches("select")) {
      event.preventDefault();
      this.form.requestSubmit();
    }
  }

  /** Text beside the pointer; null hides it. */
  tip(text, event) {
    this.tooltip.hidden = !text;
    if (!text) return;
    this.tooltip.textContent = text;
    const box = this.root.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const left = clamp(x + TIP_OFFSET_PX, 0, box.width - this.tooltip.offsetWidth);
    const over = y + TIP_OFFSET_PX + this.tooltip.offsetHeight > box.height;
    Object.assign(this.tooltip.style, { left: `${left}px`, top: `${over ? y - TIP_OFFSET_PX - this.tooltip.offsetHeight : y + TIP_OFFSET_PX}px` });
  }

  close(focus = true) {
    this.form.hidden = true;
    this.form.onsubmit = null;
    this.form.replaceChildren();
    if (focus) this.back.focus({ preventScroll: true });
  }

  /** Ask: `fields` are elements, `answer` is called with what stands in them, `more` are further buttons {text: action}. */
  ask({ title, x, y, fields, verb, answer, more = {} }) {
    this.tip(null);
    const further = Object.entries(more).map(([text, act]) => make("button", { type: "button", text, click: () => (this.close(), act()) }));
    const buttons = make("div", { class: "buttons" }, make("button", { type: "submit", class: "first", text: verb }), ...further, make("button", { type: "button", text: "Cancel", click: () => this.close() }));
    this.form.replaceChildren(make("strong", { text: title }), ...fields, buttons);
    this.form.setAttribute("aria-label", title);
    this.form.hidden = false;
    this.form.onsubmit = (event) => {
      event.preventDefault();
      if (answer() !== false) this.close();
    };
    const box = this.root.getBoundingClientRect();
    this.form.style.left = `${clamp(x, 4, box.width - this.form.offsetWidth - 4)}px`;
    this.form.style.top = `${clamp(y, 4, Math.max(4, box.height - this.form.offsetHeight - 4))}px`;
    (this.form.querySelector("input, select") ?? this.form.querySelector("button")).focus();
  }

  askText({ title, label, value = "", ...rest }, answer) {
    const input = make("input", { type: "text", value, maxlength: 500, autocomplete: "off", "aria-label": label });
    this.ask({ title, fields: [make("label", {}, label, input)], ...rest, answer: () => answer(input.value.trim()) });
    input.select();
  }

  /** Which rhythm: one of the usual names, or another in words. */
  askRhythm({ value = "AFIB", ...rest }, answer) {
    const known = value in RHYTHMS;
    const options = [...Object.entries(RHYTHMS).map(([name, says]) => make("option", { value: name, text: `${name} · ${says}` })), make("option", { value: "", text: "other …" })];
    const select = make("select", { "aria-label": "Rhythm" }, ...options);
    const other = make("input", { type: "text", maxlength: 100, placeholder: "name of the rhythm", "aria-label": "Other rhythm", value: known ? "" : value, hidden: known });
    select.value = known ? value : "";
    select.addEventListener("change", () => {
      other.hidden = select.value !== "";
      if (!other.hidden) other.focus();
    });
    this.ask({ fields: [select, other], ...rest, answer: () => (select.value || other.value.trim() ? answer(select.value || other.value.trim()) : false) });
  }
}

/** The dialog in which a bank card is held against the screen. `done` gets px/mm, or null to forget what was measured. */
export function openCalibration(root, pxPerMm, done) {
  const dialog = root.querySelector("dialog.calibration");
  const [card, slider, says] = [dialog.querySelector(".card"), dialog.querySelector("input"), dialog.querySelector("output")];
  const show = () => {
    const [wide, high] = CARD_MM.map((mm) => mm * Number(slider.value));
    Object.assign(card.style, { width: `${wide}px`, height: `${high}px` });
    says.textContent = `${Number(slider.value).toFixed(2)} px/mm`;
  };
  slider.value = pxPerMm;
  slider.oninput = show;
  show();
  dialog.onclose = () => {
    if (dialog.returnValue === "save") done(Number(slider.value));
    if (dialog.returnValue === "forget") done(null);
  };
  dialog.returnValue = "";
  dialog.showModal();
}
