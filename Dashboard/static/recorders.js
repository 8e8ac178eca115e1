/** The recorders, calculators and the disk, in the words of doctor. */

import { byId, el, keyed } from "./dom.js";
import { hasJustBegun } from "./health.js";

/** @typedef {import("./types.d.ts").Health} Health */

const SHAPES = { PASS: "●", WARN: "⚠", FAIL: "✕" };
const CLASSES = { PASS: "", WARN: "doubt", FAIL: "broken" };
const fill = keyed(byId("recorders"));

/**
 * Draw a sign and the words of each check, its remedy under the pointer.
 * @param {Health[]} health
 * @param {boolean} live health is of now: in replay it would be of another time
 * @param {boolean} known false while the page has no connection: it would be of before
 */
export function drawRecorders(health, live, known) {
  if (!known) return fill("unknown", () => [el("li", { class: "doubt" }, "recorders and disk: not known now")]);
  if (!live) return fill("past", () => [el("li", {}, "recorders and disk: shown live only")]);
  fill(JSON.stringify(health), () => health.map((check) => {
    const bad = check.level !== "PASS" && check.remedy;
    const begun = hasJustBegun(check);
    return el("li", { class: begun ? "doubt" : (CLASSES[check.level] ?? "doubt"), title: check.remedy || "nothing to do" },
      `${begun ? "~" : (SHAPES[check.level] ?? "?")} ${check.name} ${check.words}`,
      bad ? el("span", { class: "remedy" }, `remedy: ${check.remedy}`) : null);
  }));
}
