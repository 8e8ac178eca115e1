/** What the page was asked for and what it holds: its parts share it. */

import { HeatReader } from "./heat_reader.js";
import { Store } from "./store.js";

/** @typedef {import("./types.d.ts").Signal} Signal */

const WINDOW = 150; // minutes that are shown at first

export const page = {
  store: new Store(),
  heat: new HeatReader(),
  /** @type {import("./types.d.ts").ChartLike | null} */
  chart: null,
  /** @type {string[]} */
  instruments: [],
  instId: "",
  at: "", // empty: live
  timeframe: "1m",
  windowMinutes: WINDOW,
  /** @type {string | null} event_id */
  chosenId: null,
  /** @type {import("./types.d.ts").Facts | null} */
  crosshair: null,
  /** @type {Map<string, import("./others.js").Elsewhere>} */
  elsewhere: new Map(),
  hash: "", // of its files, as the server had them at the start
};

/** @type {{link: import("./link.js").Link, replay: import("./replay.js").Replay}} made at the start */
export const parts = /** @type {any} */ ({});

/** @returns {Signal | null} */
export function chosen() {
  const signals = page.store.view?.answer.signals ?? [];
  return signals.find((signal) => signal.event_id === page.chosenId) ?? signals[0] ?? null;
}

/**
 * Return a minute as the address names it: `2025-12-14T04:33Z`.
 * @param {number} ms
 */
export function toMinute(ms) {
  return `${new Date(ms).toISOString().slice(0, 16)}Z`;
}
