"""The plain reading of a vault: a loop over JSON lines, nothing sought, nothing in columns."""

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from ravequant import times
from ravequant.contract import Contract, amounts
from ravequant.exact import BASE_PLACES, NOTIONAL_PLACES, PRICE_PLACES, SIZE_PLACES, text, units
from ravequant.vault.paths import Vault, day_files

LATE = 300_000


def lines_of(path: Path) -> list[bytes]:
    """Return the whole lines of a file."""
    data = path.read_bytes()
    data = gzip.decompress(data) if path.suffix == ".gz" else data
    return data[: data.rfind(b"\n") + 1].splitlines()


def moment(ms: int) -> datetime:
    """Return Unix ms as a datetime without a zone, as numpy gives it."""
    return datetime.fromtimestamp(ms / 1000, UTC).replace(tzinfo=None)


def valid(row: Any, inst_id: str) -> bool:
    """Return True for a trade that has what the tests vary."""
    return isinstance(row, dict) and row.get("instId") == inst_id and "price" in row


def trades(
    vault: Vault, inst_id: str, since: int | None = None, until: int | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the trades of a span: each file from its first line, each line by json."""
    last_id = newest = -1
    for day, path in day_files(vault.trades(inst_id)):
        end = times.day_start_ms(day) + times.DAY_MS
        for line in lines_of(path):
            try:
                row = json.loads(line)
            except ValueError:
                continue
            if not valid(row, inst_id) or int(row["trade_id"]) <= last_id:
                continue
            last_id, ts = int(row["trade_id"]), times.parse_iso(row["timestamp_utc"])
            ahead = row.get("ahead", False) or ts >= end
            place = ts
            if ahead:
                place = newest if newest >= 0 else end - times.DAY_MS
                newest = place
            elif ts < newest - LATE:
                place = newest
            else:
                newest = max(newest, ts)
            if (since is None or place >= since) and (until is None or place < until):
                yield as_row(row, ts, ahead=ahead)


def as_row(row: dict[str, Any], ts: int, *, ahead: bool) -> dict[str, Any]:
    """Return a trade as a row of the table has it."""
    contract = Contract(row["ctVal"], row["ctMult"], row["ctType"])
    price, qty = units(row["price"], PRICE_PLACES), units(row["qty_contracts"], SIZE_PLACES)
    base, notional = amounts(contract, price, qty)
    return {
        "timestamp_utc": moment(ts),
        "trade_id": int(row["trade_id"]),
        "side": row["side"],
        "price": Decimal(row["price"]),
        "qty_contracts": Decimal(row["qty_contracts"]),
        "base": Decimal(text(base, BASE_PLACES)),
        "notional": Decimal(text(notional, NOTIONAL_PLACES)),
        "count": int(row.get("count", "1")),
        "ahead": ahead,
    }
