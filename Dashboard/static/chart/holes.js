/**
 * What was not recorded, and what was imported: spans of time, with their words.
 *
 * @import {Columns} from "./columns.js"
 * @import {Frame} from "./frame.js"
 * @import {Box, Places} from "./spread.js"
 * @import {Hole, Span} from "./types.js"
 *
 * @typedef {"trades"|"book"|"silent"|"unrecorded"} SpanKind
 * @typedef {{kind: SpanKind, from: number, to: number, words: string}} Blank in Unix minutes
 * @typedef {{kind: SpanKind, x1: number, x2: number, words: string, box: Box|null}} BlankShape
 */
import { minutesOf, xOfMinute } from "./frame.js";
import { textWidth } from "./spread.js";

export const WORDS_PX = 11;
const LONGEST = 60;

/** @param {Hole} hole @returns {string} `7 min, 2,310 trades, open` */
function wordsOf(hole) {
  const words = hole.words ?? "";
  const status = hole.status && !words.includes(hole.status) ? hole.status : "";
  return [words, status].filter(Boolean).join(", ").slice(0, LONGEST);
}

/**
 * @param {Hole[]} holes
 * @param {"trades"|"book"} kind
 * @returns {Blank[]} whole minutes; holes with the same words that meet are one
 */
export function blanksOf(holes, kind) {
  const streams = kind === "trades" ? ["trades"] : ["book", "buckets"];
  const spans = holes
    .filter((hole) => streams.includes(hole.stream))
    .map((hole) => ({
      kind,
      from: Math.floor(minutesOf(hole.from_utc)),
      to: Math.ceil(minutesOf(hole.to_utc)),
      words: wordsOf(hole),
    }))
    .filter((span) => Number.isFinite(span.from) && Number.isFinite(span.to))
    .map((span) => ({ ...span, to: Math.max(span.to, span.from + 1) }))
    .sort((a, b) => a.from - b.from || a.to - b.to);
  /** @type {Blank[]} */
  const joined = [];
  for (const span of spans) {
    const before = joined.at(-1);
    const apart = before === undefined || span.from >= before.to;
    if (apart || span.words !== before.words) joined.push(span);
    else before.to = Math.max(before.to, span.to);
  }
  return joined;
}

/**
 * @param {Columns} columns
 * @param {Blank[]} holes of trades
 * @param {number} recorded Unix minute of the first record, NaN if unknown
 * @returns {Blank[]} blanks without a hole before the next record: nobody traded
 */
export function silences(columns, holes, recorded) {
  /** @type {Blank[]} */
  const found = [];
  let start = -1;
  let before = false;
  for (let at = 0; at < columns.length; at += 1) {
    const from = columns.minute(at);
    const excused = holes.some((h) => h.from < from + columns.every && h.to > from);
    const blank = columns.of.c[at] === null && !excused && !(from < recorded);
    if (blank && start < 0 && before) start = at;
    if (!blank && start >= 0) {
      if (columns.of.c[at] !== null || excused) {
        found.push({ kind: "silent", from: columns.minute(start), to: from, words: "no trades" });
      }
      start = -1;
    }
    before = before || columns.of.c[at] !== null || Number.isFinite(recorded);
  }
  return found;
}

/** @param {Blank[]} blanks @param {number} minute @param {number} every @returns {boolean} */
export function covers(blanks, minute, every) {
  return blanks.some((blank) => blank.from < minute + every && blank.to > minute);
}

/**
 * @param {Blank[]} blanks
 * @param {Frame} frame
 * @param {Places|null} places null: without words
 * @returns {BlankShape[]} those in sight
 */
export function blankShapes(blanks, frame, places) {
  /** @type {BlankShape[]} */
  const shapes = [];
  for (const { kind, from, to, words } of blanks) {
    const x1 = Math.max(-1, xOfMinute(frame, from));
    const x2 = Math.min(frame.width, xOfMinute(frame, to));
    if (x2 <= 0 || x1 >= frame.width || x2 <= x1) continue;
    const w = textWidth(words, WORDS_PX) + 6;
    const fits = words !== "" && (kind === "trades" || x2 - x1 >= w);
    const best = kind === "trades" ? x1 + 3 : (x1 + x2 - w) / 2;
    const x = Math.max(2, Math.min(best, frame.width - w));
    const y = kind === "silent" ? frame.height - 16 : frame.height - 46;
    const box = places && fits ? places.put({ x, y, w, h: 14 }, 60) : null;
    shapes.push({ kind, x1, x2, words, box });
  }
  return shapes;
}

/**
 * @param {Columns} columns
 * @param {Hole[]} holes
 * @returns {number[]} columns whose row says `gap`
 */
export function gapColumns(columns, holes) {
  const rows = holes
    .filter((hole) => hole.stream === "row")
    .map((hole) => ({ from: minutesOf(hole.from_utc), to: minutesOf(hole.to_utc) }));
  /** @type {number[]} */
  const found = [];
  for (let at = 0; at < columns.length; at += 1) {
    const minute = columns.minute(at);
    const row = rows.some((hole) => hole.from < minute + columns.every && hole.to > minute);
    if (row || columns.of.gap[at]) found.push(at);
  }
  return found;
}

/** @param {Span[]} spans @param {Frame} frame @returns {{x1: number, x2: number}[]} in sight */
export function importedShapes(spans, frame) {
  return spans
    .map((span) => ({
      x1: Math.max(0, xOfMinute(frame, Math.floor(minutesOf(span.from_utc)))),
      x2: Math.min(frame.width, xOfMinute(frame, Math.ceil(minutesOf(span.to_utc)))),
    }))
    .filter(({ x1, x2 }) => x2 > x1);
}
