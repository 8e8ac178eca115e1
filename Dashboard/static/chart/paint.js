/**
 * Strokes and words on a canvas in CSS pixels, sharp at any ratio of pixels.
 *
 * @import {Box} from "./spread.js"
 */

/**
 * @param {number} at
 * @param {number} ratio device pixels of a CSS pixel
 * @param {number} width of the line, CSS pixels
 * @returns {number} the nearest place at which the line covers whole pixels
 */
export function sharp(at, ratio, width) {
  const pixels = Math.max(1, Math.round(width * ratio));
  return (Math.round(at * ratio - pixels / 2) + pixels / 2) / ratio;
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {number} ratio
 * @param {number} x1
 * @param {number} x2
 * @param {number} y
 * @param {number} width
 */
export function across(context, ratio, x1, x2, y, width) {
  const at = sharp(y, ratio, width);
  context.lineWidth = Math.max(1, Math.round(width * ratio)) / ratio;
  context.beginPath();
  context.moveTo(x1, at);
  context.lineTo(x2, at);
  context.stroke();
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {number} x
 * @param {number} y
 * @param {number} r
 */
export function ring(context, x, y, r) {
  context.beginPath();
  context.arc(x, y, r, 0, 2 * Math.PI);
  context.stroke();
}

/** @param {CanvasRenderingContext2D} context @param {[number, number][]} points */
export function path(context, points) {
  context.beginPath();
  points.forEach(([x, y], at) => (at === 0 ? context.moveTo(x, y) : context.lineTo(x, y)));
}

/**
 * Hatches a box with lines that rise to the right; they stand still against the time.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {Box} box
 * @param {number} step px between the lines
 * @param {number} anchor x that moves with the time
 */
export function hatch(context, { x, y, w, h }, step, anchor) {
  context.save();
  context.beginPath();
  context.rect(x, y, w, h);
  context.clip();
  context.beginPath();
  const start = x - h - step + (((anchor - x) % step) + step) % step;
  for (let at = start; at < x + w; at += step) {
    context.moveTo(at, y + h);
    context.lineTo(at + h, y);
  }
  context.stroke();
  context.restore();
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {string} text
 * @param {Box} box
 * @param {string} colour
 */
export function words(context, text, box, colour) {
  context.fillStyle = colour;
  context.textBaseline = "middle";
  context.textAlign = "right";
  context.fillText(text, box.x + box.w - 3, box.y + box.h / 2 + 0.5);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {number} x
 * @param {number} y
 * @param {boolean} up
 * @param {number} r
 */
export function triangle(context, x, y, up, r) {
  const s = up ? 1 : -1;
  context.beginPath();
  context.moveTo(x, y - s * r);
  context.lineTo(x + r, y + s * r);
  context.lineTo(x - r, y + s * r);
  context.closePath();
  context.fill();
}
