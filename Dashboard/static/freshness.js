/** Judges how far the screen can be trusted. Pure: time comes in, no clock is read here. */

import { age } from "./formats.js";

/** @typedef {import("./types.d.ts").Answer} Answer */
/** @typedef {import("./types.d.ts").Level} Level */
/** @typedef {import("./types.d.ts").StreamName} StreamName */
/** @typedef {import("./types.d.ts").StreamState} StreamState */

/** @typedef {{name: StreamName, age_ms: number | null, state: StreamState}} StreamNow */

/**
 * @typedef {object} Trust the facts that a verdict stands on
 * @property {"reading" | "ready" | "empty" | "error"} phase
 * @property {string} [words] of a phase that is not ready
 * @property {string} [remedy]
 * @property {boolean} live ages run on, and silence counts
 * @property {Answer | null} answer
 * @property {number} answered_ms time of the page (monotonic) at which its ages were true
 * @property {number} heard_ms time of the page of the newest message
 * @property {string} heard_at the same as a time of day, for people
 * @property {boolean} lost an attempt to connect has failed since
 * @property {string} [short] words where the recording is too short for a reason
 * @property {number} [rate] seconds of the server in a second of the page; a local exchange may be fast
 */

/**
 * @typedef {object} Judged
 * @property {Level} level
 * @property {string} words with their sign
 * @property {string} spoken without an age: it is read aloud once a level
 * @property {string} reason sentence for the card of a level that is void
 * @property {string} remedy
 * @property {"" | "page" | "streams"} cause of a level that is void
 * @property {StreamNow[]} streams
 * @property {boolean} ahead a stream went stale here that counts in the answer still
 */

/** @type {StreamName[]} */
export const STREAMS = ["trades", "buckets", "wicks", "volume", "cvd", "vwap"];
export const SILENCE_MS = 12_000;
const DOCTOR = "python scripts/doctor.py";
const NO_TRADES_S = 120; // without a trade for this long, as doctor counts
/** @type {ReadonlySet<StreamName>} */
const LEVELS_REST_ON = new Set(["trades", "wicks"]); // without them a touch goes unseen

/**
 * Return the age and state of each stream after some time without a newer answer.
 * @param {Answer | null} answer
 * @param {number} elapsed_ms since the ages of the answer were true
 * @returns {StreamNow[]}
 */
export function streamsAt(answer, elapsed_ms) {
  if (answer === null) return [];
  return STREAMS.map((name) => {
    const found = answer.data[name];
    if (!found || found.age_s === null) return { name, age_ms: null, state: "missing" };
    const age_ms = found.age_s * 1000 + elapsed_ms;
    const limit = found.limit_s ?? (name === "trades" ? NO_TRADES_S : null);
    const late = limit !== null && age_ms > limit * 1000;
    return { name, age_ms, state: late ? "stale" : found.state };
  });
}

/** @param {StreamNow} stream */
function isDoubtful(stream) {
  return stream.state !== "fresh" && stream.state !== "partial";
}

/** @param {StreamNow} stream */
function isFatal(stream) {
  return LEVELS_REST_ON.has(stream.name) && (stream.state === "stale" || stream.state === "missing");
}

/**
 * Return the state of a stream in words: `cvd STALE 19m`.
 * @param {StreamNow} stream
 * @param {boolean} [loud]
 */
export function streamWords(stream, loud = true) {
  const state = loud ? stream.state.toUpperCase() : stream.state;
  if (stream.age_ms === null || stream.state === "missing" || stream.state === "gap") return `${stream.name} ${state}`;
  return `${stream.name} ${state} ${age(stream.age_ms)}`;
}

/** @param {number} more */
function andMore(more) {
  return more > 0 ? ` and ${more} more` : "";
}

/**
 * Judge the screen; the worst fact wins.
 * @param {Trust} trust
 * @param {number} now_ms time of the page
 * @returns {Judged}
 */
export function verdict(trust, now_ms) {
  const elapsed = trust.live ? Math.max(0, now_ms - trust.answered_ms) * (trust.rate ?? 1) : 0;
  const streams = streamsAt(trust.answer, elapsed);
  const ahead = streams.some((stream) => {
    const then = trust.answer?.data[stream.name]?.state;
    return stream.state === "stale" && then !== "stale" && then !== "missing";
  });
  /** @type {Omit<Judged, "level" | "words" | "spoken">} */
  const base = { streams, ahead, remedy: "", reason: "", cause: "" };
  if (trust.phase === "reading") {
    return { ...base, level: "reading", words: trust.words ?? "reading", spoken: "Reading." };
  }
  if (trust.phase === "empty") {
    const words = trust.words ?? "no raw data in this vault";
    return { ...base, level: "empty", words, spoken: words, remedy: trust.remedy ?? "" };
  }
  if (trust.phase === "error") return broken(base, trust.words ?? "error", trust.remedy ?? "");
  if (trust.live && (trust.lost || now_ms - trust.heard_ms > SILENCE_MS)) {
    const words = `no connection since ${trust.heard_at}, trying`;
    return {
      ...broken(base, words, "is the program of the dashboard running?"),
      spoken: "Do not use: no connection.",
      reason: `Do not use. No connection since ${trust.heard_at}: nothing here is newer.`,
    };
  }
  if (trust.answer?.clock) return broken(base, ...clockWords(trust.answer.clock));
  return judgeStreams(base, trust);
}

/**
 * Return what is wrong with the clock, and the remedy, of the line that find_signals shows.
 * @param {string} line
 * @returns {[string, string]}
 */
function clockWords(line) {
  const match = /^CLOCK (\S+) (behind|ahead of) the exchange: set it \((.*)\)$/.exec(line);
  if (match === null) return [line, ""];
  return [`this computer's clock is ${match[1]} ${match[2]} the exchange`, `set it: ${match[3]}`];
}

/**
 * @param {Omit<Judged, "level" | "words" | "spoken">} base
 * @param {string} words
 * @param {string} remedy
 * @returns {Judged}
 */
function broken(base, words, remedy) {
  return {
    ...base,
    level: "void",
    cause: "page",
    words: `✕ ${words}`,
    spoken: `Do not use: ${words}`,
    reason: `Do not use: ${words}`,
    remedy,
  };
}

/**
 * @param {Omit<Judged, "level" | "words" | "spoken">} base
 * @param {Trust} trust one that is not live shows another time, and is no ground for a trade
 * @returns {Judged}
 */
function judgeStreams(base, { answer, live, short }) {
  const doubtful = base.streams.filter(isDoubtful);
  const fatal = doubtful.filter(isFatal);
  if (fatal.length > 0) {
    const worst = fatal.reduce((one, other) => ((other.age_ms ?? Infinity) > (one.age_ms ?? Infinity) ? other : one));
    return {
      ...base,
      level: "void",
      cause: "streams",
      words: `✕ do not use: ${streamWords(worst, false)}${andMore(doubtful.length - 1)}`,
      spoken: `Do not use: ${worst.name} ${worst.state}.`,
      reason: worst.age_ms === null
        ? `Do not use. There are no ${worst.name}.`
        : `Do not use. Nobody knows whether this level was touched in the last ${age(worst.age_ms)}.`,
      remedy: DOCTOR,
    };
  }
  if (answer?.no_entry === "recorder") {
    const words = answer.not_recorded || "a recorder stands";
    return { ...partly(base, `no entry: ${words}`, live), spoken: `No entry: ${words}` };
  }
  if (doubtful.length > 0) {
    const words = `${streamWords(doubtful[0])}${andMore(doubtful.length - 1)}`;
    return { ...partly(base, words, live), spoken: `Partly: ${doubtful[0].name} ${doubtful[0].state}.` };
  }
  if (base.streams.some((stream) => stream.state === "partial")) {
    return { ...partly(base, short || "recorded too short", live), spoken: "Partly: recorded too short." };
  }
  const oldest = Math.max(0, ...base.streams.map((stream) => stream.age_ms ?? 0));
  if (!live) return { ...base, level: "fresh", words: `↺ not now; data were fresh, oldest ${age(oldest)}`, spoken: "Not now. Data were fresh." };
  return { ...base, level: "fresh", words: `✓ data fresh, oldest ${age(oldest)}`, spoken: "Data fresh." };
}

/**
 * @param {Omit<Judged, "level" | "words" | "spoken">} base
 * @param {string} words
 * @param {boolean} live
 * @returns {Judged}
 */
function partly(base, words, live) {
  return { ...base, level: "partly", words: live ? `⚠ ${words}` : `↺ not now; ${words}`, spoken: words, remedy: DOCTOR };
}
