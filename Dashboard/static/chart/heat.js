/**
 * The heat of the recorded book, under everything else in the price pane.
 *
 * The cells are drawn once, a pixel each, and then enlarged: a rectangle a cell would cost ten times
 * as much (120 ms a frame of 720 columns).
 *
 * @import {CanvasRenderingTarget2D} from "fancy-canvas"
 * @import {Frame} from "./frame.js"
 * @import {Heat, Ramp, Rgb, Sheet} from "./heat_cells.js"
 *
 * @typedef {{x: number, y: number, width: number, height: number}} Box
 */
import { xOfMinute, yOf } from "./frame.js";
import { HeatCells } from "./heat_cells.js";

const HATCH_PX = 8;
const WORDS_PX = 76; // a stretch this wide says what it is
const STALE_COLUMNS = 5; // newest ones that are hatched
const BANDS = "bands only";
const TOKENS = {
  from: ["--heat-from", "#0e1116"],
  mid: ["--heat-mid", "#7a3b78"],
  to: ["--heat-to", "#f2b8d8"],
  hatch: ["--soft", "#a6b1bf"],
};

/** @param {string} text `#rrggbb` @returns {Rgb} */
function rgb(text) {
  const value = Number.parseInt(text.slice(1), 16);
  return [(value >> 16) & 255, (value >> 8) & 255, value & 255];
}

/** @param {number} width @param {number} height */
function canvasOf(width, height) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  return canvas;
}

/**
 * The part of a sheet that shows, and its place.
 *
 * @param {Frame} frame @param {Sheet} sheet @param {number} every minutes of a column
 * @returns {{from: Box, to: Box}|null} from in cells, to in CSS pixels; null: nothing of it shows
 */
export function placeOf(frame, sheet, every) {
  const left = xOfMinute(frame, sheet.first);
  const wide = (every / frame.every) * frame.spacing;
  const top = yOf(frame, sheet.top * sheet.step);
  const high = -frame.slope * sheet.step;
  const [c0, c1] = part(left, wide, sheet.columns, frame.width);
  const [r0, r1] = part(top, high, sheet.rows, frame.height);
  if (c1 <= c0 || r1 <= r0) return null;
  return {
    from: { x: c0, y: r0, width: c1 - c0, height: r1 - r0 },
    to: { x: left + c0 * wide, y: top + r0 * high, width: (c1 - c0) * wide, height: (r1 - r0) * high },
  };
}

/** @param {number} start @param {number} size @param {number} count @param {number} room @returns {[number, number]} */
function part(start, size, count, room) {
  const first = Math.floor(-start / size);
  const end = Math.ceil((room - start) / size);
  return [Math.max(0, first), Math.min(count, end)];
}

/** A series primitive of the price pane. */
export class HeatLayer {
  name = "heat";

  constructor() {
    this.cells = new HeatCells();
    /** @type {Sheet[]|null} null: to be drawn anew */
    this.sheets = null;
    this.visible = true;
    this.stale = false;
    /** @type {() => Frame|null} given by the chart */
    this.frame = () => null;
    /** @type {() => void} */
    this.redraw = () => {};
    /** @type {Ramp} */
    this.ramp = { from: [0, 0, 0], mid: [0, 0, 0], to: [0, 0, 0] };
    this.hatchColour = "";
    /** @type {HTMLCanvasElement|null} */
    this.hatch = null;
    /** @type {{first: number, end: number, words: string}[]|null} null: to be found anew */
    this.marks = null;
    const renderer = { draw: () => {}, drawBackground: this.draw.bind(this) };
    this.views = [{ zOrder: () => /** @type {const} */ ("bottom"), renderer: () => renderer }];
    this.readTokens();
  }

  /** Takes columns in; known ones are replaced, those of another width forgotten. @param {Heat} heat */
  set(heat) {
    this.cells.take(heat);
    this.changed();
  }

  /** Takes new columns of a minute in, whatever the width of those known. @param {Heat} heat */
  add(heat) {
    this.cells.add(heat);
    this.changed();
  }

  /** @param {number} minute that of the oldest column that stays */
  cutBefore(minute) {
    this.cells.cutBefore(minute);
    this.changed();
  }

  clear() {
    this.cells = new HeatCells();
    this.changed();
  }

  /** @param {boolean} on */
  setVisible(on) {
    this.visible = on;
    this.redraw();
  }

  /** @param {boolean} stale the book does not come: its newest columns are hatched */
  setStale(stale) {
    if (stale === this.stale) return;
    this.stale = stale;
    this.marks = null;
    this.redraw();
  }

  /** Reads the colours again. */
  retheme() {
    this.readTokens();
    this.changed();
  }

  readTokens() {
    const style = getComputedStyle(document.documentElement);
    const colour = (/** @type {string[]} */ [token, fallback]) => {
      const found = style.getPropertyValue(token).trim();
      return /^#[0-9a-f]{6}$/i.test(found) ? found : fallback;
    };
    const { from, mid, to, hatch } = TOKENS;
    this.ramp = { from: rgb(colour(from)), mid: rgb(colour(mid)), to: rgb(colour(to)) };
    this.hatchColour = colour(hatch);
    this.hatch = null;
  }

  changed() {
    this.sheets = null;
    this.marks = null;
    this.redraw();
  }

  /** @param {{requestUpdate: () => void}} parameters */
  attached({ requestUpdate }) {
    this.redraw = requestUpdate;
  }

  detached() {
    this.redraw = () => {};
  }

  paneViews() {
    return this.views;
  }

  /** @param {CanvasRenderingTarget2D} target */
  draw(target) {
    const frame = this.visible && this.cells.columns.size > 0 ? this.frame() : null;
    if (frame === null) return;
    this.sheets ??= this.cells.draw(this.ramp, canvasOf);
    const sheets = this.sheets;
    target.useBitmapCoordinateSpace((scope) => {
      const { context, horizontalPixelRatio, verticalPixelRatio } = scope;
      context.save();
      context.scale(horizontalPixelRatio, verticalPixelRatio);
      context.imageSmoothingEnabled = false;
      for (const sheet of sheets) {
        const place = placeOf(frame, sheet, this.cells.every);
        if (place === null) continue;
        const { from, to } = place;
        context.drawImage(
          sheet.canvas, from.x, from.y, from.width, from.height, to.x, to.y, to.width, to.height,
        );
      }
      this.drawHatches(context, frame);
      context.restore();
    });
  }

  /** @param {CanvasRenderingContext2D} context @param {Frame} frame */
  drawHatches(context, frame) {
    const marks = (this.marks ??= this.hatches());
    if (marks.length === 0) return;
    const pattern = context.createPattern((this.hatch ??= this.makeHatch()), "repeat");
    for (const { first, end, words } of marks) {
      const x = Math.max(0, xOfMinute(frame, first));
      const width = Math.min(frame.width, xOfMinute(frame, end)) - x;
      if (width <= 0) continue;
      context.fillStyle = pattern ?? this.hatchColour;
      context.fillRect(x, 0, width, frame.height);
      if (words === "" || width < WORDS_PX) continue;
      context.fillStyle = this.hatchColour;
      context.font = "11px ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace";
      context.textBaseline = "bottom";
      context.fillText(words, x + 6, frame.height - 4);
    }
  }

  /** @returns {{first: number, end: number, words: string}[]} stretches that are hatched, in Unix minutes */
  hatches() {
    const { cells } = this;
    /** @type {{first: number, end: number, words: string}[]} */
    const found = [];
    for (const { minute, source } of cells.sorted()) {
      if (source !== "bands") continue;
      const last = found[found.length - 1];
      if (last && last.end === minute) last.end += cells.every;
      else found.push({ first: minute, end: minute + cells.every, words: BANDS });
    }
    const newest = this.stale ? cells.newest() : null;
    if (newest !== null) {
      const end = newest + cells.every;
      found.push({ first: end - STALE_COLUMNS * cells.every, end, words: "" });
    }
    return found;
  }

  makeHatch() {
    const canvas = canvasOf(HATCH_PX, HATCH_PX);
    const context = canvas.getContext("2d");
    if (context === null) return canvas;
    context.strokeStyle = this.hatchColour;
    context.globalAlpha = 0.35;
    context.beginPath();
    for (const shift of [-HATCH_PX, 0, HATCH_PX]) {
      context.moveTo(shift, HATCH_PX);
      context.lineTo(shift + HATCH_PX, 0);
    }
    context.stroke();
    return canvas;
  }

  /**
   * All that is drawn: each column's minute, base and source, the places of the sheets, and a
   * function that gives the bytes of a cell and its peak by minute and price.
   *
   * @returns {object}
   */
  geometry() {
    const { cells } = this;
    const frame = this.frame();
    this.sheets ??= cells.draw(this.ramp, canvasOf);
    return {
      visible: this.visible,
      every: cells.every,
      least: cells.least,
      full: cells.full,
      columns: cells.sorted().map(({ minute, step, base, source }) => ({ minute, step, base, source })),
      at: cells.at.bind(cells),
      sheets: this.sheets.map((sheet) => ({
        first: sheet.first,
        columns: sheet.columns,
        step: sheet.step,
        top: sheet.top,
        rows: sheet.rows,
        place: frame && placeOf(frame, sheet, cells.every),
      })),
      hatches: this.hatches(),
    };
  }
}
