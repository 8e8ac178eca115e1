/** Reads the heat of the chart: what is shown at first, then the rest of the day, newest first. */

import { askLater } from "./requests.js";

/** @typedef {import("./chart/heat.js").HeatLayer} HeatSink */
/** @typedef {import("./chart/heat_cells.js").Heat} Heat */

/**
 * @typedef {object} HeatWanted
 * @property {string} instId
 * @property {string} at empty for now
 * @property {number} first Unix minute of the oldest column of the chart
 * @property {number} end Unix minute behind its newest one
 * @property {number} shown minutes that the window shows
 */

const WIDTHS = [1, 2, 5, 15]; // minutes of a column
const MOST_SHOWN = 480; // columns
const PART = 150; // columns of a request: about a second of the server's time

export class HeatReader {
  constructor() {
    /** @type {HeatSink | null} */
    this.sink = null;
    this.key = "";
    this.from = 0; // Unix minutes that are drawn: from this one
    this.to = 0; // up to this one, not included
    this.every = 1;
    this.stop = new AbortController();
  }

  /**
   * Read what is wanted and not drawn yet. Where the end goes back in time nothing later stays.
   * @param {HeatWanted} wanted
   */
  async show(wanted) {
    const { sink } = this;
    if (sink === null) return;
    this.stop.abort();
    this.stop = new AbortController();
    const { signal } = this.stop;
    const every = WIDTHS.find((width) => wanted.shown / width <= MOST_SHOWN) ?? 15;
    const key = `${wanted.instId} ${every}`;
    const goesOn = key === this.key && wanted.end >= this.to && wanted.end - this.to <= PART * every;
    if (!goesOn) {
      sink.clear();
      Object.assign(this, { key, every, from: wanted.end, to: wanted.end });
    }
    try {
      // the newest column may not have been whole when it was read
      if (goesOn) await this.read(wanted, Math.max(wanted.first, this.to - every), wanted.end, signal);
      await this.readBack(wanted, wanted.end - wanted.shown, signal);
      await this.readBack(wanted, wanted.first, signal);
    } catch {
      // the chart stands without it; the next picture asks again
    }
  }

  /**
   * Read older columns, a part at a time, until the first one that is wanted.
   * @param {HeatWanted} wanted
   * @param {number} until Unix minute
   * @param {AbortSignal} signal
   */
  async readBack(wanted, until, signal) {
    const first = Math.max(until, wanted.first);
    while (this.from > first) await this.read(wanted, Math.max(first, this.from - PART * this.every), this.from, signal);
  }

  /**
   * @param {HeatWanted} wanted
   * @param {number} from Unix minute
   * @param {number} to Unix minute, not included
   * @param {AbortSignal} signal
   */
  async read(wanted, from, to, signal) {
    const query = new URLSearchParams({ at: wanted.at || "now", from: String(from), to: String(to - 1), every: String(this.every) });
    const found = await askLater(`heat/${encodeURIComponent(wanted.instId)}?${query}`, signal);
    signal.throwIfAborted();
    this.sink?.set(found);
    this.from = Math.min(this.from, from);
    this.to = Math.max(this.to, to);
  }

  /**
   * Draw newer columns that came with a message; they may be narrower than those that are drawn.
   * @param {Heat} heat
   */
  take(heat) {
    if (this.sink === null || this.every % heat.every !== 0) return;
    this.sink.add(heat);
    this.to = Math.max(this.to, heat.first + heat.base.length * heat.every);
  }

  /** Forget the columns before a Unix minute. */
  cut(/** @type {number} */ minute) {
    if (minute <= this.from) return;
    this.sink?.cutBefore(minute);
    this.from = minute;
  }
}
