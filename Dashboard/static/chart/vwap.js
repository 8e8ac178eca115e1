/**
 * VWAP of 1 h, 4 h and the session, and the band of the session.
 *
 * @import {Columns} from "./columns.js"
 * @import {Frame} from "./frame.js"
 *
 * @typedef {"v1h"|"v4h"|"vs"} VwapName
 * @typedef {{name: VwapName, gap: boolean, points: [number, number][]}} VwapLine
 * @typedef {Record<VwapName | "band", [number, number][]>} VwapRuns first and last column of each
 * @typedef {{sigma: number, upper: [number, number][], lower: [number, number][]}} Band
 */
import { xOfColumn, yOf } from "./frame.js";
import { opensSession, pieces, runs } from "./runs.js";

/** @type {readonly VwapName[]} */
const NAMES = ["vs", "v4h", "v1h"];

/**
 * @param {Columns} columns
 * @param {(before: number, after: number) => boolean} broken neighbours that holes part
 * @returns {VwapRuns} the columns of each unbroken line; the session's begins anew at 00:00 UTC
 */
export function vwapRuns(columns, broken) {
  const { vs, sd, v1h, v4h } = columns.of;
  const anew = (/** @type {number} */ before, /** @type {number} */ after) =>
    broken(before, after) || opensSession(columns.minute(after), columns.every);
  const banded = vs.map((value, at) => (sd[at] === null ? null : value));
  const unbroken = { v4h: runs(v4h, broken), v1h: runs(v1h, broken) };
  return { vs: runs(vs, anew), ...unbroken, band: runs(banded, anew) };
}

/**
 * @param {[number, number][]} all
 * @param {[number, number]} sight
 * @returns {[number, number][]} the parts of runs that are in sight
 */
function within(all, [from, to]) {
  return all
    .filter(([first, last]) => last >= from && first <= to)
    .map(([first, last]) => [Math.max(first, from), Math.min(last, to)]);
}

/**
 * @param {Columns} columns
 * @param {VwapRuns} parts
 * @param {Frame} frame
 * @param {[number, number]} sight columns
 * @returns {VwapLine[]}
 */
export function vwapLines(columns, parts, frame, sight) {
  /** @type {VwapLine[]} */
  const lines = [];
  for (const name of NAMES) {
    for (const run of within(parts[name], sight)) {
      for (const { from, to, is } of pieces(run, (at) => Boolean(columns.of.vgap[at]))) {
        if (to === from) continue;
        lines.push({ name, gap: is, points: line(columns, frame, from, to, name, 0) });
      }
    }
  }
  return lines;
}

/**
 * @param {Columns} columns
 * @param {VwapRuns} parts
 * @param {Frame} frame
 * @param {[number, number]} sight
 * @param {number} most bands up to this many sigma; 0: none
 * @returns {Band[]} the widest first; rows without sigma have none
 */
export function vwapBands(columns, parts, frame, sight, most) {
  /** @type {Band[]} */
  const bands = [];
  for (let sigma = most; sigma >= 1; sigma -= 1) {
    for (const [from, to] of within(parts.band, sight)) {
      if (to === from) continue;
      const upper = line(columns, frame, from, to, "vs", sigma);
      bands.push({ sigma, upper, lower: line(columns, frame, from, to, "vs", -sigma) });
    }
  }
  return bands;
}

/**
 * @param {Columns} columns
 * @param {Frame} frame
 * @param {number} from
 * @param {number} to
 * @param {VwapName} name
 * @param {number} sigmas added to the values
 * @returns {[number, number][]}
 */
function line(columns, frame, from, to, name, sigmas) {
  const { [name]: values, sd } = columns.of;
  /** @type {[number, number][]} */
  const points = [];
  for (let at = from; at <= to; at += 1) {
    const value = Number(values[at]) + (sigmas === 0 ? 0 : sigmas * Number(sd[at]));
    points.push([xOfColumn(frame, at), yOf(frame, value)]);
  }
  return points;
}
