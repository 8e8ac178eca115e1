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
 * @typedef {ReturnType<typeof prepare>} Prepared
 * @typedef {ReturnType<typeof priceScene>} PriceScene
 * @typedef {ReturnType<typeof volumeScene>} VolumeScene
 * @typedef {ReturnType<typeof cvdScene>} CvdScene
 */
import { visible, xOfColumn, xOfMinute } from "./frame.js";
import {
  blankShapes, blanksOf, covers, gapColumns, importedShapes, silences,
} from "./holes.js";
import { levelLines, levelTags } from "./levels.js";
import { divergenceMarks, volumeMarks } from "./marks.js";
import { opensSession, runs } from "./runs.js";
import { planLines, signalShapes } from "./signals.js";
import { Places } from "./spread.js";
import { vwapBands, vwapLines, vwapRuns } from "./vwap.js";
import { wallShapes } from "./walls.js";

/**
 * @param {Columns} columns
 * @param {Blank[]} holes of trades
 * @returns {(before: number, after: number) => boolean} neighbours that no line may join
 */
export function breaks(columns, holes) {
  if (holes.length === 0) return () => false;
  const inside = Array.from({ length: columns.length }, (_, at) =>
    covers(holes, columns.minute(at), columns.every),
  );
  return (before, after) => inside[before] || inside[after];
}

/**
 * @param {Columns} columns
 * @param {(before: number, after: number) => boolean} broken neighbours that holes part
 * @returns {[number, number][]} the columns of each unbroken line of the session's CVD
 */
function cvdRuns(columns, broken) {
  return runs(
    columns.of.cvd,
    (before, after) => broken(before, after) || opensSession(columns.minute(after), columns.every),
  );
}

/**
 * The blanks over all panes: holes of trades, silence, time before the first record.
 *
 * @param {Subject} subject
 * @param {Blank[]} holes of trades
 * @returns {Blank[]}
 */
function blanks({ columns, recorded }, holes) {
  const all = [...holes, ...silences(columns, holes, recorded)];
  if (recorded > columns.first) {
    const unseen = { from: columns.first - 100 * columns.every, to: recorded };
    all.unshift({ kind: "unrecorded", ...unseen, words: "not recorded" });
  }
  return all;
}

/** What depends on the data alone, and not on the place in time. @param {Subject} subject */
export function prepare(subject) {
  const { columns, layers } = subject;
  const holes = blanksOf(subject.holes, "trades");
  const broken = breaks(columns, holes);
  return {
    vwap: vwapRuns(columns, broken),
    cvd: cvdRuns(columns, broken),
    gaps: gapColumns(columns, subject.holes),
    blanks: layers.holes ? blanks(subject, holes) : [],
    books: layers.holes && layers.walls ? blanksOf(subject.holes, "book") : [],
  };
}

/** @param {Subject} subject @param {Prepared} prepared @param {Frame} frame */
export function priceScene(subject, prepared, frame) {
  const { answer, columns, layers, isVoid } = subject;
  const sight = visible(frame);
  const places = new Places(frame.height);
  const signals = layers.signals ? (answer?.signals ?? []) : [];
  const chosen = signals.find((s) => s.event_id === subject.chosen) ?? signals[0];
  const marks = signalShapes(signals, frame, places, chosen?.event_id ?? null, isVoid, !subject.replay);
  const walls = layers.walls ? wallShapes(subject.book, frame, places) : [];
  const plan = planLines(chosen, frame, places, isVoid);
  const levels = layers.wicks ? levelLines(subject.wicks, frame, subject.asOf) : [];
  const tags = levelTags(levels, frame, places);
  return {
    spacing: frame.spacing,
    signals: marks,
    walls,
    plan,
    levels,
    tags,
    vwap: layers.vwap ? vwapLines(columns, prepared.vwap, frame, sight) : [],
    bands: vwapBands(columns, prepared.vwap, frame, sight, layers.bands),
    imported: importedShapes(subject.imported, frame),
    ...over(subject, prepared, frame, [...prepared.books, ...prepared.blanks], places),
  };
}

/** @param {Subject} subject @param {Prepared} prepared @param {Frame} frame */
export function volumeScene(subject, prepared, frame) {
  const { columns, layers } = subject;
  return {
    marks: layers.volume ? volumeMarks(columns, frame, visible(frame)) : [],
    ...over(subject, prepared, frame, prepared.blanks, null),
  };
}

/** @param {Subject} subject @param {Prepared} prepared @param {Frame} frame */
export function cvdScene(subject, prepared, frame) {
  const { columns, layers } = subject;
  return {
    marks: layers.cvd ? divergenceMarks(columns, frame, visible(frame)) : [],
    lines: prepared.cvd
      .filter(([from, to]) => to > from)
      .map(([from, to]) => ({ x1: xOfColumn(frame, from), x2: xOfColumn(frame, to) })),
    ...over(subject, prepared, frame, prepared.blanks, null),
  };
}

/**
 * What stands over all panes.
 *
 * @param {Subject} subject
 * @param {Prepared} prepared
 * @param {Frame} frame
 * @param {Blank[]} spans
 * @param {Places|null} places null: without words
 */
function over(subject, prepared, frame, spans, places) {
  const [from, to] = visible(frame);
  return {
    blanks: blankShapes(spans, frame, places),
    ticks: prepared.gaps.filter((at) => at >= from && at <= to).map((at) => xOfColumn(frame, at)),
    replayX: subject.replay ? xOfMinute(frame, subject.asOf) : null,
  };
}
