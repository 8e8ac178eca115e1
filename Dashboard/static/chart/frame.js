/**
 * Where minutes and prices stand in a pane: plain numbers, so that all geometry is pure.
 *
 * A frame is in CSS pixels. Column 0 has its middle at `x0`, each further column is `spacing` to
 * the right; a price p stands at `y0 + slope * p`.
 *
 * @typedef {object} Frame
 * @property {number} first Unix minute of column 0
 * @property {number} every minutes of a column
 * @property {number} columns
 * @property {number} x0
 * @property {number} spacing
 * @property {number} width
 * @property {number} height
 * @property {number} y0
 * @property {number} slope
 */

export const EDGE_PX = 9; // how far a level runs beyond the newest column

/** @param {Frame} frame @param {number} column @returns {number} the middle of a column */
export function xOfColumn(frame, column) {
  return frame.x0 + column * frame.spacing;
}

/** @param {Frame} frame @param {number} minute @returns {number} the left side of its column */
export function xOfMinute(frame, minute) {
  return frame.x0 + ((minute - frame.first) / frame.every - 0.5) * frame.spacing;
}

/**
 * @param {Frame} frame
 * @param {number} end Unix minute at which a minute's candle ended
 * @returns {number} the middle of the column that holds that minute
 */
export function xOfCandle(frame, end) {
  return xOfColumn(frame, Math.floor((end - 1 - frame.first) / frame.every));
}

/** @param {Frame} frame @param {number} price @returns {number} */
export function yOf(frame, price) {
  return frame.y0 + frame.slope * price;
}

/** @param {Frame} frame @returns {number} where the lines of untouched levels end */
export function edgeOf(frame) {
  const end = xOfColumn(frame, frame.columns - 1) + frame.spacing / 2 + EDGE_PX;
  return Math.min(frame.width, end);
}

/**
 * @param {Frame} frame
 * @returns {[number, number]} the first and last column that show, one more each
 */
export function visible(frame) {
  const from = Math.floor(-frame.x0 / frame.spacing) - 1;
  const to = Math.ceil((frame.width - frame.x0) / frame.spacing) + 1;
  return [Math.max(0, from), Math.min(frame.columns - 1, to)];
}

/** @param {string} utc an ISO time @returns {number} Unix minutes, with a fraction */
export function minutesOf(utc) {
  return Date.parse(utc) / 60_000;
}
