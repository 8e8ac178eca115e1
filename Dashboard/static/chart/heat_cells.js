/**
 * The columns of the heat, and their picture: a pixel a cell, a canvas for each step of prices.
 *
 * Drawn is the largest level of a cell: the sum of nearly each row is above the size of a wall.
 *
 * @typedef {object} Heat as the server sends it
 * @property {number} first Unix minute of the first column
 * @property {number} every minutes of a column
 * @property {string|null} step height of a cell in price; null: there was no book
 * @property {number} rows cells of a column
 * @property {number[]} base of each column: its lowest cell begins at base * step
 * @property {string} cells base64, a byte a cell, column by column from the lowest row: its sum
 * @property {string} peaks base64, in the same order: the largest level in the cell
 * @property {string[]} source of each column: "ws", "deep", "bands" or "none"
 * @property {number} least USD below which nothing is drawn
 * @property {number} full USD of full brightness
 *
 * @typedef {object} HeatColumn
 * @property {number} minute
 * @property {number} step
 * @property {number} base
 * @property {string} source
 * @property {Uint8Array} cells
 * @property {Uint8Array} peaks
 *
 * @typedef {[number, number, number]} Rgb
 * @typedef {{from: Rgb, mid: Rgb, to: Rgb}} Ramp
 *
 * @typedef {object} Sheet a stretch of columns of the same step, drawn
 * @property {number} first Unix minute
 * @property {number} columns
 * @property {number} step
 * @property {number} top row above the highest, in steps
 * @property {number} rows
 * @property {OffscreenCanvas|HTMLCanvasElement} canvas
 */

const UNIT_USD = 16_000; // of cell 0; an octave has 32 bytes
const PER_OCTAVE = 32;
const OPACITY = 0.62; // at most: candles and levels stay on top
const RISE = 0.6; // how fast small sums come out of the dark
const MOST_ROWS = 4096; // of a canvas
const MOST_COLUMNS = 1440;
const SLACK = 60; // columns beyond the most, so that the oldest are cut once an hour

/** @param {number} usd @returns {number} the byte of an amount, with a fraction */
export function byteOf(usd) {
  return PER_OCTAVE * Math.log2(usd / UNIT_USD);
}

/**
 * The colour of each byte. Brightness depends on the byte alone, never on what is on the screen.
 *
 * @param {Ramp} ramp @param {number} least USD @param {number} full USD
 * @returns {Uint8ClampedArray} 256 times red, green, blue and opacity
 */
export function coloursOf(ramp, least, full) {
  const colours = new Uint8ClampedArray(4 * 256);
  const dark = byteOf(least);
  const span = Math.max(1, byteOf(full) - dark);
  for (let byte = 1; byte < 256; byte++) {
    if (byte < dark) continue;
    const t = Math.min(1, (byte - dark) / span);
    const [low, high, part] = t < 0.5 ? [ramp.from, ramp.mid, 2 * t] : [ramp.mid, ramp.to, 2 * t - 1];
    for (let c = 0; c < 3; c++) colours[4 * byte + c] = low[c] + (high[c] - low[c]) * part;
    colours[4 * byte + 3] = 255 * OPACITY * t ** RISE;
  }
  return colours;
}

/** @param {string} text base64 @returns {Uint8Array} */
function bytesOf(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

/** The columns that are known, by minute. */
export class HeatCells {
  constructor() {
    /** @type {Map<number, HeatColumn>} */
    this.columns = new Map();
    this.every = 1;
    this.least = 128_000;
    this.full = 2_000_000;
  }

  /** Takes columns in; known ones of other widths are forgotten. @param {Heat} heat */
  take(heat) {
    if (heat.every !== this.every) this.columns.clear();
    this.every = heat.every;
    this.put(heat);
  }

  /**
   * Takes new columns in, which may be narrower than the known ones: a wide column is the newest
   * minute in it that has a book.
   *
   * @param {Heat} heat
   */
  add(heat) {
    if (this.columns.size === 0) this.take(heat);
    else if (this.every % heat.every === 0) this.put(heat);
  }

  /** @param {Heat} heat of this width, or narrower */
  put(heat) {
    this.least = heat.least ?? this.least;
    this.full = heat.full ?? this.full;
    const { rows } = heat;
    const [cells, peaks] = [heat.cells, heat.peaks ?? heat.cells].map(bytesOf);
    heat.source.forEach((source, number) => {
      const at = heat.first + number * heat.every;
      const minute = Math.floor(at / this.every) * this.every;
      const [from, end] = [number * rows, (number + 1) * rows];
      if (source === "none" && heat.every < this.every && this.columns.has(minute)) return;
      this.columns.set(minute, {
        minute, step: heat.step === null ? 0 : Number(heat.step), base: heat.base[number], source,
        cells: cells.slice(from, end), peaks: peaks.slice(from, end),
      });
    });
    this.cut();
  }

  /** @param {number} minute that of the oldest column that stays */
  cutBefore(minute) {
    for (const known of this.columns.keys()) if (known < minute) this.columns.delete(known);
  }

  /** Forgets the oldest columns of too many: a page may stay open for days. */
  cut() {
    if (this.columns.size <= MOST_COLUMNS + SLACK) return;
    const minutes = [...this.columns.keys()].sort((a, b) => b - a);
    for (const minute of minutes.slice(MOST_COLUMNS)) this.columns.delete(minute);
  }

  /** @returns {HeatColumn[]} in the order of time */
  sorted() {
    return [...this.columns.values()].sort((a, b) => a.minute - b.minute);
  }

  /** @returns {number|null} the minute of the newest column with a book */
  newest() {
    let found = null;
    for (const { minute, source } of this.columns.values()) {
      if (source !== "none" && (found === null || minute > found)) found = minute;
    }
    return found;
  }

  /** @param {number} minute @param {number} price @returns {[number, number]} the bytes of a cell and its peak, 0 where nothing was seen */
  at(minute, price) {
    const column = this.columns.get(Math.floor(minute / this.every) * this.every);
    if (!column || column.source === "none") return [0, 0];
    const row = Math.floor(price / column.step) - column.base;
    return [column.cells[row] ?? 0, column.peaks[row] ?? 0];
  }

  /**
   * Draws the columns.
   *
   * @param {Ramp} ramp
   * @param {(width: number, height: number) => OffscreenCanvas|HTMLCanvasElement} canvasOf
   * @returns {Sheet[]} one a step, the columns of other steps left transparent
   */
  draw(ramp, canvasOf) {
    /** @type {Map<number, HeatColumn[]>} */
    const steps = new Map();
    for (const column of this.sorted()) {
      if (column.source === "none") continue;
      const some = steps.get(column.step);
      if (some) some.push(column);
      else steps.set(column.step, [column]);
    }
    const colours = coloursOf(ramp, this.least, this.full);
    return [...steps].map(([step, columns]) => this.sheet(step, columns, colours, canvasOf));
  }

  /**
   * @param {number} step @param {HeatColumn[]} columns @param {Uint8ClampedArray} colours
   * @param {(width: number, height: number) => OffscreenCanvas|HTMLCanvasElement} canvasOf
   * @returns {Sheet}
   */
  sheet(step, columns, colours, canvasOf) {
    const first = columns[0].minute;
    const width = (columns[columns.length - 1].minute - first) / this.every + 1;
    const top = columns.reduce((most, { base, cells }) => Math.max(most, base + cells.length), 0);
    const low = columns.reduce((least, { base }) => Math.min(least, base), top);
    const rows = Math.min(MOST_ROWS, top - low);
    const canvas = canvasOf(width, rows);
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    const image = context.createImageData(width, rows);
    const pixels = new Uint32Array(image.data.buffer);
    const palette = new Uint32Array(colours.buffer);
    for (const { minute, base, peaks } of columns) {
      const x = (minute - first) / this.every;
      for (let row = 0; row < peaks.length; row++) {
        const y = top - 1 - (base + row);
        if (y < rows) pixels[y * width + x] = palette[peaks[row]];
      }
    }
    context.putImageData(image, 0, 0);
    return { first, columns: width, step, top, rows, canvas };
  }
}
