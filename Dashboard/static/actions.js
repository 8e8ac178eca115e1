/** What the keys and the buttons do. */

import { byId, setText } from "./dom.js";
import { render } from "./drawing.js";
import { openProof } from "./proof.js";
import { load, readElsewhere, readHeat } from "./reading.js";
import { Replay } from "./replay.js";
import { toggleSound } from "./sound.js";
import { chosen, page, parts, toMinute } from "./state.js";
import { toggleTables } from "./tables.js";
import { toggleTheme } from "./theme.js";

let bands = 1; // sigmas around the VWAP of the session

/** Return the replay of the page. */
export function makeReplay() {
  return new Replay({
    asOfMs: () => page.store.asOfMs,
    go: (ms) => goTo(toMinute(ms)),
    instId: () => page.instId,
    zone: () => page.store.zone,
  });
}

/** @type {Record<string, (value: string) => void>} */
export const ACTIONS = {
  window: (value) => {
    page.windowMinutes = Number(value);
    page.chart?.setWindow(page.windowMinutes);
    press("window", value);
    readHeat();
  },
  timeframe: (value) => {
    page.timeframe = value;
    press("timeframe", value);
    void load({ quiet: true }).catch(() => undefined);
  },
  layer: (value) => {
    const button = document.querySelector(`[data-do="layer"][data-value="${value}"]`);
    const on = button?.getAttribute("aria-pressed") !== "true";
    button?.setAttribute("aria-pressed", String(on));
    page.chart?.setLayer(value, on);
  },
  bands: () => {
    bands = (bands + 1) % 4;
    page.chart?.setLayer("bands", bands);
    setText(byId("bands-button"), bands ? `bands ${bands}σ` : "bands off");
    byId("bands-button").setAttribute("aria-pressed", String(bands > 0));
  },
  pan: (value) => page.chart?.pan(Number(value) * Math.max(1, Math.round(page.windowMinutes / 30))),
  arrow: (value) => {
    if (page.store.view?.mode === "replay") void parts.replay.step(Number(value));
    else if (Math.abs(Number(value)) === 1) ACTIONS.pan(value);
  },
  step: (value) => void parts.replay.step(Number(value)),
  zoom: (value) => page.chart?.zoom(Number(value)),
  instrument: (value) => {
    const place = page.instruments.indexOf(page.instId) + Number(value);
    if (page.instruments.length > 1) open(page.instruments[(place + page.instruments.length) % page.instruments.length]);
  },
  open,
  signal: (value) => {
    const signals = page.store.view?.answer.signals ?? [];
    const signal = chosen();
    if (signal === null || signals.length < 2) return;
    const place = signals.indexOf(signal) + Number(value);
    choose(signals[(place + signals.length) % signals.length].event_id);
  },
  choose,
  replay: () => {
    if (page.store.view !== null && page.store.view.mode !== "replay") void goTo(toMinute(page.store.asOfMs)).catch(() => undefined);
  },
  live: () => {
    if (!page.at) return;
    page.at = "";
    parts.replay.close();
    setAddress();
    void load();
    void readElsewhere();
  },
  play: () => {
    if (page.store.view?.mode === "replay") parts.replay.toggle();
  },
  speed: () => parts.replay.faster(),
  zone: () => {
    page.store.zone = page.store.zone === "utc" ? "local" : "utc";
    setText(byId("zone"), page.store.zone === "utc" ? "UTC" : "local");
    page.chart?.setZone(page.store.zone);
    if (page.store.view?.mode === "replay") parts.replay.say();
    render();
  },
  theme: () => {
    toggleTheme();
    page.chart?.retheme();
  },
  sound: () => void toggleSound(),
  tables: () => {
    toggleTables();
    render();
  },
  help: () => {
    const dialog = /** @type {HTMLDialogElement} */ (byId("help"));
    if (dialog.open) dialog.close();
    else dialog.showModal();
  },
  close: () => {
    if (!byId("tables").hidden) toggleTables();
    foldAges(false);
  },
  ages: () => foldAges(!byId("streams").classList.contains("open")),
  proof: () => void openProof(),
  reload: () => location.reload(),
};

/** @param {string} name */
function open(name) {
  if (!page.instruments.includes(name) || name === page.instId) return;
  page.instId = name;
  setAddress();
  void load();
  void readElsewhere();
}

/** @param {string} eventId */
function choose(eventId) {
  page.chosenId = eventId;
  render();
}

/**
 * Show the page as of a time.
 * @param {string} time ISO, UTC
 */
async function goTo(time) {
  const before = page.at;
  page.at = time;
  parts.link.stop();
  try {
    await load({ quiet: true });
  } catch (error) {
    if (before) {
      page.at = before; // the picture of before still stands
      page.store.phase = "ready";
    }
    render();
    throw error;
  }
  setAddress();
  if (!parts.replay.playing) void readElsewhere();
}

/** @param {boolean} shown */
function foldAges(shown) {
  byId("streams").classList.toggle("open", shown);
  byId("ages").setAttribute("aria-expanded", String(shown));
}

/**
 * Mark the button of a group that holds.
 * @param {string} action
 * @param {string} value
 */
export function press(action, value) {
  for (const button of document.querySelectorAll(`[data-do="${action}"]`)) {
    button.setAttribute("aria-pressed", String(button instanceof HTMLElement && button.dataset.value === value));
  }
}

function setAddress() {
  const query = new URLSearchParams({ inst: page.instId });
  if (page.at) query.set("at", page.at);
  history.replaceState(null, "", `?${query.toString().replaceAll("%3A", ":")}`);
}
