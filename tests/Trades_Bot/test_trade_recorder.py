"""The recorder of one instrument where disk, ledger or contract change under it."""

import asyncio
import errno
import json
from dataclasses import replace

import pytest

from ravequant.errors import FeedError, VaultError
from ravequant.exchanges import load
from ravequant.exchanges.base import Channel, TradePage, TradeRows
from ravequant.settings import Trades
from ravequant.times import DAY_MS, HOUR_MS
from ravequant.vault import append_log as vault_log
from ravequant.vault import atomic, instruments
from ravequant.vault.instruments import parse_instrument
from ravequant.vault.paths import day_files
from tests.support.still_time import StillTime
from tests.support.trade_history import (
    BTC,
    ROW,
    START,
    History,
    on_disk,
    recorder,
    rows,
    take,
    trade,
)
from Trades_Bot.trade_recorder import TradeRecorder


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


def test_an_exchange_without_dense_ids_is_refused(vault):
    """A gap could not be found by id, so nothing is recorded as if it could."""
    exchange = replace(load("okx"), dense_ids=False)
    with pytest.raises(FeedError) as caught:
        TradeRecorder(exchange, vault, parse_instrument(ROW), Trades(), StillTime(0))
    assert str(caught.value) == (
        "okx: its trade ids do not rise by one, so gaps cannot be found by id"
    )


# -- times


def timed(*moments):
    """Rows with ids from 1 on, at moments after START."""
    made = (replace(trade(at), ts=START + ms) for at, ms in enumerate(moments, 1))
    return TradeRows(Channel("trades", BTC), tuple(made))


def lines(vault):
    return [
        (day, found["trade_id"], found.get("ahead", False))
        for day, path in day_files(vault.trades(BTC))
        for found in map(json.loads, path.read_bytes().splitlines())
    ]


def asked_anew(ms):
    """The exchange's time, asked for after every row."""
    time = StillTime(ms)
    time.asked_at = float("inf")
    return time


def test_a_row_ahead_is_filed_with_the_newest_that_is_not(vault, caplog):
    """START is 22:13 of the 14th: the row of a year later stays there, those of the 15th do not."""
    time = asked_anew(START)
    subject = recorder(vault, time)
    time.ms = START + 2 * HOUR_MS
    take(subject, timed(0, 365 * DAY_MS, 1, 2 * HOUR_MS, 366 * DAY_MS, 2 * HOUR_MS + 1))
    assert lines(vault) == [
        ("2023-11-14", "1", False),
        ("2023-11-14", "2", True),
        ("2023-11-14", "3", False),
        ("2023-11-15", "4", False),
        ("2023-11-15", "5", True),
        ("2023-11-15", "6", False),
    ]
    assert (subject.last_id, subject.last_ts) == (6, START + 2 * HOUR_MS + 1)
    facts = subject.facts()
    assert (facts["ahead"], facts["gaps"], facts["rejected"]) == (2, 0, 0)
    said = "id 2 of 2024-11-13T22:13:20.000Z lies past the exchange's time: recorded as ahead"
    assert f"{BTC}: {said}, number 1" in caplog.messages


def test_the_first_row_of_all_is_filed_by_the_exchange_s_date_if_it_is_ahead(vault):
    """There is no newest row that is not."""
    subject = recorder(vault, asked_anew(START + 2 * HOUR_MS))
    take(subject, timed(365 * DAY_MS))
    assert lines(vault) == [("2023-11-15", "1", True)]
    assert recorder(vault, asked_anew(START)).last_id == 1


def test_after_rows_ahead_the_next_life_goes_on_where_time_stood(vault):
    """Ids and gaps count them; the day and the time of new terms do not."""
    subject = recorder(vault, asked_anew(START))
    take(subject, timed(0, 365 * DAY_MS, 365 * DAY_MS))
    assert (subject.last_id, subject.last_ts) == (3, START)
    subject = recorder(vault, asked_anew(START + 5))
    assert (subject.last_id, subject.last_ts) == (3, START)
    take(subject, rows(4))
    subject.renew(parse_instrument({**ROW, "tickSz": "0.5"}))
    assert [entry[:2] for entry in lines(vault)][-1] == ("2023-11-14", "4")
    history = vault.metadata_history(BTC).read_bytes().splitlines()
    assert json.loads(history[-1])["from_utc"] == "2023-11-14T22:13:20.004Z"


def test_rows_by_rest_are_judged_alike(vault):
    """One of a page lies in the future; one of an empty vault before its beginning."""
    subject = recorder(vault, asked_anew(START))
    subject.begin_at(1, START)
    take(subject, rows(5))
    found = [trade(2), replace(trade(3), ts=START + DAY_MS), trade(4)]
    old = replace(trade(1), ts=START - HOUR_MS)
    subject.page(subject.request(2.0), TradePage((*reversed(found), old), 0), 2.0)
    subject.write(2.0)
    assert [entry[1:] for entry in lines(vault)] == [
        ("2", False), ("3", True), ("4", False), ("5", False),
    ]  # fmt: skip
    assert subject.facts()["rejected"] == 1
    ledger = map(json.loads, vault.gap_ledger(BTC).read_bytes().splitlines())
    assert [(entry["from_trade_id"], entry["status"]) for entry in ledger] == [
        ("1", "unrecoverable"), ("2", "repaired"),
    ]  # fmt: skip


def test_while_the_time_cannot_be_had_rows_are_left_to_rest(vault):
    """None is lost, and none is written with a time that nobody vouches for."""
    time = StillTime(START)
    subject = recorder(vault, time)
    take(subject, rows(1))
    late = TradeRows(Channel("trades", BTC), (replace(trade(2), ts=START + HOUR_MS),))
    take(subject, late)
    assert (subject.last_id, subject.facts()["untimed"], subject.filling) == (1, 1, (2, 2))
    ask = subject.request(2.0)
    with pytest.raises(FeedError, match="the exchange's time cannot be had"):
        subject.page(ask, TradePage(late.trades, 0), 2.0)
    subject.failed(ask, FeedError("later"), 2.0)
    time.ms = START + HOUR_MS
    subject.page(subject.request(10.0), TradePage(late.trades, 0), 10.0)
    subject.write(10.0)
    assert [entry[1:] for entry in lines(vault)] == [("1", False), ("2", False)]


def test_another_stream_is_noticed_and_nothing_of_it_recorded(vault):
    """Two frames and REST's newest id lie below the ids on disk, hours later."""
    take(recorder(vault), rows(1000))
    subject = recorder(vault, asked_anew(START + 2 * HOUR_MS))
    for number in (7, 8):
        lower = replace(trade(number), ts=START + HOUR_MS + number)
        take(subject, TradeRows(Channel("trades", BTC), (lower,)))
    assert subject.begins_lower
    subject.compare(TradePage((replace(trade(9), ts=START + HOUR_MS + 9),), 0))
    assert subject.is_other_stream
    take(subject, TradeRows(Channel("trades", BTC), (replace(trade(2000), ts=START + HOUR_MS),)))
    assert [entry[1] for entry in lines(vault)] == ["1000"]
    assert subject.facts()["rejected"] == 2
