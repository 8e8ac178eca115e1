/**
 * Places for words: each as near to where it belongs as the words before it leave room.
 *
 * @typedef {{x: number, y: number, w: number, h: number}} Box left, top, width, height
 */

const STEP = 2;

/** @param {Box} a @param {Box} b @returns {boolean} */
export function overlap(a, b) {
  return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
}

/**
 * The boxes that are placed so far; the first come keep their places.
 */
export class Places {
  /** @param {number} height of the pane: no box leaves it */
  constructor(height) {
    this.height = height;
    /** @type {Box[]} */
    this.taken = [];
  }

  /** @param {Box} box kept free from now on */
  take(box) {
    this.taken.push(box);
  }

  /**
   * Moves a box up or down, by as little as frees it.
   *
   * @param {Box} box where it would stand best
   * @param {number} far the farthest it may be moved, in pixels
   * @returns {Box|null} null if there is no room
   */
  put(box, far) {
    const inside = Math.max(0, Math.min(this.height - box.h, box.y));
    for (let off = 0; off <= far; off += STEP) {
      for (const y of off === 0 ? [inside] : [inside - off, inside + off]) {
        const tried = { ...box, y };
        if (y < 0 || y + box.h > this.height) continue;
        if (this.taken.some((other) => overlap(tried, other))) continue;
        this.taken.push(tried);
        return tried;
      }
    }
    return null;
  }
}

/**
 * Places of equally high words in a pile, in the order of where they belong: their leaders do not
 * cross, and together they are moved as little as can be.
 *
 * @param {number[]} wanted tops, in rising order
 * @param {number} high of each
 * @param {number} height of the pane
 * @returns {number[]} their tops
 */
export function pile(wanted, high, height) {
  /** @typedef {{sum: number, count: number}} Pile `sum` is that of the tops of its first box */
  /** @type {Pile[]} */
  const piles = [];
  const topOf = (/** @type {Pile} */ { sum, count }) =>
    Math.max(0, Math.min(height - count * high, sum / count));
  wanted.forEach((top) => {
    let last = { sum: top, count: 1 };
    for (let above = piles.at(-1); above !== undefined; above = piles.at(-1)) {
      if (topOf(above) + above.count * high <= topOf(last)) break;
      piles.pop();
      const sum = above.sum + last.sum - last.count * above.count * high;
      last = { sum, count: above.count + last.count };
    }
    piles.push(last);
  });
  return piles.flatMap((part) =>
    Array.from({ length: part.count }, (_, at) => topOf(part) + at * high),
  );
}

/** @param {string} text @param {number} size px @returns {number} the width in a monospace font */
export function textWidth(text, size) {
  return text.length * size * 0.61;
}
