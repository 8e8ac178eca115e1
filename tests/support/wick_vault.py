"""A vault for wick tests: raw trade lines, tick sizes, runs of the tracker, what it wrote."""

import json
from typing import Any

import orjson

from ravequant import times
from ravequant.contract import Contract
from ravequant.records import Trade, TradeEncoder
from ravequant.sim.instruments import swap_row
from ravequant.vault import instruments
from ravequant.vault.paths import Vault
from Untouch_Wick import untouch_wick

BTC = "BTC-USDT-SWAP"
LINEAR = Contract("0.01", "1", "linear")
START = times.parse_iso("2025-12-14T20:00:00Z")  # the start of a 4h candle
_encoder = TradeEncoder(BTC, LINEAR)


def tick_size(vault: Vault, tick: str, since: int | None = None, inst_id: str = BTC) -> None:
    """Give an instrument its tick size, for records later than ``since``."""
    row = swap_row(inst_id, LINEAR, tick, "0.01")
    instruments.save(vault, instruments.parse_instrument(row, fetched_ms=0), since)


def line(ts: int, trade_id: int, price: str, count: int = 1) -> bytes:
    return _encoder.line(Trade(ts, trade_id, "buy", price, "5", count))


def write_raw(vault: Vault, lines: list[bytes], inst_id: str = BTC) -> None:
    """Append lines to the day file of the largest date so far."""
    folder = vault.trades(inst_id)
    folder.mkdir(parents=True, exist_ok=True)
    newest = max((path.name for path in folder.iterdir()), default="")
    held: dict[str, list[bytes]] = {}
    for one in lines:
        newest = max(newest, json.loads(one)["timestamp_utc"][:10] + ".jsonl")
        held.setdefault(newest, []).append(one)
    for name, part in held.items():
        with (folder / name).open("ab") as stream:
            stream.write(b"".join(part))


def run(vault: Vault, *arguments: str, inst_id: str = BTC) -> int:
    known = ["--vault", str(vault.root), "--log-level", "error", "--instId", inst_id]
    return untouch_wick.main([*known, *arguments])


def events(vault: Vault, inst_id: str = BTC) -> bytes:
    path = vault.derived("wicks", inst_id) / "wicks_events.jsonl"
    return path.read_bytes() if path.exists() else b""


def active(vault: Vault, inst_id: str = BTC) -> bytes:
    return (vault.derived("wicks", inst_id) / "wicks_active.json").read_bytes()


def as_lines(rows: list[dict[str, Any]]) -> bytes:
    return b"".join(orjson.dumps(row) + b"\n" for row in rows)


def first_difference(found: bytes, wanted: list[dict[str, Any]]) -> Any:
    """Return None if the lines are these rows, byte for byte, else the first fields that differ."""
    if found == as_lines(wanted):
        return None
    met = [orjson.loads(text) for text in found.splitlines()]
    for number, (one, other) in enumerate(zip(met, wanted, strict=False)):
        if one != other:
            fields = [
                (key, one.get(key), other[key]) for key in other if one.get(key) != other[key]
            ]
            return number, one["event_id"], one["event"], fields
    return "only the first", len(met), len(wanted), "or the order of fields differs"
