/**
 * The colours of a theme, read once: `getComputedStyle` in a draw call costs more than the drawing.
 *
 * @typedef {Record<keyof typeof TOKENS, string>} Palette
 */

/** Each colour, its custom property of the page, and the dark theme's value without a page. */
const TOKENS = {
  ground: ["--ground", "#0e1116"],
  panel: ["--panel", "#151a21"],
  raised: ["--raised", "#1d242d"],
  line: ["--line", "#2a323c"],
  grid: ["--grid", "#1a2028"],
  text: ["--text", "#e8edf3"],
  soft: ["--soft", "#a6b1bf"],
  faint: ["--faint", "#8b97a6"],
  long: ["--long", "#4aa8ff"],
  short: ["--short", "#ff8a3d"],
  onSide: ["--on-side", "#0e1116"],
  broken: ["--broken", "#ff5c6a"],
  doubt: ["--doubt", "#f2c14e"],
  replay: ["--replay", "#b99aff"],
  forming: ["--forming", "#8b97a6"],
  vwap: ["--vwap", "#d5dbe3"],
  tier1: ["--tier1", "#333c48"],
  tier2: ["--tier2", "#4d5968"],
  tier3: ["--tier3", "#7a8797"],
  tier4: ["--tier4", "#f2c14e"],
  mono: ["--mono", "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace"],
};

/** @param {Element} host @returns {Palette} */
export function readPalette(host) {
  const style = getComputedStyle(host);
  return /** @type {Palette} */ (
    Object.fromEntries(
      Object.entries(TOKENS).map(([name, [property, fallback]]) => [
        name,
        style.getPropertyValue(property).trim() || fallback,
      ]),
    )
  );
}

/** @param {string} colour `#rrggbb` @param {number} alpha 0 to 1 @returns {string} */
export function faded(colour, alpha) {
  if (!/^#[0-9a-f]{6}$/i.test(colour)) return colour;
  const byte = Math.round(Math.max(0, Math.min(1, alpha)) * 255);
  return colour + byte.toString(16).padStart(2, "0");
}
