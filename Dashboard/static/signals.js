/** A signal in the words of find_signals. Pure: it forms no opinion of its own. */

/** @typedef {import("./types.d.ts").Signal} Signal */
/** @typedef {import("./types.d.ts").Layer} Layer */

export const MARK = { SHORT: "▼", LONG: "▲" };
const SIGNS = { met: "✓", not_met: "–", missing: "?", stale: "⚠", gap: "⚠", partial: "▨", far: "–" };
const DOUBTFUL = new Set(["missing", "stale", "gap"]);

/**
 * Return the worth of a signal as find_signals words it: `MAX x3`, `MAX (x3, not tested)`.
 * @param {Signal} signal
 */
export function worthOf(signal) {
  return signal.words?.worth ?? signal.conviction;
}

/**
 * Return true for a size that may be taken at its word: there is one, and it has no bracket.
 * @param {Signal} signal
 */
export function isGo(signal) {
  const worth = signal.words?.worth ?? "("; // without its words nobody knows
  return !signal.no_trade && !signal.in_contact && (signal.size_shown ?? 0) > 0 && !worth.includes("(");
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
  return SIGNS[layer.state] ?? "?";
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
