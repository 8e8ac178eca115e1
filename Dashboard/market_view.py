"""The picture of an instrument as of a moment: all that the first drawing of the page needs.

It holds the rows that ended by the minute A of the answer, the events known by A, and the snapshots
and trades up to it. Live, the raw lines since A give the forming minute and the price.
"""

from typing import Any, Final, Literal, NamedTuple

from Dashboard import holes, newest_raw, wick_levels
from Dashboard.answer import Answered, answered
from Dashboard.market_files import (
    after_candles,
    gap_minutes,
    minute_columns,
    newest_bucket_line,
    recorded_since,
    wicks_until,
)
from Dashboard.view import MOST_MINUTES, WhaleTag, rolled, window
from ravequant import exact, times
from ravequant.errors import UsageError
from ravequant.exact import price_text
from ravequant.settings import Settings
from ravequant.signals.clock import Clock
from ravequant.signals.derived_rows import terms
from ravequant.signals.evidence import minutes_text
from ravequant.signals.inputs import TIMEFRAMES
from ravequant.signals.limits import SignalLimits
from ravequant.signals.question import When, when
from ravequant.vault.paths import Vault

PROTO: Final = 1
Mode = Literal["live", "latest", "replay"]


class PictureMoment(NamedTuple):
    """The moment of a picture, and the clocks by which a live one is judged."""

    when: When
    mode: Mode
    now_ms: int  # by the clock; of a live picture its instant
    now: Clock | None = None  # None: ``now_ms``, of this computer
    wall_ms: int | None = None  # by which heartbeats are judged; None: ``now_ms``


def asked(vault: Vault, at: str, now: Clock, wall_ms: int | None = None) -> PictureMoment:
    """Return the moment of ``at``: ``now``, ``latest`` or a time. Raises UsageError."""
    if at == "now":
        return PictureMoment(When(instant_ms=now.ms, live=True), "live", now.ms, now, wall_ms)
    moment = when(vault, at)
    return PictureMoment(moment, "latest" if moment == When() else "replay", now.ms, now, wall_ms)


def check_window(minutes: int, tf: str) -> None:
    """Raise UsageError for a window that is not served."""
    if tf not in TIMEFRAMES:
        raise UsageError(f"tf {tf!r} is unknown: one of {', '.join(TIMEFRAMES)}")
    if not 1 <= minutes <= MOST_MINUTES:
        raise UsageError(f"minutes {minutes}: expected 1 to {MOST_MINUTES:,}")


def view(
    vault: Vault,
    inst_id: str,
    question: PictureMoment,
    minutes: int = times.DAY_MINUTES,
    tf: str = "1m",
    *,
    chosen: Settings | None = None,
) -> dict[str, Any]:
    """Return the picture of an instrument, ready for JSON; ``health`` is left empty.

    ``minutes``: at least so many before the minute of the answer, in whole bars of ``tf``. Raises
    UsageError, NoDataError without any record, VaultError for a file that cannot be read.
    """
    check_window(minutes, tf)
    found = answered(
        vault, inst_id, question.when, now=question.now, wall_ms=question.wall_ms, chosen=chosen
    )
    state, last = found.result.state, found.result.last
    every = TIMEFRAMES[tf]
    span = window(state.minute, minutes, every)
    first = span.start
    since = recorded_since(vault, inst_id)
    if since is not None and since >= state.minute:
        since = None
    columns = minute_columns(vault, inst_id, span, whale_tag(found.limits))
    forming = None
    if question.when.live:
        forming = newest_raw.forming_of(vault, inst_id, after_candles(span, columns))
    if every > 1:
        columns = rolled(columns, every, missing=0 if since is None else max(0, since - first))
    gaps = gap_minutes(vault, inst_id, state.minute)
    wicks = wick_levels.drawn(
        wicks_until(vault, inst_id, state.minute, first),
        None if last is None else last.price,
        first,
    )
    known = terms(vault, inst_id)
    tick = None if known is None else known.at(state.ms).tick_sz
    until_ms = state.asked_ms if question.when.live else state.ms
    first_ms = first * times.MINUTE_MS
    return {
        "proto": PROTO,
        "instId": inst_id,
        "mode": question.mode,
        "as_of_utc": found.answer["as_of_utc"],
        "at_utc": found.answer["at_utc"],
        "now_ms": question.now_ms,
        "places": 0 if tick is None else exact.decimals(tick),
        "tick": tick,
        "tf": tf,
        "minutes": {"first": first, "every": every, **columns},
        "forming": None if forming is None else forming.row,
        "price": price_of(found),
        "wicks": wick_levels.columns(wicks, gaps),
        "holes": holes_of(vault, inst_id, gaps, first, state.minute),
        "imported": holes.imported_spans(vault, inst_id, first_ms, state.ms),
        "recorded_from_utc": None if since is None else times.iso_minute(since),
        "answer": found.answer,
        "book": newest_bucket_line(vault, inst_id, until_ms),
        "health": [],
        "proof": proof_of(found),
        "short": short_of(found, since),
    }


def whale_tag(limits: SignalLimits) -> WhaleTag:
    """Return the settings of the tag `whales`."""
    return WhaleTag(limits.whale_count, float(limits.whale_volume))


def price_of(found: Answered) -> dict[str, Any] | None:
    """Return the last price of an answer, its source and its time (Unix ms); None without any."""
    state, last = found.result.state, found.result.last
    if last is None:
        return None
    at_minute = state.book if last.source == "mid" else state.trade
    newest = None if state.instant is None else state.instant.newest
    known = at_minute if newest is None else newest
    ts = None if known is None else known.ts
    return {"value": price_text(last.price), "source": last.source, "ts_ms": ts}


def holes_of(
    vault: Vault, inst_id: str, gaps: list[int], first: int, until: int
) -> list[dict[str, str]]:
    """Return the holes known by the minute ``until`` in a window, by stream, oldest first."""
    ms = times.MINUTE_MS
    found = [
        *holes.trade_holes(vault, inst_id, gaps, first, until),
        *holes.book_holes(vault, inst_id, first * ms, until * ms),
        *holes.row_holes(gaps, first),
    ]
    return [hole.row for hole in found]


def proof_of(found: Answered) -> dict[str, Any] | None:
    """Return the lab's verdict as it counts at the answer; None if sizes do not go by it."""
    verdict = found.result.state.verdict
    if verdict is None:
        return None
    return {
        "word": verdict.word,
        "line": verdict.short,
        "what_to_do": verdict.what_to_do,
        "made_utc": None if verdict.made_ms is None else times.iso(verdict.made_ms),
    }


def short_of(found: Answered, since: int | None) -> str:
    """Return the words for a recording that is too short for the VWAP of 4 hours, else empty."""
    rows = found.result.state.vwap
    if not rows or rows[-1].whole or since is None:
        return ""
    began = times.iso_minute(since)[11:16]
    return f"recorded since {began}: VWAP 4h over {minutes_text(rows[-1])}"
