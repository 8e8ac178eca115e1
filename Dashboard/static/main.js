/** The page: reads the view, keeps it live, and hands each change to its parts. */

import { drawBook } from "./book.js";
import { drawCard } from "./card.js";
import { monotonic } from "./clock.js";
import { byId, el, setText } from "./dom.js";
import { verdict } from "./freshness.js";
import { drawBroken, drawHeader } from "./header.js";
import { HeatReader } from "./heat_reader.js";
import { HELP, listen } from "./keys.js";
import { drawLegend } from "./legend.js";
import { Link } from "./link.js";
import { drawOthers, drawTabs } from "./others.js";
import { closeProof, openProof } from "./proof.js";
import { drawRecorders } from "./recorders.js";
import { Replay } from "./replay.js";
import { ServerError, ask, askLater } from "./requests.js";
import { drawSound, forgetHeard, hear, mute, toggleSound } from "./sound.js";
import { KEPT_MINUTES, Store, attachWords } from "./store.js";
import { drawTables, toggleTables } from "./tables.js";
import { startTheme, toggleTheme } from "./theme.js";

/** @typedef {import("./types.d.ts").ChartLike} ChartLike */
/** @typedef {import("./types.d.ts").Message} Message */
/** @typedef {import("./types.d.ts").Signal} Signal */
/** @typedef {import("./types.d.ts").Status} Status */
/** @typedef {import("./types.d.ts").View} View */

const PROTO = 1;
const TICK_MS = 1000;
const ELSEWHERE_MS = 15_000; // between two looks at the other instruments
const EMPTY_MS = 5000; // between two looks at a vault without data
const WINDOW = 150; // minutes that are shown at first

const store = new Store();
const root = document.documentElement;
/** @type {ChartLike | null} */
let chart = null;
const heat = new HeatReader();
/** @type {string[]} */
let instruments = [];
let instId = "";
let at = ""; // empty: live
let timeframe = "1m";
let windowMinutes = WINDOW;
/** @type {string | null} */
let chosenId = null;
/** @type {import("./types.d.ts").Facts | null} */
let crosshair = null;
let pageHash = "";
let failed = false; // until the page is loaded anew
let bands = 1; // sigmas around the VWAP of the session
let chartState = "";

/** @type {Map<string, import("./others.js").Elsewhere>} */
const elsewhere = new Map();
/** @type {AbortController} */
let reads = new AbortController();
/** @type {ReturnType<typeof setTimeout> | undefined} */
let waiting;

const link = new Link({ onMessage, onLost, again: () => load({ quiet: true }) });
const replay = new Replay({
  asOfMs: () => store.asOfMs,
  go: (ms) => goTo(toMinute(ms)),
  instId: () => instId,
  zone: () => store.zone,
});

/**
 * Return a minute as the address names it: `2025-12-14T04:33Z`.
 * @param {number} ms
 */
function toMinute(ms) {
  return `${new Date(ms).toISOString().slice(0, 16)}Z`;
}

// --- reading -------------------------------------------------------------------------------------

/**
 * Read the view of the instrument and the time that the address names.
 * @param {{quiet?: boolean}} [how] quiet: the last picture stands until the new one is here
 */
async function load({ quiet = false } = {}) {
  reads.abort();
  reads = new AbortController();
  clearTimeout(waiting);
  const { signal } = reads;
  if (!quiet) {
    link.stop();
    store.reading(monotonic());
    forgetHeard();
    chosenId = null;
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
  const query = new URLSearchParams({ at: at || "now", minutes: String(KEPT_MINUTES), tf: timeframe });
  return `view/${encodeURIComponent(instId)}?${query}`;
}

/**
 * @param {View} view
 * @param {number} asked time of the page at which it was asked for: its ages are true no later
 */
function show(view, asked) {
  store.take(view, asked);
  chart?.setView(view);
  chartState = "";
  if (view.mode === "live") {
    replay.close();
    link.open(instId, view.minutes.first);
  } else {
    link.stop();
    if (view.mode === "replay") void replay.open();
  }
  render();
  afterPaint(() => {
    root.dataset.asOf = toMinute(store.asOfMs);
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
function fail(error, quiet) {
  const found = error instanceof ServerError ? error : new ServerError(String(error), "", "page", 0);
  if (found.code === "no_data") {
    Object.assign(store, { phase: "empty", view: null, words: found.message, remedy: found.remedy });
    link.stop();
    waiting = setTimeout(() => void load({ quiet: true }).catch(() => undefined), EMPTY_MS);
  } else if (quiet && found.status === 0) {
    store.lost = true;
  } else {
    Object.assign(store, { phase: "error", words: found.message, remedy: found.remedy });
    if (!at) waiting = setTimeout(() => void load({ quiet: true }).catch(() => undefined), EMPTY_MS);
  }
  render();
}

function readHeat() {
  const view = store.view;
  if (view === null) return;
  const { first, every, c } = view.minutes;
  void heat.show({ instId, at, first, end: first + c.length * every, shown: windowMinutes });
}

async function readElsewhere() {
  const others = instruments.filter((name) => name !== instId);
  for (const name of others) {
    const query = new URLSearchParams({ at: at || "now" });
    const asked = monotonic(); // the ages of the answer are true no later
    try {
      const answer = await askLater(`signals/${encodeURIComponent(name)}?${query}`);
      attachWords(answer);
      elsewhere.set(name, { answer, answered_ms: asked, live: !at, rate: store.rate });
    } catch {
      elsewhere.delete(name);
    }
  }
  render();
}

// --- live ----------------------------------------------------------------------------------------

/** @param {Message} message */
function onMessage(message) {
  try {
    take(message);
  } catch (error) {
    store.lost = true; // a view that is read anew is whole
    console.error(error);
    render();
    void link.retry();
  }
}

/** @param {Message} message */
function take(message) {
  const now = monotonic();
  if (message.type === "hello" && ((message.proto ?? PROTO) !== PROTO || isOtherPage(message.page))) byId("updated").hidden = false;
  if (message.type === "reset") {
    void link.retry();
    return;
  }
  if (message.minutes && isNextColumn(message.minutes)) void readAgain();
  const wasCut = store.apply(message, now);
  if (message.type === "rows") {
    chart?.update(message);
    if (message.heat) heat.take(message.heat);
    else if (message.minutes && heat.every !== message.minutes.every) readHeat();
    if (wasCut && store.view) heat.cut(store.view.minutes.first);
  } else if (message.type === "beat") {
    store.hear(message.now_ms, now);
  }
  render();
  painted(message.seq);
}

/**
 * Return true if a candle of more than a minute has closed: the server rolls it up.
 * @param {import("./types.d.ts").Minutes} newer
 */
function isNextColumn(newer) {
  const held = store.view?.minutes;
  if (held === undefined || held.every === newer.every) return false;
  const end = newer.first + newer.c.length * newer.every;
  return Math.floor(end / held.every) * held.every > held.first + held.c.length * held.every;
}

/** Read the view anew while the connection goes on. */
async function readAgain() {
  const { signal } = reads;
  const asked = monotonic();
  try {
    const view = await askLater(viewPath(), signal);
    store.take(view, asked);
    chart?.setView(view);
    chartState = "";
    render();
  } catch {
    // the next message asks again
  }
}

/**
 * Note a message that is on the screen: tests wait for it.
 * @param {number} seq
 */
function painted(seq) {
  afterPaint(() => {
    root.dataset.seq = String(Math.max(seq, Number(root.dataset.seq ?? 0)));
  });
}

/** @param {() => void} then called once what is drawn now is on the screen */
function afterPaint(then) {
  requestAnimationFrame(() => requestAnimationFrame(then));
}

/** @param {string | undefined} page */
function isOtherPage(page) {
  if (!page) return false;
  if (!pageHash) pageHash = page;
  return page !== pageHash;
}

function onLost() {
  store.lost = true;
  render();
}

// --- drawing -------------------------------------------------------------------------------------

/** @returns {Signal | null} */
function chosen() {
  const signals = store.view?.answer.signals ?? [];
  return signals.find((signal) => signal.event_id === chosenId) ?? signals[0] ?? null;
}

/** Draw all; a page that cannot is void, so that no older picture stands as if it were of now. */
function render() {
  if (failed) return;
  try {
    draw();
  } catch (error) {
    failed = true;
    link.stop();
    drawBroken();
    closeProof();
    mute(true);
    byId("updated").hidden = false;
    console.error(error);
  }
}

function draw() {
  const now = monotonic();
  const judged = verdict(store.trust(now), now);
  const { view } = store;
  const signals = view?.answer.signals ?? [];
  const signal = chosen();
  drawHeader(store, judged, now);
  drawTabs(instruments, instId, elsewhere, judged, now);
  drawCard(view, judged, signal, signal === null ? 0 : signals.indexOf(signal));
  drawOthers(signals, signal, judged);
  byId("book").hidden = view === null;
  const buckets = judged.streams.find((stream) => stream.name === "buckets");
  if (view !== null) drawBook(view.book, buckets);
  drawRecorders(view?.health ?? [], view === null || view.mode === "live", judged.cause !== "page");
  drawLegend(view, crosshair, store.zone);
  drawTables(view, judged, store.zone);
  drawChartState(judged);
  mute(judged.level === "void");
  if (judged.level === "void") closeProof();
  if (store.live && judged.level !== "void" && !judged.ahead) hear(signals);
}

/** @param {import("./freshness.js").Judged} judged */
function drawChartState(judged) {
  if (chart === null || store.view === null) return;
  const late = judged.streams.filter((stream) => stream.state !== "fresh" && stream.state !== "partial");
  const stale = Object.fromEntries(late.map((stream) => [stream.name === "buckets" ? "book" : stream.name, true]));
  const state = { void: judged.level === "void", replay: store.view.mode !== "live", stale };
  const key = JSON.stringify([state, chosen()?.event_id ?? null]);
  if (key === chartState) return;
  chartState = key;
  chart.setState(state);
  chart.choose(chosen()?.event_id ?? null);
}

function tick() {
  if (store.live) link.watch();
  render();
}

// --- what keys and buttons do --------------------------------------------------------------------

/** @type {Record<string, (value: string) => void>} */
const ACTIONS = {
  window: (value) => {
    windowMinutes = Number(value);
    chart?.setWindow(windowMinutes);
    press("window", value);
    readHeat();
  },
  timeframe: (value) => {
    timeframe = value;
    press("timeframe", value);
    void load({ quiet: true }).catch(() => undefined);
  },
  layer: (value) => {
    const button = document.querySelector(`[data-do="layer"][data-value="${value}"]`);
    const on = button?.getAttribute("aria-pressed") !== "true";
    button?.setAttribute("aria-pressed", String(on));
    chart?.setLayer(value, on);
  },
  bands: () => {
    bands = (bands + 1) % 4;
    chart?.setLayer("bands", bands);
    setText(byId("bands-button"), bands ? `bands ${bands}σ` : "bands off");
    byId("bands-button").setAttribute("aria-pressed", String(bands > 0));
  },
  pan: (value) => chart?.pan(Number(value) * Math.max(1, Math.round(windowMinutes / 30))),
  arrow: (value) => {
    if (store.view?.mode === "replay") void replay.step(Number(value));
    else if (Math.abs(Number(value)) === 1) ACTIONS.pan(value);
  },
  step: (value) => void replay.step(Number(value)),
  zoom: (value) => chart?.zoom(Number(value)),
  instrument: (value) => {
    const place = instruments.indexOf(instId) + Number(value);
    if (instruments.length > 1) open(instruments[(place + instruments.length) % instruments.length]);
  },
  open,
  signal: (value) => {
    const signals = store.view?.answer.signals ?? [];
    const signal = chosen();
    if (signal === null || signals.length < 2) return;
    const place = signals.indexOf(signal) + Number(value);
    choose(signals[(place + signals.length) % signals.length].event_id);
  },
  choose,
  replay: () => {
    if (store.view !== null && store.view.mode !== "replay") void goTo(toMinute(store.asOfMs)).catch(() => undefined);
  },
  live: () => {
    if (!at) return;
    at = "";
    replay.close();
    setAddress();
    void load();
    void readElsewhere();
  },
  play: () => {
    if (store.view?.mode === "replay") replay.toggle();
  },
  speed: () => replay.faster(),
  zone: () => {
    store.zone = store.zone === "utc" ? "local" : "utc";
    setText(byId("zone"), store.zone === "utc" ? "UTC" : "local");
    chart?.setZone(store.zone);
    if (store.view?.mode === "replay") replay.say();
    render();
  },
  theme: () => {
    toggleTheme();
    chart?.retheme();
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
  if (!instruments.includes(name) || name === instId) return;
  instId = name;
  setAddress();
  void load();
  void readElsewhere();
}

/** @param {string} eventId */
function choose(eventId) {
  chosenId = eventId;
  render();
}

/**
 * Show the page as of a time.
 * @param {string} time ISO, UTC
 */
async function goTo(time) {
  const before = at;
  at = time;
  link.stop();
  try {
    await load({ quiet: true });
  } catch (error) {
    if (before) {
      at = before; // the picture of before still stands
      store.phase = "ready";
    }
    render();
    throw error;
  }
  setAddress();
  if (!replay.playing) void readElsewhere();
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
function press(action, value) {
  for (const button of document.querySelectorAll(`[data-do="${action}"]`)) {
    button.setAttribute("aria-pressed", String(button instanceof HTMLElement && button.dataset.value === value));
  }
}

function setAddress() {
  const query = new URLSearchParams({ inst: instId });
  if (at) query.set("at", at);
  history.replaceState(null, "", `?${query.toString().replaceAll("%3A", ":")}`);
}

// --- start ---------------------------------------------------------------------------------------

async function makeChart() {
  const host = byId("chart");
  try {
    const { Chart } = await import("./chart/chart.js");
    const made = /** @type {ChartLike} */ (/** @type {unknown} */ (new Chart(host)));
    Object.assign(host, { geometry: () => made.geometry() });
    made.onCrosshair((facts) => {
      crosshair = facts;
      drawLegend(store.view, crosshair, store.zone);
    });
    chart = made;
    const { HeatLayer } = await import("./chart/heat.js");
    const layer = new HeatLayer();
    made.addLayer(layer);
    heat.sink = layer;
  } catch (error) {
    if (chart === null) host.replaceChildren(el("p", { class: "doubt" }, `the chart could not be drawn: ${error}`));
  }
}

async function start() {
  const keys = byId("keys").querySelector("tbody");
  keys?.replaceChildren(...HELP.map(([key, words]) => el("tr", {}, el("td", {}, ...key.split(" ").map((part) => el("kbd", {}, part))), el("td", {}, words))));
  startTheme(() => chart?.retheme());
  listen((action, value) => ACTIONS[action]?.(value));
  drawSound();
  press("window", String(windowMinutes));
  press("timeframe", timeframe);
  store.reading(monotonic());
  setInterval(tick, TICK_MS);
  document.addEventListener("visibilitychange", tick); // a hidden tab is drawn late
  const chartMade = makeChart();
  const query = new URLSearchParams(location.search);
  at = query.get("at") ?? "";
  if (at === "now") at = "";
  for (let wait = 1; ; wait = Math.min(2 * wait, 15)) {
    try {
      const status = /** @type {Status} */ (await ask("status"));
      instruments = status.instruments;
      pageHash = status.page ?? "";
      store.rate = status.rate ?? 1;
      break;
    } catch (error) {
      fail(error, false);
      clearTimeout(waiting);
      await new Promise((resolve) => setTimeout(resolve, 1000 * wait));
    }
  }
  const asked = query.get("inst");
  instId = asked ?? instruments[0] ?? "BTC-USDT-SWAP";
  await chartMade;
  await load();
  void readElsewhere();
  setInterval(() => {
    if (!at) void readElsewhere();
  }, ELSEWHERE_MS);
}

void start();
