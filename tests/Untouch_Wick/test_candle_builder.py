"""Candles against plain grouping, and the command that prints them."""

import gzip
import subprocess
import sys
from datetime import datetime
from fractions import Fraction
from typing import Any

import orjson
import pytest

from ravequant import exact, times
from ravequant.trades.minute_bar import MinuteBar
from ravequant.vault.paths import CHECKOUT, Vault
from tests.support import oracle, recordings, wick_oracle
from tests.support.wick_vault import BTC, START, line, write_raw
from Untouch_Wick import candle_builder
from Untouch_Wick.candle_builder import CandleBuilder

FIRST = START // times.MINUTE_MS


def bar(minute: int, *prices: int) -> MinuteBar:
    """Return a bar of trades at these prices, base and notional 1 and 2 each, the first bought."""
    base, notional = len(prices), 2 * len(prices)
    return MinuteBar(
        FIRST + minute, prices[0], max(prices), min(prices), prices[-1], len(prices),
        base, 1, base - 1, notional, 2, notional - 2, 0, 0, 0, 0, 0, 1, 1,
    )  # fmt: skip


def names(builder: CandleBuilder, end: int) -> list[str]:
    return [candle.timeframe for candle in builder.close(FIRST + end)]


def test_a_candle_is_open_high_low_close_and_sums_of_its_minutes():
    """Rolled up exactly, whatever lies between."""
    builder = CandleBuilder()
    builder.add(bar(0, 100, 90, 95))
    builder.close(FIRST + 1)
    builder.add(bar(3, 96, 120))
    builder.close(FIRST + 4)
    (five,) = builder.close(FIRST + 5)
    assert (five.start, five.end) == (FIRST, FIRST + 5)
    assert (five.open, five.high, five.low, five.close) == (100, 120, 90, 120)
    assert (five.trade_count, five.base, five.notional, five.buy_notional) == (5, 5, 10, 4)
    assert not five.cut


def test_candles_close_together_the_shortest_first():
    """At 00:00 UTC all five timeframes end."""
    builder = CandleBuilder()
    builder.add(bar(239, 1))
    assert builder.next_end == FIRST + 240
    assert names(builder, 240) == ["1m", "5m", "15m", "1h", "4h"]
    assert builder.next_end is None


def test_a_candle_that_began_before_the_input_is_cut():
    """What it traded before is not known; a candle that begins with the input is whole."""
    builder = CandleBuilder()
    builder.add(bar(235, 1))
    builder.close(FIRST + 236)
    builder.add(bar(239, 2))
    closed = builder.close(FIRST + 240)
    assert {candle.timeframe: candle.cut for candle in closed} == {
        "1m": False, "5m": False, "15m": True, "1h": True, "4h": True,
    }  # fmt: skip


def test_a_builder_goes_on_from_json_exactly():
    """Prices and sums beyond 64 bits included."""
    builder = CandleBuilder()
    builder.add(bar(2, 10**30, 10**31))
    state = orjson.dumps(builder.state())
    again = CandleBuilder()
    again.restore(orjson.loads(state))
    assert orjson.dumps(again.state()) == state
    assert again.close(FIRST + 3) == builder.close(FIRST + 3)
    assert again.close(FIRST + 5) == builder.close(FIRST + 5)


def printed(vault: Vault, capsys: pytest.CaptureFixture[str], *options: str) -> str:
    arguments = ["--vault", str(vault.root), "--instId", BTC, "--log-level", "error", *options]
    assert candle_builder.main(arguments) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("timeframe", candle_builder.TIMEFRAMES)
@recordings.each(*recordings.MIDNIGHT)
def test_recorded_candles_equal_plain_grouping(vault, recording, capsys, timeframe):
    """Every price and sum of every closed candle of the recordings."""
    lines = gzip.decompress(recording.trade_files[-1].read_bytes()).splitlines(keepends=True)
    write_raw(vault, lines)
    text = printed(vault, capsys, "--json", "--timeframe", timeframe, "--since", "2d")
    found = [orjson.loads(row) for row in text.splitlines()]
    assert found == plain_rows(lines, timeframe)


def plain_rows(lines: list[bytes], timeframe: str) -> list[dict[str, Any]]:
    minutes = list(oracle.closed_minutes(lines))
    closed = wick_oracle.candles(minutes, wick_oracle.closed_until(lines))[timeframe]
    rows = []
    for candle in closed:
        inside = [minute for minute in minutes if candle.start <= minute.start < candle.end]
        trades = [trade for minute in inside for trade in minute.joined]
        signs = {"buy": 1, "sell": -1}
        delta = sum((signs[side] * worth for _, _, worth, side in trades), Fraction(0))
        base = sum((base for _, base, _, _ in trades), Fraction(0))
        notional = sum((worth for _, _, worth, _ in trades), Fraction(0))
        rows.append({
            "timestamp_utc": wick_oracle.text(candle.start),
            "instId": BTC,
            "timeframe": timeframe,
            **{
                name: oracle.decimal_text(getattr(candle, name), 20)
                for name in ("open", "high", "low", "close")
            },
            "trade_count": len(trades),
            "base": oracle.decimal_text(base, 30),
            "notional": oracle.decimal_text(notional, 50),
            "delta": oracle.decimal_text(delta, 50, sign=True),
            "gap": any(minute.gap for minute in inside),
            "cut": candle.start < minutes[0].start,
        })  # fmt: skip
    return rows


def some_trades() -> list[bytes]:
    """Return 12 minutes from 20:02 with one trade a minute; an id is missing in the sixth."""
    ids = [at + (at > 5) for at in range(12)]
    return [
        line(START + (2 + at) * times.MINUTE_MS + 7_000, ids[at], f"{100 + at}") for at in range(12)
    ]


def test_the_table_says_what_a_candle_lacks(vault, capsys):
    """A hole and the cut of the first candle stand in the note; the open candle is not shown."""
    write_raw(vault, some_trades())
    assert printed(vault, capsys, "--timeframe", "5m") == (
        f"{BTC} 5m\n"
        "start UTC         open  high  low  close  trades  USD  delta  note\n"
        "2025-12-14 20:00   100   102  100    102       3   15    +15   cut\n"
        "2025-12-14 20:05   103   107  103    107       5   26    +26   gap\n"
    )


def test_since_counts_back_from_the_newest_trade(vault, capsys):
    """It begins with the candle in which that moment lies, and that one is whole."""
    write_raw(vault, some_trades())
    rows = printed(vault, capsys, "--since", "3m", "--json").splitlines()
    starts = [datetime.fromisoformat(orjson.loads(row)["timestamp_utc"]).minute for row in rows]
    assert starts == [10, 11, 12]
    rows = printed(vault, capsys, "--since", "7m", "--timeframe", "5m", "--json").splitlines()
    assert [orjson.loads(row)["cut"] for row in rows] == [False]


def test_a_quiet_first_minute_of_the_span_cuts_nothing(vault):
    """Trades lie before the span: that none came in its first minutes is all there is to know."""
    minutes = (1, 30, 59, 63, 90, 121, 181)
    rows = [line(START + m * times.MINUTE_MS, n, "100") for n, m in enumerate(minutes, 1)]
    write_raw(vault, rows)
    for hours, cuts in ((2, [False, False]), (9, [True, False, False])):
        found = candle_builder.candles(vault, BTC, "1h", hours * times.HOUR_MS)
        assert [candle.cut for candle, _ in found] == cuts, hours


def test_a_trade_that_is_ahead_counts_and_makes_no_price(vault):
    """It joins the oldest open minute in sums; the span counts back from a trade that is not."""
    day = times.DAY_MS
    marked = line(START + 400 * day, 900, "999").replace(b"}\n", b',"ahead":true}\n')
    dated = line(START + 2 * day, 901, "998")  # of an older file: only its date tells
    rows = [line(START + m * times.MINUTE_MS, m + 1, f"{100 + m}") for m in range(4)]
    ids = [line(START + m * times.MINUTE_MS, 898 + m, f"{100 + m}") for m in range(4, 8)]
    path = vault.trades(BTC) / f"{times.day(START)}.jsonl"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"".join([*rows, marked, dated, *ids]))
    found = list(candle_builder.candles(vault, BTC, "1m", 6 * times.MINUTE_MS))
    minutes = [candle.start - FIRST for candle, _ in found]
    assert minutes == [1, 2, 3, 4, 5]
    assert [candle.trade_count for candle, _ in found] == [1, 3, 1, 1, 1]
    prices = {getattr(candle, name) for candle, _ in found for name in ("open", "high", "close")}
    assert max(prices) == 105 * exact.PRICE_ONE
    assert found[1][0].notional - found[0][0].notional > 90 * exact.NOTIONAL_ONE
    assert [gap for _, gap in found] == [False, True, True, False, False]


def test_it_leaves_nothing_behind(vault, capsys):
    """Candles are looked at, not kept: no file is made or changed."""
    write_raw(vault, some_trades())
    before = sorted(vault.root.rglob("*"))
    printed(vault, capsys)
    assert sorted(vault.root.rglob("*")) == before


def test_started_from_its_folder_without_data_it_says_so(tmp_path):
    """Exit code 3 and the remedy; nothing on stdout."""
    done = subprocess.run(
        [sys.executable, "candle_builder.py", "--vault", str(tmp_path), "--instId", BTC],
        cwd=CHECKOUT / "Untouch_Wick", capture_output=True, check=False, encoding="utf-8",
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (3, "")
    assert f"no raw data of {BTC} in {tmp_path}; start its exporter" in done.stderr
