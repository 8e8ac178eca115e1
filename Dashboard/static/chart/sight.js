/**
 * The stretch of time in sight, as the width of a column and the column at the right side.
 *
 * New data moves neither: the stretch stands still, or follows the newest column if that was in
 * sight. The library's own rules for new bars are undone by setting both again.
 *
 * @import {IChartApi, Logical} from "../vendor/lightweight-charts-5.2.1.mjs"
 */

export const FREE_PX = 150; // right of the newest column, for tags and wall bars
const MOST_FREE = 0.3; // of the width
const NARROWEST = 0.25;
const WIDEST = 40;

/** @typedef {{first: number, every: number, columns: number}} Extent of the data */

/**
 * @typedef {{spacing: number, right: number, extent: Extent}} Stretch `right` is a column, maybe a
 *   fraction
 */

/** @param {number} width @returns {number} */
export function freeOf(width) {
  return Math.min(FREE_PX, width * MOST_FREE);
}

/**
 * @param {Stretch} before
 * @param {Extent} now
 * @param {number} free pixels right of the newest column, if the old place is not in the data
 * @returns {{spacing: number, right: number}} the same sight over changed data
 */
export function carried({ spacing, right, extent }, now, free) {
  const ratio = now.every / extent.every;
  const wide = spacing * ratio;
  const [was, newest] = [extent.columns - 1, now.columns - 1];
  if (right >= was) return { spacing: wide, right: newest + (right - was) / ratio };
  const same = (extent.first + right * extent.every - now.first) / now.every;
  const seen = same > 0 && same < now.columns;
  return { spacing: wide, right: seen ? same : newest + free / wide };
}

/** Reads and sets what the library shows. */
export class Sight {
  /** @param {IChartApi} chart */
  constructor(chart) {
    this.chart = chart;
    this.scale = chart.timeScale();
    /** @type {{spacing: number, right: number}|null} what is set; the library takes it as it draws */
    this.next = null;
  }

  /** @returns {{spacing: number, right: number}} what is shown, or will be with the next frame */
  aim() {
    return this.next ?? { spacing: this.spacing(), right: this.right() };
  }

  /** @param {number} column @returns {number} the middle of a column; 0 without data */
  x(column) {
    return this.scale.logicalToCoordinate(/** @type {Logical} */ (column)) ?? 0;
  }

  /** @returns {number} pixels a column */
  spacing() {
    return this.x(1) - this.x(0);
  }

  /** @returns {number} the column at the right side */
  right() {
    return (this.scale.width() - 1 - this.x(0)) / this.spacing() - 0.5;
  }

  /** @param {number} spacing @param {number} right */
  set(spacing, right) {
    const barSpacing = Math.max(NARROWEST, Math.min(WIDEST, spacing));
    this.chart.applyOptions({ timeScale: { barSpacing } });
    const last = this.right() - this.scale.scrollPosition();
    this.scale.scrollToPosition(right - last, false);
    const next = { spacing: barSpacing, right };
    this.next = next;
    requestAnimationFrame(() => {
      if (this.next === next) this.next = null;
    });
  }

  /**
   * @param {number} bars shown left of the free space
   * @param {number} columns
   * @param {number} [least] px
   */
  show(bars, columns, least = NARROWEST) {
    const width = this.scale.width();
    const free = freeOf(width);
    const spacing = Math.max(least, (width - free) / bars);
    this.set(spacing, columns - 1 + (free - 1) / spacing);
  }
}
