"""One instrument's way to disk when the disk, the ledger or the contract are not what they were."""

import asyncio
import errno
import json
from contextlib import suppress

import pytest

from ravequant.errors import FeedError, VaultError
from ravequant.exchanges import load
from ravequant.exchanges.base import Channel, TradePage, TradeRows
from ravequant.records import Trade, parse_trade
from ravequant.settings import Trades
from ravequant.vault import append_log as vault_log
from ravequant.vault import atomic, instruments
from ravequant.vault.instruments import parse_instrument
from ravequant.vault.paths import day_files
from Trades_Bot import backfill
from Trades_Bot.backfill import fill_gaps, find_start, watch_the_tail
from Trades_Bot.trade_recorder import TradeRecorder

BTC = "BTC-USDT-SWAP"
ROW = {
    "instId": BTC, "ctVal": "0.01", "ctMult": "1", "ctType": "linear", "ctValCcy": "BTC",
    "settleCcy": "USDT", "tickSz": "0.1", "lotSz": "0.01", "minSz": "0.01", "state": "live",
}  # fmt: skip
START = 1_700_000_000_000


def trade(trade_id, ts=START):
    return Trade(ts + trade_id, trade_id, "buy", str(trade_id), "1")


def rows(*ids):
    return TradeRows(Channel("trades", BTC), tuple(map(trade, ids)))


def recorder(vault, **options):
    return TradeRecorder(load("okx"), vault, parse_instrument(ROW), Trades(**options))


def on_disk(vault):
    found = []
    for _, path in day_files(vault.trades(BTC)):
        found += [parse_trade(line, BTC)[0].trade_id for line in path.read_bytes().splitlines()]
    return found


def take(subject, payload, now=0.0):
    subject.rows(payload, now)
    subject.write(now)


class History:
    """REST that has ids up to ``newest``; a time is an id behind START. It fails as told."""

    def __init__(self, newest, oldest=1):
        self.ids = range(oldest, newest + 1)
        self.failures = []

    def _page(self, ids):
        return TradePage(tuple(map(trade, reversed(ids[-100:]))), 0)

    def history_trades(self, inst_id, after_id):  # noqa: ARG002 - REST's own names
        if self.failures:
            raise self.failures.pop()
        return self._page([n for n in self.ids if n < after_id])

    def history_trades_before(self, inst_id, ts):  # noqa: ARG002
        return self._page([n for n in self.ids if START + n < ts])

    def trades(self, inst_id, limit=500):  # noqa: ARG002
        return TradePage(tuple(map(trade, self.ids[-limit:])), 0)


@pytest.fixture
def full_disk(monkeypatch):
    """Return a switch: while it is on, writes of day files stop half-way with ENOSPC."""
    switch = {"on": False}
    write = atomic.write_all

    def refuse(handle, data):
        if switch["on"]:
            write(handle, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        write(handle, data)

    monkeypatch.setattr(vault_log, "write_all", refuse)
    return switch


def test_a_full_disk_leaves_no_half_record_and_the_lost_rows_are_fetched(vault, full_disk, caplog):
    """Rows that could not be written come again by REST once there is room, in order."""
    subject = recorder(vault)
    take(subject, rows(1, 2))
    full_disk["on"] = True
    take(subject, rows(3), 1.0)
    take(subject, rows(4), 2.0)
    assert subject.refused
    assert on_disk(vault) == [1, 2]
    assert "NOT RECORDING, the disk refuses" in caplog.text
    take(subject, rows(), 7.0)  # tried again, in vain as soon as something is written
    take(subject, rows(5), 7.5)
    full_disk["on"] = False
    take(subject, rows(6), 20.0)
    take(subject, rows(7), 21.0)
    assert not subject.refused
    exchange = History(7)
    ask = subject.request(23.0)
    subject.page(ask, exchange.history_trades(BTC, ask.after), 23.0)
    subject.write(23.0)
    assert on_disk(vault) == [1, 2, 3, 4, 5, 6, 7]


def test_what_the_disk_lost_is_asked_for_though_no_row_follows(vault, full_disk):
    """The market falls silent while there is no room: the hole is known when recording goes on."""
    subject = recorder(vault)
    take(subject, rows(1, 2))
    full_disk["on"] = True
    take(subject, rows(3), 1.0)
    take(subject, rows(4), 2.0)
    full_disk["on"] = False
    subject.write(20.0)
    assert subject.filling == (3, 4)
    ask = subject.request(21.0)
    subject.page(ask, History(4).history_trades(BTC, ask.after), 21.0)
    subject.write(21.0)
    assert on_disk(vault) == [1, 2, 3, 4]


def test_rows_lost_by_a_failed_sync_are_fetched_again(vault, monkeypatch):
    """What an fsync refused counts as lost: the file is read again, not remembered."""
    subject = recorder(vault)
    take(subject, rows(1, 2))
    asyncio.run(subject.sync())
    take(subject, rows(3))

    def refuse(_handle):
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", refuse)
        asyncio.run(subject.sync())
    assert subject.refused
    assert on_disk(vault) == [1, 2]
    subject.write(1e9)
    assert subject.last_id == 2


def test_rows_that_come_during_a_sync_are_written_after_it(vault):
    """The file is not touched while another thread syncs it."""
    subject = recorder(vault)
    take(subject, rows(1))

    async def body():
        syncing = asyncio.create_task(subject.sync())
        await asyncio.sleep(0)
        take(subject, rows(2))
        assert on_disk(vault) == [1]
        await syncing
        subject.write(0.0)

    asyncio.run(body())
    assert on_disk(vault) == [1, 2]


def test_an_id_hole_is_in_the_ledger_before_the_line_after_it(vault, monkeypatch):
    """The order on disk is the order of SPEC section 3."""
    subject = recorder(vault)
    take(subject, rows(1, 4))
    seen = []
    monkeypatch.setattr(
        subject._ledger, "append", lambda entry: seen.append((entry.status, on_disk(vault)))
    )
    for now in (2.0, 5.0):
        ask = subject.request(now)
        subject.page(ask, TradePage((trade(4), trade(1)), 0), now)
        subject.write(now)
    assert seen == [("id_hole", [1])]
    assert on_disk(vault) == [1, 4]


def test_a_ledger_that_cannot_be_written_holds_the_line_back(vault, monkeypatch):
    """Without the note the jump would look like a loss: nothing is written behind it."""
    subject = recorder(vault)
    take(subject, rows(1, 4))

    def refuse(_entry):
        raise VaultError("no room")

    monkeypatch.setattr(subject._ledger, "append", refuse)
    for now in (2.0, 5.0):
        ask = subject.request(now)
        subject.page(ask, TradePage((trade(4), trade(1)), 0), now)
        subject.write(now)
    assert subject.refused
    assert on_disk(vault) == [1]


def test_new_terms_hold_for_records_after_the_newest_on_disk(vault):
    """A changed contract is in the history, from the newest record on, and in later lines."""
    subject = recorder(vault)
    subject.renew(parse_instrument(ROW))
    take(subject, rows(1, 2))
    subject.renew(parse_instrument({**ROW, "ctVal": "0.001"}))
    take(subject, rows(3))
    terms = [(since, meta.contract.ct_val) for since, meta in instruments.history(vault, BTC)]
    assert terms == [(None, "0.01"), (START + 2, "0.001")]
    lines = next(iter(day_files(vault.trades(BTC))))[1].read_bytes().splitlines()
    assert [json.loads(line)["ctVal"] for line in lines] == ["0.01", "0.01", "0.001"]


def test_a_restart_goes_on_after_the_newest_valid_line(vault):
    """A damaged newest line does not hide the one before it; what it held is fetched again."""
    subject = recorder(vault)
    take(subject, rows(1, 2))
    subject.close()
    path = next(iter(day_files(vault.trades(BTC))))[1]
    with path.open("ab") as file:
        file.write(b'{"trade_id":"9"}\n')
    assert recorder(vault).last_id == 2


def test_gaps_are_filled_by_the_loop_and_failures_waited_out(vault):
    """REST fails once and then answers; the rows that waited follow."""
    exchange = History(12)
    exchange.failures = [FeedError("no answer")]

    async def body():
        subject = recorder(vault)
        loop = asyncio.get_running_loop()
        filling = asyncio.create_task(fill_gaps(subject, exchange))
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
            asyncio.create_task(work(subject, exchange)) for work in (fill_gaps, watch_the_tail)
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
    """1,000 ms before the newest trade; then by id from the first trade not older than that."""
    assert find_start(History(5000), BTC, 1000) == (4000, START + 4000)


def test_a_backfill_longer_than_the_exchange_remembers_begins_with_its_oldest_trade():
    """Nothing is older than the wanted time: the oldest one that is served is found by halving."""
    assert find_start(History(5000, oldest=3210), BTC, 4000) == (3210, START + 3210)


def test_a_backfill_longer_than_time_itself_begins_with_the_oldest_trade():
    """The exchange is asked for no moment before 1970."""

    class Strict(History):
        def history_trades_before(self, inst_id, ts):
            assert ts > 0
            return super().history_trades_before(inst_id, ts)

    assert find_start(Strict(5000, oldest=3210), BTC, 10**15) == (3210, START + 3210)


def test_an_instrument_without_a_trade_has_no_start():
    """Then the tape begins with the first one that comes."""
    assert find_start(History(0), BTC, 1000) is None
