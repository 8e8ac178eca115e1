/** The line over the chart: the minute under the crosshair, else the newest closed one. */

import { byId, el, keyed } from "./dom.js";
import { fixed, moment, short } from "./formats.js";

/** @typedef {import("./types.d.ts").View} View */

const fill = keyed(byId("legend"));

/**
 * Draw the legend.
 * @param {View | null} view
 * @param {import("./types.d.ts").Facts | null} under the crosshair, null for the newest column
 * @param {"utc" | "local"} zone
 */
export function drawLegend(view, under, zone) {
  byId("legend").hidden = view === null;
  if (view === null) return;
  const held = view.minutes;
  const last = held.c.length - 1;
  const newest = Math.max(held.c.findLastIndex((close) => close != null), 0);
  const minute = under === null ? held.first + newest * held.every : under.minute;
  const index = Math.round((minute - held.first) / held.every);
  const isRow = index >= 0 && index <= last && under?.note !== "forming";
  const cells = isRow ? cellsOf(view, index, under?.note) : formingCells(view, under);
  const when = moment(minute * 60_000, zone, "minute");
  fill(JSON.stringify([cells, when, under === null, view.tf]), () => [
    ...(under === null ? [] : [el("span", {}, el("b", {}, when))]),
    ...cells.map(([name, value, doubtful]) => el("span", { class: doubtful ? "doubt" : "" }, `${name} `, el("b", {}, value))),
  ]);
}

/**
 * @param {View} view
 * @param {import("./types.d.ts").Facts | null} facts
 * @returns {[string, string, boolean?][]}
 */
function formingCells(view, facts) {
  if (facts === null || facts.c == null) return [["", facts?.note ?? ""]];
  const names = /** @type {const} */ (["o", "h", "l", "c"]);
  return [...names.map((name) => /** @type {[string, string]} */ ([name.toUpperCase(), fixed(facts[name], view.places)])), ["", facts.note ?? "forming", true]];
}

/**
 * @param {View} view
 * @param {number} index
 * @param {string} [note] why there is no record
 * @returns {[string, string, boolean?][]}
 */
function cellsOf(view, index, note) {
  const { minutes: held, places } = view;
  if (held.c[index] == null) return [["", note || "no record"]];
  /** @param {unknown} column */
  const at = (column) => /** @type {unknown[]} */ (column ?? [])[index];
  const gap = Boolean(at(held.vgap));
  /** @type {[string, string, boolean?][]} */
  const cells = [["O", fixed(at(held.o), places)], ["H", fixed(at(held.h), places)], ["L", fixed(at(held.l), places)],
    ["C", fixed(at(held.c), places)], ["vol", short(at(held.vol))], ["tier", at(held.tier) == null ? "–" : `T${at(held.tier)}`],
    ["delta", short(at(held.delta), true)], ["vwap 1h", fixed(at(held.v1h), places), gap], ["4h", fixed(at(held.v4h), places), gap],
    ["session", fixed(at(held.vs), places) + (gap ? " gap" : ""), gap]];
  if (at(held.gap)) cells.push(["", "gap", true]);
  if (at(held.absorbed)) cells.push(["", `${at(held.absorbed)}s absorbed`]);
  if (at(held.div)) cells.push(["", `${at(held.div)} divergence`]);
  return cells;
}
