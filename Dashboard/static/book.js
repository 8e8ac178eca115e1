/** The book: six bands with bars by the square root of their notional, and walls at a price. */

import { byId, el, keyed, setAttribute } from "./dom.js";
import { age, amount } from "./formats.js";

/** @typedef {import("./types.d.ts").Book} Book */
/** @typedef {import("./types.d.ts").Wall} Wall */
/** @typedef {import("./freshness.js").StreamNow} StreamNow */

const WALLS_A_SIDE = 5;
const fillBands = keyed(byId("bands"));
const fillWalls = keyed(byId("walls"));

/**
 * Draw the newest bucket line.
 * @param {Book | null} book
 * @param {StreamNow | undefined} stream of the buckets
 */
export function drawBook(book, stream) {
  const host = byId("book");
  const doubtful = stream !== undefined && stream.state !== "fresh";
  host.classList.toggle("stale", doubtful);
  byId("walls-heading").hidden = book === null;
  if (book === null) {
    fillBands("none", () => [el("p", {}, "no book recorded; start l2_exporter")]);
    fillWalls("none", () => []);
    setAttribute(byId("bands"), "title", null);
    return;
  }
  const old = stream?.age_ms == null ? "age unknown" : `${age(stream.age_ms)} old`;
  const deep = book.deep_age_s === null ? "no deep book" : `deep book ${book.deep_age_s} s older at most`;
  setAttribute(byId("bands"), "title", `${old}, ${deep}`);
  fillBands(book.timestamp_utc + doubtful, () => [...warning(stream), bands(book)]);
  fillWalls(book.timestamp_utc, () => walls(book));
}

/** @param {StreamNow | undefined} stream */
function warning(stream) {
  if (stream === undefined || stream.state === "fresh") return [];
  return [el("p", { class: "doubt" }, `⚠ ${stream.state.toUpperCase()}: no wall and no band here is of now`)];
}

/** @param {Book} book */
function bands(book) {
  const largest = Math.max(1, ...book.bid_notional.map(Number), ...book.ask_notional.map(Number));
  const rows = book.bands_bps.map((upper, index) => {
    const partial = book.band_source[index] === "partial";
    const imbalance = partial ? "partial" : (book.imbalance[index] ?? "–");
    return el("tr", { title: `${book.band_source[index]} book` },
      el("td", {}, `${index ? book.bands_bps[index - 1] : 0}-${upper}`),
      el("td", { class: "amount" }, amount(book.bid_notional[index])),
      el("td", { class: "bids" }, bar(book.bid_notional[index], largest, "long", partial)),
      el("td", { class: "imbalance" }, imbalance),
      el("td", { class: "asks" }, bar(book.ask_notional[index], largest, "short", partial)),
      el("td", { class: "amount" }, amount(book.ask_notional[index])));
  });
  const head = ["bps", "bids", "", "imbalance", "", "asks"].map((name, index) => el("th", { scope: name ? "col" : null, class: index === 3 ? "imbalance" : null }, name));
  return el("table", { class: "bands" }, el("thead", { class: "spoken" }, el("tr", {}, ...head)), el("tbody", {}, ...rows));
}

/**
 * @param {string} notional
 * @param {number} largest
 * @param {string} side
 * @param {boolean} partial
 */
function bar(notional, largest, side, partial) {
  const made = el("span", { class: `bar ${side} ${partial ? "partial" : ""}`, "aria-hidden": "true" });
  made.style.width = `${(100 * Math.sqrt(Math.max(0, Number(notional)) / largest)).toFixed(1)}%`;
  return made;
}

/** @param {Book} book */
function walls(book) {
  const mid = Number(book.mid_price);
  const rows = [...nearest(book.ask_walls, mid, "ask"), ...nearest(book.bid_walls, mid, "bid")];
  if (rows.length === 0) return [el("p", {}, "none of the size that counts")];
  return [el("table", { class: "walls" }, el("tbody", {}, ...rows))];
}

/**
 * @param {Wall[]} found
 * @param {number} mid
 * @param {"ask" | "bid"} side
 */
function nearest(found, mid, side) {
  const sorted = [...found].sort((one, other) => Math.abs(Number(one.price) - mid) - Math.abs(Number(other.price) - mid));
  return sorted.slice(0, WALLS_A_SIDE).map((wall) => {
    const bps = ((Number(wall.price) - mid) / mid) * 10_000;
    const old = wall.age_s === null ? "age unknown" : `${age(wall.age_s * 1000)}${wall.young ? " young" : ""}`;
    return el("tr", {}, el("td", { class: side === "ask" ? "short" : "long" }, side), el("td", {}, wall.price),
      el("td", {}, amount(wall.notional)), el("td", {}, `${bps.toFixed(1)} bps, ${old}`));
  });
}
