"""Requests to REST for a recorder: gaps filled, silences watched, the first id found."""

import asyncio
from contextlib import suppress

import pytest

from ravequant.errors import FeedError
from ravequant.vault.paths import Vault
from tests.support.trade_history import BTC, START, History, on_disk, recorder, rows, take
from Trades_Bot import backfill
from Trades_Bot.backfill import PagesAhead, fill_gaps, find_start, watch_the_tail
from Trades_Bot.trade_recorder import TradeRecorder


async def judged(newest_ts: int, now: float) -> None:
    """The exchange's time is known."""


def test_gaps_are_filled_by_the_loop_and_failures_waited_out(vault):
    """REST fails once and then answers; the rows that waited follow."""
    exchange = History(12)
    exchange.failures = [FeedError("no answer")]

    async def body():
        subject = recorder(vault)
        loop = asyncio.get_running_loop()
        filling = asyncio.create_task(fill_gaps(subject, exchange, judged))
        take(subject, rows(1, 12), loop.time())
        subject.woken.set()
        async with asyncio.timeout(20):
            while subject.filling:  # noqa: ASYNC110 - a state, not an event
                await asyncio.sleep(0.02)
        filling.cancel()
        with suppress(asyncio.CancelledError):
            await filling

    asyncio.run(body())
    assert on_disk(vault) == list(range(1, 13))


def test_rows_lost_before_a_silence_are_fetched(vault, monkeypatch):
    """No later row shows that ids 3 to 5 are missing: the newest id of REST does, seen twice."""
    monkeypatch.setattr(backfill, "_TAIL_STEP_S", 0.01)
    monkeypatch.setattr(backfill, "_TAIL_AFTER_S", 0.0)

    async def body():
        subject, exchange = recorder(vault), History(5)
        take(subject, rows(1, 2))
        tasks = [
            asyncio.create_task(fill_gaps(subject, exchange, judged)),
            asyncio.create_task(watch_the_tail(subject, exchange)),
        ]
        async with asyncio.timeout(20):
            while subject.last_id != 5:  # noqa: ASYNC110 - a state, not an event
                await asyncio.sleep(0.02)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(body())
    assert on_disk(vault) == [1, 2, 3, 4, 5]


def test_the_start_of_a_backfill_is_found_by_time():
    """1,000 ms before the exchange's time; then by id from the first trade not older than that."""
    assert find_start(History(5000), BTC, 1000, START + 5000) == (4000, START + 4000)


def test_a_backfill_longer_than_the_exchange_remembers_begins_with_its_oldest_trade():
    """Nothing is older than the wanted time: the oldest one that is served is found by halving."""
    assert find_start(History(5000, oldest=3210), BTC, 4000, START + 5000) == (3210, START + 3210)


def test_a_backfill_longer_than_time_itself_begins_with_the_oldest_trade():
    """The exchange is asked for no moment before 1970."""

    class Strict(History):
        def history_trades_before(self, inst_id, ts):
            assert ts > 0
            return super().history_trades_before(inst_id, ts)

    assert find_start(Strict(5000, oldest=3210), BTC, 10**15, START + 5000) == (3210, START + 3210)


def test_an_instrument_without_a_trade_has_no_start():
    """Then the tape begins with the first one that comes."""
    assert find_start(History(0), BTC, 1000, START) is None


class Paged(History):
    """REST that notes which pages it was asked for."""

    def __init__(self, newest):
        super().__init__(newest)
        self.asked = []

    def history_trades(self, inst_id, after_id):
        self.asked.append(after_id)
        return super().history_trades(inst_id, after_id)


def test_the_next_pages_of_a_long_gap_are_asked_for_ahead():
    """A round trip takes longer than the exchange's limit allows: three pages more at once."""
    exchange = Paged(10_000)

    async def body():
        pages = PagesAhead(exchange, BTC)
        for first in (1, 101, 201):
            found = await pages.below(first + 100, (first, 9_999), 100)
            assert [row.trade_id for row in found.trades] == list(range(first + 99, first - 1, -1))
        assert sorted(pages._asked) == [401, 501, 601]
        found = await pages.below(350, (301, 9_999), 100)  # the search looks elsewhere
        assert found.trades[0].trade_id == 349
        await pages.below(9_901, (9_801, 9_999), 100)  # near the end nothing is asked for ahead
        assert not pages._asked

    asyncio.run(body())
    assert len(exchange.asked) == len(set(exchange.asked))


class Waiting(TradeRecorder):
    """A recorder as far as its turn is concerned."""

    has_long_gap = False
    progress_at = None

    def __init__(self, *, long: bool, progress_at: float | None) -> None:
        self.has_long_gap, self.progress_at = long, progress_at


@pytest.mark.parametrize(
    ("long", "progress_at", "first"),
    [(True, 95.0, True), (False, 95.0, False), (True, None, False), (True, 60.0, False)],
)
def test_a_long_gap_goes_first_as_long_as_it_is_being_filled(long, progress_at, first):
    """One that stands still for half a minute lets the next one go on."""
    assert backfill._goes_first(Waiting(long=long, progress_at=progress_at), 100.0) is first


def test_long_gaps_are_filled_one_after_the_other(vault, tmp_path):
    """The second waits until the first is complete; a short gap waits for nobody."""

    async def body():
        first, second = recorder(vault), recorder(Vault(tmp_path / "other"))
        loop = asyncio.get_running_loop()
        for subject in (first, second):
            take(subject, rows(1, 5_000), loop.time())
        one, two = Paged(5_000), Paged(5_000)
        tasks = [
            asyncio.create_task(fill_gaps(second, two, judged, lambda: [first])),
            asyncio.create_task(fill_gaps(first, one, judged)),
        ]
        async with asyncio.timeout(20):
            while first.filling or second.filling:
                assert not (first.has_long_gap and two.asked)
                await asyncio.sleep(0.005)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(body())
    assert on_disk(vault) == list(range(1, 5_001))
    assert on_disk(Vault(tmp_path / "other")) == list(range(1, 5_001))
