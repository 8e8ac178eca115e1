"""Snapshot lines for tests: from recorded frames through a small book of their own, or made up."""

import gzip
import random
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

from ravequant.contract import Contract
from ravequant.sim.instruments import swap_row
from ravequant.vault import instruments
from ravequant.vault.paths import Vault

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def iso(ms: int) -> str:
    moment = EPOCH + timedelta(milliseconds=ms)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ms % 1000:03}Z"


def plain(value: Decimal) -> str:
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def snapshot(
    ts: int,
    bids: list[list[str]],
    asks: list[list[str]],
    *,
    inst_id: str = "BTC-USDT-SWAP",
    gap: bool = False,
) -> dict[str, Any]:
    """Return a snapshot object in the field order of SPEC section 9."""
    best_bid, best_ask = bids[0][0], asks[0][0]
    return {
        "timestamp_utc": iso(ts),
        "exchange": "okx",
        "market": "perp",
        "channel": "books",
        "instId": inst_id,
        "bids_top400": bids,
        "asks_top400": asks,
        "best_bid": best_bid,
        "best_ask": best_ask,
        "mid_price": plain((Decimal(best_bid) + Decimal(best_ask)) / 2),
        "checksum": 0,
        "seqId": ts,
        "prevSeqId": ts - 1,
        "gap_detected": gap,
    }


def deep(
    ts: int,
    since: int | None,
    bids: list[list[str]],
    asks: list[list[str]],
    inst_id: str = "BTC-USDT-SWAP",
) -> dict[str, Any]:
    """Return a deep snapshot object in the field order of SPEC section 9."""
    return {
        "timestamp_utc": iso(ts),
        "exchange": "okx",
        "market": "perp",
        "channel": "books-full",
        "instId": inst_id,
        "from_utc": None if since is None else iso(since),
        "bids": [[price, qty, "1"] for price, qty, *_ in bids],
        "asks": [[price, qty, "1"] for price, qty, *_ in asks],
    }


def lines(rows: Iterable[dict[str, Any]]) -> bytes:
    return b"".join(orjson.dumps(row) + b"\n" for row in rows)


def recorded(path: Path, every_ms: int = 2_000) -> Iterator[dict[str, Any]]:
    """Yield the snapshots that recorded frames give, one each ``every_ms`` of exchange time."""
    sides: dict[str, dict[Decimal, list[str]]] = {"bids": {}, "asks": {}}
    due = 0
    with gzip.open(path) as frames:
        for line in frames:
            frame = orjson.loads(line)["frame"]
            if "action" not in frame:
                continue
            row = frame["data"][0]
            for name, side in sides.items():
                if frame["action"] == "snapshot":
                    side.clear()
                for level in row[name]:
                    if Decimal(level[1]):
                        side[Decimal(level[0])] = level
                    else:
                        side.pop(Decimal(level[0]), None)
            ts = int(row["ts"])
            if ts >= due:
                due = (ts // every_ms + 1) * every_ms
                bids = [level for _, level in sorted(sides["bids"].items(), reverse=True)]
                asks = [level for _, level in sorted(sides["asks"].items())]
                inst_id = frame["arg"]["instId"]
                yield snapshot(ts, bids[:400], asks[:400], inst_id=inst_id)


def deepened(rows: list[dict[str, Any]], seed: int, every: int = 15) -> list[dict[str, Any]]:
    """Return deep snapshots for a recording: its levels, and made-up ones as far as 300-700 bps."""
    chance = random.Random(seed)
    found = []
    for index in range(0, len(rows) - 1, every):
        row = rows[index]
        mid = Decimal(row["mid_price"])
        sides = []
        for name, sign in (("bids_top400", -1), ("asks_top400", 1)):
            side = [list(level) for level in row[name]]
            price = Decimal(side[-1][0])
            end = mid * (1 + sign * Decimal(chance.randint(300, 700)) / 10_000)
            while (price < end) if sign > 0 else (price > end):
                price += sign * Decimal(chance.randint(1, 400)) / 10
                qty = Decimal(chance.choice((1, 40, 3000, 120_000))) * chance.randint(1, 40) / 10
                side.append([plain(price), plain(qty), "0", "1"])
            sides.append(side)
        ts = int((datetime.fromisoformat(row["timestamp_utc"]) - EPOCH) / timedelta(milliseconds=1))
        found.append(deep(ts + chance.randint(-300, 900), ts, sides[0], sides[1], row["instId"]))
    return found


def put_metadata(
    vault: Vault,
    inst_id: str,
    contract: Contract,
    since: int | None = None,
    *,
    tick: str = "0.1",
) -> None:
    """Give an instrument its contract and tick size, for records later than ``since``."""
    row = swap_row(inst_id, contract, tick, "0.01")
    instruments.save(vault, instruments.parse_instrument(row, fetched_ms=0), since)


def put(folder: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Append rows to the hour files of ``folder``."""
    for row in rows:
        stamp = row["timestamp_utc"]
        path = folder / stamp[:10] / f"{stamp[11:13]}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as out:
            out.write(lines([row]))
