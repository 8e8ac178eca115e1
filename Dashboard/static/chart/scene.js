/**
 * All that the own layers draw in a pane, as plain shapes: drawn by `draw_*.js`, dumped for tests.
 *
 * @import {Columns} from "./columns.js"
 * @import {Frame} from "./frame.js"
 * @import {Blank} from "./holes.js"
 * @import {Answer, Book, Hole, Span, Wick} from "./types.js"
 *
 * @typedef {object} Layers what is shown
 * @property {boolean} wicks
 * @property {boolean} signals
 * @property {boolean} vwap
 * @property {number} bands sigmas around the VWAP of the session, 0 to 3
 * @property {boolean} walls
 * @property {boolean} holes
 * @property {boolean} volume
 * @property {boolean} cvd
 *
 * @typedef {object} Subject what the chart shows
 * @property {Columns} columns the last one may be the forming minute
 * @property {Wick[]} wicks
 * @property {Hole[]} holes
 * @property {Span[]} imported
 * @property {number} recorded Unix minute of the first record, NaN if unknown
 * @property {Answer|null} answer
 * @property {Book|null} book
 * @property {number} asOf Unix minute
 * @property {string|null} chosen event_id
 * @property {boolean} isVoid
 * @property {boolean} replay
 * @property {boolean} bookStale
 * @property {Layers} layers
 *
 * @typedef {ReturnType<typeof priceScene>} PriceScene
 * @typedef {ReturnType<typeof volumeScene>} VolumeScene
 * @typedef {ReturnType<typeof cvdScene>} CvdScene
 */
import { visible, xOfColumn, xOfMinute, yOf } from "./frame.js";
import { blankShapes, blanksOf, covers, gapTicks, importedShapes, silences } from "./holes.js";
import { levelLines, levelTags } from "./levels.js";
import { divergenceMarks, volumeMarks } from "./marks.js";
import { opensSession, runs } from "./runs.js";
import { planLines, signalShapes } from "./signals.js";
import { Places } from "./spread.js";
import { vwapBands, vwapLines } from "./vwap.js";
import { wallShapes } from "./walls.js";

/**
 * @param {Columns} columns
 * @param {Blank[]} holes of trades
 * @returns {(before: number, after: number) => boolean} columns that no line may join
 */
export function breaks(columns, holes) {
  if (holes.length === 0) return () => false;
  const inside = Array.from({ length: columns.length }, (_, at) =>
    covers(holes, columns.minute(at), columns.every),
  );
  return (before, after) => inside[before] || inside[after] || between(holes, columns, before, after);
}

/**
 * @param {Blank[]} holes
 * @param {Columns} columns
 * @param {number} before
 * @param {number} after
 * @returns {boolean}
 */
function between(holes, columns, before, after) {
  return after - before > 1 && covers(holes, columns.minute(before), (after - before) * columns.every);
}

/**
 * @param {Columns} columns
 * @param {Blank[]} holes of trades
 * @returns {[number, number][]} the columns of each unbroken line of the session's CVD
 */
export function cvdRuns(columns, holes) {
  const broken = breaks(columns, holes);
  return runs(
    columns.of.cvd,
    (before, after) => broken(before, after) || opensSession(columns.minute(after), columns.every),
  );
}

/**
 * The blanks over all panes: holes of trades, silence, time before the first record.
 *
 * @param {Subject} subject
 * @returns {Blank[]}
 */
export function blanks(subject) {
  const { columns, recorded } = subject;
  const holes = blanksOf(subject.holes, "trades");
  const all = [...holes, ...silences(columns, holes, recorded)];
  if (recorded > columns.first) {
    const unseen = { from: columns.first - 100 * columns.every, to: recorded };
    all.unshift({ kind: "unrecorded", ...unseen, words: "not recorded" });
  }
  return all;
}

/** @param {Subject} subject @param {Frame} frame */
export function priceScene(subject, frame) {
  const { answer, columns, layers, isVoid } = subject;
  const sight = visible(frame);
  const places = new Places(frame.height);
  const holes = blanksOf(subject.holes, "trades");
  const broken = breaks(columns, holes);
  const signals = layers.signals ? (answer?.signals ?? []) : [];
  const chosen = signals.find((s) => s.event_id === subject.chosen) ?? signals[0];
  const marks = signalShapes(signals, frame, places, chosen?.event_id ?? null, isVoid);
  const walls = layers.walls ? wallShapes(subject.book, frame, places) : [];
  const plan = planLines(chosen, frame, places, isVoid);
  const levels = layers.wicks ? levelLines(subject.wicks, frame, subject.asOf) : [];
  const tags = levelTags(levels, frame, places);
  const all = layers.holes ? blanks(subject) : [];
  const books = layers.holes && layers.walls ? blanksOf(subject.holes, "book") : [];
  return {
    spacing: frame.spacing,
    signals: marks,
    walls,
    plan,
    levels,
    tags,
    vwap: layers.vwap ? vwapLines(columns, frame, sight, broken) : [],
    bands: vwapBands(columns, frame, sight, broken, layers.bands),
    blanks: blankShapes([...books, ...all], frame, places),
    ticks: gapTicks(columns, subject.holes, frame, sight),
    imported: importedShapes(subject.imported, frame),
    replayX: replayX(subject, frame),
  };
}

/** @param {Subject} subject @param {Frame} frame */
export function volumeScene(subject, frame) {
  const sight = visible(frame);
  return {
    marks: subject.layers.volume ? volumeMarks(subject.columns, frame, sight) : [],
    blanks: blankShapes(subject.layers.holes ? blanks(subject) : [], frame, null),
    ticks: gapTicks(subject.columns, subject.holes, frame, sight),
    replayX: replayX(subject, frame),
  };
}

/** @param {Subject} subject @param {Frame} frame */
export function cvdScene(subject, frame) {
  const { columns, layers } = subject;
  const sight = visible(frame);
  const all = cvdRuns(columns, blanksOf(subject.holes, "trades"));
  const lines = all.filter(([from, to]) => to > from);
  return {
    marks: layers.cvd ? divergenceMarks(columns, frame, sight) : [],
    lines: lines.map(([from, to]) => ({
      x1: xOfColumn(frame, from),
      x2: xOfColumn(frame, to),
      y1: yOf(frame, Number(columns.of.cvd[from])),
    })),
    blanks: blankShapes(layers.holes ? blanks(subject) : [], frame, null),
    ticks: gapTicks(columns, subject.holes, frame, sight),
    replayX: replayX(subject, frame),
  };
}

/** @param {Subject} subject @param {Frame} frame @returns {number|null} the moment of a replay */
function replayX(subject, frame) {
  return subject.replay ? xOfMinute(frame, subject.asOf) : null;
}
