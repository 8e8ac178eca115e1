/** Reads the words of doctor about a recorder. Pure. */

/** @typedef {import("./types.d.ts").Health} Health */

const UP_SECONDS = /^up \d+s\b/; // of a recorder that runs for less than a minute

/** @param {Health} check */
export function hasJustBegun(check) {
  return UP_SECONDS.test(check.words);
}

/**
 * Return the recorders that began a moment ago, in their words: `l2_exporter up 6s`.
 * @param {Health[]} health
 */
export function justBegun(health) {
  return health.filter(hasJustBegun).map((check) => `${check.name} ${check.words.split(",")[0]}`);
}
