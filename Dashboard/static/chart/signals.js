/**
 * Signals in the chart: a ring at the candle of the tip, a thick line, a tag; the plan of one.
 *
 * @import {Frame} from "./frame.js"
 * @import {Box, Places} from "./spread.js"
 * @import {Signal} from "./types.js"
 *
 * @typedef {"filled"|"framed"|"plain"|"hollow"|"void"} TagStyle
 *
 * @typedef {object} SignalShape
 * @property {string} id
 * @property {"upper"|"lower"} side
 * @property {number} price
 * @property {number} x1 the ring stands at (x1, y)
 * @property {number} x2
 * @property {number} y
 * @property {boolean} chosen
 * @property {string} text
 * @property {TagStyle} style
 * @property {Box} box
 *
 * @typedef {object} PlanLine
 * @property {"stop"|"target"} name
 * @property {string} text
 * @property {number} x1
 * @property {number} x2
 * @property {number} y
 * @property {Box|null} box
 */
import { edgeOf, minutesOf, xOfCandle, yOf } from "./frame.js";
import { pile, textWidth } from "./spread.js";
import { besideOf, isGo, partsOf } from "../signals.js";

export const SIGNAL_PX = 12;
export const PLAN_PX = 11;
const TAG_HEIGHT = 18;
const FRAMED = new Set(["MAX", "HIGH"]);

/** @param {Signal} signal @returns {boolean} true if trades are missing since its birth */
export function uncertain(signal) {
  return (signal.layers ?? []).some((layer) => layer.layer === "wick" && layer.state === "gap");
}

/**
 * @param {Signal} signal
 * @param {boolean} isVoid
 * @returns {{text: string, style: TagStyle}} in void: no side, no conviction
 */
export function tagOf(signal, isVoid, chosen = false, live = true) {
  const whole = /** @type {import("../types.d.ts").Signal} */ (/** @type {unknown} */ (signal));
  if (isVoid || uncertain(signal)) return { text: `${signal.wick_price} void`, style: "void" };
  const arrow = signal.direction === "SHORT" ? "▼" : "▲";
  const noEntry = signal.in_contact || signal.touched_since || signal.no_trade;
  const beside = chosen && !noEntry ? besideOf(whole, live) : "";
  const words = [arrow, signal.direction, signal.wick_price, noEntry ? "no entry" : partsOf(whole).level, beside];
  const text = words.filter(Boolean).join(" ").slice(0, 60);
  if (noEntry) return { text, style: "hollow" };
  if (isGo(whole, live) && chosen) return { text, style: "filled" };
  return { text, style: chosen && FRAMED.has(partsOf(whole).level) ? "framed" : "plain" };
}

/** @param {Frame} frame @param {number} y @returns {Box} a line right of the newest column */
function stroke(frame, y) {
  const x = edgeOf(frame);
  return { x, y: y - 2, w: frame.width - x, h: 4 };
}

/**
 * @param {Signal[]} signals nearest first
 * @param {Frame} frame
 * @param {Places} places
 * @param {string|null} eventId of the chosen signal; null: the first
 * @param {boolean} isVoid
 * @param {boolean} live
 * @returns {SignalShape[]}
 */
export function signalShapes(signals, frame, places, eventId, isVoid, live) {
  const id = eventId ?? signals[0]?.event_id;
  const seen = signals
    .map((signal) => ({ signal, y: yOf(frame, Number(signal.wick_price)) }))
    .filter(({ y }) => y >= 0 && y <= frame.height)
    .map(({ signal, y }) => ({ signal, y, top: topOf(signal, y) }));
  const order = [...seen].sort((a, b) => a.top - b.top);
  const tops = pile(order.map(({ top }) => top), TAG_HEIGHT, frame.height);
  const shapes = seen.map((one) => {
    const { signal, y } = one;
    const chosen = signal.event_id === id;
    const { text, style } = tagOf(signal, isVoid, chosen, live);
    const w = Math.ceil(textWidth(text, SIGNAL_PX)) + 12;
    const box = { x: frame.width - w - 2, y: tops[order.indexOf(one)], w, h: TAG_HEIGHT };
    const x1 = xOfCandle(frame, Math.round(minutesOf(signal.creation_time_utc)));
    /** @type {"upper"|"lower"} */
    const side = signal.direction === "SHORT" ? "upper" : "lower";
    const at = { id: signal.event_id, side, price: Number(signal.wick_price) };
    return { ...at, x1, x2: frame.width, y, chosen, text, style, box };
  });
  for (const { box } of shapes) places.take(box);
  for (const { y } of seen) places.take(stroke(frame, y)); // no other words lie on a line
  return shapes;
}

/**
 * @param {Signal} signal
 * @param {number} y of its line
 * @returns {number} where its tag stands best
 */
function topOf(signal, y) {
  return signal.direction === "SHORT" ? y - TAG_HEIGHT - 2 : y + 3;
}

/**
 * @param {Signal|undefined} signal the chosen signal
 * @param {Frame} frame
 * @param {Places} places
 * @param {boolean} isVoid
 * @returns {PlanLine[]} its stop and its target, where they are in sight
 */
export function planLines(signal, frame, places, isVoid) {
  if (signal === undefined || isVoid || uncertain(signal)) return [];
  const x1 = xOfCandle(frame, Math.round(minutesOf(signal.creation_time_utc)));
  const from = Math.max(4, Math.min(x1, frame.width - 240));
  /** @type {PlanLine[]} */
  const lines = [];
  for (const name of /** @type {const} */ (["stop", "target"])) {
    const price = signal[name];
    if (price === null || price === undefined) continue;
    const y = yOf(frame, Number(price));
    if (!(y >= 0 && y <= frame.height)) continue;
    const text = `${name} ${price}`.slice(0, 40);
    const w = textWidth(text, PLAN_PX) + 6;
    const above = (name === "stop") === (signal.direction === "SHORT");
    const top = name === "target" || above ? y - 15 : y + 2;
    const box = places.put({ x: from + 10, y: top, w, h: 14 }, 30);
    lines.push({ name, text, x1: from, x2: frame.width, y, box });
    places.take(stroke(frame, y));
  }
  return lines;
}
