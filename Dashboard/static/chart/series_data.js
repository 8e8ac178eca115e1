/**
 * Columns as the points of the library's series: candles, volume, CVD and its bars.
 *
 * @import {Columns} from "./columns.js"
 * @import {Palette} from "./palette.js"
 * @import {Forming} from "./types.js"
 * @import {CandlestickData, HistogramData, LineData} from "../vendor/lightweight-charts-5.2.1.mjs"
 * @import {UTCTimestamp, WhitespaceData} from "../vendor/lightweight-charts-5.2.1.mjs"
 */
import { faded } from "./palette.js";

export const CLEAR = "#00000000"; // a point's line to the next one is not to be seen

/** @param {number} minute Unix @returns {UTCTimestamp} */
export const timeOf = (minute) => /** @type {UTCTimestamp} */ (minute * 60);

/**
 * @param {Columns} columns
 * @param {number} total
 * @returns {WhitespaceData<UTCTimestamp>[]} the axis
 */
export function axisPoints(columns, total) {
  return Array.from({ length: total }, (_, at) => ({ time: timeOf(columns.minute(at)) }));
}

/**
 * @param {Forming} forming
 * @param {Palette} palette
 * @returns {CandlestickData<UTCTimestamp>} hollow, grey
 */
export function formingPoint({ minute, o, h, l, c }, palette) {
  const colour = palette.forming;
  const bar = { time: timeOf(minute), open: o, high: h, low: l, close: c };
  return { ...bar, color: palette.ground, borderColor: colour, wickColor: colour };
}

/**
 * @param {Columns} columns
 * @returns {CandlestickData<UTCTimestamp>[]} minutes without a record are left out
 */
export function candlePoints(columns) {
  const { o, h, l, c } = columns.of;
  /** @type {CandlestickData<UTCTimestamp>[]} */
  const points = [];
  for (let at = 0; at < columns.length; at += 1) {
    const [open, high, low, close] = [o[at], h[at], l[at], c[at]];
    if (open === null || high === null || low === null || close === null) continue;
    points.push({ time: timeOf(columns.minute(at)), open, high, low, close });
  }
  return points;
}

/**
 * @param {Columns} columns
 * @param {Palette} palette
 * @returns {HistogramData<UTCTimestamp>[]} by tier
 */
export function volumePoints(columns, palette) {
  const colours = [palette.tier1, palette.tier1, palette.tier2, palette.tier3, palette.tier4];
  const { tier, vol } = columns.of;
  return pointsOf(columns, vol, (at) => colours[tier[at] ?? 0] ?? palette.tier1);
}

/** @param {Columns} columns @param {Palette} palette @returns {HistogramData<UTCTimestamp>[]} */
export function deltaPoints(columns, palette) {
  const { cvd1m } = columns.of;
  const [long, short] = [faded(palette.long, 0.62), faded(palette.short, 0.62)];
  return pointsOf(columns, cvd1m, (at) => (Number(cvd1m[at]) < 0 ? short : long));
}

/**
 * @param {Columns} columns
 * @param {[number, number][]} runs the columns of each unbroken line
 * @param {string} colour
 * @returns {LineData<UTCTimestamp>[]} the last point of a run is joined to nothing
 */
export function cvdPoints(columns, runs, colour) {
  const ends = new Set(runs.map(([, end]) => end));
  return pointsOf(columns, columns.of.cvd, (at) => (ends.has(at) ? CLEAR : colour));
}

/**
 * @param {Columns} columns
 * @param {(number|null)[]} values
 * @param {(at: number) => string} colour
 */
function pointsOf(columns, values, colour) {
  /** @type {{time: UTCTimestamp, value: number, color: string}[]} */
  const points = [];
  for (let at = 0; at < columns.length; at += 1) {
    const value = values[at];
    if (value === null) continue;
    points.push({ time: timeOf(columns.minute(at)), value, color: colour(at) });
  }
  return points;
}
