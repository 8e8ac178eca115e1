/** The header: price, verdict, ages of the streams, live or replay and the times. */

import { byId, el, keyed, setAttribute, setText } from "./dom.js";
import { age, bothZones } from "./formats.js";

/** @typedef {import("./store.js").Store} Store */
/** @typedef {import("./freshness.js").Judged} Judged */
/** @typedef {import("./freshness.js").StreamNow} StreamNow */

const OLD_PRICE_MS = 5000; // the age of a price is shown above this
const WORDS = { live: "LIVE", latest: "LATEST, not live", replay: "REPLAY, nothing later is shown" };
const fillStreams = keyed(byId("streams"));
let spoken = "";

/**
 * Draw the header.
 * @param {Store} store
 * @param {Judged} judged
 * @param {number} now time of the page
 */
export function drawHeader(store, judged, now) {
  const root = document.documentElement;
  root.dataset.level = judged.level;
  root.dataset.cause = judged.cause;
  root.dataset.mode = store.view?.mode ?? root.dataset.mode ?? "live";
  setText(byId("verdict-words"), judged.words);
  setAttribute(byId("verdict"), "title", [judged.words, judged.remedy].filter(Boolean).join("; "));
  if (judged.level !== spoken) {
    spoken = judged.level;
    setText(byId("verdict-spoken"), judged.spoken);
  }
  drawPrice(store, now);
  const lost = judged.cause === "page"; // nobody knows what the server would say now
  const chips = judged.streams.map((stream) => streamParts(stream, lost));
  fillStreams(JSON.stringify(chips), () => chips.map(chip));
  drawTimes(store, judged);
  document.title = titleOf(store, judged);
}

/** Say that the page itself has failed: nothing on it may be used. */
export function drawBroken() {
  Object.assign(document.documentElement.dataset, { level: "void", cause: "page" });
  setText(byId("verdict-words"), "✕ do not use: this page has failed, reload it");
  setText(byId("mode-word"), "NOT LIVE");
  document.title = `✕ ${document.title.replace("✕ ", "")}`;
  for (const id of ["card", "others-list", "instruments", "tables", "chart"]) byId(id).replaceChildren();
}

/** @param {Store} store @param {number} now */
function drawPrice(store, now) {
  const price = store.view?.price ?? null;
  setText(byId("price-value"), price === null ? "–" : price.value);
  setText(byId("price-source"), price === null ? "no price" : price.source);
  const old = price === null ? 0 : store.timeMs(now) - price.ts_ms;
  setText(byId("price-age"), old > OLD_PRICE_MS ? age(old) : "");
}

/**
 * @typedef {{name: string, old: string, words: string, state: string, doubt: boolean}} Chip
 * @param {StreamNow} stream
 * @param {boolean} lost
 * @returns {Chip}
 */
function streamParts({ name, age_ms, state }, lost) {
  const doubt = state !== "fresh" && state !== "partial";
  const words = doubt ? ` ${state.toUpperCase()}` : lost ? " ?" : state === "partial" ? " partial" : "";
  return { name, old: age_ms === null ? "" : age(age_ms), words, state, doubt: doubt || lost };
}

/** @param {Chip} parts */
function chip({ name, old, words, state, doubt }) {
  return el("li", { class: doubt ? "doubt" : "", "data-stream": name, "data-state": state }, `${name} `, el("b", {}, `${old}${words}`.trim()));
}

/**
 * @param {"live" | "latest" | "replay"} mode
 * @param {Judged} judged
 */
function modeWord(mode, judged) {
  if (judged.level === "reading") return "";
  if (judged.level === "empty") return "WAITING";
  if (mode !== "live") return WORDS[mode];
  return judged.level === "void" ? "NOT LIVE" : judged.level === "partly" ? "LIVE, PARTLY" : WORDS[mode];
}

/** @param {Store} store @param {Judged} judged */
function drawTimes(store, judged) {
  const mode = store.view?.mode ?? "live";
  setText(byId("mode-word"), modeWord(mode, judged));
  const host = byId("times");
  if (store.view === null) return setText(host, "");
  const [one, other] = bothZones(store.asOfMs, store.zone);
  const text = `${one} · ${other}`;
  if (host.dataset.text === text) return;
  host.dataset.text = text;
  host.replaceChildren(one, el("span", { class: "second-zone" }, ` · ${other}`));
}

/**
 * Return the title of the tab: neither price nor worth, as a hidden tab is drawn late.
 * @param {Store} store
 * @param {Judged} judged
 */
function titleOf(store, judged) {
  const name = store.view?.instId.split("-")[0] ?? "";
  const sign = judged.level === "void" ? "✕ " : "";
  const mode = store.view?.mode === "replay" ? "replay " : "";
  return `${sign}${mode}${name} RaveQuant`.trim();
}
