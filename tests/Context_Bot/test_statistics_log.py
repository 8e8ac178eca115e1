"""Statistics: closed periods only, each once, in order, and never before they could be known."""

from typing import Any

import orjson
import pytest

from Context_Bot.context_lines import ContextLines
from Context_Bot.statistics_log import SETTLES_MS, StatisticsLog, statistic_of
from ravequant import exchanges, times
from ravequant.contract import Contract
from ravequant.exchanges.context_feeds import PeriodRow
from ravequant.sim import statistics
from ravequant.vault import grid_gaps
from ravequant.vault.paths import day_files

BTC = "BTC-USDT-SWAP"
STEP = 5 * times.MINUTE_MS
NOW = times.parse_iso("2025-12-14T21:36:20.000Z")
FEEDS = exchanges.load_context("okx")
PATH = statistics.PATHS[0]


class BoxRest:
    """The exchange in a box, without its socket; some periods can be taken out of its answers."""

    def __init__(self) -> None:
        self.now, self.lost, self.calls = NOW, set[int](), 0

    def pages(self, before_ms: int | None) -> list[PeriodRow]:
        self.calls += 1
        query = {"instId": BTC} | ({} if before_ms is None else {"end": str(before_ms)})
        rows = statistics.rows(PATH, query, self.now)
        found = [PeriodRow(int(start), tuple(values)) for start, *values in rows]
        return [row for row in found if row.start not in self.lost]


@pytest.fixture
def rest() -> BoxRest:
    return BoxRest()


def log(vault) -> StatisticsLog:
    lines = ContextLines("okx", BTC, Contract("0.01", "1", "linear"))
    return StatisticsLog(vault, statistic_of(vault, FEEDS, BTC, "ls_accounts", lines))


def written(vault) -> list[dict[str, Any]]:
    return [
        orjson.loads(line)
        for _, path in day_files(vault.statistics(BTC, "ls_accounts"))
        for line in path.read_bytes().splitlines()
    ]


def starts(vault) -> list[int]:
    return [times.parse_iso(row["timestamp_utc"]) for row in written(vault)]


def test_the_first_start_fetches_all_that_is_there(vault, rest):
    """Three days, page by page, each period once; the forming one is left out."""
    made = log(vault)
    assert made.due(NOW)
    made.add(made.fetch(rest.pages), NOW)
    found = starts(vault)
    assert found == [found[0] + number * STEP for number in range(len(found))]
    assert found[-1] == NOW // STEP * STEP - STEP
    assert len(found) > 860
    for row in written(vault):
        begin = times.parse_iso(row["timestamp_utc"])
        assert row["values"] == statistics.final_values(PATH, BTC, begin)
        assert times.parse_iso(row["known_utc"]) == NOW >= begin + STEP + SETTLES_MS


def test_a_period_is_written_once_it_is_closed_by_the_mark_price(vault, rest):
    """A minute behind its end, however far the exchange's answer is ahead of the mark price."""
    made = log(vault)
    made.add(made.fetch(rest.pages), NOW)
    before = len(starts(vault))
    rest.now = NOW + 2 * STEP
    clock = NOW // STEP * STEP + STEP + SETTLES_MS - 1
    assert not made.due(clock)
    assert made.add(made.fetch(rest.pages), clock) == 0
    assert made.due(clock + 1)
    assert made.add(made.fetch(rest.pages), clock + 1) == 1
    assert len(starts(vault)) == before + 1
    assert written(vault)[-1]["known_utc"] == times.iso(clock + 1)


def test_a_restart_goes_on_behind_the_newest_line(vault, rest):
    """One page is asked for; nothing is written twice."""
    first = log(vault)
    first.add(first.fetch(rest.pages), NOW)
    rest.now, rest.calls = NOW + 3 * STEP, 0
    again = log(vault)
    again.add(again.fetch(rest.pages), rest.now)
    found = starts(vault)
    assert found == sorted(set(found))
    assert found[-1] == rest.now // STEP * STEP - STEP
    assert rest.calls == 1


def test_a_period_that_the_exchange_lacks_is_noted(vault, rest):
    """Once a later one is there; the ledger says it cannot be had."""
    hole = NOW // STEP * STEP - 10 * STEP
    rest.lost = {hole, hole + STEP}
    made = log(vault)
    made.add(made.fetch(rest.pages), NOW)
    assert hole not in starts(vault)
    assert grid_gaps.newest(vault, BTC) == {
        ("rubik", "ls_accounts", hole - STEP, hole + 2 * STEP): "unrecoverable"
    }


def test_an_endless_answer_ends(vault, rest, monkeypatch):
    """An exchange that gives the same page again and again is asked no more."""
    page: list[PeriodRow] = rest.pages(None)
    asked: list[object] = []

    def same(*words: object) -> list[PeriodRow]:
        asked.append(words)
        return page

    monkeypatch.setattr(rest, "pages", same)
    assert len(log(vault).fetch(rest.pages)) == 99
    assert len(asked) == 2


def test_of_two_rows_of_a_period_the_newer_answer_counts(vault, rest, monkeypatch):
    """The first in the answer."""
    start = NOW // STEP * STEP
    page = [
        PeriodRow(start, ("9",)), PeriodRow(start - STEP, ("2",)), PeriodRow(start - STEP, ("1",))
    ]  # fmt: skip
    monkeypatch.setattr(rest, "pages", lambda before: page if before is None else [])
    assert log(vault).fetch(rest.pages) == [PeriodRow(start - STEP, ("2",))]


def test_the_time_of_knowing_never_falls(vault):
    """A clock that was set back writes a row as late as the row before; a restart too."""
    rows = [PeriodRow(NOW // STEP * STEP - n * STEP, ("1.5",)) for n in (4, 3, 2)]
    log(vault).add(rows[:1], NOW)
    made = log(vault)
    made.add(rows[1:2], NOW - 3_000)
    made.add(rows[2:], NOW + 1_000)
    known = [times.parse_iso(row["known_utc"]) for row in written(vault)]
    assert known == [NOW, NOW, NOW + 1_000]
