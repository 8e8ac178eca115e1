"""Published files of books, written by tests: the container and the lines that OKX's have."""

import gzip
import io
import tarfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import orjson

from tests.support.plain_book import Message

BTC = "BTC-USDT-SWAP"


def line(message: Message, inst_id: str = BTC) -> bytes:
    """Return a message as a line of the archive: no sequence, three strings a level."""
    action, row = message
    sides = {
        side: [[price, size, orders] for price, size, *_, orders in row[side]]
        for side in ("asks", "bids")
    }
    return (
        orjson.dumps({"instId": inst_id, "action": action, "ts": str(row["ts"]), **sides}) + b"\n"
    )


def lines(messages: Iterable[Message], inst_id: str = BTC) -> bytes:
    return b"".join(line(one, inst_id) for one in messages)


def name_of(day: str, inst_id: str = BTC, depth: int = 400) -> str:
    return f"{inst_id}-L2orderbook-{depth}lv-{day}"


def write(folder: Path, day: str, data: bytes, inst_id: str = BTC, depth: int = 400) -> Path:
    """Write the lines of a day as the file that is published."""
    stem = name_of(day, inst_id, depth)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{stem}.tar.gz"
    member = tarfile.TarInfo(f"{stem}.data")
    member.size = len(data)
    with gzip.open(path, "wb", 1) as packed, tarfile.open(fileobj=packed, mode="w") as tar:
        tar.addfile(member, io.BytesIO(data))
    return path


def message(
    action: str, ts: int, bids: Sequence[tuple[str, str]] = (), asks: Sequence[tuple[str, str]] = ()
) -> Message:
    """Return a message whose levels have one order each."""
    sides: dict[str, Any] = {
        "bids": [[price, size, "0", "1"] for price, size in bids],
        "asks": [[price, size, "0", "1"] for price, size in asks],
    }
    return action, {"ts": str(ts), **sides}


def steady(
    start: int, end: int, step_ms: int = 500, *, every: int = 60_000, first: int = 0
) -> list[Message]:
    """Return messages from ``start`` to before ``end``: the ask's size counts up from ``first``."""
    made: list[Message] = []
    for number, ts in enumerate(range(start, end, step_ms)):
        whole = (ts - start) % every == 0
        bids = [("100.5", "5.0"), ("99", "7")] if whole else []
        asks = [("101", f"{first + number + 1}.0")]
        made.append(message("snapshot" if whole else "update", ts, bids, asks))
    return made
