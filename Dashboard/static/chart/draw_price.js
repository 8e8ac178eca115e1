/**
 * Drawing of the price pane's layers, from their shapes.
 *
 * @import {Palette} from "./palette.js"
 * @import {PriceScene} from "./scene.js"
 * @import {Level} from "./levels.js"
 * @import {SignalShape} from "./signals.js"
 */
import { TAG_PX } from "./levels.js";
import { across, hatch, path, ring, words } from "./paint.js";
import { faded } from "./palette.js";
import { PLAN_PX, SIGNAL_PX } from "./signals.js";
import { WALL_PX } from "./walls.js";

/** @typedef {CanvasRenderingContext2D} Context */

const RING_PX = 1.8; // of a touch
const RING_ALPHA = 0.45;

/** @param {Palette} palette @param {"upper"|"lower"} side @returns {string} */
export const sideColour = (palette, side) => (side === "upper" ? palette.short : palette.long);

/**
 * The band of the VWAP, under all lines.
 * @param {Context} context
 * @param {PriceScene} scene
 * @param {Palette} palette
 */
export function drawBands(context, scene, palette) {
  for (const { sigma, upper, lower } of scene.bands) {
    path(context, [...upper, ...lower.slice().reverse()]);
    context.fillStyle = faded(palette.vwap, sigma === 1 ? 0.06 : 0.035);
    context.fill();
  }
}

/** @param {Context} context @param {PriceScene} scene @param {Palette} palette */
export function drawVwap(context, scene, palette) {
  const dashes = { vs: [], v4h: [5, 4], v1h: [1.5, 3] };
  const widths = { vs: 1, v4h: 1.5, v1h: 1.5 };
  context.lineJoin = "round";
  for (const { name, gap, points } of scene.vwap) {
    path(context, points);
    context.setLineDash(gap ? [7, 5] : dashes[name]);
    context.lineWidth = widths[name];
    context.strokeStyle = gap ? faded(palette.doubt, 0.75) : faded(palette.vwap, 0.8);
    context.stroke();
  }
  context.setLineDash([]);
}

/**
 * @param {Context} context
 * @param {PriceScene} scene
 * @param {Palette} palette
 * @param {number} ratio
 */
export function drawLevels(context, scene, palette, ratio) {
  const ringPx = Math.max(1, Math.min(RING_PX, scene.spacing * 0.5));
  for (const level of scene.levels) drawLevel(context, level, palette, ratio, ringPx);
  context.setLineDash([]);
}

/**
 * @param {Context} context
 * @param {Level} level
 * @param {Palette} palette
 * @param {number} ratio
 * @param {number} ringPx radius of the ring at a touch
 */
function drawLevel(context, level, palette, ratio, ringPx) {
  const { dash, width, x2, y, touched } = level;
  const x1 = Math.max(level.x1, -20);
  const colour = sideColour(palette, level.side);
  context.strokeStyle = faded(colour, level.alpha);
  context.setLineDash(dash === "dotted" ? [1, 3] : dash === "dashed" ? [6, 4] : []);
  across(context, ratio, x1, touched ? x2 - ringPx : x2, y, width);
  if (!touched) return;
  context.setLineDash([]);
  context.strokeStyle = faded(colour, RING_ALPHA);
  context.lineWidth = 1;
  ring(context, x2, y, ringPx);
}

/** @param {Context} context @param {PriceScene} scene @param {Palette} palette */
export function drawLevelTags(context, scene, palette) {
  context.font = `${TAG_PX}px ${palette.mono}`;
  for (const { text, side, box, alpha } of scene.tags) {
    words(context, text, box, faded(sideColour(palette, side), Math.max(0.75, alpha)));
  }
}

/**
 * @param {Context} context
 * @param {PriceScene} scene
 * @param {Palette} palette
 * @param {boolean} stale
 */
export function drawWalls(context, scene, palette, stale) {
  context.font = `${WALL_PX}px ${palette.mono}`;
  for (const { side, x1, x2, y } of scene.walls) {
    const colour = side === "ask" ? palette.short : palette.long;
    if (stale) {
      context.strokeStyle = faded(colour, 0.55);
      context.lineWidth = 1;
      hatch(context, { x: x1, y: y - 4, w: x2 - x1, h: 8 }, 5, x1);
    } else {
      context.fillStyle = faded(colour, 0.3);
      context.fillRect(x1, Math.round(y) - 4, x2 - x1, 8);
    }
  }
  for (const { box, text, x2, y } of scene.walls) {
    if (box === null) continue;
    const middle = box.y + box.h / 2;
    if (Math.abs(middle - y) > 8) leader(context, [[x2 - 1, y], [x2 - 1, middle]], palette.soft);
    context.fillStyle = faded(palette.ground, 0.55);
    context.fillRect(box.x, box.y + 1, box.w, box.h - 2);
    words(context, text, box, stale ? palette.doubt : palette.text);
  }
}

/**
 * A line from a level to the words that were moved away from it.
 *
 * @param {Context} context
 * @param {[number, number][]} points
 * @param {string} colour
 */
function leader(context, points, colour) {
  context.strokeStyle = colour;
  context.lineWidth = 1;
  path(context, points);
  context.stroke();
}

/**
 * @param {Context} context
 * @param {PriceScene} scene
 * @param {Palette} palette
 * @param {number} ratio
 */
export function drawPlan(context, scene, palette, ratio) {
  for (const { name, x1, x2, y } of scene.plan) {
    context.strokeStyle = faded(name === "stop" ? palette.soft : palette.text, 0.8);
    context.setLineDash(name === "stop" ? [2, 3] : [7, 4]);
    across(context, ratio, x1, x2, y, 1);
    context.setLineDash([]);
  }
}

/** @param {Context} context @param {PriceScene} scene @param {Palette} palette */
export function drawPlanWords(context, scene, palette) {
  context.font = `${PLAN_PX}px ${palette.mono}`;
  for (const { name, text, box } of scene.plan) {
    if (box === null) continue;
    context.fillStyle = faded(palette.ground, 0.8);
    context.fillRect(box.x, box.y, box.w, box.h);
    words(context, text, box, name === "stop" ? palette.soft : palette.text);
  }
}

/**
 * Return the colour of a signal; where there is no entry it has none.
 * @param {Pick<SignalShape, "side" | "style">} shape
 * @param {Palette} palette
 */
function colourOf({ side, style }, palette) {
  return style === "void" || style === "hollow" ? palette.soft : sideColour(palette, side);
}

/**
 * @param {Context} context
 * @param {PriceScene} scene
 * @param {Palette} palette
 * @param {number} ratio
 */
export function drawSignals(context, scene, palette, ratio) {
  for (const shape of scene.signals) {
    const colour = colourOf(shape, palette);
    context.strokeStyle = colour;
    across(context, ratio, Math.max(0, shape.x1 + 5), shape.x2, shape.y, shape.chosen ? 3 : 2);
    context.lineWidth = 2;
    ring(context, shape.x1, shape.y, 5);
  }
  context.font = `700 ${SIGNAL_PX}px ${palette.mono}`;
  for (const shape of scene.signals) drawTag(context, shape, palette, ratio);
}

/**
 * @param {Context} context
 * @param {SignalShape} shape
 * @param {Palette} palette
 * @param {number} ratio
 */
function drawTag(context, { box, side, style, text, y }, palette, ratio) {
  const colour = colourOf({ side, style }, palette);
  const middle = box.y + box.h / 2;
  const far = Math.abs(middle - y) > box.h / 2 + 6;
  if (far) leader(context, [[box.x, middle], [box.x - 5, middle], [box.x - 10, y]], colour);
  context.beginPath();
  context.roundRect(box.x + 0.5, Math.round(box.y * ratio) / ratio + 0.5, box.w - 1, box.h - 1, 2);
  context.fillStyle = style === "filled" ? colour : palette.ground;
  context.fill();
  context.lineWidth = 1;
  context.strokeStyle = style === "plain" ? faded(colour, 0.45) : colour;
  context.setLineDash(style === "hollow" || style === "void" ? [3, 2] : []);
  context.stroke();
  context.setLineDash([]);
  words(context, text, { ...box, w: box.w - 3 }, style === "filled" ? palette.onSide : colour);
}
