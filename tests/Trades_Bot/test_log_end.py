"""The end of a log of trades: where a recorder goes on."""

from dataclasses import replace

import pytest

from ravequant.contract import Contract
from ravequant.records import TradeEncoder
from ravequant.times import DAY_MS
from ravequant.vault.append_log import DayLog
from tests.support.still_time import StillTime
from tests.support.trade_history import BTC, START, trade
from Trades_Bot.log_end import end_of_log

LINE = TradeEncoder(BTC, Contract("0.01", "1", "linear")).line


def end(vault, *rows, known=START):
    with DayLog(vault.trades(BTC)) as days:
        days.append(START, b"".join(map(LINE, rows)) or b"\n")
        days.append(START, b'{"trade_id":"99"}\n')
        return end_of_log(days, BTC, "okx", StillTime(known))


def test_it_is_the_newest_valid_line(vault):
    """Its id and its time."""
    assert end(vault, trade(1), trade(2)) == (2, START + 2)


def test_lines_that_are_ahead_count_for_their_ids_alone(vault):
    """The time is that of the newest other line."""
    ahead = [replace(trade(number), ts=START + DAY_MS, ahead=True) for number in (3, 4)]
    assert end(vault, trade(1), trade(2), *ahead, known=START + 9 * DAY_MS) == (4, START + 2)


@pytest.mark.parametrize(("known", "ts"), [(START, START + 2), (None, START + 9 * DAY_MS)])
def test_a_line_from_the_future_that_does_not_say_so_counts_alike(vault, known, ts):
    """An earlier version wrote it; the exchange's time shows it, where that is known."""
    ahead = replace(trade(3), ts=START + 9 * DAY_MS)
    assert end(vault, trade(2), ahead, known=known) == (3, ts)


def test_an_empty_log_has_neither(vault):
    """The recorder begins."""
    assert end(vault) == (None, 0)


def test_with_nothing_but_rows_ahead_there_is_no_time(vault):
    """The next row is filed by its own."""
    assert end(vault, replace(trade(3), ts=START + DAY_MS, ahead=True)) == (3, 0)
