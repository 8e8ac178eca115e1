"""VWAP since an anchor against fractions; anchors that were known at the moment asked, and rows."""

import json
import random
from fractions import Fraction

import orjson
import pytest

from ravequant import times
from ravequant.contract import Contract
from ravequant.errors import NoDataError, UsageError
from ravequant.records import Side, Trade, TradeEncoder
from ravequant.signals.inputs import TIMEFRAMES
from ravequant.vault.paths import Vault
from tests.support import oracle, recordings
from tests.support import trade_streams as shared
from tests.support.wick_vault import tick_size
from Untouch_Wick import untouch_wick
from VWAP import anchored_vwap as program
from VWAP import vwap_calculator
from VWAP.anchored_vwap import Anchor, anchored_vwap

BTC = shared.BTC
NIGHT = times.parse_iso("2025-12-15T00:00:00Z")  # a Monday
LINE = TradeEncoder(BTC, Contract("0.01", "1", "linear")).line


def walk(begin=NIGHT - 5 * times.HOUR_MS, count=900, seed=1):
    """Return trades of some hours over midnight, with late ones and a hole."""
    chance, moment, price, number, lines = random.Random(seed), begin, 1_012_500, 100, []
    for step in range(count):
        moment += chance.choice((1_000, 20_000, 61_000))
        price += chance.choice((-30, -1, 0, 1, 30))
        number += chance.choice((1, 1, 3)) + (50 if step == count // 2 else 0)
        late = chance.choice((0, 0, 0, 70_000))
        side: Side = "buy" if chance.random() < 0.5 else "sell"
        qty = chance.choice(("45", "0.01", "1200.5"))
        text = f"{price // 10}.{price % 10}" if price % 10 else f"{price // 10}"
        lines.append(LINE(Trade(moment - late, number, side, text, qty, 1)))
    return lines


def filled(vault, lines=None):
    """Return a vault of these trades."""
    shared.write_raw(vault, BTC, lines or walk())
    return vault


def plain(minutes, start):
    """Return the rows of an anchor by their definition, each summed afresh."""
    known = [minute for minute in minutes if minute.joined and minute_of(minute) >= start]
    gaps = [minute_of(minute) for minute in minutes if minute.gap and minute_of(minute) >= start]
    rows = []
    for place, minute in enumerate(known):
        part, close = known[: place + 1], minute.prices[-1]
        notional = oracle.over(part, lambda _p, _b, n: n)
        mean = oracle.over(part, lambda p, _b, n: p * n) / notional
        base = oracle.over(part, lambda p, b, _n: p * b) / oracle.over(part, lambda _p, b, _n: b)
        bps = (close - mean) / mean * 10_000
        rows.append(
            {
                "timestamp_utc": f"{minute.start:%Y-%m-%dT%H:%M:00Z}",
                "close": oracle.decimal_text(close, 20),
                "vwap": oracle.decimal_text(mean, 8),
                "vwap_base": oracle.decimal_text(base, 8),
                "sd": oracle.deviation(part, mean),
                "deviation_bps": oracle.decimal_text(bps, 2, all_places=True, sign=True),
                "minutes": len(part),
                "gap": any(gap <= minute_of(minute) for gap in gaps),
            }
        )
    return rows


def minute_of(minute):
    """Return the Unix minute of a plain one."""
    return int(minute.start.timestamp()) // 60


def iso(minute):
    """Return the start of a Unix minute."""
    return times.iso_minute(minute)


@recordings.each(*recordings.MIDNIGHT, *recordings.EVENING_ETH)
def test_rows_equal_the_plain_computation_on_recordings(vault, recording):
    """Every digit of every row, from a time and from the newest high and low."""
    shared.link_recording(vault, recording)
    minutes = shared.recorded_minutes(recording)
    traded = [minute for minute in minutes if minute.joined]
    end = minute_of(traded[-1]) + 1
    for anchor, start in (
        (iso(minute_of(traded[len(traded) // 3])), minute_of(traded[len(traded) // 3])),
        ("high:30m", newest_extreme(traded, end - 30, max)),
        ("low:30m", newest_extreme(traded, end - 30, min)),
    ):
        found = anchored_vwap(recording.inst_id, anchor, vault=vault.root)
        assert found.rows == plain(minutes, start)
        assert (found.anchor.minute, found.as_of) == (start, end)


def newest_extreme(traded, since, best):
    """Return the newest minute from ``since`` on with the extreme of all."""
    inside = [minute for minute in traded if minute_of(minute) >= since]
    price = best(best(minute.prices) for minute in inside)
    return max(minute_of(minute) for minute in inside if best(minute.prices) == price)


def test_since_midnight_it_is_that_of_the_session(vault):
    """Each field of each minute, as the calculator has it; with kept minutes and without."""
    filled(vault)
    raw = [
        anchored_vwap(BTC, "session", at, vault=vault.root) for at in (None, iso(NIGHT // 60_000))
    ]
    assert [found.anchor.words for found in raw] == ["the session"] * 2
    assert vwap_calculator.main(["--vault", str(vault.root), "--instId", BTC]) == 0
    assert list((vault.root / "derived" / "bars").rglob("*.gz"))
    rows = map(
        orjson.loads, (vault.derived("vwap", BTC) / "vwap_1m.jsonl").read_bytes().splitlines()
    )
    by_minute = {row["timestamp_utc"]: row for row in rows}
    for found in raw:
        again = anchored_vwap(BTC, "session", iso(found.as_of), vault=vault.root)
        assert again == found
        assert found.rows
        for row in found.rows:
            session = by_minute[row["timestamp_utc"]]
            for name in ("vwap", "vwap_base", "sd", "deviation_bps", "minutes"):
                assert row[name] == session[f"{name}_session"]
            assert row["close"] == session["close"]
    assert (
        raw[1].rows[-1]["timestamp_utc"] < iso(NIGHT // 60_000) <= raw[0].rows[0]["timestamp_utc"]
    )


@pytest.mark.parametrize("anchor", ["session", "week", "high:2h", "low:90m", "2025-12-14 21:00"])
def test_an_answer_of_then_is_that_of_input_that_ends_then(tmp_path, anchor):
    """Anchor and rows: nothing of later trades is in them."""
    lines = walk()
    whole = filled(Vault(tmp_path / "whole"), lines)
    moments = [times.parse_iso(json.loads(line)["timestamp_utc"]) for line in lines]
    first, last = moments[0] // 60_000, moments[-1] // 60_000
    for minute in random.Random(4).sample(range(first + 125, last - 1), 6):
        end = next(at for at, ts in enumerate(moments) if ts >= minute * 60_000 + 5_000)
        cut = filled(Vault(tmp_path / str(minute)), lines[: end + 1])
        found = anchored_vwap(BTC, anchor, iso(minute), vault=whole.root)
        assert found == anchored_vwap(BTC, anchor, iso(minute), vault=cut.root)
        assert found.rows[-1]["timestamp_utc"] < iso(minute)
        seconds = times.iso(moments[end])  # to the instant of the line that closes the minute
        assert anchored_vwap(BTC, anchor, seconds, vault=cut.root).as_of >= minute
        just = times.iso(minute * 60_000 + 4_999)
        assert anchored_vwap(BTC, anchor, just, vault=whole.root).as_of < minute


def test_an_hour_is_of_the_day_asked_about(vault):
    """Of the newest minute that had ended, whatever the clock says today."""
    filled(vault)
    found = anchored_vwap(BTC, "21:30", "2025-12-15 00:00", vault=vault.root)
    assert found == anchored_vwap(BTC, "2025-12-14 21:30", "2025-12-15 00:00", vault=vault.root)
    with pytest.raises(UsageError, match="is 2025-12-15T21:30:00Z, not earlier than"):
        anchored_vwap(BTC, "21:30", "2025-12-15 00:01", vault=vault.root)


def test_a_week_begins_on_monday(vault):
    """At 00:00 UTC; the minute that ends there is of the week before."""
    filled(vault)
    monday = NIGHT // 60_000
    assert program.rule_of(BTC, "week", monday).since == monday - 7 * 1440
    assert program.rule_of(BTC, "week", monday + 1).since == monday
    assert program.rule_of(BTC, "week", monday + 7 * 1440).since == monday
    assert program.rule_of(BTC, "session", monday).since == monday - 1440
    assert program.rule_of(BTC, "session", monday + 1).since == monday


def test_a_wick_is_an_anchor_from_the_minute_of_its_tip(vault):
    """Of every timeframe and side: the first minute that made the candle's extreme."""
    filled(vault)
    tick_size(vault, "0.1")
    assert untouch_wick.main(["--vault", str(vault.root), "--instId", BTC]) == 0
    path = vault.derived("wicks", BTC) / "wicks_events.jsonl"
    born = [
        row
        for row in map(orjson.loads, path.read_bytes().splitlines())
        if row["event"] == "created"
    ]
    minutes = [m for m in oracle.closed_minutes(walk()) if m.joined]
    seen = set()
    for row in random.Random(3).sample(born, 25) + [r for r in born if r["timeframe"] == "4h"][:2]:
        seen.add(row["timeframe"])
        end = times.parse_iso(row["creation_time_utc"]) // 60_000
        length = TIMEFRAMES[row["timeframe"]]
        inside = [m for m in minutes if end - length <= minute_of(m) < end]
        best = max if row["wick_type"] == "high" else min
        tip = best(best(m.prices) for m in inside)
        wanted = next(minute_of(m) for m in inside if best(m.prices) == tip)
        found = anchored_vwap(BTC, f"wick:{row['event_id']}", vault=vault.root)
        assert found.anchor.minute == wanted
        assert Fraction(row["wick_price"]) == tip
        assert found.rows[0]["timestamp_utc"] == iso(wanted)
        with pytest.raises(UsageError, match="was not known at"):
            anchored_vwap(BTC, f"wick:{row['event_id']}", iso(end - 1), vault=vault.root)
    assert len(seen) >= 3


def test_of_two_minutes_with_one_extreme_a_wick_takes_the_first_and_a_span_the_newest(vault):
    """As the contract says of both."""
    fills = [(0, "100"), (61, "105"), (70, "101"), (125, "105"), (130, "101"), (190, "100"),
             (310, "99"), (400, "99")]  # fmt: skip
    lines = [
        LINE(Trade(NIGHT + at * 1_000, 10 + n, "buy", price, "1"))
        for n, (at, price) in enumerate(fills)
    ]
    shared.write_raw(vault, BTC, lines)
    first = NIGHT // 60_000
    wick = anchored_vwap(BTC, f"wick:{BTC}|5m|2025-12-15T00:05:00Z|high", vault=vault.root)
    assert wick.anchor == Anchor(first + 1, "the 5m high wick at 105")
    high = anchored_vwap(BTC, "high:1h", vault=vault.root)
    assert high.anchor == Anchor(first + 2, "the high of 1h, 105")
    low = anchored_vwap(BTC, "low:1h", "2025-12-15 00:05", vault=vault.root)
    assert low.anchor == Anchor(first + 3, "the low of 1h, 100")
    with pytest.raises(UsageError, match="has no such wick in this vault"):
        anchored_vwap(BTC, f"wick:{BTC}|1m|2025-12-15T00:01:00Z|high", vault=vault.root)
    with pytest.raises(UsageError, match="has no such wick in this vault"):
        anchored_vwap(BTC, f"wick:{BTC}|1m|2025-12-14T00:01:00Z|high", vault=vault.root)


@pytest.mark.parametrize(
    ("anchor", "said"),
    [
        ("yesterday", "expected a time, wick:EVENT_ID, high:24h"),
        ("high:now", "'now' is not a duration like"),
        ("high:", "is not a duration"),
        ("2025-12-15 05:00", "not earlier than the moment asked"),
        ("wick:x", r"is no wick of BTC-USDT-SWAP: expected wick:BTC-USDT-SWAP\|15m"),
        (f"wick:{BTC}|7m|2025-12-15T00:05:00Z|high", "is no wick"),
        (f"wick:{BTC}|5m|2025-12-15T00:05:00Z|top", "is no wick"),
        (f"wick:{BTC}|5m|2025-12-15T00:04:00Z|high", "is no wick"),
        ("wick:ETH-USDT-SWAP|5m|2025-12-15T00:05:00Z|high", "is no wick"),
        (f"wick:{BTC}|5m|2025-12-15T09:05:00Z|high", "was not known at"),
    ],
)
def test_an_anchor_that_is_none_is_refused(vault, anchor, said):
    """With the value met and the one wanted."""
    filled(vault)
    with pytest.raises(UsageError, match=said):
        anchored_vwap(BTC, anchor, "2025-12-15 03:00", vault=vault.root)


def test_an_anchor_before_the_recording_is_said(vault, caplog):
    """The rows begin where the trades begin, and a warning says so."""
    filled(vault)
    found = anchored_vwap(BTC, "2025-12-13", vault=vault.root)
    assert "the anchor 2025-12-13T00:00:00Z is earlier than the recording" in caplog.text
    assert found.rows[0]["minutes"] == 1
    caplog.clear()
    anchored_vwap(BTC, "session", vault=vault.root)
    assert not caplog.text


def test_without_trades_there_is_no_answer(vault):
    """Exit code 3, with the remedy."""
    with pytest.raises(NoDataError, match="no trade of BTC-USDT-SWAP in"):
        anchored_vwap(BTC, "session", vault=vault.root)
    filled(vault)
    with pytest.raises(NoDataError, match="no closed minute"):
        anchored_vwap(BTC, "high:1m", "2025-12-14 12:00", vault=vault.root)


def test_the_program_prints_rows(vault, capsys):
    """JSON lines of every row, or a table of the newest with the anchor above it."""
    filled(vault)
    words = ["--vault", str(vault.root), "--instId", BTC, "--anchor", "session"]
    assert program.main([*words, "--json", "--at", "2025-12-15 01:00"]) == 0
    out = capsys.readouterr().out
    found = anchored_vwap(BTC, "session", "2025-12-15 01:00", vault=vault.root)
    assert list(map(json.loads, out.splitlines())) == found.rows
    assert program.main([*words, "-n", "2"]) == 0
    first, head, *lines = capsys.readouterr().out.splitlines()
    assert first.startswith(
        "BTC-USDT-SWAP since 2025-12-15T00:00:00Z (the session), as of 2025-12-15T"
    )
    assert head.split() == [
        "minute",
        "UTC",
        "close",
        "vwap",
        "vwap_base",
        "sd",
        "bps",
        "minutes",
        "note",
    ]
    assert len(lines) == 2
    assert program.main([*words, "-n", "-1"]) == 2
    assert program.main([*words[:-1], "never"]) == 2
    assert program.main([*words, "--at", "2025-12-14 10:00"]) == 3


@pytest.mark.parametrize(
    ("text", "shown"),
    [("101231.12345678", "101231.12"), ("0.00000074573", "0.0000007457"), ("7", "7"), (None, "-")],
)
def test_prices_of_the_table_are_short(text, shown):
    """Two places, or four digits of a price below one."""
    assert program._two_places(text) == shown
