/**
 * Wick levels: a line from the candle that made the tip to its touch, or to the edge.
 *
 * @import {Frame} from "./frame.js"
 * @import {Box, Places} from "./spread.js"
 * @import {Wick, Wicks} from "./types.js"
 *
 * @typedef {object} Level
 * @property {string} id
 * @property {string} tf
 * @property {"upper"|"lower"} side
 * @property {number} tip
 * @property {number} x1
 * @property {number} x2
 * @property {number} y
 * @property {"solid"|"dotted"|"dashed"} dash
 * @property {number} width
 * @property {number} alpha
 * @property {boolean} touched a ring stands at (x2, y)
 * @property {boolean} gap trades are missing in its life
 *
 * @typedef {{text: string, side: "upper"|"lower", box: Box, y: number, alpha: number}} LevelTag
 */
import { edgeOf, xOfCandle, yOf } from "./frame.js";
import { textWidth } from "./spread.js";

export const GAP_SIGN = "▨";
export const TAG_PX = 10;
/** @type {Record<string, number>} */
const WIDTHS = { "1m": 1, "5m": 1, "15m": 2, "1h": 2, "4h": 3 };
const RANK = ["4h", "1h", "15m", "5m", "1m"];
const TAGGED = 15;
const TOUCHED_ALPHA = 0.2;
const YOUNG_ALPHA = 0.42; // a 1m wick that may yet become a candidate
const OLD_ALPHA = 0.28; // a 1m wick that was
const FIVE_ALPHA = 0.42;
const CANDIDATE = [20, 40]; // minutes untouched

/** @param {Wicks|null|undefined} wicks @returns {Wick[]} */
export function wickList(wicks) {
  return (wicks?.id ?? []).map((id, at) => {
    const w = /** @type {Wicks} */ (wicks);
    return {
      id,
      tf: w.tf[at],
      side: w.side[at],
      tip: w.tip[at],
      birth: w.birth[at],
      touch: w.touch[at] ?? null,
      exact: Boolean(w.exact[at]),
      gap: Boolean(w.gap[at]),
    };
  });
}

/** @param {string} tf @returns {number} minutes */
export function minutesOfFrame(tf) {
  return Number.parseInt(tf, 10) * (tf.endsWith("h") ? 60 : 1);
}

/**
 * @param {Wick} wick
 * @param {number} asOf the minute as of which the screen stands
 * @returns {number} the strength of an untouched line
 */
function strength(wick, asOf) {
  const age = asOf - wick.birth;
  if (minutesOfFrame(wick.tf) >= TAGGED || wick.exact) return 1;
  if (wick.tf !== "1m") return FIVE_ALPHA;
  if (age >= CANDIDATE[0] && age <= CANDIDATE[1]) return 1;
  return age < CANDIDATE[0] ? YOUNG_ALPHA : OLD_ALPHA;
}

/**
 * @param {Wick[]} wicks
 * @param {Frame} frame
 * @param {number} asOf
 * @returns {Level[]} those in sight, touched first
 */
export function levelLines(wicks, frame, asOf) {
  const edge = edgeOf(frame);
  /** @type {Level[]} */
  const lines = [];
  for (const wick of wicks) {
    const y = yOf(frame, wick.tip);
    const touched = wick.touch !== null;
    const x1 = xOfCandle(frame, wick.birth);
    const x2 = wick.touch === null ? edge : xOfCandle(frame, wick.touch);
    if (y < 0 || y > frame.height || x2 < 0 || x1 > frame.width || x2 <= x1) continue;
    lines.push({
      id: wick.id,
      tf: wick.tf,
      side: wick.side === "lower" ? "lower" : "upper",
      tip: wick.tip,
      x1,
      x2,
      y,
      dash: touched ? "dotted" : wick.gap ? "dashed" : "solid",
      width: touched ? 1 : (WIDTHS[wick.tf] ?? 1),
      alpha: touched ? TOUCHED_ALPHA : strength(wick, asOf),
      touched,
      gap: wick.gap,
    });
  }
  return lines.sort((a, b) => Number(b.touched) - Number(a.touched) || a.alpha - b.alpha);
}

/**
 * @param {Level[]} lines
 * @param {Frame} frame
 * @param {Places} places
 * @returns {LevelTag[]} the longest timeframe of a price first; without room there is no tag
 */
export function levelTags(lines, frame, places) {
  const named = lines.filter((l) => !l.touched && (minutesOfFrame(l.tf) >= TAGGED || l.gap));
  named.sort((a, b) => RANK.indexOf(a.tf) - RANK.indexOf(b.tf) || a.y - b.y);
  const seen = new Set();
  /** @type {LevelTag[]} */
  const tags = [];
  for (const line of named) {
    const key = `${line.side}${line.tip}`;
    if (seen.has(key)) continue;
    seen.add(key);
    const text = `${minutesOfFrame(line.tf) >= TAGGED ? line.tf : ""}${line.gap ? GAP_SIGN : ""}`;
    const w = textWidth(text, TAG_PX) + 2;
    const box = places.put({ x: edgeOf(frame) + 3, y: line.y - 6, w, h: 12 }, 8);
    if (box !== null) tags.push({ text, side: line.side, box, y: line.y, alpha: line.alpha });
  }
  return tags;
}
