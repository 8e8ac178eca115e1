"""Book flow without files, on markets made up: books, and takers at and beyond their prices."""

import random
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import orjson

from Liquidity_Buckets.book_flow import FlowFold
from ravequant.books.snapshot_reader import SnapshotReader
from ravequant.pipeline.flow_source import FlowReader
from ravequant.settings import L2, Settings
from ravequant.trades.taker_tape import TakerTape
from tests.support import book_lines
from tests.support.bucket_markets import Fixed, Queue
from tests.support.bucket_oracle import Rules, millis, plain

Rows = list[dict[str, Any]]


def trade(
    ts: int, number: int, side: str, price: str, qty: str, *, count: int = 1, source: str = "0"
) -> dict[str, Any]:
    """Return a trade line of BTC-USDT-SWAP in the field order of SPEC section 3."""
    return {
        "timestamp_utc": book_lines.iso(ts), "exchange": "okx", "market": "perp",
        "instId": "BTC-USDT-SWAP", "symbol_canon": "BTC/USDT", "trade_id": str(number),
        "side": side, "price": price, "qty_contracts": qty, "ctVal": "0.01", "ctMult": "1",
        "ctType": "linear", "count": str(count), "source": source,
    }  # fmt: skip


def takers(snapshots: Rows, chance: random.Random, *, holes: bool = True) -> Rows:
    """Return trades around books: at their prices and beyond, late, in pairs, some missing."""
    found, number = [], 1_000
    ts = millis(snapshots[0]["timestamp_utc"]) - 3_000
    for row in snapshots:
        until = millis(row["timestamp_utc"]) + chance.choice((0, 900, 2_500))
        for _ in range(chance.choice((0, 1, 3, 8))):
            ts = max(ts, until - chance.choice((1, 300, 499, 500, 501, 1_999, 2_000, 6_000)))
            side = chance.choice(("buy", "sell"))
            levels = row["asks_top400" if side == "buy" else "bids_top400"]
            level = chance.choice(levels[:4])
            price = Fraction(level[0])
            if chance.random() < 0.15:
                price += (1 if side == "buy" else -1) * Fraction(
                    chance.choice(("0.1", "25", "0.05"))
                )
            qty = Fraction(level[1]) * chance.choice((1, 1, Fraction(1, 2), Fraction(1, 4), 3))
            count = chance.choice((1, 1, 3))
            number += count
            if holes and chance.random() < 0.02:
                number += chance.choice((1, 7))
            late = chance.choice((0, 0, 0, 0, 0, 1, 700, 5_200))
            source = "1" if chance.random() < 0.1 else "0"
            found.append(
                trade(ts - late, number, side, plain(price), plain(qty), count=count, source=source)
            )
            if chance.random() < 0.03:
                found.append(found[-1])
    return found


def _listing(folder: Path) -> Iterator[tuple[str, Path]]:
    yield from ((path.stem, path) for path in sorted(folder.glob("*.jsonl")))


def compute(*given: Any, **more: Any) -> Rows:
    """Return the records that ``leave`` returns."""
    return leave(*given, **more)[0]


def leave(  # noqa: PLR0917 - books, trades and rules
    snapshots: Rows,
    deeps: Rows,
    trades: Rows,
    rules: Rules,
    folder: Path,
    cuts: list[tuple[int, int]] | None = None,
    *,
    block_bytes: int = 1 << 12,
) -> tuple[Rows, bytes]:
    """Return the records and the state at the end, with the cursor of the trades.

    At each of ``cuts`` (books, trades on disk) all goes on from JSON.
    """
    chosen, inst_id = Settings(l2=L2(depth_levels=rules.depth_levels)), snapshots[0]["instId"]
    queue, state, cursor = Queue(deeps), b"", None
    records: Rows = []
    ends = [*(cuts or []), (len(snapshots), len(trades))]
    for (begin, first), (end, last) in zip([(0, 0), *ends], ends, strict=False):
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "2025-12-14.jsonl").open("ab") as file:
            file.write(book_lines.lines(trades[first:last]))
        tape = TakerTape(
            lambda: _listing(folder), inst_id, lambda *_: True, block_bytes=block_bytes
        )
        reader = FlowReader(SnapshotReader(inst_id, queue, _refuse), tape)
        fold = FlowFold(inst_id, chosen, Fixed(rules))
        if state:
            facts = orjson.loads(state)
            reader.restore(facts["reader"])
            fold.restore(facts["fold"])
        tape.start(cursor, 0)
        if begin < end:
            records += fold.update(reader.read(book_lines.lines(snapshots[begin:end]), ""))
        records += fold.update(reader.news())
        state = orjson.dumps({"reader": reader.state(), "fold": fold.state()})
        cursor, queue = tape.cursor(), queue.again()
    place = orjson.dumps(None if cursor is None else cursor.state())
    return [orjson.loads(orjson.dumps(record)) for record in records], state + place


def _refuse(offset: int, reason: str) -> None:
    raise AssertionError(f"line at {offset} rejected: {reason}")
