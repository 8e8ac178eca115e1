"""Reads the market at an instant: the state as of its minute, and the raw lines after it.

The minute is the newest one that a raw trade has closed by then (SPEC section 11). Asked for now,
everything on disk is read; asked for again with the end of that reading (`seen`), no more than
that is read, so that the answer is the same.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final, NamedTuple

from ravequant import times
from ravequant.errors import UsageError
from ravequant.signals import as_of, raw_tail
from ravequant.signals.clock import WRONG_MS
from ravequant.signals.market_state import MarketState
from ravequant.signals.raw_tail import RawEnd, TailStart
from ravequant.signals.seen import CLOSING_MS, LAGGING, Instant, Lagging, RawTail, Seen
from ravequant.vault.gap_ledger import GapLedger
from ravequant.vault.paths import Vault

LATE_MINUTES: Final = 60  # trades of the last hour that came late are looked at


class InstantQuestion(NamedTuple):
    """An instrument, a moment, and how far to read."""

    vault: Vault
    inst_id: str
    ms: int
    live: bool  # all lines on disk are read, those of a later time too
    seen: Seen | None = None  # no more than this is read


class InstantState(NamedTuple):
    """The market at an instant."""

    state: MarketState
    tail: RawTail


def read(
    asked: InstantQuestion,
    *,
    back: int,
    age_max: int,
    past: bool,
    again: Callable[[], None] | None = None,
) -> InstantState:
    """Return the market at the instant of a question.

    ``back``, ``past``: see ``as_of.read``. ``age_max``: of a wick, in minutes. ``again`` brings the
    calculators up to date once more, for a minute that was closed while they ran.
    """
    end = _end(asked)
    behind = _behind(asked, end)
    if again is not None and end.minute_ms - times.MINUTE_MS in behind.values():
        again()
        end = _end(asked)
        behind = _behind(asked, end)
    return _state(asked, end, behind, back=back, age_max=age_max, past=past)


def _end(asked: InstantQuestion) -> RawEnd:
    end = raw_tail.raw_end(asked.vault, asked.inst_id, asked.ms, live=asked.live, seen=asked.seen)
    if asked.seen is not None and end.ms - asked.ms > WRONG_MS:
        raise UsageError(
            f"--seen {asked.seen.text} is of {times.iso(end.ms)}, later than --at "
            f"{times.iso(asked.ms)}: give both as the answer showed them"
        )
    return end


def _behind(asked: InstantQuestion, end: RawEnd) -> Mapping[Lagging, int]:
    """Return how far (Unix ms) each calculator was that had not reached the minute."""
    if asked.seen is not None:
        return asked.seen.reach
    if not asked.live:
        return {}
    reached = as_of.committed(asked.vault, asked.inst_id)
    ends = dict.fromkeys(LAGGING, 0 if end.watermark is None else end.minute_ms)
    ends["buckets"] = raw_tail.newest_raw_book(asked.vault, asked.inst_id, end.minute_ms) or 0
    ends["book_flow"] = ends["buckets"] // times.MINUTE_MS * times.MINUTE_MS
    fed_ms = as_of.feeds_reach(asked.vault, asked.inst_id, end.minute_ms - times.DAY_MS)
    reached["marks"], ends["marks"] = fed_ms, end.minute_ms if fed_ms else 0
    ends["liquidations_1m"] = min(end.minute_ms, fed_ms // times.MINUTE_MS * times.MINUTE_MS)
    return {name: reached[name] for name, ms in ends.items() if reached.get(name, ms) < ms}


def _state(
    asked: InstantQuestion,
    end: RawEnd,
    behind: Mapping[Lagging, int],
    *,
    back: int,
    age_max: int,
    past: bool,
) -> InstantState:
    minute, minute_ms = end.minute_ms // times.MINUTE_MS, end.minute_ms
    book_ms = min(minute_ms, end.seen.book_ms or 0)
    ends = {**behind, "buckets": min(behind.get("buckets", book_ms), book_ms)}
    state = as_of.read(asked.vault, asked.inst_id, minute, back=back, past=past, ends=ends)
    known = minute if state.wicks_reach is None else min(minute, state.wicks_reach)
    oldest = minute - min(age_max, LATE_MINUTES)
    start = TailStart(oldest * times.MINUTE_MS, known * times.MINUTE_MS, minute_ms)
    tail = raw_tail.raw_tail(asked.vault, asked.inst_id, start, end)
    found = replace(
        state,
        files={stream: name.removesuffix(".gz") for stream, name in state.files.items()},
        instant=Instant(end.ms, end.seen._replace(reach=behind), end.newest, end.watermark),
        gap_since=tail.gap,
    )
    return InstantState(found, tail)


def unsure(asked: InstantQuestion, end: Instant) -> str:
    """Return the lines that an answer given at an instant may have lacked, in words.

    With the end of that reading given, these are only trades that were repaired since.
    """
    parts = [] if asked.seen is not None else _in_flight(asked, end)
    entries = GapLedger(asked.vault.gap_ledger(asked.inst_id), asked.inst_id).entries()
    repaired = [
        f"{entry.gap.from_id} to {entry.gap.to_id}"
        for entry in entries
        if entry.status == "repaired"
        and entry.detected_ms > end.ms
        and entry.gap.from_id <= (end.seen.trade_id or 0)
    ]
    parts += [f"trades {', '.join(repaired)}, repaired since"] if repaired else []
    return "; ".join(parts)


def _in_flight(asked: InstantQuestion, end: Instant) -> list[str]:
    """Return the lines of the last seconds, which may still have been on their way."""
    since = end.ms - CLOSING_MS
    start = TailStart(since, since, since)
    read_to = RawEnd(end.ms, end.seen, None, None)
    tail = raw_tail.raw_tail(asked.vault, asked.inst_id, start, read_to)
    parts = []
    if tail.trades:
        parts.append(f"trades {tail.trades[0].first_id} to {tail.trades[-1].trade_id}")
    if tail.mids:
        parts.append(f"snapshots since {times.iso(tail.mids[0].ts)}")
    late = [
        str(trade.trade_id) for trade in raw_tail.came_later(asked.vault, asked.inst_id, end.ms)
    ]
    return [*parts, f"trades {', '.join(late)}, which came later"] if late else parts
