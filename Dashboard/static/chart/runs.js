/**
 * Lines over columns, broken where they may not be joined: no record, a hole, a new session.
 *
 * @import {NumberColumn} from "./types.js"
 */

const DAY = 1440;

/**
 * @param {NumberColumn} values
 * @param {(before: number, after: number) => boolean} broken neighbours that no line may join
 * @returns {[number, number][]} first and last column of each run
 */
export function runs(values, broken) {
  /** @type {[number, number][]} */
  const found = [];
  let start = -1;
  for (let at = 0; at <= values.length; at += 1) {
    const none = at === values.length || values[at] === null;
    if (start >= 0 && (none || broken(at - 1, at))) {
      found.push([start, at - 1]);
      start = -1;
    }
    if (!none && start < 0) start = at;
  }
  return found;
}

/**
 * @param {number} minute Unix minute at which a column begins
 * @param {number} every
 * @returns {boolean} true if the session at 00:00 UTC begins in this column
 */
export function opensSession(minute, every) {
  return minute % DAY < every;
}

/**
 * @param {[number, number]} range columns
 * @param {(at: number) => boolean} other kind of the stretch that ends at a column; pieces share a
 *   column where it changes
 * @returns {{from: number, to: number, is: boolean}[]}
 */
export function pieces([first, last], other) {
  /** @type {{from: number, to: number, is: boolean}[]} */
  const found = [];
  let from = first;
  for (let at = first + 2; at <= last; at += 1) {
    if (other(at) === other(at - 1)) continue;
    found.push({ from, to: at - 1, is: other(at - 1) });
    from = at - 1;
  }
  found.push({ from, to: last, is: other(last) });
  return found;
}
