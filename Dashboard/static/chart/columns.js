/**
 * Dense columns of minutes: looked up by minute, replaced from a minute on, cut at the old end.
 *
 * @import {Facts, Minutes} from "./types.js"
 */

export const NUMBERS = /** @type {const} */ ([
  "o", "h", "l", "c", "vol", "delta", "tier", "whales", "gap",
  "v1h", "v4h", "vs", "sd", "vgap", "cvd", "cvd1m",
]);
export const TEXTS = /** @type {const} */ (["absorbed", "div"]);
const ALL = [...NUMBERS, ...TEXTS];

/** The columns of a chart. */
export class Columns {
  /** @param {Minutes} minutes */
  constructor(minutes) {
    this.first = minutes.first;
    this.every = minutes.every || 1;
    this.length = minutes.o.length;
    /** @type {Required<Minutes>} */
    this.of = /** @type {any} */ ({ first: minutes.first, every: this.every });
    for (const name of ALL) {
      const given = /** @type {any} */ (minutes)[name] ?? [];
      /** @type {any} */ (this.of)[name] = Array.from(
        { length: this.length },
        (_, at) => given[at] ?? null,
      );
    }
  }

  /** @param {number} at @returns {number} the Unix minute at which a column begins */
  minute(at) {
    return this.first + at * this.every;
  }

  /** @param {number} minute @returns {number} the column that holds a minute, maybe outside */
  index(minute) {
    return Math.floor((minute - this.first) / this.every);
  }

  /**
   * Replaces the columns from that of `part.first` on; the span between is without a record.
   *
   * @param {Minutes} part of the same `every`
   * @returns {number} the first column that changed
   */
  merge(part) {
    const start = Math.round((part.first - this.first) / this.every);
    const count = part.o.length;
    const end = Math.max(this.length, start + count);
    for (const name of ALL) {
      const own = /** @type {any} */ (this.of)[name];
      const given = /** @type {any} */ (part)[name] ?? [];
      while (own.length < end) own.push(null);
      for (let at = Math.max(0, -start); at < count; at += 1) own[start + at] = given[at] ?? null;
    }
    this.length = end;
    return Math.max(0, start);
  }

  /** Forgets the oldest columns beyond `limit`. @param {number} limit @returns {number} how many */
  cut(limit) {
    const gone = Math.max(0, this.length - limit);
    if (gone === 0) return 0;
    for (const name of ALL) /** @type {any} */ (this.of)[name].splice(0, gone);
    this.first += gone * this.every;
    this.of.first = this.first;
    this.length -= gone;
    return gone;
  }

  /** @returns {number} the newest column with a record, -1 without any */
  newest() {
    let at = this.length - 1;
    while (at >= 0 && this.of.c[at] === null) at -= 1;
    return at;
  }

  /** @param {number} at @param {string} note @returns {Facts|null} */
  facts(at, note) {
    if (at < 0 || at >= this.length) return null;
    /** @type {any} */
    const facts = { minute: this.minute(at), every: this.every, note };
    for (const name of ALL) facts[name] = /** @type {any} */ (this.of)[name][at];
    return facts;
  }
}
