/** Takes the messages of the live connection. */

import { monotonic } from "./clock.js";
import { byId } from "./dom.js";
import { afterPaint, render } from "./drawing.js";
import { Link } from "./link.js";
import { load, readAgain, readHeat } from "./reading.js";
import { page, parts } from "./state.js";

/** @typedef {import("./types.d.ts").Message} Message */

const PROTO = 1;
const root = document.documentElement;

/** Return the connection of the page; it is closed until a live view opens it. */
export function makeLink() {
  return new Link({ onMessage, onLost, again: () => load({ quiet: true }) });
}

/** @param {Message} message */
function onMessage(message) {
  try {
    take(message);
  } catch (error) {
    page.store.lost = true; // a view that is read anew is whole
    console.error(error);
    render();
    void parts.link.retry();
  }
}

/** @param {Message} message */
function take(message) {
  const now = monotonic();
  if (message.type === "hello" && ((message.proto ?? PROTO) !== PROTO || isOtherPage(message.page))) byId("updated").hidden = false;
  if (message.type === "reset") {
    void parts.link.retry();
    return;
  }
  if (message.minutes && isNextColumn(message.minutes)) void readAgain();
  const wasCut = page.store.apply(message, now);
  if (message.type === "rows") {
    page.chart?.update(message);
    if (message.heat) page.heat.take(message.heat);
    else if (message.minutes && page.heat.every !== message.minutes.every) readHeat();
    if (wasCut && page.store.view) page.heat.cut(page.store.view.minutes.first);
  } else if (message.type === "beat") {
    page.store.hear(message.now_ms, now);
  }
  render();
  painted(message.seq);
}

/**
 * Return true if a candle of more than a minute has closed: the server rolls it up.
 * @param {import("./types.d.ts").Minutes} newer
 */
function isNextColumn(newer) {
  const held = page.store.view?.minutes;
  if (held === undefined || held.every === newer.every) return false;
  const end = newer.first + newer.c.length * newer.every;
  return Math.floor(end / held.every) * held.every > held.first + held.c.length * held.every;
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

/** @param {string | undefined} hash */
function isOtherPage(hash) {
  if (!hash) return false;
  if (!page.hash) page.hash = hash;
  return hash !== page.hash;
}

function onLost() {
  page.store.lost = true;
  render();
}
