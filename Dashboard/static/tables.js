/** The chart as tables: its levels, and its last 30 minutes. */

import { byId, el } from "./dom.js";
import { fixed, moment, short } from "./formats.js";
import { hasHole, worthOf } from "./signals.js";

/** @typedef {import("./types.d.ts").View} View */
/** @typedef {import("./freshness.js").Judged} Judged */

const MINUTES = 30;
const LEVELS = 60;

/** True while the tables stand over the chart. */
export function tablesOpen() {
  return !byId("tables").hidden;
}

/** Show or hide the tables. */
export function toggleTables() {
  const host = byId("tables");
  host.hidden = !host.hidden;
  document.querySelector('[data-do="tables"]')?.setAttribute("aria-pressed", String(!host.hidden));
  if (host.hidden) host.replaceChildren();
}

/**
 * Draw the tables if they are open.
 * @param {View | null} view
 * @param {Judged} judged
 * @param {"utc" | "local"} zone
 */
export function drawTables(view, judged, zone) {
  if (!tablesOpen()) return;
  const host = byId("tables");
  if (view === null) return host.replaceChildren(el("p", {}, judged.words));
  const kept = host.scrollTop;
  const trusted = judged.level !== "void";
  host.replaceChildren(
    el("div", {}, el("h2", {}, trusted ? "Levels" : "Levels: not to be used"), levels(view, trusted)),
    el("div", {}, el("h2", {}, `Last ${MINUTES} columns, ${zone === "utc" ? "UTC" : "local time"}`), minutes(view, zone)),
  );
  host.scrollTop = kept;
}

/** @param {string[]} heads @param {string[][]} rows */
function table(heads, rows) {
  return el("table", {},
    el("thead", {}, el("tr", {}, ...heads.map((name) => el("th", { scope: "col" }, name)))),
    el("tbody", {}, ...rows.map((row) => el("tr", {}, ...row.map((text) => el("td", {}, text))))));
}

/**
 * @param {View} view
 * @param {boolean} trusted
 */
function levels(view, trusted) {
  const { wicks, places } = view;
  const price = Number(view.price?.value ?? view.answer.price?.value ?? NaN);
  const signals = new Map(view.answer.signals.map((signal) => [signal.event_id, signal]));
  const rows = wicks.id.flatMap((id, index) => (wicks.touch[index] === null ? [{ id, index, tip: wicks.tip[index] }] : []));
  rows.sort((one, other) => (Number.isFinite(price) ? Math.abs(one.tip - price) - Math.abs(other.tip - price) : other.index - one.index));
  const end = Date.parse(view.as_of_utc) / 60_000;
  return table(["level", "side", "timeframe", "bps", "age min", "tip", "doubt", "signal"], rows.slice(0, LEVELS).map(({ id, index, tip }) => {
    const signal = signals.get(id);
    const bps = Number.isFinite(price) ? (((tip - price) / price) * 10_000).toFixed(1) : "–";
    const worth = signal === undefined ? "" : !trusted || hasHole(signal) ? "void" : worthOf(signal);
    return [fixed(tip, places), wicks.side[index], wicks.tf[index], bps, String(Math.round(end - wicks.birth[index])),
      wicks.exact[index] ? "exact" : "", wicks.gap[index] ? "trades missing" : "", worth];
  }));
}

/**
 * @param {View} view
 * @param {"utc" | "local"} zone
 */
function minutes(view, zone) {
  const { minutes: held, places } = view;
  const rows = [];
  for (let index = held.c.length - 1; index >= Math.max(0, held.c.length - MINUTES); index -= 1) {
    const time = moment((held.first + index * held.every) * 60_000, zone, "minute");
    if (held.c[index] == null) {
      rows.push([time, "no record", ...Array.from({ length: 10 }, () => "")]);
      continue;
    }
    const price = [held.o, held.h, held.l, held.c].map((column) => fixed(column[index], places));
    const means = [held.v1h, held.v4h, held.vs].map((column) => fixed(column[index], places + 1));
    const doubt = [held.gap[index] ? "gap" : "", held.absorbed[index] ? `${held.absorbed[index]}s absorbed` : "", held.div[index] ?? ""].filter(Boolean).join(", ");
    rows.push([time, ...price, short(held.vol[index]), held.tier[index] == null ? "–" : `T${held.tier[index]}`, short(held.delta[index], true), ...means, doubt]);
  }
  return table(["time", "open", "high", "low", "close", "volume", "tier", "delta", "vwap 1h", "vwap 4h", "session", "notes"], rows);
}
