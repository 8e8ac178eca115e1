/** Replay: the page as of a minute of the past. Each step waits for the answer of the server. */

import { byId, el, setText } from "./dom.js";
import { moment } from "./formats.js";
import { askLater } from "./requests.js";

/** @typedef {import("./types.d.ts").Day} Day */

const MINUTE_MS = 60_000;
const SPEEDS = [1, 10, 60]; // minutes of the market in a minute

/**
 * @typedef {object} ReplayUser
 * @property {() => number} asOfMs end of the newest minute shown, Unix ms
 * @property {(ms: number) => Promise<void>} go show the page as of a minute
 * @property {() => string} instId
 * @property {() => "utc" | "local"} zone
 */

export class Replay {
  /** @param {ReplayUser} user */
  constructor(user) {
    this.user = user;
    /** @type {Day[]} */
    this.days = [];
    this.daysOf = "";
    this.speed = 1; // index into SPEEDS
    this.playing = false;
    this.busy = false;
    byId("day").addEventListener("change", () => void this.pickDay());
    byId("minute").addEventListener("change", () => void this.pickMinute());
    byId("minute").addEventListener("input", () => this.say());
  }

  /** Show the controls and read the recorded days. */
  async open() {
    byId("replay").hidden = false;
    const instId = this.user.instId();
    if (this.daysOf !== instId) {
      this.days = await askLater(`days/${encodeURIComponent(instId)}`).catch(() => []);
      this.daysOf = instId;
    }
    this.draw();
  }

  /** Hide the controls and stop. */
  close() {
    this.stop();
    byId("replay").hidden = true;
  }

  /** Draw the day, the minute and the state of play. */
  draw() {
    const at = this.user.asOfMs();
    const day = moment(at - 1, "utc", "day").slice(0, 10); // midnight ends its day
    const choice = /** @type {HTMLSelectElement} */ (byId("day"));
    const names = this.days.map((found) => found.day);
    if (!names.includes(day)) names.push(day);
    if ([...choice.options].map((option) => option.value).join() !== names.join()) {
      choice.replaceChildren(...names.map((name) => el("option", { value: name }, label(name, this.days))));
    }
    choice.value = day;
    const slider = /** @type {HTMLInputElement} */ (byId("minute"));
    const [first, last] = this.bounds(day);
    slider.min = String(first);
    slider.max = String(last);
    slider.value = String((at - Date.parse(`${day}T00:00:00Z`)) / MINUTE_MS);
    this.say();
  }

  /** Return the first and last minute of a day that can be shown, counted from its beginning. */
  bounds(/** @type {string} */ day) {
    const found = this.days.find((other) => other.day === day);
    const start = Date.parse(`${day}T00:00:00Z`);
    /** @param {unknown} text @param {number} other */
    const minute = (text, other) => {
      const ms = typeof text === "string" ? Date.parse(text) : NaN;
      return Number.isFinite(ms) ? Math.round((ms - start) / MINUTE_MS) : other;
    };
    return [Math.max(0, minute(found?.first_utc, 0)), Math.min(1440, minute(found?.last_utc, 1439) + 1)];
  }

  /** Say where the slider stands, and whether it plays. */
  say() {
    const slider = /** @type {HTMLInputElement} */ (byId("minute"));
    const day = /** @type {HTMLSelectElement} */ (byId("day")).value;
    const at = Date.parse(`${day}T00:00:00Z`) + Number(slider.value) * MINUTE_MS;
    const zone = this.user.zone();
    setText(byId("replay-words"), Number.isFinite(at) ? `${moment(at, zone, "minute")}${zone === "utc" ? " UTC" : ""}` : "");
    setText(byId("play"), this.playing ? "❚❚ pause" : "▶ play");
    setText(byId("speed"), `${SPEEDS[this.speed]}x`);
  }

  async pickDay() {
    const day = /** @type {HTMLSelectElement} */ (byId("day")).value;
    await this.jump(Date.parse(`${day}T00:00:00Z`) + this.bounds(day)[1] * MINUTE_MS);
  }

  async pickMinute() {
    const day = /** @type {HTMLSelectElement} */ (byId("day")).value;
    await this.jump(Date.parse(`${day}T00:00:00Z`) + Number(/** @type {HTMLInputElement} */ (byId("minute")).value) * MINUTE_MS);
  }

  /**
   * Step some minutes on or back; a step that is under way is finished first.
   * @param {number} minutes
   */
  async step(minutes) {
    await this.jump(this.user.asOfMs() + minutes * MINUTE_MS);
  }

  /** @param {number} ms */
  async jump(ms) {
    if (this.busy || !Number.isFinite(ms)) return;
    this.busy = true;
    try {
      await this.user.go(ms);
    } catch (error) {
      this.stop();
      setText(byId("replay-words"), error instanceof Error ? error.message : String(error));
      return;
    } finally {
      this.busy = false;
    }
    this.draw();
  }

  /** Play or pause. */
  toggle() {
    if (this.playing) return this.stop();
    this.playing = true;
    this.say();
    void this.run();
  }

  /** Play a minute after the other until it is stopped. */
  async run() {
    while (this.playing) {
      const start = performance.now();
      await this.step(1);
      const left = MINUTE_MS / SPEEDS[this.speed] - (performance.now() - start);
      await this.pause(left);
    }
  }

  /** Wait for a while, at most until play stops or changes its speed. */
  pause(/** @type {number} */ ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, Math.max(0, ms));
      this.wake = () => {
        clearTimeout(timer);
        resolve(undefined);
      };
    });
  }

  stop() {
    this.playing = false;
    this.wake?.();
    this.say();
  }

  /** Take the next speed. */
  faster() {
    this.speed = (this.speed + 1) % SPEEDS.length;
    this.wake?.();
    this.say();
  }
}

/**
 * @param {string} name
 * @param {Day[]} days
 */
function label(name, days) {
  const day = days.find((found) => found.day === name);
  if (day?.minutes === undefined) return name;
  const holes = day.holes ? `, ${day.holes} holes` : "";
  return `${name}, ${Math.floor(day.minutes / 60)} h ${day.minutes % 60} min${holes}`;
}
