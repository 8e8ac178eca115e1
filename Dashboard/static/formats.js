/** Numbers, ages and times as people read them. Pure. */

const NEAR_MS = 3 * 3_600_000; // a change of the clocks this near may repeat a time

/**
 * Return an age in few characters: `11s`, `19m`, `2h10m`, `3d04h`.
 * @param {number} ms
 */
export function age(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  const days = Math.floor(hours / 24);
  if (days) return `${days}d${String(hours % 24).padStart(2, "0")}h`;
  if (hours) return `${hours}h${String(minutes % 60).padStart(2, "0")}m`;
  return minutes ? `${minutes}m` : `${seconds}s`;
}

/**
 * Split a decimal text into its digits and its places.
 * @param {string} text
 * @returns {[bigint, number] | null} null: it is no decimal
 */
function decimal(text) {
  const match = /^([+-]?)(\d{1,30})(?:\.(\d{1,20}))?$/.exec(text);
  if (match === null) return null;
  const places = (match[3] ?? "").length;
  const digits = BigInt(match[2] + (match[3] ?? ""));
  return [match[1] === "-" ? -digits : digits, places];
}

/**
 * Return the digits of a decimal with fixed places.
 * @param {bigint} digits
 * @param {number} places
 */
function written(digits, places) {
  const sign = digits < 0n ? "-" : "";
  const text = String(digits < 0n ? -digits : digits).padStart(places + 1, "0");
  return places ? `${sign}${text.slice(0, -places)}.${text.slice(-places)}` : sign + text;
}

/**
 * Return the distance of two prices exactly, without a sign; null if one is no decimal.
 * @param {string | null | undefined} one
 * @param {string | null | undefined} other
 */
export function apart(one, other) {
  const [a, b] = [decimal(one ?? ""), decimal(other ?? "")];
  if (a === null || b === null) return null;
  const places = Math.max(a[1], b[1]);
  const difference = a[0] * 10n ** BigInt(places - a[1]) - b[0] * 10n ** BigInt(places - b[1]);
  const text = written(difference < 0n ? -difference : difference, places);
  return places > 1 ? text.replace(/0+$/, "").replace(/\.$/, "") : text;
}

/**
 * Divide to a whole number, half to even, as the commands do.
 * @param {bigint} value
 * @param {bigint} by
 */
function divided(value, by) {
  const whole = value / by;
  const rest = 2n * (value % by);
  return whole + (rest > by || (rest === by && whole % 2n === 1n) ? 1n : 0n);
}

/**
 * Return an amount in few characters, worded as find_signals does: `2.60M`, `125k`, `980`.
 * @param {string | null | undefined} text
 */
export function amount(text) {
  const parsed = decimal(text ?? "");
  if (parsed === null) return "–";
  const [digits, places] = parsed;
  const size = digits < 0n ? -digits : digits;
  const one = 10n ** BigInt(places);
  const sign = digits < 0n ? "-" : text?.startsWith("+") ? "+" : "";
  const thousands = divided(size, 1000n * one);
  if (thousands >= 1000n) return `${sign}${written(divided(size * 100n, 1_000_000n * one), 2)}M`;
  return sign + (thousands ? `${thousands}k` : String(divided(size, one)));
}

/**
 * Return a number of a column as it stands in the file, at the places of the instrument.
 * @param {unknown} value
 * @param {number} places
 */
export function fixed(value, places) {
  return typeof value === "number" && Number.isFinite(value) ? value.toFixed(places) : "–";
}

/**
 * Return a column's amount of money in few characters.
 * @param {unknown} value
 * @param {boolean} [signed]
 */
export function short(value, signed = false) {
  if (typeof value !== "number" || !Number.isFinite(value)) return "–";
  const text = amount(value.toFixed(2));
  return signed && value > 0 ? `+${text}` : text;
}

/**
 * Return the offset of local time, as `+10:30` or `-5`, at a time that clocks there show twice: at
 * the end of summer time. Empty at any other.
 * @param {number} ms Unix time
 */
export function offsetWhereTwice(ms) {
  const behind = new Date(ms).getTimezoneOffset();
  const isTwice = [ms - NEAR_MS, ms + NEAR_MS].some((near) => {
    const other = new Date(near).getTimezoneOffset();
    const shownAlike = ms + (other - behind) * 60_000;
    return other !== behind && new Date(shownAlike).getTimezoneOffset() === other;
  });
  if (!isTwice) return "";
  const size = Math.abs(behind);
  const rest = size % 60 ? `:${String(size % 60).padStart(2, "0")}` : "";
  return `${behind > 0 ? "-" : "+"}${Math.floor(size / 60)}${rest}`;
}

/**
 * Return a moment as UTC or local time.
 * @param {number} ms Unix time
 * @param {"utc" | "local"} zone
 * @param {"day" | "minute" | "second"} detail `day`: date and minute
 */
export function moment(ms, zone, detail) {
  if (!Number.isFinite(ms)) return "–";
  const date = new Date(ms);
  const [year, month, day, hour, minute, second] = zone === "utc"
    ? [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate(), date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()]
    : [date.getFullYear(), date.getMonth(), date.getDate(), date.getHours(), date.getMinutes(), date.getSeconds()];
  /** @param {number} part */
  const two = (part) => String(part).padStart(2, "0");
  const time = `${two(hour)}:${two(minute)}${detail === "second" ? `:${two(second)}` : ""}`;
  const shown = zone === "utc" ? time : time + offsetWhereTwice(ms);
  return detail === "day" ? `${year}-${two(month + 1)}-${two(day)} ${shown}` : shown;
}

/**
 * Return a time in both zones, the chosen one first.
 * @param {number} ms
 * @param {"utc" | "local"} zone
 * @returns {[string, string]}
 */
export function bothZones(ms, zone) {
  if (zone === "utc") return [`${moment(ms, "utc", "day")} UTC`, `${moment(ms, "local", "minute")} here`];
  return [`${moment(ms, "local", "day")} here`, `${moment(ms, "utc", "minute")} UTC`];
}
