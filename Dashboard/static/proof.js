/** The card of the lab, drawn from the JSON of its newest verdict. */

import { byId, el } from "./dom.js";
import { ServerError, ask } from "./requests.js";

/** @typedef {import("./types.d.ts").Verdict} Verdict */
/** @typedef {{label: string, value: number, low: number, high: number, kind: string}} Interval */

const MODELS = { touch: "touch (lucky)", queue: "queue", through: "through (unlucky)" };
const SVG = "http://www.w3.org/2000/svg";
const LEFT = 216;
const WIDE = 400;
const ROW = 26;
const LABEL_SHARE = 0.15; // of the axis, that the label of 0 needs on either side

/** Ask for the newest verdict and show its card. */
export async function openProof() {
  const dialog = /** @type {HTMLDialogElement} */ (byId("proof"));
  const body = byId("proof-body");
  body.replaceChildren(el("p", {}, "reading …"));
  if (!dialog.open) dialog.showModal();
  try {
    const found = /** @type {Verdict | null} */ (await ask("verdict"));
    if (!dialog.open) return;
    body.replaceChildren(...(found === null ? untested() : card(found)));
  } catch (error) {
    const remedy = error instanceof ServerError ? error.remedy : "";
    body.replaceChildren(el("h2", { id: "proof-word" }, "no card"), el("p", {}, String(error instanceof Error ? error.message : error)), el("p", { class: "soft" }, remedy));
  }
}

/** Close the card and empty it: no word of it stays on a page that is not to be used. */
export function closeProof() {
  /** @type {HTMLDialogElement} */ (byId("proof")).close();
  byId("proof-body").replaceChildren();
}

function untested() {
  return [
    el("h2", { id: "proof-word" }, "not tested"),
    el("p", {}, "The lab has judged no trial of this setup yet: nobody knows whether it pays."),
    el("p", { class: "mono" }, "python Edge_Lab/edge_lab.py judge, then verdict"),
  ];
}

/** @param {Verdict} found */
function card(found) {
  const days = found.days ? `${found.days[0]} to ${found.days[1]}` : "no days";
  const rows = (found.numbers ?? []).map(([name, value]) => el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, value)));
  return [
    el("p", { class: "soft" }, `${(found.instruments ?? []).join(", ")}, ${days}, made ${found.made_utc}`),
    el("h2", { id: "proof-word" }, found.word),
    el("p", {}, el("b", {}, found.what_to_do)),
    el("table", { class: "card-numbers" }, el("tbody", {}, ...rows)),
    ...picture(intervals(found.facts ?? {})),
    ...(found.registered ?? []).map((line) => el("p", { class: "soft" }, `Registered too: ${line}.`)),
  ];
}

/**
 * Return the estimates that have an interval.
 * @param {Record<string, any>} facts
 * @returns {Interval[]}
 */
function intervals(facts) {
  const claims = facts.claims ?? {};
  /** @type {Interval[]} */
  const found = [];
  for (const [model, name] of Object.entries(MODELS)) {
    for (const [kind, label] of [["net", "net"], ["delta", "over fake"]]) {
      const made = claims[model]?.[kind];
      const ends = Array.isArray(made?.interval) ? made.interval.map(Number) : [];
      const row = { label: `${name}, ${label}`, value: Number(made?.bps), low: ends[0], high: ends[1], kind };
      if ([row.value, row.low, row.high].every(Number.isFinite)) found.push(row);
    }
  }
  return found;
}

/**
 * @param {string} name
 * @param {Record<string, string | number>} attributes
 * @param {string} [text]
 */
function shape(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  if (text !== undefined) made.textContent = text;
  return made;
}

/** @param {Interval[]} rows */
function picture(rows) {
  if (rows.length === 0) return [];
  const low = Math.min(0, ...rows.map((row) => row.low));
  const high = Math.max(0, ...rows.map((row) => row.high));
  /** @param {number} value */
  const across = (value) => LEFT + ((value - low) / (high - low || 1)) * WIDE;
  const bottom = ROW * rows.length + 8;
  const made = shape("svg", { viewBox: `0 0 ${LEFT + WIDE + 30} ${bottom + 24}`, class: "picture", role: "img", "aria-label": "Net and lead over fake levels with their intervals, bps a fill" });
  made.append(shape("line", { x1: across(0), x2: across(0), y1: 4, y2: bottom, class: "axis", "stroke-dasharray": "3 3" }));
  rows.forEach((row, index) => {
    const y = ROW * (index + 0.7);
    const kind = row.kind === "net" ? "net" : "lead";
    made.append(
      shape("text", { x: LEFT - 10, y: y + 4, "text-anchor": "end" }, row.label),
      shape("line", { x1: across(row.low), x2: across(row.high), y1: y, y2: y, class: kind, "stroke-width": 3 }),
      shape("circle", { cx: across(row.value), cy: y, r: 5, class: kind }),
    );
  });
  const ends = [low, high].filter((end) => Math.abs(end) >= LABEL_SHARE * (high - low));
  for (const value of new Set([0, ...ends])) {
    made.append(shape("text", { x: across(value), y: bottom + 16, "text-anchor": "middle" }, value === 0 ? "0 bps" : value.toFixed(1)));
  }
  return [made];
}
