/** The keys of the page: each does what a button does, without modifiers and outside of fields. */

/** @typedef {(action: string, value: string) => void} Act */

/** @type {Record<string, [action: string, value: string]>} */
const KEYS = {
  1: ["window", "60"], 2: ["window", "150"], 3: ["window", "360"], 4: ["window", "1440"],
  "+": ["zoom", "1.25"], "-": ["zoom", "0.8"],
  "[": ["instrument", "-1"], "]": ["instrument", "1"], n: ["signal", "1"], p: ["signal", "-1"],
  h: ["layer", "heat"], w: ["layer", "wicks"], v: ["bands", ""], b: ["layer", "book"],
  c: ["layer", "cvd"], r: ["replay", ""], l: ["live", ""], " ": ["play", ""], u: ["zone", ""],
  t: ["theme", ""], s: ["sound", ""], a: ["tables", ""], "?": ["help", ""], Escape: ["close", ""],
};
/** @type {Record<string, string>} by the place of the key: Shift changes its letter by layout */
const FRAMES = { Digit1: "1m", Digit2: "5m", Digit3: "15m", Digit4: "1h", Digit5: "4h" };
const SHIFTED = new Set(["+", "?", "[", "]"]); // characters that need Shift on some keyboards
const STEPS_BY = 10; // minutes of a step with Shift

export const HELP = [
  ["1 2 3 4", "1 h, 2.5 h, 6 h, 24 h"],
  ["← →", "pan; in replay a minute, with Shift ten"],
  ["+ -", "zoom"],
  ["[ ]", "instrument"],
  ["n p", "next, previous signal"],
  ["Shift+1 … 5", "candles of 1m, 5m, 15m, 1h, 4h"],
  ["h w v b c", "heat, wicks, VWAP bands, walls, CVD"],
  ["r l space", "replay, live, play"],
  ["u", "UTC or local time"],
  ["t", "dark or light"],
  ["s", "sound"],
  ["a", "levels and minutes as tables"],
  ["?", "this page"],
  ["Esc", "close"],
];

/** @param {EventTarget | null} target */
function isField(target) {
  return target instanceof Element && target.closest("input, select, textarea, [contenteditable]") !== null;
}

/**
 * Return the action of a key, null for none.
 * @param {KeyboardEvent} event
 * @returns {[string, string] | null}
 */
function actionOf(event) {
  if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return null;
  if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
    const way = event.key === "ArrowLeft" ? -1 : 1;
    return ["arrow", String(event.shiftKey ? way * STEPS_BY : way)];
  }
  if (event.shiftKey && event.code in FRAMES) return ["timeframe", FRAMES[event.code]];
  if (event.shiftKey && !SHIFTED.has(event.key)) return null;
  return KEYS[event.key] ?? null;
}

/**
 * Listen to keys and to buttons with `data-do`.
 * @param {Act} act
 */
export function listen(act) {
  document.addEventListener("keydown", (event) => {
    if (isField(event.target) || event.repeat && event.key === " ") return;
    const onButton = event.target instanceof Element && event.target.closest("button, a, summary") !== null;
    if (onButton && event.key === " ") return; // it presses the button
    const open = document.querySelector("dialog[open]") !== null;
    const found = actionOf(event);
    if (found === null || (open && found[0] !== "close" && found[0] !== "help")) return;
    if (found[0] === "close" && open) return; // the browser closes it
    event.preventDefault();
    act(...found);
  });
  document.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest("[data-do]") : null;
    if (!(button instanceof HTMLElement) || !button.dataset.do) return;
    if (event.detail > 0) button.blur(); // else the space bar would press it again
    act(button.dataset.do, button.dataset.value ?? "");
  });
}
