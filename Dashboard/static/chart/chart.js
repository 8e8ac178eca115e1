/**
 * The chart: candles, volume and CVD of the library, and the own layers on them.
 *
 * @import {Frame} from "./frame.js"
 * @import {Subject} from "./scene.js"
 * @import {ChartState, Facts, Forming, Parts, Price, View} from "./types.js"
 * @import {Zone} from "./axis_labels.js"
 */
import { Columns } from "./columns.js";
import { minutesOf } from "./frame.js";
import { blanksOf, covers } from "./holes.js";
import { wickList } from "./levels.js";
import { readPalette } from "./palette.js";
import { Panes } from "./panes.js";
import { carried, freeOf, Sight } from "./sight.js";

const WINDOW = 150; // minutes, at first
const LEAST_PX = 4; // a column, at first
const MOST_MINUTES = 1440;
const SLACK = 60; // minutes kept beyond the most, so that the oldest are cut once an hour
const EMPTY = { first: 0, every: 1, o: [], h: [], l: [], c: [] };

/** A chart in an element. */
export class Chart {
  /** @param {HTMLElement} host */
  constructor(host) {
    this.host = host;
    this.box = document.createElement("div");
    for (const [name, value] of [["position", "absolute"], ["inset", "0"]]) {
      this.box.style.setProperty(name, value);
    }
    host.append(this.box);
    this.palette = readPalette(host);
    /** @type {Zone} */
    this.zone = "utc";
    /** @type {Subject} */
    this.subject = {
      columns: new Columns(/** @type {any} */ (EMPTY)),
      wicks: [],
      holes: [],
      imported: [],
      recorded: Number.NaN,
      answer: null,
      book: null,
      asOf: 0,
      chosen: null,
      isVoid: false,
      replay: false,
      bookStale: false,
      layers: {
        wicks: true, signals: true, vwap: true, bands: 1,
        walls: true, holes: true, volume: true, cvd: true,
      },
    };
    /** @type {Forming|null} */
    this.forming = null;
    /** @type {Price|null} */
    this.price = null;
    this.places = 1;
    this.live = true;
    this.limit = MOST_MINUTES;
    /** @type {Map<string, import("./types.js").AddedLayer>} */
    this.added = new Map();
    /** @type {((facts: Facts|null) => void)[]} */
    this.listeners = [];
    this.panes = new Panes(this);
    this.sight = new Sight(this.panes.chart);
    /** @type {number|null} minutes of a window that follows the width, until somebody moves it */
    this.window = WINDOW;
    this.least = LEAST_PX;
    this.listen();
    /** @type {any} */ (host).geometry = () => this.geometry();
  }

  listen() {
    const { chart } = this.panes;
    for (const name of ["pointerdown", "wheel", "touchstart"]) {
      this.box.addEventListener(name, () => { this.window = null; }, { passive: true });
    }
    // while it is told, the library still places columns by the old width
    chart.timeScale().subscribeSizeChange(() => requestAnimationFrame(() => this.fit()));
    chart.subscribeCrosshairMove((event) => {
      const { logical, point } = event;
      const facts = point === undefined || logical === undefined ? null : this.factsAt(logical);
      for (const listener of this.listeners) listener(facts);
    });
  }

  /** @returns {number} columns on the axis, the forming minute included */
  get total() {
    const { columns } = this.subject;
    const forming = this.drawnForming();
    if (forming === null) return columns.length;
    return Math.max(columns.length, columns.index(forming.minute) + 1);
  }

  /**
   * @returns {Forming|null} the forming minute, which has no record yet: of a live view, where a
   *   column is a minute
   */
  drawnForming() {
    const { columns } = this.subject;
    const next = this.forming;
    if (next === null || !this.live || columns.every !== 1 || columns.length === 0) return null;
    const at = columns.index(next.minute);
    return at > columns.newest() && at < columns.length + 60 ? next : null;
  }

  /** @returns {{first: number, every: number, columns: number}} */
  extent() {
    const { first, every } = this.subject.columns;
    return { first, every, columns: this.total };
  }

  /**
   * Shows a view. The zoom stays; so does the place in time, if the view holds it. A step between
   * live and replay goes to the newest minute.
   *
   * @param {View} view
   */
  setView(view) {
    const before = this.stretch();
    const { subject } = this;
    subject.columns = new Columns(view.minutes);
    subject.wicks = wickList(view.wicks);
    const live = view.mode === "live";
    if (before && live !== this.live) before.right = Math.max(before.right, before.extent.columns);
    this.live = live;
    subject.replay = !this.live;
    subject.chosen = null;
    this.places = view.places ?? 1;
    this.limit = Math.max(MOST_MINUTES, subject.columns.length * subject.columns.every);
    this.take({
      ...view,
      minutes: undefined,
      wicks: undefined,
      forming: view.forming ?? null,
      price: view.price ?? null,
      holes: view.holes ?? [],
      imported: view.imported ?? [],
      recorded_from_utc: view.recorded_from_utc ?? null,
      answer: view.answer ?? null,
      book: view.book ?? null,
      as_of_utc: view.as_of_utc ?? undefined,
    });
    this.panes.places(this.places);
    this.apply(before);
  }

  /** Takes the changed parts of the view. @param {Parts} parts */
  update(parts) {
    const before = this.stretch();
    const { columns } = this.subject;
    const was = this.drawnForming()?.minute;
    if (parts.minutes && parts.minutes.every === columns.every) columns.merge(parts.minutes);
    if (columns.length * columns.every > this.limit + SLACK) {
      columns.cut(Math.ceil(this.limit / columns.every));
      for (const layer of this.added.values()) layer.cutBefore?.(columns.first);
    }
    if (parts.wicks) this.mergeWicks(parts.wicks);
    this.take(parts);
    const now = this.drawnForming();
    if (parts.minutes || parts.holes || now?.minute !== was) this.apply(before);
    else if (now && parts.forming) this.panes.form(now);
    this.panes.redraw();
  }

  /** @param {Parts} parts */
  take(parts) {
    const { subject } = this;
    if (parts.forming !== undefined) this.forming = parts.forming;
    if (parts.price !== undefined) this.price = parts.price;
    if (parts.holes) subject.holes = parts.holes;
    if (parts.imported) subject.imported = parts.imported;
    if (parts.answer !== undefined) subject.answer = parts.answer;
    if (parts.book !== undefined) subject.book = parts.book;
    if (parts.as_of_utc) subject.asOf = minutesOf(parts.as_of_utc);
    const recorded = parts.recorded_from_utc;
    if (recorded === null) subject.recorded = Number.NaN;
    else if (recorded !== undefined) subject.recorded = minutesOf(recorded);
    this.panes.touch();
  }

  /** @param {NonNullable<Parts["wicks"]>} wicks */
  mergeWicks(wicks) {
    const gone = new Set([...(wicks.gone ?? []), ...(wicks.id ?? [])]);
    this.subject.wicks = [
      ...this.subject.wicks.filter((wick) => !gone.has(wick.id)),
      ...wickList(wicks),
    ];
  }

  /** @returns {import("./sight.js").Stretch|null} null before the first view */
  stretch() {
    const extent = this.extent();
    if (extent.columns === 0) return null;
    const { spacing, right } = this.sight.aim();
    return spacing > 0 ? { spacing, right, extent } : null;
  }

  /**
   * Gives all data to the library; the sight is carried over.
   * @param {import("./sight.js").Stretch|null} before
   */
  apply(before) {
    this.panes.fill(this.drawnForming(), this.total);
    if (this.total === 0) return;
    if (before === null) this.fit();
    else {
      const free = freeOf(this.sight.scale.width());
      const { spacing, right } = carried(before, this.extent(), free);
      this.sight.set(spacing, right);
    }
  }

  /** Shows the window again after a change of the width, until somebody has moved it. */
  fit() {
    if (this.window === null || this.total === 0 || this.sight.scale.width() === 0) return;
    this.sight.show(this.window / this.subject.columns.every, this.total, this.least);
  }

  /** Shows the newest minutes. @param {number} minutes */
  setWindow(minutes) {
    this.window = minutes;
    this.least = 0.25;
    this.fit();
  }

  /** @param {number} bars to later (above 0) or earlier */
  pan(bars) {
    if (this.total === 0) return;
    this.window = null;
    const { spacing, right } = this.sight.aim();
    this.sight.set(spacing, right + bars);
  }

  /**
   * @param {number} factor above 1: fewer, wider columns; the free space or the right column stays
   */
  zoom(factor) {
    if (this.total === 0) return;
    this.window = null;
    const { spacing, right } = this.sight.aim();
    const newest = this.total - 1;
    const wide = Math.max(0.25, Math.min(40, spacing * factor));
    this.sight.set(wide, right > newest ? newest + ((right - newest) * spacing) / wide : right);
  }

  /** @param {Partial<ChartState>} state */
  setState(state) {
    const { subject } = this;
    if (state.void !== undefined) subject.isVoid = state.void;
    if (state.replay !== undefined) subject.replay = state.replay;
    if (state.stale !== undefined) subject.bookStale = Boolean(state.stale.book);
    for (const layer of this.added.values()) layer.setStale?.(subject.bookStale);
    this.box.style.setProperty("filter", subject.isVoid ? "grayscale(1) opacity(.55)" : "none");
    this.panes.redraw();
  }

  /**
   * @param {string} name heat, wicks, signals, vwap, bands, book, holes, volume or cvd
   * @param {boolean|number} on
   */
  setLayer(name, on) {
    const { layers } = this.subject;
    if (name === "bands") layers.bands = typeof on === "number" ? on : Number(on);
    else if (name === "book") layers.walls = Boolean(on);
    else if (name in layers) /** @type {any} */ (layers)[name] = Boolean(on);
    if (name === "cvd") this.panes.showCvd(Boolean(on));
    this.added.get(name)?.setVisible?.(Boolean(on));
    this.panes.redraw();
  }

  /** @param {string|null} eventId the signal whose plan is drawn; null: the nearest */
  choose(eventId) {
    this.subject.chosen = eventId;
    this.panes.redraw();
  }

  /** @param {Zone} zone of the labels; the data stays in UTC */
  setZone(zone) {
    this.zone = zone;
    this.panes.relabel();
  }

  /** Reads the colours again. */
  retheme() {
    this.palette = readPalette(this.host);
    const before = this.stretch();
    this.panes.dress();
    this.apply(before);
    for (const layer of this.added.values()) layer.retheme?.();
    this.panes.redraw();
  }

  /** @param {(facts: Facts|null) => void} listener called with the minute under the crosshair */
  onCrosshair(listener) {
    this.listeners.push(listener);
  }

  /** @returns {Facts|null} of the newest column with a record */
  newestFacts() {
    return this.factsAt(this.subject.columns.newest());
  }

  /** @param {number} at a column @returns {Facts|null} */
  factsAt(at) {
    const { columns, holes, recorded } = this.subject;
    const forming = this.drawnForming();
    if (forming && columns.index(forming.minute) === at) {
      const none = { delta: null, tier: null, absorbed: null, whales: null, gap: null, v1h: null };
      const rest = { v4h: null, vs: null, sd: null, vgap: null, cvd: null, cvd1m: null, div: null };
      return { vol: null, ...forming, ...none, ...rest, every: 1, note: "forming" };
    }
    if (at < 0 || at >= columns.length) return null;
    const minute = columns.minute(at);
    let note = "";
    if (covers(blanksOf(holes, "trades"), minute, columns.every)) note = "hole";
    else if (minute < recorded) note = "not recorded";
    else if (columns.of.c[at] === null) note = "no trades";
    return columns.facts(at, note);
  }

  /**
   * Adds a layer under the others. `name` is that of `setLayer`.
   *
   * @param {any} primitive of the library; its `setVisible` and `retheme` are called, if it has them
   * @param {string} [name]
   */
  addLayer(primitive, name = primitive.name ?? "heat") {
    this.added.set(name, primitive);
    primitive.frame = () => this.frame();
    primitive.setStale?.(this.subject.bookStale);
    this.panes.candles.attachPrimitive(primitive);
    return primitive;
  }

  /** @returns {Frame|null} of the price pane */
  frame() {
    return this.panes.frame("price");
  }

  /** @returns {object} all that the own layers draw, in CSS pixels */
  geometry() {
    const added = [...this.added].map(([name, layer]) => [name, layer.geometry?.() ?? null]);
    return { ...this.panes.geometry(), ...Object.fromEntries(added) };
  }

  remove() {
    this.panes.chart.remove();
    this.box.remove();
  }
}
