/** The line that says what the bands are, with the choice of their strength and classes. */

import { bandsTitle } from "./bands.js";
import { BAND_STRENGTHS } from "./view.js";

export class Legend {
  #drawn = "";

  constructor(viewer) {
    this.viewer = viewer;
    this.line = viewer.root.querySelector(".legend");
    for (const name of ["bands", "bandClass"]) {
      this.line.querySelector(`[name=${name}]`).addEventListener("change", (event) => this.#chosen(name, event.target), { signal: viewer.abort.signal });
    }
  }

  /** After a choice by pointer the keys are the strip's again; one who chose by keyboard stays on the control. */
  #chosen(name, select) {
    this.viewer.choose({ [name]: select.value });
    if (!select.matches(":focus-visible")) this.viewer.stage.focus({ preventScroll: true });
  }

  /** Have it say what is on screen. */
  update() {
    const { bands, view } = this.viewer;
    const state = JSON.stringify([bands.told, view.bands, view.bandClass]);
    if (state === this.#drawn) return;
    this.#drawn = state;
    this.line.hidden = !bands.told;
    if (!bands.told) return;
    const { labels, checks, how } = bands.told;
    this.line.querySelector(".what").textContent = `${bandsTitle(bands.told)} — strength, not probability`;
    Object.assign(this.line.querySelector(".checks"), { textContent: checks.join(" · "), title: how });
    this.#options("bands", BAND_STRENGTHS.map((strength) => [strength, strength]), view.bands);
    this.#options("bandClass", [["all", labels.join(" and ")], ...(labels.length > 1 ? labels.map((label) => [label, label]) : [])], bands.chosen(view));
  }

  #options(name, options, chosen) {
    const select = this.line.querySelector(`[name=${name}]`);
    select.replaceChildren(...options.map(([value, text]) => new Option(text, value)));
    select.value = options.some(([value]) => value === chosen) ? chosen : options[0][0];
  }
}
