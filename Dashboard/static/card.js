/** The decision card: one signal, its trade and all eight reasons, or why there is none. */

import { byId, el, keyed, setText } from "./dom.js";
import { apart } from "./formats.js";
import { streamWords } from "./freshness.js";
import { MARK, hasHole, hoverOf, isDoubtful, isGo, rateOf, sideClass, signOf, valueOf, worthOf } from "./signals.js";

/** @typedef {import("./types.d.ts").Signal} Signal */
/** @typedef {import("./types.d.ts").Layer} Layer */
/** @typedef {import("./types.d.ts").View} View */
/** @typedef {import("./freshness.js").Judged} Judged */

const HOLE = "Do not use: trades are missing since its birth, it may have been touched";
const RARE_PCT = 5; // a reason that is true less often than this stands out

const fill = keyed(byId("card"));
let shownId = "";

/**
 * Draw the card.
 * @param {View | null} view
 * @param {Judged} judged
 * @param {Signal | null} signal
 * @param {number} place of the signal, 0 is the nearest
 */
export function drawCard(view, judged, signal, place) {
  const card = byId("card");
  const signals = view?.answer.signals ?? [];
  heading(view, judged, signals.length, place);
  card.classList.toggle("void", judged.level === "void" || (signal !== null && hasHole(signal)));
  const key = JSON.stringify([judged.level, judged.level === "void" ? judged.reason : "", lateOf(judged).map((stream) => streamWords(stream)), judged.ahead, view?.proof, view?.short, signal, view?.answer.missing, view?.answer.price, judged.level === "empty" ? judged.words : ""]);
  fill(key, () => content(view, judged, signal));
  arrive(card, judged.level === "void" ? "" : (signal?.event_id ?? ""));
}

/** @param {Judged} judged */
function lateOf(judged) {
  return judged.streams.filter((stream) => stream.state !== "fresh" && stream.state !== "partial");
}

/**
 * @param {View | null} view
 * @param {Judged} judged
 * @param {number} count
 * @param {number} place
 */
function heading(view, judged, count, place) {
  const node = byId("decision-heading");
  const other = place > 0 && judged.level !== "void";
  const past = view !== null && view.mode !== "live";
  const words = other ? `Signal ${place + 1} of ${count}, not the nearest` : "Nearest signal";
  setText(node, past ? `${words}, as of ${view.as_of_utc.slice(11, 16)} UTC` : words);
  node.classList.toggle("doubt", other);
  node.classList.toggle("past", past && !other);
  byId("chooser").hidden = count < 2 || judged.level === "void";
}

/**
 * @param {Element} card
 * @param {string} id
 */
function arrive(card, id) {
  if (id !== "" && shownId !== "" && id !== shownId) {
    card.classList.remove("arrived");
    requestAnimationFrame(() => card.classList.add("arrived"));
  }
  shownId = id;
}

/**
 * @param {View | null} view
 * @param {Judged} judged
 * @param {Signal | null} signal
 * @returns {Node[]}
 */
function content(view, judged, signal) {
  if (judged.level === "reading") return skeleton();
  if (judged.level === "empty") return [el("p", { class: "nothing" }, "Nothing recorded"), el("p", {}, judged.words), remedy(judged.remedy)];
  if (view === null) return judged.level === "void" ? [stop(judged.reason), remedy(judged.remedy)] : skeleton();
  if (signal === null) return nothing(view, judged);
  if (judged.level === "void") {
    return [stop(judged.reason), ...levelOf(signal, "void"), planOf(signal), el("p", {}, lateOf(judged).map((stream) => streamWords(stream, false)).join(", ")), remedy(judged.remedy)];
  }
  if (hasHole(signal)) return [stop(HOLE), ...levelOf(signal, "void"), planOf(signal)];
  return whole(view, judged, signal);
}

function skeleton() {
  const lines = ["skeleton tall", "skeleton half", "skeleton", "skeleton", "skeleton half", "skeleton", "skeleton"];
  return lines.map((name) => el("div", { class: name, "aria-hidden": "true" }));
}

/** @param {string} words */
function stop(words) {
  return el("p", { class: "stop" }, words);
}

/** @param {string} words */
function remedy(words) {
  return words ? el("p", { class: "soft" }, `Remedy: ${words}`) : el("span");
}

/**
 * @param {View} view
 * @param {Judged} judged
 */
function nothing(view, judged) {
  if (judged.level === "void") return [stop(judged.reason), remedy(judged.remedy)];
  return [
    el("p", { class: "nothing" }, "No signal"),
    el("p", {}, view.answer.missing ?? ""),
    el("p", { class: "soft" }, "Nothing to do. That is an answer, too."),
    ...warnings(view, judged),
  ];
}

/**
 * Return side, price, worth and distance.
 * @param {Signal} signal
 * @param {string} worth
 */
function levelOf(signal, worth) {
  const side = worth === "void" ? "" : sideClass(signal);
  const usd = apart(signal.wick_price, signal.last_price);
  const distance = signal.distance_bps === null
    ? el("p", { class: "distance" }, "distance not known: no price")
    : el("p", { class: "distance" }, el("b", {}, `${signal.distance_bps} bps`), ` from price${usd === null ? "" : `, ${usd} USD`}`);
  return [
    el("p", { class: "level" },
      el("span", { class: `side ${side}` }, `${MARK[signal.direction]} ${signal.direction} `, el("span", { class: "number" }, signal.wick_price)),
      badge(signal, worth, side)),
    distance,
  ];
}

/**
 * Return the worth in a frame: filled only if it may be taken at its word.
 * @param {Signal} signal
 * @param {string} worth
 * @param {string} side
 */
function badge(signal, worth, side) {
  if (worth === "void") return el("span", { class: "badge hollow" }, "void");
  const [first, second] = worth.split(/ (?=\()|: /, 2);
  const go = isGo(signal) && worth === worthOf(signal);
  const hollow = signal.no_trade !== null || signal.in_contact || worth !== worthOf(signal);
  return el("span", { class: `badge ${hollow ? "hollow" : side} ${go ? "go" : ""}` }, first,
    second ? el("span", { class: "second" }, ` ${second}`) : null);
}

/** @param {Signal} signal */
function planOf(signal) {
  const even = signal.reward_risk_net === null ? "–" : signal.break_even_pct === null ? "never" : `${signal.break_even_pct} %`;
  const cells = [["stop", signal.stop], ["target", signal.target], ["net R/R", signal.reward_risk_net], ["must win", even]];
  return el("dl", { class: "plan" }, ...cells.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value ?? "–"))));
}

/**
 * Return a whole card of a signal.
 * @param {View} view
 * @param {Judged} judged
 * @param {Signal} signal
 */
function whole(view, judged, signal) {
  const asked = judged.ahead ? "not judged anew yet" : worthOf(signal);
  const barred = noEntry(signal);
  return [
    ...levelOf(signal, asked),
    ...(barred ? [el("p", { class: "warning" }, barred)] : []),
    ...proofOf(view),
    planOf(signal),
    el("p", { class: "wick" },
      el("b", {}, `${signal.age_minutes} min untouched`),
      `, ${signal.touched} of ${signal.surrounding} around it touched, tip ${signal.signal_strength ?? "not on an older one"}`),
    ...warnings(view, judged),
    ...notesOf(signal),
    reasonsOf(signal),
  ];
}

/**
 * Return why there is no entry, empty if there is one. The first note says why there is no trade.
 * @param {Signal} signal
 */
function noEntry(signal) {
  if (signal.no_trade !== null) return signal.words?.notes[0] ?? `no trade: ${signal.no_trade}`;
  return signal.in_contact ? "in contact: no entry any more" : "";
}

/**
 * Return why parts of the evidence do not count.
 * @param {View} view
 * @param {Judged} judged
 */
function warnings(view, judged) {
  const words = lateOf(judged).map((stream) => streamWords(stream)).join(", ");
  const found = words ? [el("p", { class: "warning" }, `Does not count: ${words}`)] : [];
  if (view.short) found.push(el("p", { class: "doubt" }, view.short));
  return found;
}

/** @param {View} view */
function proofOf(view) {
  const words = (view.proof?.line ?? view.proof?.word ?? "not tested").split(";")[0];
  return [el("button", { type: "button", class: "proof", "data-do": "proof", title: "the verdict of the lab" }, `lab: ${words}`)];
}

/** @param {Signal} signal */
function notesOf(signal) {
  const notes = (signal.words?.notes ?? []).slice(signal.no_trade === null ? 0 : 1);
  return notes.length ? [el("p", { class: "notes soft" }, notes.join("; "))] : [];
}

/** @param {Signal} signal */
function reasonsOf(signal) {
  const head = el("tr", {}, el("th", {}, el("span", { class: "spoken" }, "state")), el("th", { scope: "col" }, "reason"),
    el("th", { scope: "col" }, "what it saw"), el("th", { scope: "col", class: "rate" }, "how often"));
  return el("table", { class: "reasons" },
    el("caption", { class: "spoken" }, `${signal.confluences} of 7 reasons, score ${signal.score}`),
    el("thead", {}, head), el("tbody", {}, ...signal.layers.map(reason)));
}

/** @param {Layer} layer */
function reason(layer) {
  const few = layer.base_rate_pct === null;
  const rare = layer.state === "met" && !few && Number(layer.base_rate_pct) < RARE_PCT;
  const classes = `${layer.state === "met" ? "met" : ""} ${rare ? "rare" : ""} ${isDoubtful(layer) ? "doubtful" : ""}`;
  return el("tr", { class: classes, title: hoverOf(layer), "data-layer": layer.layer, "data-state": layer.state },
    el("td", { class: "sign" }, signOf(layer)),
    el("td", { class: "name" }, layer.layer.replaceAll("_", " ")),
    el("td", { class: "value" }, valueOf(layer)),
    el("td", { class: few ? "rate few" : "rate" }, rateOf(layer)));
}
