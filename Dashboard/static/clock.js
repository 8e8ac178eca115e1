/** Monotonic time of the page. The wall clock is never read for an age. */

const SLEPT_MS = 5000; // the wall clock ran ahead by more than this between two looks

let slept = 0;
let last = performance.now();
let wall = Date.now();

/**
 * Return milliseconds that never go back.
 *
 * The clock of the browser stands still while some computers sleep. Where the wall clock shows
 * that it did, the span is added: an age is never too young.
 */
export function monotonic() {
  const now = performance.now();
  const date = Date.now();
  const lost = date - wall - (now - last);
  if (lost > SLEPT_MS) slept += lost;
  last = now;
  wall = date;
  return now + slept;
}
