/**
 * VWAP of 1 h, 4 h and the session, and the band of the session.
 *
 * @import {Columns} from "./columns.js"
 * @import {Frame} from "./frame.js"
 * @import {NumberColumn} from "./types.js"
 *
 * @typedef {"v1h"|"v4h"|"vs"} VwapName
 * @typedef {{name: VwapName, gap: boolean, points: [number, number][]}} VwapLine
 * @typedef {{sigma: number, upper: [number, number][], lower: [number, number][]}} Band
 */
import { xOfColumn, yOf } from "./frame.js";
import { opensSession, pieces, runs } from "./runs.js";

/** @type {readonly VwapName[]} */
const NAMES = ["vs", "v4h", "v1h"];

/**
 * @param {[number, number]} run
 * @param {[number, number]} sight
 * @returns {[number, number]|null} the part of a run that is in sight
 */
function within([first, last], [from, to]) {
  const start = Math.max(first, from);
  const end = Math.min(last, to);
  return start <= end ? [start, end] : null;
}

/**
 * @param {Columns} columns
 * @param {Frame} frame
 * @param {[number, number]} sight columns
 * @param {(before: number, after: number) => boolean} broken by holes
 * @returns {VwapLine[]}
 */
export function vwapLines(columns, frame, sight, broken) {
  /** @type {VwapLine[]} */
  const lines = [];
  for (const name of NAMES) {
    const values = columns.of[name];
    for (const run of runsInSight(columns, values, sight, broken, name === "vs")) {
      for (const piece of pieces(run, (at) => Boolean(columns.of.vgap[at]))) {
        const points = pointsOf(values, frame, piece.from, piece.to);
        if (points.length > 1) lines.push({ name, gap: piece.is, points });
      }
    }
  }
  return lines;
}

/**
 * @param {Columns} columns
 * @param {Frame} frame
 * @param {[number, number]} sight
 * @param {(before: number, after: number) => boolean} broken
 * @param {number} most bands up to this many sigma; 0: none
 * @returns {Band[]} the widest first; rows without sigma have none
 */
export function vwapBands(columns, frame, sight, broken, most) {
  const { vs, sd } = columns.of;
  const values = vs.map((value, at) => (sd[at] === null ? null : value));
  /** @type {Band[]} */
  const bands = [];
  for (let sigma = most; sigma >= 1; sigma -= 1) {
    for (const [from, to] of runsInSight(columns, values, sight, broken, true)) {
      const side = (/** @type {number} */ sign) =>
        pointsOf(values.map((v, at) => (v === null ? null : v + sign * sigma * Number(sd[at]))), frame, from, to);
      if (to > from) bands.push({ sigma, upper: side(1), lower: side(-1) });
    }
  }
  return bands;
}

/**
 * @param {Columns} columns
 * @param {NumberColumn} values
 * @param {[number, number]} sight
 * @param {(before: number, after: number) => boolean} broken
 * @param {boolean} session true: broken at 00:00 UTC as well
 * @returns {[number, number][]}
 */
function runsInSight(columns, values, sight, broken, session) {
  const cut = (/** @type {number} */ before, /** @type {number} */ after) =>
    broken(before, after) || (session && opensSession(columns.minute(after), columns.every));
  /** @type {[number, number][]} */
  const found = [];
  for (const run of runs(values, cut)) {
    const part = within(run, sight);
    if (part !== null) found.push(part);
  }
  return found;
}

/**
 * @param {NumberColumn} values
 * @param {Frame} frame
 * @param {number} from
 * @param {number} to
 * @returns {[number, number][]}
 */
function pointsOf(values, frame, from, to) {
  /** @type {[number, number][]} */
  const points = [];
  for (let at = from; at <= to; at += 1) {
    points.push([xOfColumn(frame, at), yOf(frame, Number(values[at]))]);
  }
  return points;
}
