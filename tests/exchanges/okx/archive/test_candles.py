"""Candles: each traded minute equals its fills, and a candle changed by one lot is named."""

from pathlib import Path

import pytest

from ravequant import exact, times
from ravequant.contract import Contract
from ravequant.exchanges.archive.container import ArchiveError
from ravequant.exchanges.okx.archive.candles import (
    MinuteCandle,
    contract_in_force,
    differing,
    read_candles,
)
from ravequant.exchanges.okx.archive.trade_day import TradeDay
from tests.support.archive_files import (
    BTC,
    CANDLES,
    candle_file,
    candle_rows,
    market_fills,
    trade_file,
    write_zip,
)

DAY = "2025-12-14"
FILLS = market_fills(4_000, times.parse_iso("2025-12-14T15:58:00Z"))
ROWS = candle_rows(FILLS)
COLUMNS = dict(zip(CANDLES.decode().strip().split(","), range(10), strict=True))
MINUTE = times.iso_minute(int(ROWS[1][8]) // times.MINUTE_MS)


def candles(tmp_path: Path, rows: list[list[str]]) -> dict[int, MinuteCandle]:
    """Return the candles of the day, from its two labels."""
    cut = times.day_start_ms(DAY) + 16 * times.HOUR_MS
    earlier = [row for row in rows if int(row[8]) < cut]
    later = [row for row in rows if int(row[8]) >= cut]
    paths = [candle_file(tmp_path, DAY, earlier), candle_file(tmp_path, "2025-12-15", later)]
    return read_candles(paths, BTC, DAY)


def differences(tmp_path: Path, rows: list[list[str]], contract: str = "0.01") -> list[str]:
    """Return the minutes in which fills and candles differ."""
    path = trade_file(tmp_path, "2025-12", FILLS)
    day = TradeDay([path], BTC, DAY, Contract(contract, "1", "linear"))
    for _ in day.blocks():
        pass
    return differing(day.facts.minutes, candles(tmp_path, rows))


def changed(column: str, value: str) -> list[list[str]]:
    """Return the candles, one value of the second minute changed."""
    rows = [list(row) for row in ROWS]
    rows[1][COLUMNS[column]] = value
    return rows


def test_the_market_equals_its_candles(tmp_path):
    """In every column of every minute, over both labels."""
    assert differences(tmp_path, ROWS) == []
    assert len(ROWS) > 3


@pytest.mark.parametrize("column", ["open", "high", "low", "close"])
def test_a_changed_price_is_named(tmp_path, column):
    """With both values."""
    [line] = differences(tmp_path, changed(column, "1.5"))
    assert line.startswith(f"{MINUTE}: {column} ")
    assert line.endswith(", candle 1.5")


def test_a_candle_changed_by_one_lot_is_named(tmp_path):
    """And no other minute."""
    qty = exact.units(ROWS[1][5].removesuffix(".0"), 2)
    [line] = differences(tmp_path, changed("vol", exact.text(qty + 1, 2)))
    assert line == f"{MINUTE}: qty {exact.text(qty, 2)}, candle {exact.text(qty + 1, 2)}"


def test_minutes_that_one_side_lacks_are_named(tmp_path):
    """A minute without fills must have a volume of 0; one with fills must have a candle."""
    assert differences(tmp_path, [*ROWS[:1], *ROWS[2:]]) == [f"{MINUTE}: no candle"]
    assert differences(tmp_path, changed("confirm", "0")) == [f"{MINUTE}: no candle"]
    last = int(ROWS[-1][8])
    flat = [*ROWS[-1][:5], "0.0", "0.0", "0.0", str(last + 60_000), "1"]
    traded = [*flat[:5], "2.0", "0.02", "9.0", str(last + 120_000), "1"]
    assert differences(tmp_path, [*ROWS, flat, traded]) == [
        f"{times.iso_minute(last // 60_000 + 2)}: no fills, candle qty 2"
    ]


def test_coins_are_compared_where_they_are_known(tmp_path):
    """Under another contract every traded minute differs; those of 2021 are 0, and prove less."""
    without = [[*row[:6], "0.0", *row[7:]] for row in ROWS]
    assert differences(tmp_path, without, "0.001") == []
    wrong = differences(tmp_path, ROWS, "0.001")
    assert len(wrong) == len(ROWS)
    assert ": coins " in wrong[0]


def test_the_contract_in_force_is_coins_by_contracts(tmp_path):
    """Of all traded minutes alike; quote currency by contracts if it is inverse."""
    assert contract_in_force(candles(tmp_path, ROWS), "linear") == "0.01"
    inverse = [[*row[:7], f"{float(row[5]) * 100}", *row[8:]] for row in ROWS]
    assert contract_in_force(candles(tmp_path, inverse), "inverse") == "100"
    assert contract_in_force(candles(tmp_path, changed("vol_ccy", "9.0")), "linear") is None
    assert contract_in_force(candles(tmp_path, ROWS), "inverse") is None
    assert contract_in_force({}, "linear") is None
    without = [[*row[:6], "0.0", *row[7:]] for row in ROWS]
    assert contract_in_force(candles(tmp_path, without), "linear") is None


@pytest.mark.parametrize(
    ("column", "value", "found"),
    [
        ("vol", "-1.0", "vol: '-1.0' is not a number like"),
        ("open_time", "1765727941000", "open_time: 1765727941000 is no whole minute"),
        ("instrument_name", "ETH-USDT-SWAP", "is not BTC-USDT-SWAP"),
        ("high", "", "high: '' is not a number"),
    ],
)
def test_other_rows_are_refused(tmp_path, column, value, found):
    """With file and line."""
    with pytest.raises(ArchiveError) as caught:
        candles(tmp_path, changed(column, value))
    assert ": line 3: " in str(caught.value)
    assert found in str(caught.value)


def test_a_minute_with_two_candles_is_refused(tmp_path):
    """Unless they are equal; minutes of other days do not count."""
    assert len(candles(tmp_path, [*ROWS, ROWS[-1]])) == len(ROWS)
    with pytest.raises(ArchiveError, match=f"the minute {MINUTE} has another candle too"):
        candles(tmp_path, [*ROWS[:2], changed("vol", "9.0")[1]])
    assert read_candles([candle_file(tmp_path, "2025-12", ROWS)], BTC, "2025-12-15") == {}


def test_real_fills_sum_to_their_real_candle(tmp_path, shared_data):
    """Fourteen fills of one whole minute, in contracts of ten coins."""
    folder, inst_id = shared_data / "okx_archive" / "rows", "MATIC-USDT-SWAP"
    fills = (folder / f"{inst_id}-trades-2023-08-21.excerpt.csv").read_bytes()
    candle = (folder / f"{inst_id}-candle-of-that-minute.csv").read_bytes()
    trades = write_zip(tmp_path / f"{inst_id}-trades-2023-08-21.zip", fills)
    path = write_zip(tmp_path / f"{inst_id}-candlesticks-2023-08-21.zip", candle)
    day = TradeDay([trades], inst_id, "2023-08-20", Contract("10", "1", "linear"))
    for _ in day.blocks():
        pass
    found = read_candles([path], inst_id, "2023-08-20")
    assert (day.facts.rows, len(found)) == (14, 1)
    assert differing(day.facts.minutes, found) == []
    assert contract_in_force(found, "linear") == "10"
