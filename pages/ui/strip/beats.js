/** Beats as arrays: where, which code, how sure, who says so. They are never changed in place: an edit gives new ones. */

import { lowerBound } from "./scale.js";

export const CODE_OF_KEY = { N: "N", S: "S", V: "V", F: "F", Q: "Q", P: "/" }; // the MIT code that a class key gives
export const LETTERS = ["N", "S", "V", "F", "Q", "P"];
export const ECTOPIC = ["S", "V", "F"];
export const NOT_N = LETTERS.filter((letter) => letter !== "N");
export const AUTHOR = { model: 0, reader: 1, file: 2 };
const UNSURE = 255; // a certainty that no model gave

export class Beats {
  #places = null;

  /** `letterOf` is a letter for each byte that a code may be. */
  constructor(samples, codes, certainty, authors, seq, letterOf) {
    Object.assign(this, { samples, codes, certainty, authors, seq, letterOf });
  }

  static none(letterOf) {
    return new Beats(new Int32Array(0), new Uint8Array(0), new Uint8Array(0), new Uint8Array(0), -1, letterOf);
  }

  /** From the body of GET beats or GET reference. */
  static decoded(buffer, letterOf) {
    const head = new DataView(buffer);
    const [n, seq] = [head.getUint32(0, true), head.getUint32(4, true)];
    if (buffer.byteLength !== 8 + 7 * n) throw new Error(`beats of ${buffer.byteLength} bytes cannot be read`);
    const bytes = (at) => new Uint8Array(buffer, 8 + at * n, n);
    return new Beats(new Int32Array(buffer, 8, n), bytes(4), bytes(5), bytes(6), seq, letterOf);
  }

  /** The same beats as of a later state. */
  numbered(seq) {
    return new Beats(this.samples, this.codes, this.certainty, this.authors, seq, this.letterOf);
  }

  get length() {
    return this.samples.length;
  }

  letter(index) {
    return this.letterOf[this.codes[index]];
  }

  /** The probability of the class shown; null where no model gave one. */
  probability(index) {
    return this.certainty[index] === UNSURE ? null : this.certainty[index] / 200;
  }

  /** Index of the beat at a sample; -1 if there is none. */
  at(sample) {
    const index = lowerBound(this.samples, sample);
    return this.samples[index] === sample ? index : -1;
  }

  /** First and past-the-last index of the beats with from ≤ sample < to. */
  between(from, to) {
    const first = lowerBound(this.samples, from);
    return [first, lowerBound(this.samples, to, first)];
  }

  /** Index of the beat nearest to a sample; -1 where there are no beats. */
  nearest(sample) {
    const after = lowerBound(this.samples, sample);
    if (after === 0) return this.length ? 0 : -1;
    if (after === this.length) return after - 1;
    return this.samples[after] - sample < sample - this.samples[after - 1] ? after : after - 1;
  }

  /** Where the beats of a letter other than N are: found once, so that a day at a glance needs no loop over its beats. */
  samplesOf(letter) {
    this.#places ??= this.#sorted();
    return this.#places[letter] ?? [];
  }

  /** How many beats have a letter. */
  count(letter) {
    if (letter !== "N") return this.samplesOf(letter).length;
    return this.length - NOT_N.reduce((sum, other) => sum + this.samplesOf(other).length, 0);
  }

  #sorted() {
    const places = Object.fromEntries(NOT_N.map((letter) => [letter, []]));
    for (let index = 0; index < this.length; index += 1) places[this.letterOf[this.codes[index]]]?.push(this.samples[index]);
    return places;
  }

  /** Whether a beat belongs to a choice of classes: "all", "ectopic" or a letter. */
  chosen(index, classes) {
    return classes === "all" || (classes === "ectopic" ? ECTOPIC.includes(this.letter(index)) : this.letter(index) === classes);
  }

  /** The next index in a direction from a sample that belongs to a choice of classes; -1 if there is none. */
  next(sample, direction, classes) {
    let index = direction > 0 ? lowerBound(this.samples, sample + 1) : lowerBound(this.samples, sample) - 1;
    while (index >= 0 && index < this.length && !this.chosen(index, classes)) index += direction;
    return index < this.length ? index : -1;
  }

  /** The beats after an edit of beats; the same where the edit finds nothing to do, so that applying it twice does no harm. */
  applied(command) {
    if (command.command === "relabel") return this.#relabelled(command.samples, command.code);
    if (command.command === "delete") return this.#without(command.samples);
    if (command.command === "add") return this.#with(command.sample, command.code.charCodeAt(0));
    if (command.command === "move") {
      const index = this.at(command.sample);
      return index < 0 ? this : this.#without([command.sample]).#with(command.to, this.codes[index]);
    }
    return this;
  }

  #relabelled(samples, code) {
    const [codes, certainty, authors] = [this.codes.slice(), this.certainty.slice(), this.authors.slice()];
    for (const sample of samples) {
      const index = this.at(sample);
      if (index < 0 || codes[index] === code.charCodeAt(0)) continue; // a beat that has the code keeps its author
      codes[index] = code.charCodeAt(0);
      certainty[index] = UNSURE;
      authors[index] = AUTHOR.reader;
    }
    return new Beats(this.samples, codes, certainty, authors, this.seq, this.letterOf);
  }

  #without(samples) {
    const gone = new Set(samples);
    const stays = (_, index) => !gone.has(this.samples[index]);
    return new Beats(this.samples.filter(stays), this.codes.filter(stays), this.certainty.filter(stays), this.authors.filter(stays), this.seq, this.letterOf);
  }

  #with(sample, code) {
    if (this.at(sample) >= 0) return this;
    const index = lowerBound(this.samples, sample);
    const inserted = (array, value) => {
      const longer = new array.constructor(array.length + 1);
      longer.set(array.subarray(0, index));
      longer[index] = value;
      longer.set(array.subarray(index), index + 1);
      return longer;
    };
    const { samples, codes, certainty, authors } = this;
    return new Beats(inserted(samples, sample), inserted(codes, code), inserted(certainty, UNSURE), inserted(authors, AUTHOR.reader), this.seq, this.letterOf);
  }
}

/** A letter for each byte, from {code: letter}: a code that is not known is Q. */
export function lettersByCode(classOf) {
  return Array.from({ length: 256 }, (_, code) => classOf[String.fromCharCode(code)] ?? "Q");
}
