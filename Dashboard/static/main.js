/** The page: makes its parts, and starts them. */

import { ACTIONS, makeReplay, press } from "./actions.js";
import { monotonic } from "./clock.js";
import { byId, el } from "./dom.js";
import { render } from "./drawing.js";
import { HELP, listen } from "./keys.js";
import { drawLegend } from "./legend.js";
import { makeLink } from "./live.js";
import { fail, load, readElsewhere, stopWaiting } from "./reading.js";
import { ask } from "./requests.js";
import { drawSound } from "./sound.js";
import { page, parts } from "./state.js";
import { startTheme } from "./theme.js";

/** @typedef {import("./types.d.ts").ChartLike} ChartLike */
/** @typedef {import("./types.d.ts").Status} Status */

const TICK_MS = 1000;
const ELSEWHERE_MS = 15_000; // between two looks at the other instruments

function tick() {
  if (page.store.live) parts.link.watch();
  render();
}

async function makeChart() {
  const host = byId("chart");
  try {
    const { Chart } = await import("./chart/chart.js");
    const made = /** @type {ChartLike} */ (/** @type {unknown} */ (new Chart(host)));
    Object.assign(host, { geometry: () => made.geometry() });
    made.onCrosshair((facts) => {
      page.crosshair = facts;
      drawLegend(page.store.view, page.crosshair, page.store.zone);
    });
    page.chart = made;
    const { HeatLayer } = await import("./chart/heat.js");
    const layer = new HeatLayer();
    made.addLayer(layer);
    page.heat.sink = layer;
  } catch (error) {
    if (page.chart === null) host.replaceChildren(el("p", { class: "doubt" }, `the chart could not be drawn: ${error}`));
  }
}

async function start() {
  Object.assign(parts, { link: makeLink(), replay: makeReplay() });
  const keys = byId("keys").querySelector("tbody");
  keys?.replaceChildren(...HELP.map(([key, words]) => el("tr", {}, el("td", {}, ...key.split(" ").map((part) => el("kbd", {}, part))), el("td", {}, words))));
  startTheme(() => page.chart?.retheme());
  listen((action, value) => ACTIONS[action]?.(value));
  drawSound();
  press("window", String(page.windowMinutes));
  press("timeframe", page.timeframe);
  page.store.reading(monotonic());
  setInterval(tick, TICK_MS);
  document.addEventListener("visibilitychange", tick); // a hidden tab is drawn late
  const chartMade = makeChart();
  const query = new URLSearchParams(location.search);
  page.at = query.get("at") ?? "";
  if (page.at === "now") page.at = "";
  for (let wait = 1; ; wait = Math.min(2 * wait, 15)) {
    try {
      const status = /** @type {Status} */ (await ask("status"));
      page.instruments = status.instruments;
      page.hash = status.page ?? "";
      page.store.rate = status.rate ?? 1;
      break;
    } catch (error) {
      fail(error, false);
      stopWaiting();
      await new Promise((resolve) => setTimeout(resolve, 1000 * wait));
    }
  }
  const asked = query.get("inst");
  page.instId = asked ?? page.instruments[0] ?? "BTC-USDT-SWAP";
  await chartMade;
  await load();
  void readElsewhere();
  setInterval(() => {
    if (!page.at) void readElsewhere();
  }, ELSEWHERE_MS);
}

void start();
