/**
 * Drawing of what lies over all panes: holes, silence, time before the first record, the replay.
 *
 * @import {BlankShape} from "./holes.js"
 * @import {Mark} from "./marks.js"
 * @import {Palette} from "./palette.js"
 */
import { WORDS_PX } from "./holes.js";
import { hatch, sharp, triangle, words } from "./paint.js";
import { faded } from "./palette.js";

/** @typedef {CanvasRenderingContext2D} Context */

/**
 * @param {Context} context
 * @param {BlankShape[]} blanks
 * @param {Palette} palette
 * @param {number} height
 */
export function drawBlanks(context, blanks, palette, height) {
  for (const { kind, x1, x2 } of blanks) {
    const box = { x: x1, y: 0, w: x2 - x1, h: height };
    context.lineWidth = 1;
    if (kind === "silent") {
      context.strokeStyle = faded(palette.faint, 0.7);
      context.beginPath();
      context.moveTo(x1 + 1, height - 1.5);
      context.lineTo(x2 - 1, height - 1.5);
      context.stroke();
      continue;
    }
    const trades = kind === "trades";
    const colour = trades ? palette.broken : palette.faint;
    context.fillStyle = faded(colour, trades ? 0.09 : 0.05);
    context.fillRect(box.x, box.y, box.w, box.h);
    context.strokeStyle = faded(colour, trades ? 0.55 : kind === "book" ? 0.3 : 0.18);
    hatch(context, box, trades ? 7 : 10, x2);
  }
}

/** @param {Context} context @param {BlankShape[]} blanks @param {Palette} palette */
export function drawBlankWords(context, blanks, palette) {
  context.font = `${WORDS_PX}px ${palette.mono}`;
  for (const { kind, box, words: text } of blanks) {
    if (box === null) continue;
    context.fillStyle = faded(palette.ground, 0.72);
    context.fillRect(box.x, box.y, box.w, box.h);
    words(context, text, box, kind === "trades" ? palette.broken : palette.faint);
  }
}

/**
 * The amber signs of rows over a gap.
 * @param {Context} context
 * @param {number[]} ticks
 * @param {Palette} palette
 * @param {number} height
 */
export function drawTicks(context, ticks, palette, height) {
  context.fillStyle = palette.doubt;
  for (const x of ticks) context.fillRect(Math.round(x) - 1, height - 4, 2, 4);
}

/**
 * @param {Context} context
 * @param {number|null} x
 * @param {Palette} palette
 * @param {number} height
 * @param {number} ratio
 */
export function drawReplay(context, x, palette, height, ratio) {
  if (x === null) return;
  context.strokeStyle = palette.replay;
  context.lineWidth = Math.max(1, Math.round(2 * ratio)) / ratio;
  context.beginPath();
  context.moveTo(sharp(x, ratio, 2), 0);
  context.lineTo(sharp(x, ratio, 2), height);
  context.stroke();
}

/**
 * @param {Context} context
 * @param {{x1: number, x2: number}[]} spans
 * @param {Palette} palette
 * @param {number} height
 */
export function drawImported(context, spans, palette, height) {
  context.font = `9px ${palette.mono}`;
  context.textBaseline = "alphabetic";
  context.textAlign = "left";
  for (const { x1, x2 } of spans) {
    context.fillStyle = faded(palette.faint, 0.6);
    context.fillRect(x1, height - 2, x2 - x1, 2);
    if (x2 - x1 > 50) {
      context.fillStyle = palette.faint;
      context.fillText("imported", x1 + 3, height - 4);
    }
  }
}

/**
 * @param {Context} context
 * @param {Mark[]} marks
 * @param {Palette} palette
 * @param {number} spacing
 */
export function drawMarks(context, marks, palette, spacing) {
  const r = Math.max(2, Math.min(3.5, spacing * 0.6));
  for (const { kind, x, y } of marks) {
    if (kind === "whales") {
      context.fillStyle = palette.text;
      context.beginPath();
      context.arc(x, y, Math.min(2, r), 0, 2 * Math.PI);
      context.fill();
    } else if (kind === "buys" || kind === "sells") {
      context.fillStyle = kind === "buys" ? palette.short : palette.long;
      triangle(context, x, y, kind === "sells", r);
    } else {
      context.fillStyle = kind === "bearish" ? palette.short : palette.long;
      triangle(context, x, y, kind === "bullish", 3);
    }
  }
}
