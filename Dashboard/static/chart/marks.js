/**
 * Marks of single minutes: absorbed sides and whales over the volume, divergence at the CVD.
 *
 * @import {Columns} from "./columns.js"
 * @import {Frame} from "./frame.js"
 *
 * @typedef {{kind: "buys"|"sells"|"whales"|"bullish"|"bearish", x: number, y: number}} Mark
 */
import { xOfColumn, yOf } from "./frame.js";

const LIFT = 7; // px between a bar and its mark
const TOP = 5;

/**
 * @param {Columns} columns
 * @param {Frame} frame
 * @param {[number, number]} sight
 * @returns {Mark[]}
 */
export function volumeMarks(columns, frame, [from, to]) {
  const { absorbed, vol, whales } = columns.of;
  /** @type {Mark[]} */
  const marks = [];
  for (let at = from; at <= to && at < columns.length; at += 1) {
    const volume = vol[at];
    if (volume === null) continue;
    const x = xOfColumn(frame, at);
    let y = Math.max(TOP, yOf(frame, volume) - LIFT);
    if (absorbed[at] !== null) {
      marks.push({ kind: absorbed[at] === "buy" ? "buys" : "sells", x, y });
      y = Math.max(TOP, y - LIFT);
    }
    if (whales[at]) marks.push({ kind: "whales", x, y });
  }
  return marks;
}

/**
 * @param {Columns} columns
 * @param {Frame} frame
 * @param {[number, number]} sight
 * @returns {Mark[]}
 */
export function divergenceMarks(columns, frame, [from, to]) {
  const { cvd, div } = columns.of;
  /** @type {Mark[]} */
  const marks = [];
  for (let at = from; at <= to && at < columns.length; at += 1) {
    const value = cvd[at];
    const kind = div[at];
    if (value === null || (kind !== "bullish" && kind !== "bearish")) continue;
    const beside = yOf(frame, value) + (kind === "bullish" ? LIFT : -LIFT);
    const y = Math.max(TOP, Math.min(frame.height - TOP, beside));
    marks.push({ kind, x: xOfColumn(frame, at), y });
  }
  return marks;
}
