"""Vaults of an hour, by hand: odd raw tapes around midnight, and plain rows of each file."""

import gzip
import random
from contextlib import suppress
from pathlib import Path

import orjson
from hypothesis import strategies as st

from ravequant import times
from ravequant.catalog import DATA_SETS
from ravequant.contract import Contract
from ravequant.records import RecordError, Trade, TradeEncoder, parse_trade
from tests.support.book_lines import put_metadata

BTC = "BTC-USDT-SWAP"
CONTRACT = Contract("0.01", "1", "linear")
START = times.parse_iso("2025-12-14T21:00:00Z")
MINUTE = times.MINUTE_MS


@st.composite
def tapes(draw):
    """Draw raw lines around midnight: late ones, repeated ids, damaged ones; and a minute."""
    chance = random.Random(draw(st.integers(0, 1 << 30)))
    encoder = TradeEncoder(BTC, CONTRACT)
    moment, last = START + 3 * times.HOUR_MS - 90_000, 100
    lines: list[bytes] = []
    for _ in range(draw(st.integers(1, 80))):
        moment += chance.choice((0, 1, 400, 3_000, 3_000, 20_000))
        last += chance.choice((1, 1, 1, 3))
        ts, trade_id = moment, last
        if chance.random() < 0.15:
            ts -= chance.randrange(30_000)
        if chance.random() < 0.1:
            trade_id = max(1, last - chance.randrange(1, 6))
        row = encoder.line(Trade(ts, trade_id, "buy", str(100_000 + len(lines)), "1"))
        if chance.random() < 0.1:
            row = chance.choice([b"{}\n", row.replace(b'"1",', b'"x",'), row[:90] + b"\n"])
        lines.append(row)
    minute = moment // MINUTE - chance.randrange(4)
    return lines, minute, draw(st.booleans())


def put_trades(vault, lines):
    folder = vault.trades(BTC)
    folder.mkdir(parents=True)
    day = "2025-12-14"
    for row in lines:
        with suppress(RecordError):
            day = max(day, times.day(parse_trade(row, BTC)[0].ts))
        with (folder / f"{day}.jsonl").open("ab") as file:
            file.write(row)


def minute_text(minute):
    return times.iso_minute(START // MINUTE + minute)


def rows(minute):
    """Return a row of each minute file."""
    stamp = {"timestamp_utc": minute_text(minute), "instId": BTC}
    return {
        "volume": stamp | {
            "open": "100", "high": "101", "low": "99", "close": "100", "volume_tier": "T4",
            "volume_ratio": "2.60", "absorption": False, "absorbed_side": None,
            "divergence_type": None, "whale_count": 1, "whale_volume": "5", "gap": False,
        },
        "cvd": stamp | {"cvd_1m": f"-{minute}", "gap": False},
        "vwap": stamp | {
            "close": "100", "vwap_4h": f"{100 + minute}", "minutes_4h": 64, "gap": False,
        },
    }  # fmt: skip


def bucket(second):
    sides = {
        f"{side}_{name}": value
        for side in ("bid", "ask")
        for name, value in (
            ("walls", [{"price": "101", "notional": "5", "age_s": None, "young": False}]),
            ("young_age_s", [None, second]), ("delta_significant", [False, True]),
            ("depth_bps", "12.50"),
        )
    }  # fmt: skip
    return {
        "timestamp_utc": times.iso(START + second * 1000), "mid_price": f"{100 + second}",
        "bands_bps": [10, 25], "imbalance": ["-0.78", None], "gap": False, **sides,
    }  # fmt: skip


def event(kind, known, birth, side="high"):
    return {
        "event": kind, "known_utc": minute_text(known),
        "event_id": f"{BTC}|1m|{minute_text(birth)}|{side}", "timeframe": "1m",
        "creation_time_utc": minute_text(birth), "wick_type": side, "wick_price": "101",
        "wick_size_ticks": 3, "tip_exact": False, "signal_strength": None, "gap": False,
    }  # fmt: skip


def put(path, found):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in found))


def put_hour(vault):
    """Give a vault an hour of rows, a snapshot each 10 s, and a wick touched at 30."""
    for name in ("volume", "cvd", "vwap"):
        put(DATA_SETS[name].place(vault, BTC), (rows(minute)[name] for minute in range(60)))
    put(
        vault.derived("liquidity_buckets", BTC) / "2025-12-14.jsonl",
        map(bucket, range(0, 3600, 10)),
    )
    events = [event("created", 10, 10), event("created", 20, 20, "low"), event("touched", 30, 10)]
    put(vault.derived("wicks", BTC) / "wicks_events.jsonl", events)
    put_metadata(vault, BTC, CONTRACT)
    put_trades(vault, [TradeEncoder(BTC, CONTRACT).line(Trade(START + 5, 1, "buy", "100.5", "1"))])


def pack(path: Path) -> None:
    """Put a packed copy in the place of a file."""
    path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes(), 1))
    path.unlink()
