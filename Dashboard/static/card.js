/** The decision card: one signal, its trade and all eight reasons, or why there is none. */

import { byId, el, keyed, setText } from "./dom.js";
import { apart } from "./formats.js";
import { streamWords } from "./freshness.js";
import { justBegun } from "./health.js";
import {
  MARK, besideOf, hasHole, hoverOf, isBarred, isDoubtful, isGo, isProven, isWeak, partsOf, rateOf, sideClass, signOf,
  valueOf,
} from "./signals.js";

/** @typedef {import("./types.d.ts").Signal} Signal */
/** @typedef {import("./types.d.ts").Layer} Layer */
/** @typedef {import("./types.d.ts").View} View */
/** @typedef {import("./freshness.js").Judged} Judged */

const HOLE = "Do not use: trades are missing since its birth, it may have been touched";
const BARS = { MAX: 3, HIGH: 2, WATCH: 1 }; // of the meter beside a conviction
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
  const key = JSON.stringify([view?.mode, judged.level, judged.level === "void" ? judged.reason : "", lateOf(judged).map((stream) => streamWords(stream)), judged.ahead, view?.proof, justBegun(view?.health ?? []), signal, view?.answer.missing, view?.answer.price, judged.level === "empty" ? judged.words : ""]);
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
    return [stop(judged.reason), voidLevel(signal), el("p", {}, lateOf(judged).map((stream) => streamWords(stream, false)).join(", ")), remedy(judged.remedy)];
  }
  if (hasHole(signal)) return [stop(HOLE), voidLevel(signal)];
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
    ...warnings(judged),
  ];
}

/**
 * Return the price of a level that is void: no side, so that nothing invites.
 * @param {Signal} signal
 */
function voidLevel(signal) {
  return el("p", { class: "level" }, el("span", { class: "side" }, "level ", el("span", { class: "number" }, signal.wick_price)),
    el("span", { class: "badge hollow" }, "void"));
}

/** @param {Signal} signal */
function levelOf(signal) {
  return el("p", { class: "level" },
    el("span", { class: `side ${isBarred(signal) ? "soft" : sideClass(signal)}` }, `${MARK[signal.direction]} ${signal.direction} `, el("span", { class: "number" }, signal.wick_price)));
}

/**
 * Return the conviction, and right beside it in the same size why it is not to be taken now. Filled:
 * at its word, now. Framed: not so. Dashed: no entry. WATCH has no frame at all.
 * @param {View} view
 * @param {Judged} judged
 * @param {Signal} signal
 */
function worthLine(view, judged, signal) {
  const { level, size } = partsOf(signal);
  const title = (signal.words?.counted ?? []).join("; ") || null;
  const taken = isProven(signal);
  if (judged.ahead) return el("p", { class: "worth" }, el("span", { class: "badge hollow" }, "not judged anew yet"));
  if (isBarred(signal)) return el("p", { class: "worth" }, el("span", { class: "badge hollow", title }, level));
  const live = view.mode === "live";
  const beside = besideOf(signal, live);
  const form = isGo(signal, live) ? `filled ${sideClass(signal)}` : level in BARS ? `framed ${level.toLowerCase()}` : "plain";
  const words = (view.proof?.line ?? view.proof?.word ?? "not tested").split(";")[0];
  const lab = { type: "button", "data-do": "proof", title: `the verdict of the lab: ${words}` };
  return el("p", { class: "worth" },
    el("span", { class: `badge ${form}`, title }, meter(level), taken ? `${level} ${size}` : level),
    beside ? el("button", { ...lab, class: live ? "proof doubt" : "proof past" }, beside) : null,
    taken ? null : el("span", { class: "soft" }, `(${size})`),
    taken ? el("button", { ...lab, class: "proof small" }, `lab: ${words}`) : null);
}

/**
 * Return three bars, filled up to a conviction: it is told by form, without any colour.
 * @param {string} level
 */
function meter(level) {
  const filled = BARS[/** @type {keyof typeof BARS} */ (level)] ?? 0;
  return el("span", { class: "meter", "aria-hidden": "true" }, ...[1, 2, 3].map((bar) => el("i", { class: bar <= filled ? "on" : "" })));
}

/**
 * Return the first words of the distance: no go for a level that the lab has not proven, however
 * near; else whether it is in reach. They stand in one place, so that nearness never stands alone.
 * @param {Signal} signal
 * @param {boolean} live
 */
function bidding(signal, live) {
  const near = signal.words?.near === true;
  if (!live) return near ? "was in reach: " : "was ";
  const doubt = isProven(signal) ? "" : partsOf(signal).doubt;
  if (doubt) return `✕ NO GO, ${doubt}; ${near ? "in reach, " : ""}`;
  return near ? "in reach: " : "✕ WAIT, no order yet: ";
}

/**
 * Return how far the level is from price, and whether it is in reach.
 * @param {Signal} signal
 * @param {boolean} live
 */
function distanceOf(signal, live) {
  if (signal.distance_bps === null) return el("p", { class: "distance wait" }, "✕ WAIT: distance not known, no price");
  const usd = apart(signal.wick_price, signal.last_price);
  const first = isBarred(signal) ? "" : bidding(signal, live);
  return el("p", { class: first.startsWith("✕") ? "distance wait" : "distance" },
    el("b", {}, `${first}${signal.distance_bps} bps`), ` from price${usd === null ? "" : `, ${usd} USD`}`);
}

/**
 * Return all that speaks against a signal, in a line, and the share that must win.
 * @param {View} view
 * @param {Signal} signal
 */
function againstOf(view, signal) {
  const found = [...(signal.words?.against ?? ["not known"]), ...justBegun(view.health)];
  const share = signal.break_even_pct === null ? "" : `${signal.break_even_pct} % must win`;
  if (found.length === 0 && isGo(signal, view.mode === "live")) {
    return el("p", { class: "against" }, el("b", {}, "nothing speaks against it"), share ? `, but ${share}` : "");
  }
  return el("p", { class: "against" }, el("b", {}, "against: "), [...found, share].filter(Boolean).join(" · ") || "see above");
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
  const facts = signal.words?.facts ?? [];
  return [
    levelOf(signal),
    worthLine(view, judged, signal),
    distanceOf(signal, view.mode === "live"),
    ...(isBarred(signal) ? [el("p", { class: "warning" }, noEntry(signal))] : []),
    againstOf(view, signal),
    planOf(signal),
    el("p", { class: "wick" },
      el("b", {}, `${signal.age_minutes} min untouched`),
      `, ${signal.touched} of ${signal.surrounding} around it touched, tip ${signal.signal_strength ?? "not on an older one"}`),
    ...warnings(judged),
    ...(facts.length ? [el("p", { class: "notes soft" }, facts.join("; "))] : []),
    ...(signal.words?.context ?? []).map((line) => el("p", { class: "context soft" }, line)),
    reasonsOf(signal),
  ];
}

/** @param {Signal} signal */
function noEntry(signal) {
  if (signal.no_trade !== null) return signal.words?.why ?? `no trade: ${signal.no_trade}`;
  return "in contact: no entry any more";
}

/**
 * Return why parts of the evidence do not count.
 * @param {Judged} judged
 */
function warnings(judged) {
  const words = lateOf(judged).map((stream) => streamWords(stream)).join(", ");
  return words ? [el("p", { class: "warning" }, `Does not count: ${words}`)] : [];
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
  const classes = `${isWeak(layer) ? "weak" : layer.state === "met" ? "met" : ""} ${rare ? "rare" : ""} ${isDoubtful(layer) ? "doubtful" : ""}`;
  return el("tr", { class: classes, title: hoverOf(layer), "data-layer": layer.layer, "data-state": layer.state },
    el("td", { class: "sign" }, signOf(layer)),
    el("td", { class: "name" }, layer.layer.replaceAll("_", " ")),
    el("td", { class: "value" }, valueOf(layer)),
    el("td", { class: few ? "rate few" : "rate" }, rateOf(layer)));
}
