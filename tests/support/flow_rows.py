"""Records of book flow made up, as a vault holds them."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson

from ravequant import catalog, times
from ravequant.vault.paths import Vault
from tests.support.made_signals import BTC

Rows = list[dict[str, Any]]


def flow(minute: int, *, gap: bool = False) -> dict[str, Any]:
    """Return the flow of a Unix minute."""
    return {**_head(minute, "flow"), "ofi_1m": "0", "ofi10_1m": "0", "intervals": 30, "gap": gap}


def wall(minute: int, price: str, end: str | None = None, **other: Any) -> dict[str, Any]:
    """Return an ask wall of 2.5 M in a Unix minute that stands, or ended half a minute later."""
    ms = minute * times.MINUTE_MS
    return {
        **_head(minute, "wall"), "side": "ask", "price": price, "notional": "2500000",
        "placed": "2469", "largest": "2469", "qty": "1975.2", "filled": "617.25", "pulled": "0",
        "refilled": "123.45", "added": "0", "unknown": "0", "since_utc": times.iso(ms - 95_000),
        "placed_known": True, "held_s": 155, "end": end,
        "end_utc": None if end is None else times.iso(ms + 30_000),
    } | other  # fmt: skip


def _head(minute: int, kind: str) -> dict[str, Any]:
    return {
        "timestamp_utc": times.iso_minute(minute),
        "exchange": "okx",
        "market": "perp",
        "instId": BTC,
        "kind": kind,
    }


def put(vault: Vault, rows: Iterable[dict[str, Any]]) -> list[Path]:
    """Append records to the files of their days, and return these."""
    folder, paths = catalog.BOOK_FLOW.place(vault, BTC), []
    folder.mkdir(parents=True, exist_ok=True)
    for row in rows:
        path = folder / f"{row['timestamp_utc'][:10]}.jsonl"
        with path.open("ab") as file:
            file.write(orjson.dumps(row) + b"\n")
        paths.append(path)
    return sorted(set(paths))
