/** The other signals of the instrument, a line each, and the tabs with the nearest one elsewhere. */

import { byId, el, keyed, setText } from "./dom.js";
import { verdict } from "./freshness.js";
import { MARK, besideOf, hasHole, isGo, isProven, partsOf, sideClass, worthOf } from "./signals.js";

/** @typedef {import("./types.d.ts").Signal} Signal */
/** @typedef {import("./types.d.ts").Answer} Answer */
/** @typedef {import("./freshness.js").Judged} Judged */

const LOUD = new Set(["MAX", "HIGH"]);
const fillList = keyed(byId("others-list"));
const fillTabs = keyed(byId("instruments"));

/**
 * Draw the other signals.
 * @param {Signal[]} signals all, nearest first
 * @param {Signal | null} chosen the signal of the card
 * @param {Judged} judged
 */
export function drawOthers(signals, chosen, judged) {
  const hidden = judged.level === "void" && signals.length > 0;
  const others = judged.level === "void" ? [] : signals.filter((signal) => signal !== chosen);
  const doubts = new Set(others.map((signal) => partsOf(signal).doubt).filter(Boolean));
  const doubt = doubts.size === 1 ? `: ${[...doubts][0]}` : "";
  setText(byId("others-heading"), hidden ? "Other signals: not shown while void" : `Other signals (${others.length})${doubt}`);
  byId("others").hidden = others.length === 0 && !hidden;
  fillList(JSON.stringify([others, judged.ahead]), () => others.map((signal) => line(signal, judged.ahead)));
}

/**
 * @param {Signal} signal
 * @param {boolean} ahead
 */
function line(signal, ahead) {
  const worth = hasHole(signal) ? "void" : ahead ? "judging" : worthOf(signal);
  const side = worth === "void" ? "soft" : sideClass(signal);
  const size = worth.replace(/,.*\)$/, ")"); // the words in the bracket stand in the heading
  const taken = isProven(signal) ? side : "soft";
  const facts = `${signal.age_minutes}m ${signal.touched}/${signal.surrounding} R/R ${signal.reward_risk_net ?? "–"}`;
  return el("li", {}, el("button", { type: "button", "data-do": "choose", "data-value": signal.event_id, title: `${worth}; show it in the card` },
    el("span", { class: side }, `${MARK[signal.direction]} ${signal.wick_price}`),
    el("span", {}, signal.distance_bps ?? "–"),
    el("span", { class: "soft" }, facts),
    el("span", { class: `worth ${taken}` }, size)));
}

/**
 * An answer of another instrument, and the time of the page at which its ages were true.
 * @typedef {{answer: Answer, answered_ms: number, live: boolean, rate: number}} Elsewhere
 */

/**
 * Draw a tab for each instrument; another one carries its nearest signal of HIGH or MAX.
 * @param {string[]} instruments
 * @param {string} current
 * @param {Map<string, Elsewhere>} elsewhere
 * @param {Judged} judged
 * @param {number} now_ms time of the page
 */
export function drawTabs(instruments, current, elsewhere, judged, now_ms) {
  const rows = instruments.map((instId) => {
    const known = instId === current || judged.level === "void" ? null : elsewhere.get(instId);
    return { instId, found: known ? nearestLoud(known, now_ms) : null };
  });
  fillTabs(JSON.stringify([rows, current]), () => rows.map(({ instId, found }) =>
    el("button", { type: "button", "data-do": "open", "data-value": instId, title: instId, "aria-current": instId === current ? "true" : null },
      shortName(instId, instruments),
      found === null ? null : chip(found))));
}

/** @param {Signal} signal */
function chip(signal) {
  const beside = besideOf(signal);
  return el("span", { class: `elsewhere ${isGo(signal) ? sideClass(signal) : ""}` },
    `${MARK[signal.direction]}${partsOf(signal).level} ${bps(signal)}`, beside ? el("span", { class: "doubt" }, ` ${beside}`) : null);
}

/** @param {Signal} signal */
function bps(signal) {
  return signal.distance_bps === null ? "" : `${Math.abs(Math.round(Number(signal.distance_bps)))}bps`;
}

/**
 * Return the nearest signal worth a look, if its own data can be trusted.
 * @param {Elsewhere} known
 * @param {number} now_ms
 */
function nearestLoud(known, now_ms) {
  const { answer, answered_ms, live, rate } = known;
  const judged = verdict({ phase: "ready", live, answer, answered_ms, heard_ms: now_ms, heard_at: "", lost: false, rate }, now_ms);
  if (judged.level === "void" || judged.ahead) return null;
  return answer.signals.find((signal) => LOUD.has(signal.conviction) && !hasHole(signal) && !signal.no_trade && !signal.in_contact) ?? null;
}

/**
 * Return the base currency, or the whole name where two instruments share it.
 * @param {string} instId
 * @param {string[]} instruments
 */
export function shortName(instId, instruments) {
  const base = instId.split("-")[0];
  return instruments.filter((other) => other.split("-")[0] === base).length > 1 ? instId : base;
}
