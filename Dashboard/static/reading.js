/** Reads the view that is asked for, its heat, and the answers of the other instruments. */

import { monotonic } from "./clock.js";
import { afterPaint, forgetChartState, render } from "./drawing.js";
import { ServerError, ask, askLater } from "./requests.js";
import { forgetHeard } from "./sound.js";
import { page, parts, toMinute } from "./state.js";
import { KEPT_MINUTES, attachWords } from "./store.js";

/** @typedef {import("./types.d.ts").View} View */

const EMPTY_MS = 5000; // between two looks at a vault without data
const root = document.documentElement;
/** @type {AbortController} */
let reads = new AbortController();
/** @type {ReturnType<typeof setTimeout> | undefined} */
let waiting;

/**
 * Read the view of the instrument and the time that the address names.
 * @param {{quiet?: boolean}} [how] quiet: the last picture stands until the new one is here
 */
export async function load({ quiet = false } = {}) {
  reads.abort();
  reads = new AbortController();
  clearTimeout(waiting);
  const { signal } = reads;
  if (!quiet) {
    parts.link.stop();
    page.store.reading(monotonic());
    forgetHeard();
    page.chosenId = null;
    render();
  }
  const asked = monotonic();
  try {
    show(/** @type {View} */ (await ask(viewPath(), signal)), asked);
  } catch (error) {
    if (signal.aborted) return;
    fail(error, quiet);
    if (quiet) throw error;
  }
}

function viewPath() {
  const query = new URLSearchParams({ at: page.at || "now", minutes: String(KEPT_MINUTES), tf: page.timeframe });
  return `view/${encodeURIComponent(page.instId)}?${query}`;
}

/**
 * @param {View} view
 * @param {number} asked time of the page at which it was asked for: its ages are true no later
 */
function show(view, asked) {
  page.store.take(view, asked);
  page.chart?.setView(view);
  forgetChartState();
  if (view.mode === "live") {
    parts.replay.close();
    parts.link.open(page.instId, view);
  } else {
    parts.link.stop();
    if (view.mode === "replay") void parts.replay.open();
  }
  render();
  afterPaint(() => {
    root.dataset.asOf = toMinute(page.store.asOfMs);
  });
  readHeat();
  requestAnimationFrame(() => requestAnimationFrame(() => {
    root.dataset.views = String(Number(root.dataset.views ?? 0) + 1);
  }));
}

/**
 * @param {unknown} error
 * @param {boolean} quiet
 */
export function fail(error, quiet) {
  const found = error instanceof ServerError ? error : new ServerError(String(error), "", "page", 0);
  if (found.code === "no_data") {
    Object.assign(page.store, { phase: "empty", view: null, words: found.message, remedy: found.remedy });
    parts.link.stop();
    waiting = setTimeout(() => void load({ quiet: true }).catch(() => undefined), EMPTY_MS);
  } else if (quiet && found.status === 0) {
    page.store.lost = true;
  } else {
    Object.assign(page.store, { phase: "error", words: found.message, remedy: found.remedy });
    if (!page.at) waiting = setTimeout(() => void load({ quiet: true }).catch(() => undefined), EMPTY_MS);
  }
  render();
}

/** Do not read again by itself. */
export function stopWaiting() {
  clearTimeout(waiting);
}

export function readHeat() {
  const view = page.store.view;
  if (view === null) return;
  const { first, every, c } = view.minutes;
  void page.heat.show({ instId: page.instId, at: page.at, first, end: first + c.length * every, shown: page.windowMinutes });
}

export async function readElsewhere() {
  const others = page.instruments.filter((name) => name !== page.instId);
  for (const name of others) {
    const query = new URLSearchParams({ at: page.at || "now" });
    const asked = monotonic(); // the ages of the answer are true no later
    try {
      const answer = await askLater(`signals/${encodeURIComponent(name)}?${query}`);
      attachWords(answer);
      page.elsewhere.set(name, { answer, answered_ms: asked, live: !page.at, rate: page.store.rate });
    } catch {
      page.elsewhere.delete(name);
    }
  }
  render();
}

/** Read the view anew while the connection goes on. */
export async function readAgain() {
  const { signal } = reads;
  const asked = monotonic();
  try {
    const view = await askLater(viewPath(), signal);
    page.store.take(view, asked);
    page.chart?.setView(view);
    forgetChartState();
    render();
  } catch {
    // the next message asks again
  }
}
