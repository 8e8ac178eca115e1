/**
 * Walls at a price: a bar at the right edge, by its size, with its age in words.
 *
 * @import {Frame} from "./frame.js"
 * @import {Box, Places} from "./spread.js"
 * @import {Book, Wall} from "./types.js"
 *
 * @typedef {object} WallShape
 * @property {"bid"|"ask"} side
 * @property {number} price
 * @property {number} x1
 * @property {number} x2
 * @property {number} y
 * @property {string} text
 * @property {Box|null} box null: no room for words, the bar stands alone
 */
import { yOf } from "./frame.js";
import { textWidth } from "./spread.js";

export const WALL_PX = 10.5;
const UNIT = 250_000; // USD of a bar of 14 px; four times the size is twice as long
const LONGEST = 84;

/** @param {number} usd @returns {string} `2.60M`, `860k` */
export function dollars(usd) {
  if (Math.abs(usd) >= 999_500) return `${(usd / 1e6).toFixed(Math.abs(usd) < 9_995_000 ? 2 : 1)}M`;
  return `${Math.round(usd / 1e3)}k`;
}

/** @param {number|null|undefined} seconds @returns {string} `45s`, `2m`, `3h`, `age ?` */
export function ageOf(seconds) {
  if (seconds === null || seconds === undefined) return "age ?";
  if (seconds < 60) return `${seconds}s`;
  return seconds < 7200 ? `${Math.floor(seconds / 60)}m` : `${Math.floor(seconds / 3600)}h`;
}

/** @param {Wall} wall @returns {string} `2.60M 2m young` */
export function wallText(wall) {
  return `${dollars(Number(wall.notional))} ${ageOf(wall.age_s)}${wall.young ? " young" : ""}`;
}

/**
 * @param {Book|null|undefined} book
 * @param {Frame} frame
 * @param {Places} places
 * @returns {WallShape[]} the largest first
 */
export function wallShapes(book, frame, places) {
  const of = (/** @type {"bid"|"ask"} */ side, /** @type {Wall[]|undefined} */ walls) =>
    (walls ?? []).map((wall) => ({ side, wall, notional: Number(wall.notional) }));
  const all = [...of("ask", book?.ask_walls), ...of("bid", book?.bid_walls)];
  all.sort((a, b) => b.notional - a.notional);
  /** @type {WallShape[]} */
  const shapes = [];
  for (const { side, wall, notional } of all) {
    const price = Number(wall.price);
    const y = yOf(frame, price);
    if (!(y >= 0 && y <= frame.height)) continue;
    const long = Math.min(LONGEST, 14 * Math.sqrt(notional / UNIT));
    const text = wallText(wall);
    const w = Math.ceil(textWidth(text, WALL_PX)) + 6;
    const box = places.put({ x: frame.width - w - 2, y: y - 7, w, h: 14 }, 40);
    shapes.push({ side, price, x1: frame.width - long, x2: frame.width, y, text, box });
  }
  return shapes;
}
