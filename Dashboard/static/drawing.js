/** Draws all parts of the page from what it holds. */

import { drawBook } from "./book.js";
import { drawCard } from "./card.js";
import { monotonic } from "./clock.js";
import { byId } from "./dom.js";
import { verdict } from "./freshness.js";
import { drawBroken, drawHeader } from "./header.js";
import { drawLegend } from "./legend.js";
import { drawOthers, drawTabs } from "./others.js";
import { closeProof } from "./proof.js";
import { drawRecorders } from "./recorders.js";
import { hear, mute } from "./sound.js";
import { chosen, page, parts } from "./state.js";
import { drawTables } from "./tables.js";

let failed = false; // until the page is loaded anew
let chartState = "";

/** Draw all; a page that cannot is void, so that no older picture stands as if it were of now. */
export function render() {
  if (failed) return;
  try {
    draw();
  } catch (error) {
    failed = true;
    parts.link.stop();
    drawBroken();
    closeProof();
    mute(true);
    byId("updated").hidden = false;
    console.error(error);
  }
}

function draw() {
  const now = monotonic();
  const judged = verdict(page.store.trust(now), now);
  const { view } = page.store;
  const signals = view?.answer.signals ?? [];
  const signal = chosen();
  drawHeader(page.store, judged, now);
  drawTabs(page.instruments, page.instId, page.elsewhere, judged, now);
  drawCard(view, judged, signal, signal === null ? 0 : signals.indexOf(signal));
  drawOthers(signals, signal, judged);
  byId("book").hidden = view === null;
  const buckets = judged.streams.find((stream) => stream.name === "buckets");
  if (view !== null) drawBook(view.book, buckets);
  drawRecorders(view?.health ?? [], view === null || view.mode === "live", judged.cause !== "page");
  drawLegend(view, page.crosshair, page.store.zone);
  drawTables(view, judged, page.store.zone);
  drawChartState(judged);
  mute(judged.level === "void");
  if (judged.level === "void") closeProof();
  if (page.store.live && judged.level !== "void" && !judged.ahead) hear(signals);
}

/** @param {import("./freshness.js").Judged} judged */
function drawChartState(judged) {
  if (page.chart === null || page.store.view === null) return;
  const late = judged.streams.filter((stream) => stream.state !== "fresh" && stream.state !== "partial");
  const stale = Object.fromEntries(late.map((stream) => [stream.name === "buckets" ? "book" : stream.name, true]));
  const state = { void: judged.level === "void", replay: page.store.view.mode !== "live", stale };
  const key = JSON.stringify([state, chosen()?.event_id ?? null]);
  if (key === chartState) return;
  chartState = key;
  page.chart.setState(state);
  page.chart.choose(chosen()?.event_id ?? null);
}

/** Let the chart be told its state again: it has another view. */
export function forgetChartState() {
  chartState = "";
}

/** @param {() => void} then called once what is drawn now is on the screen */
export function afterPaint(then) {
  requestAnimationFrame(() => requestAnimationFrame(then));
}
