"""The context feeds of a market as they reach the recorder that writes them: late in many ways."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson

from Context_Bot.context_lines import ContextLines
from Context_Bot.context_recorder import ContextRecorder
from Context_Bot.statistics_log import SETTLES_MS, StatisticsLog, statistic_of
from ravequant import exchanges, times
from ravequant.contract import Contract
from ravequant.exchanges.context_feeds import (
    FundingRow,
    InterestRow,
    LiquidationRow,
    MarkRow,
    PeriodRow,
)
from ravequant.vault.paths import Vault, day_files

Row = MarkRow | InterestRow | FundingRow | LiquidationRow
PERIOD_MS = 5 * times.MINUTE_MS
RATIOS = ("ls_accounts", "ls_top_accounts", "ls_top_positions")
UP_TO_MS = 7_000  # a row may be too late, which is 5 s


class FeedArrivals:
    """Rows of an instrument, each written once it has arrived.

    The mark price is silent for a while at times, and the recorder may be behind by some seconds.
    """

    def __init__(
        self, vault: Vault, inst_id: str, contract: Contract, rng: Any, span: tuple[int, int]
    ) -> None:
        feeds = exchanges.load_context(vault.exchange)
        lines = ContextLines(vault.exchange, inst_id, contract)
        self.vault, self.inst_id, self._rng = vault, inst_id, rng
        self._recorder = ContextRecorder(vault, feeds, inst_id, lines)
        self._recorder.subscribed(1)
        self._logs = [
            StatisticsLog(vault, statistic_of(vault, feeds, inst_id, name, lines))
            for name in RATIOS
        ]
        self._began = span[0]
        self._rows = sorted(self._made(span), key=lambda pair: pair[0])
        self._taken = 0

    def _made(self, span: tuple[int, int]) -> Iterator[tuple[int, Row]]:
        """Yield (arrival, row), each channel in its order."""
        rng, (begin, end) = self._rng, span
        arrived = dict.fromkeys((MarkRow, InterestRow, FundingRow, LiquidationRow), 0)
        silent_until = 0
        coming = begin + rng.randrange(times.HOUR_MS)
        for ts in range(begin, end, 1_000):
            if rng.random() < 0.002:
                silent_until = ts + rng.randrange(60_000)
            rows: list[Row] = [MarkRow(ts, "97000")] if ts >= silent_until else []
            if rng.random() < 0.3:
                rows.append(InterestRow(ts, f"{rng.randrange(900, 1_000)}.5", "0.1", "10"))
            if rng.random() < 0.02:
                coming += times.HOUR_MS if coming <= ts else 0
                rate = f"0.000{rng.randrange(1, 999)}"
                after = coming + times.HOUR_MS
                rows.append(FundingRow(ts, rate, coming, after, None, "", "x", "0"))
            if rng.random() < 0.05:
                side = rng.choice(("buy", "sell"))
                was = ts - rng.randrange(90_000)
                rows.append(
                    LiquidationRow(self.inst_id, was, side, "net", "97000.5", f"{ts % 97 + 1}", "0")
                )
            for row in rows:
                late = rng.randrange(UP_TO_MS if rng.random() < 0.1 else 700)
                arrived[type(row)] = max(arrived[type(row)], ts + late)
                yield arrived[type(row)], row

    def grow(self, until: int) -> None:
        """Take in what has arrived by a moment, and write it."""
        made, due = self._recorder, self._rows
        while self._taken < len(due) and due[self._taken][0] <= until:
            row = due[self._taken][1]
            self._taken += 1
            match row:
                case MarkRow():
                    made.mark(row, 1)
                case InterestRow():
                    made.interest(row)
                case FundingRow():
                    made.funding(row)
                case LiquidationRow():
                    made.liquidated([row])
            if isinstance(row, MarkRow):
                made.write(0.0)
                self._add_periods()
        made.write(0.0)

    def _add_periods(self) -> None:
        """Write the periods that have closed, some of them later than they could be."""
        clock = self._recorder.written_ts or 0
        if self._rng.random() < 0.9:
            return
        for log in self._logs:
            first = log.newest or self._began // PERIOD_MS * PERIOD_MS
            if first + 2 * PERIOD_MS + SETTLES_MS <= clock:
                start = first + PERIOD_MS
                log.add([PeriodRow(start, (f"1.{start // PERIOD_MS % 1_000}",))], clock)


class OnDisk(NamedTuple):
    """The lines of the feeds on disk at a moment, read plainly."""

    marks: list[int]
    interest: list[tuple[int, str]]
    funding: list[tuple[int, str]]
    accounts: list[tuple[int, str]]  # by the time of knowing

    @classmethod
    def of(cls, vault: Vault, inst_id: str) -> "OnDisk":
        """Return those of an instrument."""

        def rows(folder: Any, field: str, key: str = "timestamp_utc") -> list[tuple[int, Any]]:
            found = []
            for _, path in day_files(folder):
                made = map(orjson.loads, path.read_bytes().splitlines())
                found += [(times.parse_iso(row[key]), row[field]) for row in made]
            return found

        accounts = rows(vault.statistics(inst_id, "ls_accounts"), "values", "known_utc")
        return cls(
            [ts for ts, _ in rows(vault.marks(inst_id), "markPx")],
            rows(vault.open_interest(inst_id), "oi"),
            rows(vault.funding_estimates(inst_id), "fundingRate"),
            [(ts, value) for ts, (value,) in accounts],
        )

    def until(self, minute_ms: int) -> tuple[str | None, str | None, str | None]:
        """Return open interest, estimate and ratio that an answer may know of a minute."""
        end = min(minute_ms, max(self.marks, default=0) - 5_000)

        def newest(rows: list[tuple[int, str]]) -> str | None:
            return next((value for ts, value in reversed(rows) if ts <= end), None)

        return newest(self.interest), newest(self.funding), newest(self.accounts)
