/** The live connection: a WebSocket that acknowledges, watches for silence and comes back. */

import { monotonic } from "./clock.js";
import { SILENCE_MS } from "./freshness.js";

/** @typedef {import("./types.d.ts").Message} Message */
/** @typedef {import("./types.d.ts").View} View */

const WAITS_S = [1, 2, 4, 8, 15];

/**
 * @typedef {object} LinkUser
 * @property {(message: Message) => void} onMessage
 * @property {() => void} onLost an attempt has failed
 * @property {() => Promise<void>} again load the view anew and open the link
 */

export class Link {
  /** @param {LinkUser} user */
  constructor(user) {
    this.user = user;
    /** @type {WebSocket | null} */
    this.socket = null;
    this.tries = 0;
    this.heard = 0;
    this.wanted = false;
    this.trying = false;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible" && this.wanted && this.socket === null) void this.retry();
    });
  }

  /**
   * Open the connection for an instrument.
   * @param {string} instId
   * @param {View} view the picture that the page holds
   */
  open(instId, view) {
    this.stop();
    this.wanted = true;
    this.heard = monotonic();
    const secure = location.protocol === "https:" ? "wss" : "ws";
    const held = new URLSearchParams({ from: String(view.minutes.first), rows: view.rows ?? "" });
    const socket = new WebSocket(`${secure}://${location.host}/api/v1/live/${encodeURIComponent(instId)}?${held}`);
    this.socket = socket;
    socket.onmessage = (event) => {
      if (this.socket !== socket || typeof event.data !== "string") return;
      this.heard = monotonic();
      this.tries = 0;
      const message = /** @type {Message} */ (JSON.parse(event.data));
      this.user.onMessage(message);
      if (message.type !== "beat" && socket.readyState === WebSocket.OPEN) {
        socket.send(JSON.stringify({ ack: message.seq }));
      }
    };
    socket.onclose = () => {
      if (this.socket !== socket) return;
      this.socket = null;
      this.later();
    };
  }

  /** Close the connection; it does not come back by itself. */
  stop() {
    clearTimeout(this.timer);
    this.wanted = false;
    const socket = this.socket;
    this.socket = null;
    socket?.close();
  }

  /** Give a connection up that has been silent for too long. */
  watch() {
    if (this.socket === null || monotonic() - this.heard <= SILENCE_MS) return;
    const socket = this.socket;
    this.socket = null;
    socket.close();
    this.user.onLost();
    this.later();
  }

  /** Try again after 1, 2, 4 … 15 s, a little earlier or later. */
  later() {
    if (!this.wanted) return;
    clearTimeout(this.timer);
    const wait = WAITS_S[Math.min(this.tries, WAITS_S.length - 1)];
    this.tries += 1;
    this.timer = setTimeout(() => void this.retry(), 1000 * wait * (0.8 + 0.4 * Math.random()));
  }

  /** Load the view anew and open the connection. */
  async retry() {
    if (this.trying) return;
    clearTimeout(this.timer);
    this.trying = true;
    try {
      await this.user.again();
    } catch {
      this.user.onLost();
      this.later();
    } finally {
      this.trying = false;
    }
  }
}
