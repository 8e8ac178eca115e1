/** Holds the newest state of the screen: the view, changed by each message, and how it was heard. */

import { moment } from "./formats.js";

/** @typedef {import("./types.d.ts").View} View */
/** @typedef {import("./types.d.ts").Message} Message */
/** @typedef {import("./types.d.ts").Minutes} Minutes */
/** @typedef {import("./types.d.ts").Wicks} Wicks */
/** @typedef {import("./freshness.js").Trust} Trust */

export const KEPT_MINUTES = 1440;
const CUT_MINUTES = 60; // minutes that may gather beyond those kept

/** @param {unknown} value @returns {value is unknown[]} */
function isColumn(value) {
  return Array.isArray(value);
}

/**
 * Put newer columns into those that are held, in place; a place between the two is null.
 * @param {Minutes} held
 * @param {Minutes} newer replaces all from its first column on
 */
export function mergeMinutes(held, newer) {
  if (newer.every !== held.every) return;
  const at = Math.round((newer.first - held.first) / held.every);
  if (at < 0) return;
  for (const [name, values] of Object.entries(newer)) {
    if (!isColumn(values)) continue;
    const column = /** @type {unknown[]} */ (held[name] ?? (held[name] = []));
    while (column.length < at) column.push(null);
    column.length = at;
    column.push(...values);
  }
}

/**
 * Cut the oldest columns once an hour of them has gathered. Returns true if any were cut.
 * @param {Minutes} held
 * @param {number} [kept] minutes
 */
export function cutMinutes(held, kept = KEPT_MINUTES) {
  const most = Math.ceil(kept / held.every);
  const spare = Math.max(1, Math.ceil(CUT_MINUTES / held.every));
  const gone = held.c.length - most;
  if (gone < spare) return false;
  for (const values of Object.values(held)) if (isColumn(values)) values.splice(0, gone);
  held.first += gone * held.every;
  return true;
}

/**
 * Put changed wicks into those that are held, in place.
 * @param {Wicks} held
 * @param {Wicks} newer
 */
export function mergeWicks(held, newer) {
  const gone = new Set(newer.gone ?? []);
  const place = new Map(held.id.map((id, index) => [id, index]));
  const names = Object.keys(held).filter((name) => isColumn(held[name]) && name !== "gone");
  newer.id.forEach((id, from) => {
    const to = place.get(id) ?? held.id.length;
    place.set(id, to);
    for (const name of names) {
      /** @type {unknown[]} */ (held[name])[to] = /** @type {unknown[]} */ (newer[name])?.[from];
    }
  });
  if (gone.size === 0) return;
  const stays = held.id.map((id) => !gone.has(id));
  for (const name of names) {
    held[name] = /** @type {unknown[]} */ (held[name]).filter((_, index) => stays[index]);
  }
}

/**
 * Give each signal its words, which stand in a list of their own in an answer.
 * @param {import("./types.d.ts").Answer} answer
 */
export function attachWords(answer) {
  answer.signals.forEach((signal, index) => {
    signal.words = answer.words?.[index] ?? signal.words;
  });
}

export class Store {
  constructor() {
    /** @type {"reading" | "ready" | "empty" | "error"} */
    this.phase = "reading";
    /** @type {View | null} */
    this.view = null;
    this.words = "";
    this.remedy = "";
    this.readingSince = 0;
    this.lost = false;
    this.heardMs = 0; // time of the page of the newest message
    this.answeredMs = 0; // time of the page at which the ages of the answer were true
    this.serverMs = 0; // time of the server at heardMs
    /** @type {"utc" | "local"} */
    this.zone = "utc";
    this.rate = 1; // seconds of the server in a second of the page
  }

  /** True while ages run on and messages come. */
  get live() {
    return this.view === null ? false : this.view.mode === "live";
  }

  /**
   * Begin to read: nothing older stays on the screen.
   * @param {number} now time of the page
   */
  reading(now) {
    Object.assign(this, { phase: "reading", view: null, words: "", remedy: "", readingSince: now, lost: false });
  }

  /**
   * Take a whole view.
   * @param {View} view
   * @param {number} now time of the page
   */
  take(view, now) {
    const { heardMs, serverMs } = this;
    attachWords(view.answer);
    Object.assign(this, { phase: "ready", view, words: "", remedy: "", lost: false });
    this.hear(view.now_ms, now);
    this.answered(view.answer);
    if (heardMs > now) Object.assign(this, { heardMs, serverMs }); // a message came meanwhile
  }

  /**
   * Note when the ages of an answer were true: at its instant, which may lie before the message.
   * @param {import("./types.d.ts").Answer} answer
   */
  answered(answer) {
    const waited = answer.at_utc === null ? 0 : this.serverMs - Date.parse(answer.at_utc);
    this.answeredMs = this.heardMs - Math.max(0, waited || 0) / this.rate;
  }

  /**
   * Note that a message came: the server lives.
   * @param {number} serverMs its time
   * @param {number} now time of the page
   */
  hear(serverMs, now) {
    this.heardMs = now;
    this.serverMs = serverMs;
    this.lost = false;
  }

  /**
   * Take the changed parts of a message. Returns true if the oldest minutes were cut.
   * @param {Message} message
   * @param {number} now time of the page
   */
  apply(message, now) {
    const view = this.view;
    if (view === null) return false;
    this.hear(message.now_ms, now);
    if (message.minutes) mergeMinutes(view.minutes, message.minutes);
    if (message.wicks) mergeWicks(view.wicks, message.wicks);
    for (const name of /** @type {const} */ (["holes", "imported", "forming", "price", "answer", "book", "health", "proof", "short", "as_of_utc", "at_utc"])) {
      if (name in message) Object.assign(view, { [name]: message[name] });
    }
    if (message.answer) {
      attachWords(message.answer);
      this.answered(message.answer);
      view.as_of_utc = message.answer.as_of_utc;
    }
    return cutMinutes(view.minutes);
  }

  /**
   * Return the time of the server, or of replay the minute that is shown, in Unix ms.
   * @param {number} now time of the page
   */
  timeMs(now) {
    if (this.view === null) return NaN;
    return this.live ? this.serverMs + (now - this.heardMs) * this.rate : this.asOfMs;
  }

  /** The end of the newest minute that is shown, in Unix ms. */
  get asOfMs() {
    return this.view === null ? NaN : Date.parse(this.view.as_of_utc);
  }

  /**
   * Return the facts that the verdict stands on.
   * @param {number} now time of the page
   * @returns {Trust}
   */
  trust(now) {
    const waited = now - this.readingSince > 1000;
    const answer = this.view?.answer ?? null;
    return {
      phase: this.phase,
      words: this.phase === "reading" ? (waited ? "reading 24 h …" : "reading") : this.words,
      remedy: this.remedy,
      live: this.live,
      answer,
      answered_ms: this.answeredMs,
      heard_ms: this.heardMs,
      heard_at: `${moment(this.serverMs, this.zone, "second")}${this.zone === "utc" ? " UTC" : ""}`,
      lost: this.lost,
      short: this.view?.short,
      rate: this.rate,
    };
  }
}
