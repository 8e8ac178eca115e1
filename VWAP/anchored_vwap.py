"""VWAP since an anchor: a time, the candle of a wick, an extreme, the session or the week.

    vwap, vwap_base, sd   as in vwap_calculator.py, over all trades since the anchor's minute

The anchor is chosen of the minutes that had ended at the moment asked, and no row is from later
(SPEC section 14). Nothing is written.
"""

if __name__ == "__main__":
    exec(__import__("pathlib").Path(__file__, "../../scripts/begin.py").resolve().read_bytes())

import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import orjson

from ravequant import cli, exact, settings, tables, times
from ravequant.errors import DONE, NoDataError, UsageError, shown
from ravequant.pipeline import trade_source
from ravequant.pipeline.trade_source import TRADES
from ravequant.read.bar_stream import closed_minutes
from ravequant.records import check_inst_id
from ravequant.signals import raw_tail
from ravequant.signals.inputs import TIMEFRAMES
from ravequant.vault.instruments import known_history
from ravequant.vault.paths import StrPath, Vault, default_root, user_path
from VWAP.vwap_calculator import VwapSums, places_at, sums_of

if TYPE_CHECKING:
    import argparse

    from ravequant.trades.bar_builder import Closed
    from ravequant.trades.minute_bar import MinuteBar

PROGRAM: Final = "anchored_vwap"
SHOWN: Final = 15  # rows of the table
HEADERS: Final = ("minute UTC", "close", "vwap", "vwap_base", "sd", "bps", "minutes", "note")
HIGH, LOW = "high", "low"
_WEEK: Final = 7  # days
_MONDAY: Final = 4  # Unix days: 1970-01-05
_FORMS: Final = "expected a time, wick:EVENT_ID, high:24h, low:24h, session or week"
_log = logging.getLogger(PROGRAM)

When = times.Moment | Literal["latest"]


class Anchor(NamedTuple):
    """The minute in which a VWAP begins, and the reason in words."""

    minute: int  # Unix minutes
    words: str


class AnchorRule(NamedTuple):
    """How an anchor is chosen: from the minutes since ``since`` (Unix minutes)."""

    since: int
    choose: "Callable[[Sequence[MinuteBar]], Anchor]"


class AnchoredVwap(NamedTuple):
    """An anchored VWAP as of a minute."""

    anchor: Anchor
    as_of: int  # Unix minutes: all rows are of minutes that ended by then
    rows: list[dict[str, Any]]  # of each minute with trades, from the anchor's on


def anchored_vwap(
    inst_id: str,
    anchor: str,
    at: str | datetime | None = None,
    *,
    vault: StrPath | None = None,
) -> AnchoredVwap:
    """Return the VWAP of an instrument since ``anchor``, as of ``at`` (None: all that is on disk).

    ``anchor`` is a time, ``wick:`` and the event_id of a wick, ``high:24h`` or ``low:24h`` (or
    another span), ``session`` or ``week``; times are those of ``find_signals``. Raises UsageError
    for an anchor that was not known then, and NoDataError without a closed minute since it.
    """
    home = Vault(default_root() if vault is None else user_path(vault))
    return answer(home, check_inst_id(inst_id), anchor, cli.asked(home, at))


def answer(vault: Vault, inst_id: str, anchor: str, at: When) -> AnchoredVwap:
    """Return the answer to one question; raises as ``anchored_vwap``."""
    minute = as_of(vault, inst_id, at)
    rule = rule_of(inst_id, anchor, minute)
    closed = closed_minutes(vault, inst_id, rule.since * times.MINUTE_MS, minute * times.MINUTE_MS)
    first_ms = trade_source.first_bar_ms(
        TRADES.files(vault, inst_id), inst_id, None, vault.exchange
    )
    first = minute if first_ms is None else first_ms // times.MINUTE_MS
    chosen = rule.choose(closed.bars)
    if chosen.minute < first:
        _log.warning(
            "%s: the anchor %s is earlier than the recording, which begins at %s; the VWAP begins "
            "there",
            inst_id,
            times.iso_minute(chosen.minute),
            times.iso_minute(first),
        )
    rows = list(_rows(vault, inst_id, chosen.minute, closed))
    if not rows:
        raise NoDataError(
            f"no closed minute of {inst_id} from {times.iso_minute(chosen.minute)} to "
            f"{times.iso_minute(minute)} in {vault.root}; give an earlier --anchor or a later --at"
        )
    return AnchoredVwap(chosen, minute, rows)


def as_of(vault: Vault, inst_id: str, at: When) -> int:
    """Return the newest minute (its start ends the rows) that trades had closed at a moment."""
    newest = raw_tail.raw_end(vault, inst_id, 0, live=True, seen=None)
    if newest.watermark is None:
        raise NoDataError(
            f"no trade of {inst_id} in {vault.root}; start Trades_Bot/trades_exporter.py, or name "
            "another vault with --vault"
        )
    minute = newest.minute_ms // times.MINUTE_MS
    if at == times.LATEST:
        return minute
    if at.ms % times.MINUTE_MS == 0:
        return min(minute, at.ms // times.MINUTE_MS)
    end = raw_tail.raw_end(vault, inst_id, at.ms, live=False, seen=None)
    return min(minute, end.minute_ms // times.MINUTE_MS)


def rule_of(inst_id: str, anchor: str, minute: int) -> AnchorRule:
    """Return the rule of an anchor for a question as of ``minute``. Raises UsageError."""
    day = (minute - 1) // times.DAY_MINUTES  # of the newest minute that has ended
    if anchor == "session":
        return _fixed(day * times.DAY_MINUTES, "the session")
    if anchor == "week":
        return _fixed((day - (day - _MONDAY) % _WEEK) * times.DAY_MINUTES, "the week")
    word, _, rest = anchor.partition(":")
    if word == "wick":
        return _of_wick(inst_id, rest, minute)
    if word in {HIGH, LOW}:
        try:
            span = -(-times.parse_duration(rest) // times.MINUTE_MS)
        except ValueError as error:
            raise UsageError(f"--anchor {shown(anchor)}: {error}") from None
        return AnchorRule(minute - span, lambda bars: _extreme(bars, word, f"the {word} of {rest}"))
    try:
        last_ms = (minute - 1) * times.MINUTE_MS  # HH:MM is of its day
        start = times.moment(anchor, last_ms).ms // times.MINUTE_MS
    except ValueError as error:
        raise UsageError(f"--anchor: {error}; {_FORMS}") from None
    if start >= minute:
        raise UsageError(
            f"--anchor {shown(anchor)} is {times.iso_minute(start)}, not earlier than the moment "
            f"asked, {times.iso_minute(minute)}"
        )
    return _fixed(start, "a time")


def _fixed(minute: int, words: str) -> AnchorRule:
    return AnchorRule(minute, lambda _: Anchor(minute, words))


def _extreme(bars: "Sequence[MinuteBar]", side: str, words: str) -> Anchor:
    """Return the newest minute with the extreme of all."""
    if not bars:
        raise NoDataError(f"no closed minute for {words}; give a longer span")
    best = max(bars, key=lambda bar: (bar.high if side == HIGH else -bar.low, bar.minute))
    price = exact.price_text(best.high if side == HIGH else best.low)
    return Anchor(best.minute, f"{words}, {price}")


def _of_wick(inst_id: str, event_id: str, minute: int) -> AnchorRule:
    """Return the rule of a wick: the first minute that made its candle's extreme."""
    parts = event_id.split("|")
    try:
        owner, timeframe, written, side = parts
        end, length = times.parse_iso(written) // times.MINUTE_MS, TIMEFRAMES[timeframe]
        good = owner == inst_id and side in {HIGH, LOW} and end % length == 0
    except (ValueError, KeyError):
        good = False
    if not good:
        raise UsageError(
            f"--anchor wick:{shown(event_id)} is no wick of {inst_id}: expected "
            f"wick:{inst_id}|15m|2025-12-14T21:30:00Z|high, an event_id of its wicks"
        )
    if end > minute:
        raise UsageError(
            f"--anchor: the wick {event_id} was not known at {times.iso_minute(minute)}"
        )

    def choose(bars: "Sequence[MinuteBar]") -> Anchor:
        inside = [bar for bar in bars if bar.minute < end]
        prices = [bar.high if side == HIGH else -bar.low for bar in inside]
        body = [price if side == HIGH else -price for price in _body(inside)]
        if not prices or max(prices) <= max(body):
            raise UsageError(f"--anchor: the candle of {event_id} has no such wick in this vault")
        tip = max(prices)
        price = exact.price_text(tip if side == HIGH else -tip)
        return Anchor(inside[prices.index(tip)].minute, f"the {timeframe} {side} wick at {price}")

    return AnchorRule(end - length, choose)


def _body(bars: "Sequence[MinuteBar]") -> tuple[int, ...]:
    return (bars[0].open, bars[-1].close) if bars else ()


def _rows(vault: Vault, inst_id: str, start: int, closed: "Closed") -> Iterator[dict[str, Any]]:
    """Yield the row of each minute with trades from ``start`` on."""
    terms, sums = known_history(vault, inst_id), VwapSums()
    gaps = [minute for minute in closed.gaps if minute >= start]
    first_gap = min(gaps, default=None)
    for bar in closed.bars:
        if bar.minute < start:
            continue
        sums.add(sums_of(bar))
        places = places_at(terms, bar.minute)
        yield {
            "timestamp_utc": times.iso_minute(bar.minute),
            "close": exact.price_text(bar.close),
            "vwap": sums.vwap(places),
            "vwap_base": sums.vwap_base(places),
            "sd": sums.sd(places),
            "deviation_bps": sums.deviation_bps(bar.close),
            "minutes": sums.minutes,
            "gap": first_gap is not None and first_gap <= bar.minute,
        }


def table(inst_id: str, found: AnchoredVwap, shown_rows: int) -> str:
    """Return an answer for people: the anchor, and the newest rows, prices to two places."""
    rows = found.rows[-shown_rows:] if shown_rows else found.rows
    lines = [
        [
            row["timestamp_utc"][:16].replace("T", " "),
            row["close"],
            *(_two_places(row[name]) for name in ("vwap", "vwap_base", "sd")),
            row["deviation_bps"],
            str(row["minutes"]),
            "gap" if row["gap"] else "",
        ]
        for row in rows
    ]
    anchor = found.anchor
    return (
        f"{inst_id} since {times.iso_minute(anchor.minute)} ({anchor.words}), as of "
        f"{times.iso_minute(found.as_of)}\n{tables.text(HEADERS, lines)}"
    )


def _two_places(text: str | None) -> str:
    """Return a number with as many decimals as are read at a glance: two, or four digits."""
    if text is None:
        return "-"
    whole, _, part = text.partition(".")
    digits = 2 if whole != "0" else 2 + len(part) - len(part.lstrip("0")) + 2
    return f"{whole}.{part[:digits]}" if part else whole


def main(argv: Sequence[str] | None = None) -> int:
    """Print the anchored VWAP of the given instruments."""
    parser = cli.parser(PROGRAM, "VWAP since an anchor, as a table or as JSON lines.")
    cli.add_instruments(parser)
    parser.add_argument("--anchor", required=True, metavar="T", help=_FORMS)
    parser.add_argument(
        "--at", metavar="TIME", help="as it was then, or latest (default: all that is on disk)"
    )
    parser.add_argument(
        "-n", type=int, default=SHOWN, metavar="ROWS",
        help=f"newest rows of the table, 0 for all (default: {SHOWN})",
    )  # fmt: skip

    def body(args: "argparse.Namespace") -> int:
        if args.n < 0:
            raise UsageError(f"-n {args.n}: expected 0 or more")
        vault = cli.vault_of(args)
        at = cli.asked(vault, args.at)
        for inst_id in cli.instruments_of(args, settings.load().instruments):
            found = answer(vault, inst_id, args.anchor, at)
            if args.json:
                lines = [orjson.dumps(row, None, orjson.OPT_APPEND_NEWLINE) for row in found.rows]
                sys.stdout.write(b"".join(lines).decode())
            else:
                sys.stdout.write(table(inst_id, found, args.n))
        return DONE

    return cli.run(parser, body, argv)


if __name__ == "__main__":
    cli.leave(main())
