/** Words of the axes. The data stands in UTC always; the zone changes the labels alone. */

import { offsetWhereTwice } from "../formats.js";

const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");
const two = (/** @type {number} */ value) => String(value).padStart(2, "0");

/** @typedef {"utc"|"local"} Zone */
/** @typedef {{year: number, month: number, day: number, hour: number, minute: number}} Parts */

/** @param {number} seconds Unix @param {Zone} zone @returns {Parts} month from 0 */
function partsOf(seconds, zone) {
  const date = new Date(seconds * 1000);
  if (zone === "utc") {
    return {
      year: date.getUTCFullYear(),
      month: date.getUTCMonth(),
      day: date.getUTCDate(),
      hour: date.getUTCHours(),
      minute: date.getUTCMinutes(),
    };
  }
  return {
    year: date.getFullYear(),
    month: date.getMonth(),
    day: date.getDate(),
    hour: date.getHours(),
    minute: date.getMinutes(),
  };
}

/** @param {number} seconds Unix @param {Zone} zone @returns {string} */
const repeated = (seconds, zone) => (zone === "utc" ? "" : offsetWhereTwice(seconds * 1000));

/** @param {number} seconds @param {Zone} zone @returns {string} `14:05`, at midnight `25 Nov` */
export function tickLabel(seconds, zone) {
  const { month, day, hour, minute } = partsOf(seconds, zone);
  if (hour === 0 && minute === 0) return `${day} ${MONTHS[month]}`;
  return `${two(hour)}:${two(minute)}${repeated(seconds, zone)}`;
}

/** @param {number} seconds @param {Zone} zone @returns {string} `25 Nov 14:05 UTC` */
export function crosshairLabel(seconds, zone) {
  const { month, day, hour, minute } = partsOf(seconds, zone);
  const word = zone === "utc" ? "UTC" : "here";
  return `${day} ${MONTHS[month]} ${two(hour)}:${two(minute)}${repeated(seconds, zone)} ${word}`;
}

/** @param {number} usd @returns {string} `20M`, `1.5M`, `-860k` */
export function usdLabel(usd) {
  const size = Math.abs(usd);
  if (size >= 1e9) return `${trimmed(usd / 1e9)}B`;
  if (size >= 1e6) return `${trimmed(usd / 1e6)}M`;
  return size >= 1e3 ? `${trimmed(usd / 1e3)}k` : `${Math.round(usd)}`;
}

/** @param {number} value @returns {string} at most one place */
function trimmed(value) {
  return Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toFixed(1)));
}
