/** Asks the server for JSON; an error carries its words and its remedy. */

import { askToken } from "./session.js";

/** An answer that is none: the message is worded by the server. */
export class ServerError extends Error {
  /**
   * @param {string} message
   * @param {string} remedy
   * @param {string} code
   * @param {number} status of HTTP, 0 without an answer
   */
  constructor(message, remedy, code, status) {
    super(message);
    this.remedy = remedy;
    this.code = code;
    this.status = status;
  }
}

const BUSY = 503;
const STRANGER = 401;
const TRIES = 4;

let queue = Promise.resolve();

/**
 * Ask for something that can wait: after all that was asked for so before. The server reads for
 * two at once, and the picture comes first.
 * @param {string} path
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>}
 */
export function askLater(path, signal) {
  const asked = queue.then(() => {
    signal?.throwIfAborted();
    return ask(path, signal);
  });
  queue = asked.then(() => undefined, () => undefined);
  return asked;
}

/**
 * Return the JSON of a path below /api/v1/. Raises ServerError. A server that is busy is asked
 * again after the seconds that it names.
 * @param {string} path
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>}
 */
export async function ask(path, signal) {
  for (let tried = 1; ; tried += 1) {
    const answer = await fetchOnce(path, signal);
    const found = await answer.json().catch(() => null);
    if (answer.ok && found?.error === undefined) return found;
    if (answer.status === STRANGER) {
      await askToken();
      continue;
    }
    if (answer.status === BUSY && tried < TRIES) {
      const seconds = Number(answer.headers.get("Retry-After")) || 1;
      await new Promise((resolve) => setTimeout(resolve, 1000 * Math.min(seconds, 10)));
      continue;
    }
    const error = found?.error ?? {};
    throw new ServerError(
      String(error.message ?? `the server answers ${answer.status}`),
      String(error.remedy ?? ""),
      String(error.code ?? ""),
      answer.status,
    );
  }
}

/**
 * @param {string} path
 * @param {AbortSignal} [signal]
 */
async function fetchOnce(path, signal) {
  try {
    return await fetch(`/api/v1/${path}`, { signal, credentials: "same-origin", cache: "no-store" });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ServerError("the server does not answer", "is the program of the dashboard running?", "link", 0);
  }
}
