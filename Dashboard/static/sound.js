/** Two tones: a new signal, and a signal that price has come near. Off until pressed. */

import { byId, setText } from "./dom.js";
import { hasHole } from "./signals.js";

/** @typedef {import("./types.d.ts").Signal} Signal */

const NEW_HZ = 660;
const NEAR_HZ = 990;
const LONG_S = 0.25;
const REMEMBERED = 1000; // signals that were heard

/** @type {AudioContext | null} */
let context = null;
let wanted = false;
let muted = false;
/** @type {Set<string>} */
let known = new Set();
/** @type {Set<string>} */
let near = new Set();
let first = true;

function running() {
  return wanted && !muted && context !== null && context.state === "running";
}

/** Show `on` only while the sound can be heard. */
export function drawSound() {
  const button = byId("sound");
  setText(button, running() ? "sound on" : "sound off");
  button.setAttribute("aria-pressed", String(running()));
}

/** Turn the sound on or off. Browsers allow it only after a press. */
export async function toggleSound() {
  wanted = !wanted;
  if (wanted) {
    context ??= new AudioContext(); // in the press itself: later the browser refuses it
    context.onstatechange = drawSound;
    await (muted ? context.suspend() : context.resume()).catch(() => undefined);
    if (!muted) tone(NEW_HZ, 0.1);
  } else {
    await context?.suspend().catch(() => undefined);
  }
  drawSound();
}

/**
 * Keep the sound off while the screen is not to be used; it comes back with the screen.
 * @param {boolean} on
 */
export function mute(on) {
  if (on === muted) return;
  muted = on;
  if (wanted && context !== null) void (on ? context.suspend() : context.resume()).catch(() => undefined);
  drawSound();
}

/** Forget the signals that were heard: another instrument, another time. */
export function forgetHeard() {
  known = new Set();
  near = new Set();
  first = true;
}

/**
 * Sound once for each signal with an entry that is new, and once where price comes near it.
 * @param {Signal[]} signals
 */
export function hear(signals) {
  const open = signals.filter((signal) => !signal.no_trade && !signal.in_contact && !hasHole(signal));
  if (known.size > REMEMBERED) forgetHeard();
  let isNew = false;
  let isNear = false;
  for (const signal of open) {
    if (!known.has(signal.event_id)) isNew = true;
    known.add(signal.event_id);
    if (signal.words?.near && !near.has(signal.event_id)) {
      near.add(signal.event_id);
      isNear = true;
    }
  }
  if (!first && running()) {
    if (isNear) tone(NEAR_HZ, LONG_S);
    else if (isNew) tone(NEW_HZ, LONG_S);
  }
  first = false;
}

/**
 * @param {number} hertz
 * @param {number} seconds
 */
function tone(hertz, seconds) {
  if (context === null) return;
  const [voice, loudness] = [context.createOscillator(), context.createGain()];
  const now = context.currentTime;
  voice.frequency.value = hertz;
  loudness.gain.setValueAtTime(0.0001, now);
  loudness.gain.exponentialRampToValueAtTime(0.2, now + 0.02);
  loudness.gain.exponentialRampToValueAtTime(0.0001, now + seconds);
  voice.connect(loudness).connect(context.destination);
  voice.start(now);
  voice.stop(now + seconds);
  voice.onended = () => loudness.disconnect();
}
