"""The lines of published files: numbers as floats, each header form, exact candles."""

import csv
from decimal import Decimal

import pytest

from ravequant import times
from ravequant.contract import Contract
from ravequant.records import Trade, taker_side
from ravequant.sim import archive_rows
from ravequant.sim.archive_rows import CandleMaker, book_line, float_text, trade_header, trade_row
from ravequant.sim.feed import BookChange

BTC = "BTC-USDT-SWAP"
FILL = Trade(1748707200008, 1566502282, "sell", "104503", "30.14", 1, "0")


@pytest.mark.parametrize(
    ("decimal", "text"),
    [("38", "38.0"), ("104503", "104503.0"), ("0.0000798", "7.98e-05"), ("0.02", "0.02")],
)
def test_numbers_are_floats_as_text(decimal, text):
    """Quoted rows show 8.0, 104503.0 and 7.98e-05."""
    assert float_text(decimal) == text


def test_a_row_is_that_of_the_archive(shared_data):
    """The first row of 2025-06-01 and of 2026-09-01, as quoted."""
    path = shared_data / "okx_archive/rows/rows_of_other_archives.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = {row["archive_label"]: row["row"] for row in csv.DictReader(file)}
    assert trade_row("named", BTC, FILL).decode() == f"{rows['BTC-USDT-SWAP 2025-06-01']}\n"
    fill = Trade(1788192000021, 2885385355, "sell", "78542.2", "14.07", 1, "0")
    assert trade_row("source", BTC, fill).decode() == f"{rows['BTC-USDT-SWAP 2026-09-01']}\n"


@pytest.mark.parametrize("form", ["chinese", "chinese-match"])
def test_old_files_are_gbk_and_name_the_size_before_the_price(form):
    """Five columns in Chinese, without the instrument."""
    header = trade_header(form)
    assert header.decode("gbk").count(",") == 4
    with pytest.raises(UnicodeDecodeError):
        header.decode("utf-8")
    assert trade_row(form, BTC, FILL) == b"1566502282,sell,30.14,104503.0,1748707200008\n"


def test_the_oldest_files_have_no_header():
    """The rows of the bare form are those under a Chinese header."""
    assert trade_header("bare") == b""
    assert trade_row("bare", BTC, FILL) == trade_row("chinese", BTC, FILL)


def test_a_candle_is_the_sum_of_its_fills(shared_data):
    """Fourteen real fills of a minute make the exchange's own candle of it."""
    folder = shared_data / "okx_archive/rows"
    maker = CandleMaker("MATIC-USDT-SWAP", Contract("10", "1", "linear"))
    made: list[tuple[int, bytes]] = []
    name = "MATIC-USDT-SWAP-trades-2023-08-21.excerpt.csv"
    with (folder / name).open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            size = str(int(Decimal(row["size"])))
            moment, number = int(row["created_time"]), int(row["trade_id"])
            fill = Trade(moment, number, taker_side(row["side"]), row["price"], size)
            made += maker.add(fill)
    made += maker.close_until(1692547260000 // times.MINUTE_MS + 1)
    expected = (folder / "MATIC-USDT-SWAP-candle-of-that-minute.csv").read_text(encoding="utf-8")
    line = f"MATIC-USDT-SWAP,{expected.splitlines()[1]},1\n".encode()
    assert made == [(1692547260000 // times.MINUTE_MS, line)]


def test_a_minute_without_fills_is_flat():
    """It has the close of the minute before it, and no volume."""
    maker = CandleMaker(BTC, Contract("0.01", "1", "linear"))
    assert list(maker.add(Trade(120_001, 1, "buy", "100.5", "2"))) == []
    lines = list(maker.add(Trade(241_000, 2, "buy", "99", "1")))
    assert lines == [
        (2, b"BTC-USDT-SWAP,100.5,100.5,100.5,100.5,2,0.02,2.01,120000,1\n"),
        (3, b"BTC-USDT-SWAP,100.5,100.5,100.5,100.5,0,0,0,180000,1\n"),
    ]


def test_a_fill_counts_for_the_minute_of_its_own_time():
    """Also if the fill ahead of it has a later one; the close is that of the highest id."""
    maker = CandleMaker(BTC, Contract("0.01", "1", "linear"))
    made = list(maker.add(Trade(119_000, 1, "buy", "100", "2")))
    made += maker.add(Trade(120_001, 2, "buy", "102", "5"))
    made += maker.add(Trade(119_999, 3, "buy", "101", "1"))
    assert made == []
    assert list(maker.close_until(3)) == [
        (1, b"BTC-USDT-SWAP,100,101,100,101,3,0.03,3.01,60000,1\n"),
        (2, b"BTC-USDT-SWAP,102,102,102,102,5,0.05,5.1,120000,1\n"),
    ]


def test_funding_is_the_same_for_the_same_moment():
    """A made-up rate follows from instrument and time, and is small."""
    rates = {ts: archive_rows.funding_rate(BTC, ts) for ts in range(0, 10**9, 28_800_000)}
    assert all(abs(float(rate)) < 0.0006 for rate in rates.values())
    assert archive_rows.funding_row(BTC, 0).decode() == f"{BTC},{rates[0]},0\n"
    assert len(set(rates.values())) == len(rates)


def test_a_book_line_has_the_keys_of_the_archive_in_their_order():
    """instId, action, ts, asks, bids; levels of price, size, orders, as text."""
    change = BookChange(BTC, 5, snapshot=False, bids=(("99", "0", "0"),),
                        asks=(("101", "240", "3"),), seq_id=2, prev_seq_id=1)  # fmt: skip
    assert book_line(change, floats=True) == (
        b'{"instId":"BTC-USDT-SWAP","action":"update","ts":"5","asks":[["101","240.0","3"]],'
        b'"bids":[["99","0.0","0"]]}\n'
    )
    assert b'["101","240","3"]' in book_line(change, floats=False)
