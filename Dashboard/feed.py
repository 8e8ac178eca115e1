"""Keeps the picture of an instrument for its live pages, one look at the files at a time.

The answer is made anew when one of its files changed, at each minute, when a stream passes its
limit, and when price comes to a signal; else, while raw lines come, as often as its cost allows.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from Dashboard import holes, market_files, market_view, wick_levels
from Dashboard.answer import Answered, answered
from Dashboard.feed_state import FeedState, Row
from Dashboard.newest_raw import NewestRaw
from Dashboard.watch import BUCKETS, ROWS, FileWatch
from Dashboard.wick_log import WickLog
from ravequant import exact, times
from ravequant.errors import NoDataError
from ravequant.exact import price_text
from ravequant.signals.clock import Clock
from ravequant.signals.question import When
from ravequant.signals.standing_settings import StandingSettings
from ravequant.vault.paths import Vault

WINDOW: Final = times.DAY_MINUTES  # of a page, in which touched wicks and holes are shown
RECENT: Final = 30  # minutes that each reading of rows looks at again
_KEPT: Final = 2 * times.DAY_MINUTES
SILENT_S: Final = 120  # without a trade a page is void, as doctor counts
_ANSWERED: Final = frozenset({*ROWS, BUCKETS, "gaps", "verdict", "terms"})
_RAW: Final = frozenset({"trades", "book"})
_SOON_S: Final = 1.0  # between two answers, if one of their files changed or price is near
_PACE_S: Final = 2.0  # between two answers of raw lines alone
_MOST_PACE_S: Final = 6.0
_SHARE: Final = 75  # so many times the cost of an answer passes before the next of raw lines
_HEALTH_S: Final = 10.0
_HEAT_S: Final = 10.0
_HEAT_MINUTES: Final = 3  # the newest, so that a page which is late misses none
_BPS: Final = 10_000

ReadHealth = Callable[[Vault, Sequence[str]], list[Row]]
ReadHeat = Callable[[str, range, int], Row]  # instrument, minutes, moment (Unix ms)
Forget = Callable[[str], None]  # forgets the heat of an instrument, whose books may be others now


class LookMoment(NamedTuple):
    """The time of a look: by the clock of the answers, this computer's, and a steady one."""

    now: Clock
    wall_ms: int
    steady_s: float


class MarketFeed:
    """The picture of one instrument. ``look`` is for one thread at a time."""

    def __init__(
        self, vault: Vault, inst_id: str, health: ReadHealth, heat: ReadHeat, forget: Forget
    ) -> None:
        self._vault, self._inst_id = vault, inst_id
        self._read_health, self._read_heat, self._forget = health, heat, forget
        self._settings = StandingSettings()
        self.state = self._draft = FeedState()  # the draft of a look is seen when it is whole
        self._begin()

    def _begin(self) -> None:
        self._watch = FileWatch(self._vault, self._inst_id)
        self._raw = NewestRaw(self._vault, self._inst_id)
        self._wicks = WickLog(self._vault, self._inst_id)
        self._found: Answered | None = None
        self._waiting = set[str]()  # streams that changed since the answer
        self._unread = set(ROWS)  # rows that changed since they were read
        self._answered_s = self._healthy_s = self._heated_s = float("-inf")
        self._cost_s = 0.0
        self._due_ms = 0  # the next minute, or when a stream of the answer passes its limit
        self._closed = -1  # the minute of the answer whose rows were read
        self._rows_from: int | None = None
        self._unrecorded = 0  # the first minute after the newest candle
        self._gaps: list[int] = []
        self._hole_rows: list[Row] | None = None
        self._levels: list[str] = []

    def void(self, reason: str) -> None:
        """Begin anew, with the heat too; all pages are void for this reason."""
        self._forget(self._inst_id)
        self.state = self._draft = self.state.voided(reason)
        self._begin()

    def look(self, moment: LookMoment) -> bool:
        """Look at the files; True if anything changed. Raises RaveQuantError."""
        seen = self._watch.look(moment.now.ms)
        if seen.void:
            self.void(seen.void)
            return True
        self._waiting |= seen.changed & (_ANSWERED | _RAW)
        self._unread |= seen.changed & (ROWS.keys() | {"gaps", "imports"})
        self._read_raw(seen.changed)
        self._look_at_health(moment)
        if self._is_due(moment):
            self._answer(moment)
        if self._found is not None:
            closed = self._found.result.state.minute
            if self._unread or closed != self._closed:
                self._read_rows(self._found, closed)
            self._draw_raw()
            if "book" in seen.changed and moment.steady_s - self._heated_s >= _HEAT_S:
                self._draw_heat(moment)
        before, self.state = self.state, self._draft
        return self.state is not before

    def _read_raw(self, changed: frozenset[str]) -> None:
        trades, book = self._watch.newest("trades"), self._watch.newest("book")
        if trades is not None and "trades" in changed:
            while self._raw.read_trades(trades):
                pass
        if book is not None and "book" in changed:
            self._raw.read_book(book)

    def _draw_raw(self) -> None:
        price, forming = self._raw.price, self._raw.forming(self._unrecorded)
        parts: Row = {"forming": None if forming is None else forming.row}
        if price is not None:
            text = price_text(price.price)
            parts["price"] = {"value": text, "source": price.source, "ts_ms": price.ts}
        self._draft = self._draft.with_parts(parts)

    def _look_at_health(self, moment: LookMoment) -> None:
        if moment.steady_s - self._healthy_s < _HEALTH_S:
            return
        self._healthy_s = moment.steady_s
        rows = self._read_health(self._vault, [self._inst_id])
        levels = [row["level"] for row in rows]
        if levels != self._levels:
            self._levels = levels
            self._waiting.add("health")
        self._draft = self._draft.with_parts({"health": rows})

    # --- the answer ------------------------------------------------------------------------------

    def _is_due(self, moment: LookMoment) -> bool:
        passed = moment.steady_s - self._answered_s
        if moment.now.ms >= self._due_ms:
            return True
        if self._waiting - _RAW or (self._waiting and self._is_near()):
            return passed >= _SOON_S
        pace = min(max(_PACE_S, _SHARE * self._cost_s), _MOST_PACE_S)
        return bool(self._waiting) and passed >= pace

    def _is_near(self) -> bool:
        """Return True if a price since the answer lies within reach of a signal's tip."""
        found, low, high = self._found, self._raw.low, self._raw.high
        if found is None or low is None or high is None:
            return False
        within = float(self._settings.load().alerts.approach_bps.text) / _BPS
        tips = (
            exact.units(row["wick_price"], exact.PRICE_PLACES) for row in found.answer["signals"]
        )
        return any(low * (1 - within) <= tip <= high * (1 + within) for tip in tips)

    def _answer(self, moment: LookMoment) -> None:
        began = time.thread_time()
        found = answered(
            self._vault,
            self._inst_id,
            When(instant_ms=moment.now.ms, live=True),
            now=moment.now,
            wall_ms=moment.wall_ms,
            chosen=self._settings.load(),
        )
        self._found, self._answered_s = found, moment.steady_s
        self._waiting.clear()
        self._raw.forget_range()
        self._due_ms = _due_ms(found.answer, moment.now.ms)
        since = market_files.recorded_since(self._vault, self._inst_id)
        state = found.result.state
        parts = {
            "answer": found.answer,
            "as_of_utc": found.answer["as_of_utc"],
            "at_utc": found.answer["at_utc"],
            "proof": market_view.proof_of(found),
            "short": market_view.short_of(found, since),
            "book": market_files.newest_bucket_line(self._vault, self._inst_id, state.asked_ms),
        }
        if self._raw.price is None:
            parts["price"] = market_view.price_of(found)
        self._draft = self._draft.with_parts(parts)
        self._cost_s = time.thread_time() - began

    # --- rows, wicks, holes, heat ----------------------------------------------------------------

    def _read_rows(self, found: Answered, closed: int) -> None:
        vault, inst_id = self._vault, self._inst_id
        newest = closed - 1 if self._rows_from is None else min(self._rows_from, closed - 1)
        span = range(max(min(newest, closed - RECENT), closed - _KEPT), closed)
        columns = market_files.minute_columns(
            vault, inst_id, span, market_view.whale_tag(found.limits)
        )
        self._draft = self._draft.with_minutes(span, columns, _KEPT)
        self._rows_from = _whole_from(span, columns)
        self._unrecorded = market_files.after_candles(span, columns)
        if "volume" in self._unread:
            self._gaps = market_files.gap_minutes(vault, inst_id, closed)
        if "wicks" in self._unread:
            self._wicks.read()
        last = found.result.last
        drawn = wick_levels.drawn(
            self._wicks.known(closed), None if last is None else last.price, closed - WINDOW
        )
        rows = wick_levels.columns(drawn, self._gaps)
        self._draft = self._draft.with_wicks(zip(*rows.values(), strict=True))
        self._read_holes(min(span.start, self._closed), closed)
        self._unread.clear()
        self._closed = closed

    def _read_holes(self, since: int, closed: int) -> None:
        """Read all holes again if there is one among the minutes from ``since`` on."""
        vault, inst_id, first = self._vault, self._inst_id, closed - WINDOW
        if (
            self._hole_rows is None
            or "gaps" in self._unread
            or market_view.holes_of(vault, inst_id, self._gaps, max(first, since), closed)
        ):
            self._hole_rows = market_view.holes_of(vault, inst_id, self._gaps, first, closed)
        ms = times.MINUTE_MS
        imported = holes.imported_spans(vault, inst_id, first * ms, closed * ms)
        self._draft = self._draft.with_parts({"holes": self._hole_rows, "imported": imported})

    def _draw_heat(self, moment: LookMoment) -> None:
        self._heated_s = moment.steady_s
        minute = moment.now.ms // times.MINUTE_MS
        span = range(minute - _HEAT_MINUTES + 1, minute + 1)
        try:
            found = self._read_heat(self._inst_id, span, moment.now.ms)
        except NoDataError:  # no metadata yet
            return
        self._draft = self._draft.with_parts({"heat": found})


def _due_ms(answer: Row, now_ms: int) -> int:
    """Return when an answer is to be made anew though nothing changed: Unix ms."""
    next_minute = now_ms - now_ms % times.MINUTE_MS + times.MINUTE_MS
    ends = [next_minute]
    for name, stream in answer["data"].items():
        limit = SILENT_S if name == "trades" else stream["limit_s"]
        if limit is not None and stream["age_s"] is not None and stream["age_s"] <= limit:
            ends.append(now_ms + (limit - stream["age_s"] + 1) * times.SECOND_MS)
    return min(ends)


def _whole_from(span: range, columns: dict[str, list[Any]]) -> int:
    """Return the first minute after the newest one that has a row of each calculator."""
    whole = zip(columns["c"], columns["vs"], columns["cvd"], strict=True)
    known = [minute for minute, cells in zip(span, whole, strict=True) if None not in cells]
    return max(known) + 1 if known else span.start
