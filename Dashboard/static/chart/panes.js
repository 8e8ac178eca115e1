/**
 * The library's chart: three panes with their series, options in the theme's colours, own layers.
 *
 * @import {Chart} from "./chart.js"
 * @import {Frame} from "./frame.js"
 * @import {CvdScene, Prepared, PriceScene, VolumeScene} from "./scene.js"
 * @import {Forming} from "./types.js"
 * @import {Time} from "../vendor/lightweight-charts-5.2.1.mjs"
 *
 * @typedef {"price"|"volume"|"cvd"} PaneName
 */
import {
  CandlestickSeries, createChart, HistogramSeries, LineSeries,
} from "../vendor/lightweight-charts-5.2.1.mjs";
import { crosshairLabel, tickLabel, usdLabel } from "./axis_labels.js";
import {
  drawBlanks, drawBlankWords, drawImported, drawMarks, drawReplay, drawTicks,
} from "./draw_blanks.js";
import {
  drawBands, drawLevels, drawLevelTags, drawPlan, drawPlanWords, drawSignals,
  drawVwap, drawWalls,
} from "./draw_price.js";
import { Layer } from "./layer.js";
import { cvdScene, prepare, priceScene, volumeScene } from "./scene.js";
import {
  axisPoints, candlePoints, cvdPoints, deltaPoints, formingPoint, volumePoints,
} from "./series_data.js";

const SHARES = { price: 74, volume: 13, cvd: 13 };
const REACH_BPS = 60; // a level this near is kept in sight
const QUIET = { lastValueVisible: false, priceLineVisible: false };
const USD = { type: /** @type {const} */ ("custom"), formatter: usdLabel, minMove: 1 };

/** Everything of the library that belongs to a chart. */
export class Panes {
  /** @param {Chart} owner */
  constructor(owner) {
    this.owner = owner;
    this.version = 0;
    /** @type {{version: number, prepared: Prepared}|null} */
    this.ready = null;
    /** @type {Map<PaneName, {key: string, scene: any}>} */
    this.scenes = new Map();
    this.chart = createChart(owner.box, this.options());
    const chart = this.chart;
    const right = { ...QUIET, priceScaleId: "right" };
    this.axis = chart.addSeries(LineSeries, { ...right, crosshairMarkerVisible: false }, 0);
    this.candles = chart.addSeries(CandlestickSeries, { ...right, ...this.candleColours() }, 0);
    this.volume = chart.addSeries(HistogramSeries, { ...right, priceFormat: USD }, 1);
    const bars = { ...QUIET, priceScaleId: "delta", priceFormat: USD };
    this.delta = chart.addSeries(HistogramSeries, bars, 2);
    this.cvd = chart.addSeries(LineSeries, {
      ...right, priceFormat: USD, lineWidth: 2, crosshairMarkerVisible: false,
    }, 2);
    this.candles.applyOptions({ autoscaleInfoProvider: this.autoscale.bind(this) });
    chart.priceScale("right", 0).applyOptions({ scaleMargins: { top: 0.1, bottom: 0.07 } });
    chart.priceScale("right", 1).applyOptions({ scaleMargins: { top: 0.22, bottom: 0.02 } });
    chart.priceScale("right", 2).applyOptions({ scaleMargins: { top: 0.14, bottom: 0.1 } });
    chart.priceScale("delta", 2).applyOptions({ scaleMargins: { top: 0.1, bottom: 0.1 } });
    this.share(true);
    this.layers = this.attach();
  }

  /** Gives each pane its share of the height. @param {boolean} cvd */
  share(cvd) {
    const [price, volume, last] = this.chart.panes();
    price.setStretchFactor(cvd ? SHARES.price : SHARES.price + SHARES.cvd);
    volume.setStretchFactor(SHARES.volume);
    last?.setStretchFactor(cvd ? SHARES.cvd : 0.01);
  }

  options() {
    const { palette } = this.owner;
    const none = /** @type {const} */ ({ visible: false });
    return {
      autoSize: true,
      layout: {
        attributionLogo: false, // innerHTML, which the page forbids; the link is in the footer
        background: { type: /** @type {any} */ ("solid"), color: palette.ground },
        textColor: palette.soft,
        fontFamily: palette.mono,
        fontSize: 11,
        panes: {
          enableResize: false, separatorColor: palette.line, separatorHoverColor: palette.line,
        },
      },
      grid: { vertLines: { color: palette.grid }, horzLines: { color: palette.grid } },
      leftPriceScale: none,
      rightPriceScale: { borderColor: palette.line, minimumWidth: 78, entireTextOnly: true },
      timeScale: {
        borderColor: palette.line,
        timeVisible: true,
        secondsVisible: false,
        minBarSpacing: 0.25,
        shiftVisibleRangeOnNewBar: false,
        minimumHeight: 28,
        tickMarkFormatter: (/** @type {Time} */ time) => tickLabel(Number(time), this.owner.zone),
      },
      localization: {
        timeFormatter: (/** @type {Time} */ time) => crosshairLabel(Number(time), this.owner.zone),
      },
      crosshair: {
        mode: 0,
        vertLine: { color: palette.faint, labelBackgroundColor: palette.raised },
        horzLine: { color: palette.faint, labelBackgroundColor: palette.raised },
      },
      handleScroll: { vertTouchDrag: false },
      hoveredSeriesOnTop: false,
    };
  }

  candleColours() {
    const { ground, long, short } = this.owner.palette;
    return {
      upColor: ground, downColor: short, borderVisible: true,
      borderUpColor: long, borderDownColor: short, wickUpColor: long, wickDownColor: short,
    };
  }

  /** Applies the theme's colours; the data, coloured too, is given anew by the caller. */
  dress() {
    this.chart.applyOptions(this.options());
    this.candles.applyOptions(this.candleColours());
    this.touch();
  }

  /** Writes the labels of the time axis anew. */
  relabel() {
    const { timeScale: { tickMarkFormatter }, localization } = this.options();
    this.chart.applyOptions({ timeScale: { tickMarkFormatter }, localization });
  }

  /** @param {number} places decimal places of a price */
  places(places) {
    const type = /** @type {const} */ ("price");
    const priceFormat = { type, precision: places, minMove: 10 ** -places };
    for (const series of [this.axis, this.candles]) series.applyOptions({ priceFormat });
  }

  /** @param {Forming|null} forming @param {number} total columns on the axis */
  fill(forming, total) {
    const { palette, subject } = this.owner;
    const { columns } = subject;
    this.touch();
    const last = forming === null ? [] : [formingPoint(forming, palette)];
    this.axis.setData(axisPoints(columns, total));
    this.candles.setData([...candlePoints(columns), ...last]);
    this.volume.setData(volumePoints(columns, palette));
    this.delta.setData(deltaPoints(columns, palette));
    this.cvd.setData(cvdPoints(columns, this.prepared().cvd, palette.soft));
  }

  /** @param {Forming} forming the newest prices of the minute on the axis */
  form(forming) {
    this.candles.update(formingPoint(forming, this.owner.palette));
    this.touch();
  }

  /** @param {boolean} on */
  showCvd(on) {
    this.cvd.applyOptions({ visible: on });
    this.delta.applyOptions({ visible: on });
    this.share(on);
  }

  /** Forgets the shapes: something else than the place in time has changed. */
  touch() {
    this.version += 1;
  }

  redraw() {
    this.touch();
    for (const layer of this.layers) layer.redraw();
  }

  /**
   * Keeps the level of the shown signal in sight, if it is near.
   *
   * @param {() => any} base
   */
  autoscale(base) {
    const info = base();
    const { answer, chosen, layers } = this.owner.subject;
    const signals = answer?.signals ?? [];
    const signal = signals.find((s) => s.event_id === chosen) ?? signals[0];
    if (!info?.priceRange || signal === undefined || !layers.signals) return info;
    const tip = Number(signal.wick_price);
    const { minValue, maxValue } = info.priceRange;
    const reach = (maxValue * REACH_BPS) / 10_000;
    if (!(tip > minValue - reach && tip < maxValue + reach)) return info;
    const priceRange = { minValue: Math.min(minValue, tip), maxValue: Math.max(maxValue, tip) };
    return { ...info, priceRange };
  }

  /** @param {PaneName} name @returns {Frame|null} null while there is nothing to draw on */
  frame(name) {
    const { owner } = this;
    const { columns } = owner.subject;
    const series = { price: this.candles, volume: this.volume, cvd: this.cvd }[name];
    const zero = series.priceToCoordinate(0);
    const unit = name === "price" ? 1000 : 1e6;
    const one = series.priceToCoordinate(unit);
    if (zero === null || one === null || owner.total === 0) return null;
    const pane = this.chart.panes()[{ price: 0, volume: 1, cvd: 2 }[name]];
    return {
      first: columns.first,
      every: columns.every,
      columns: owner.total,
      x0: owner.sight.x(0),
      spacing: owner.sight.spacing(),
      width: this.chart.timeScale().width(),
      height: pane.getHeight(),
      y0: zero,
      slope: (one - zero) / unit,
    };
  }

  /** @returns {Prepared} made once for each state of the data */
  prepared() {
    if (this.ready?.version !== this.version) {
      this.ready = { version: this.version, prepared: prepare(this.owner.subject) };
    }
    return this.ready.prepared;
  }

  /**
   * The shapes of a pane, made once for each place in time and state of the data.
   *
   * @template T
   * @param {PaneName} name
   * @param {(subject: Chart["subject"], prepared: Prepared, frame: Frame) => T} make
   * @returns {T|null}
   */
  scene(name, make) {
    const frame = this.frame(name);
    if (frame === null) return null;
    const key = `${this.version} ${Object.values(frame).join(" ")}`;
    let known = this.scenes.get(name);
    if (known === undefined || known.key !== key) {
      known = { key, scene: make(this.owner.subject, this.prepared(), frame) };
      this.scenes.set(name, known);
    }
    return known.scene;
  }

  /** @returns {Layer[]} the own layers, in the order in which they are drawn */
  attach() {
    const { owner } = this;
    const price = () => /** @type {PriceScene|null} */ (this.scene("price", priceScene));
    const label = {
      coordinate: () => this.candles.priceToCoordinate(Number(owner.price?.value)) ?? -100,
      text: () => owner.price?.value.slice(0, 20) ?? "",
      textColor: () => owner.palette.ground,
      backColor: () => owner.palette.text,
      visible: () => owner.price !== null,
    };
    const under = new Layer("normal", (context, ratio, _width, height) => {
      const scene = price();
      if (scene === null) return;
      drawBands(context, scene, owner.palette);
      drawBlanks(context, scene.blanks, owner.palette, height);
      drawVwap(context, scene, owner.palette);
      drawLevels(context, scene, owner.palette, ratio);
    });
    const over = new Layer("normal", (context, ratio, _width, height) => {
      const scene = price();
      if (scene === null) return;
      drawTicks(context, scene.ticks, owner.palette, height);
      drawBlankWords(context, scene.blanks, owner.palette);
      drawReplay(context, scene.replayX, owner.palette, height, ratio);
      drawLevelTags(context, scene, owner.palette);
      drawWalls(context, scene, owner.palette, owner.subject.bookStale);
      drawPlan(context, scene, owner.palette, ratio);
      drawSignals(context, scene, owner.palette, ratio);
      drawPlanWords(context, scene, owner.palette);
    }, {
      price: label,
      time: (context, _ratio, _width, height) => {
        const scene = price();
        if (scene !== null) drawImported(context, scene.imported, owner.palette, height);
      },
    });
    this.axis.attachPrimitive(under);
    this.candles.attachPrimitive(over);
    const volume = this.small("volume", volumeScene);
    const cvd = this.small("cvd", cvdScene);
    this.volume.attachPrimitive(volume);
    this.cvd.attachPrimitive(cvd);
    return [under, over, volume, cvd];
  }

  /**
   * The layer of a lower pane.
   *
   * @param {"volume"|"cvd"} name
   * @param {typeof volumeScene|typeof cvdScene} make
   */
  small(name, make) {
    const { owner } = this;
    return new Layer("normal", (context, ratio, _width, height) => {
      const scene = /** @type {VolumeScene|CvdScene|null} */ (this.scene(name, make));
      if (scene === null) return;
      drawBlanks(context, scene.blanks, owner.palette, height);
      drawMarks(context, scene.marks, owner.palette, owner.sight.spacing());
      drawTicks(context, scene.ticks, owner.palette, height);
      drawReplay(context, scene.replayX, owner.palette, height, ratio);
    });
  }

  /** @returns {object} the shapes of all panes */
  geometry() {
    return {
      frame: this.frame("price"),
      price: this.scene("price", priceScene),
      volume: this.scene("volume", volumeScene),
      cvd: this.scene("cvd", cvdScene),
    };
  }
}
