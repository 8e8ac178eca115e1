/** A signal in the words of find_signals. Pure: it forms no opinion of its own. */

/** @typedef {import("./types.d.ts").Signal} Signal */
/** @typedef {import("./types.d.ts").Layer} Layer */

export const MARK = { SHORT: "▼", LONG: "▲" };
const SIGNS = { met: "✓", not_met: "–", missing: "?", stale: "⚠", gap: "⚠", partial: "▨", far: "–" };
const DOUBTFUL = new Set(["missing", "stale", "gap"]);
const PART_OF_ANOTHER = new Set(["young_wall"]); // it belongs to wall: no reason of its own

/**
 * Return the worth of a signal as find_signals words it: `MAX x3`, `MAX (x3, not tested)`.
 * @param {Signal} signal
 */
export function worthOf(signal) {
  return signal.words?.worth ?? signal.conviction;
}

/**
 * A worth in its parts: `MAX (x3, not tested)` is level, size and doubt; of no trade all is level.
 * @typedef {{level: string, size: string, doubt: string}} Worth
 */

/**
 * Return the parts of a worth. A size is in doubt unless the lab has proven the setup.
 * @param {Signal} signal
 * @returns {Worth}
 */
export function partsOf(signal) {
  const worth = worthOf(signal);
  const match = /^(\S+) (?:(x\d+)|\((x\d+), (.+)\))$/.exec(worth);
  if (match === null) return { level: worth, size: "", doubt: "" };
  const bare = match[2] === "x0" ? "no size" : signal.verdict === "PROVEN" ? "" : "lab not asked";
  return { level: match[1], size: match[2] ?? match[3], doubt: match[4] ?? bare };
}

/**
 * Return true for a size that may be taken at its word, now: proven, and price in reach.
 * @param {Signal} signal
 * @param {boolean} [live] else it is of another time
 */
export function isGo(signal, live = true) {
  return live && isProven(signal) && signal.words?.near === true;
}

/**
 * Return true for a size that may be taken at its word once price is in reach.
 * @param {Signal} signal
 */
export function isProven(signal) {
  return !isBarred(signal) && (signal.size_shown ?? 0) > 0 && partsOf(signal).doubt === "" && signal.words !== undefined;
}

/**
 * Return true where there is no entry: no trade, or price is there already.
 * @param {Signal} signal
 */
export function isBarred(signal) {
  return Boolean(signal.no_trade) || signal.in_contact;
}

/**
 * Return the word that stands beside a conviction: why it is not to be taken now, empty if it is.
 * @param {Signal} signal
 * @param {boolean} [live] else it is of another time
 */
export function besideOf(signal, live = true) {
  if (isBarred(signal)) return "";
  if (!live) return "not now";
  return partsOf(signal).doubt || (signal.words?.near ? "" : "wait");
}

/**
 * Return true where trades are missing in the life of this wick: it alone is void.
 * @param {Signal} signal
 */
export function hasHole(signal) {
  return signal.layers.some((layer) => layer.layer === "wick" && layer.state === "gap");
}

/** @param {Signal} signal */
export function sideClass(signal) {
  return signal.direction === "SHORT" ? "short" : "long";
}

/** @param {Layer} layer */
export function signOf(layer) {
  return isWeak(layer) ? "~" : (SIGNS[layer.state] ?? "?");
}

/**
 * Return true for a layer that is met, but gives less than a reason: half its points, or it belongs
 * to another one.
 * @param {Layer} layer
 */
export function isWeak(layer) {
  return layer.state === "met" && (layer.points < layer.of || PART_OF_ANOTHER.has(layer.layer));
}

/** @param {Layer} layer */
export function isDoubtful(layer) {
  return DOUBTFUL.has(layer.state);
}

/**
 * Return what a layer saw, and if it cannot be judged that it does not count.
 * @param {Layer} layer
 */
export function valueOf(layer) {
  const value = layer.value ?? "";
  if (layer.state === "met" || layer.state === "not_met") return value || "–";
  const state = layer.state === "far" ? "price too far" : layer.state.toUpperCase();
  const words = `${state}, does not count`;
  return value && layer.state !== "stale" ? `${value}; ${words}` : words;
}

/**
 * Return the base rate of a layer, `too few to say` under 30 moments.
 * @param {Layer} layer
 */
export function rateOf(layer) {
  return layer.base_rate_pct === null ? "too few to say" : `${layer.base_rate_pct} %`;
}

/**
 * Return the words under the pointer: condition, moments, age, file.
 * @param {Layer} layer
 */
export function hoverOf(layer) {
  const often = layer.base_rate_pct === null
    ? `too few to say: ${layer.base_rate_of} moments in 24 h`
    : `true at ${layer.base_rate_pct} % of ${layer.base_rate_of} moments in 24 h`;
  const age = layer.age_s === null ? "no data" : `${layer.age_s} s old`;
  return `wants ${layer.condition}; ${often}; ${layer.points} of ${layer.of} points; ${age}`;
}
