/**
 * A layer of the chart: a primitive of the library that calls a function to draw.
 *
 * The function gets a context in CSS pixels. Layers are 'bottom' or 'normal': those on 'top' would
 * be drawn again at each movement of the mouse.
 *
 * @import {CanvasRenderingTarget2D} from "fancy-canvas"
 * @import {ISeriesPrimitiveAxisView} from "../vendor/lightweight-charts-5.2.1.mjs"
 *
 * @callback Draw
 * @param {CanvasRenderingContext2D} context
 * @param {number} ratio device pixels of a CSS pixel
 * @param {number} width
 * @param {number} height
 * @returns {void}
 */

/** @param {Draw} draw @param {"bottom"|"normal"} zOrder */
function viewOf(draw, zOrder) {
  const renderer = {
    draw: (/** @type {CanvasRenderingTarget2D} */ target) => {
      target.useBitmapCoordinateSpace((scope) => {
        const { context, horizontalPixelRatio, verticalPixelRatio, mediaSize } = scope;
        context.save();
        context.scale(horizontalPixelRatio, verticalPixelRatio);
        draw(context, horizontalPixelRatio, mediaSize.width, mediaSize.height);
        context.restore();
      });
    },
  };
  return { zOrder: () => zOrder, renderer: () => renderer };
}

/** A series primitive. */
export class Layer {
  /**
   * @param {"bottom"|"normal"} zOrder
   * @param {Draw} draw
   * @param {{price?: ISeriesPrimitiveAxisView, time?: Draw}} [axes] a label on the price axis, a
   *   drawing in the time axis
   */
  constructor(zOrder, draw, axes = {}) {
    this.panes = [viewOf(draw, zOrder)];
    this.prices = axes.price ? [axes.price] : [];
    this.times = axes.time ? [viewOf(axes.time, "bottom")] : [];
    /** @type {() => void} */
    this.redraw = () => {};
  }

  /** @param {{requestUpdate: () => void}} parameters */
  attached({ requestUpdate }) {
    this.redraw = requestUpdate;
  }

  detached() {
    this.redraw = () => {};
  }

  paneViews() {
    return this.panes;
  }

  priceAxisViews() {
    return this.prices;
  }

  timeAxisPaneViews() {
    return this.times;
  }
}
