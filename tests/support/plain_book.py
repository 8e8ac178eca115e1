"""An order book and SPEC section 9 as anybody would write them down: what the recorder is held to.

It shares no code with the exporter: prices are decimals, and everything is sorted each time.
"""

import gzip
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

Message = tuple[str, dict[str, Any]]  # action and row
Sides = tuple[list[list[str]], list[list[str]]]
Line = tuple[int, bool, int]  # its time, gap_detected, seqId of the book that it shows


def level(price: str, size: str, orders: str = "1") -> list[str]:
    return [price, size, "0", orders]


def message(
    ts: int, seq: int, prev: int, bids: Sequence[Any] = (), asks: Sequence[Any] = ()
) -> dict[str, Any]:
    return {
        "asks": list(asks), "bids": list(bids), "ts": str(ts), "checksum": 0,
        "seqId": seq, "prevSeqId": prev,
    }  # fmt: skip


def frames(path: Path) -> Iterator[Message]:
    """Yield the messages of a file of recorded book frames."""
    with gzip.open(path) as lines:
        for line in lines:
            frame = orjson.loads(line)["frame"]
            for row in frame["data"]:
                yield frame["action"], row


def received(
    log: Iterable[dict[str, Any]],
    rows: Mapping[int, dict[str, Any]],
    truth: Mapping[int, Sides],
    spoiled: Callable[[dict[str, Any], int], dict[str, Any] | None],
) -> list[Message | None]:
    """Return what an exporter got until it left, by the exchange's own log; None: it was cut off.

    ``spoiled`` says what became of the corrupted frame of a number; None if it cannot be read.
    """
    made: list[Message | None] = []
    spoilt = itertools.count()
    for one in log:
        if one["kind"] == "disconnect":
            made.append(None)
        if one["kind"] != "frame" or one["fate"] not in ("sent", "duplicated", "late", "corrupted"):
            continue
        row = rows[one["seqId"]]
        if one["prevSeqId"] == -1:
            bids, asks = truth[one["seqId"]]
            whole = {"bids": bids, "asks": asks, "prevSeqId": -1, "ts": str(one["ts"])}
            made.append(("snapshot", row | whole))
        elif one["fate"] != "corrupted":
            made.append(("update", row))
        elif remains := spoiled(row, next(spoilt)):
            made.append(("update", remains))
    assert made.pop() is None  # it left by itself
    return made


class PlainBook:
    """A book as anybody would write it down: prices as decimals, sorted each time."""

    def __init__(self) -> None:
        self.sides: dict[str, dict[Decimal, list[str]]] = {"bids": {}, "asks": {}}

    def apply(self, action: str, row: dict[str, Any]) -> None:
        for name, side in self.sides.items():
            if action == "snapshot":
                side.clear()
            for one in row[name]:
                side[Decimal(one[0])] = one
                if Decimal(one[1]) == 0:
                    del side[Decimal(one[0])]

    def top(self, name: str, depth: int = 400) -> list[list[str]]:
        ordered = sorted(self.sides[name].items(), reverse=name == "bids")
        return [one for _, one in ordered[:depth]]

    def both(self) -> Sides:
        return self.top("bids"), self.top("asks")


def lines_of(messages: Iterable[Message | None], cadence: int) -> list[Line]:
    """Return the lines that these messages make; None is a lost connection."""
    plainly = Plainly(cadence)
    for one in messages:
        if one is None:
            plainly.breaks(plainly.applied + 1)
        else:
            plainly.take(*one)
    return plainly.lines


class Plainly:
    """SPEC 9, message by message."""

    def __init__(self, cadence: int) -> None:
        self.lines: list[Line] = []
        self.cadence = cadence
        self.plain = PlainBook()
        self.seq: int | None = None  # of the last message applied; None: waiting for a snapshot
        self.shown: int | None = None  # of the last consistent book
        self.applied = self.boundary = -1

    def newest(self) -> int:
        return self.lines[-1][0] if self.lines else -1

    def breaks(self, ts: int) -> None:
        if self.seq is not None and self.shown is not None:
            self.lines.append((max(ts, self.newest() + 1), True, self.shown))
        self.seq = self.shown = None

    def take(self, action: str, row: dict[str, Any]) -> None:
        ts = int(row.get("ts", self.applied + 1))
        if "ts" in row and ts < self.newest() - 60_000:  # a time that is not believed
            self.breaks(self.applied + 1)
            return
        if not self.usable(action, row):
            self.breaks(ts)
            return
        self.plain.apply(action, row)
        bids, asks = self.plain.top("bids"), self.plain.top("asks")
        if bids and asks and Decimal(bids[0][0]) >= Decimal(asks[0][0]):
            self.breaks(ts)
            return
        self.seq, self.applied = row["seqId"], ts
        if bids and asks:
            self.shown = row["seqId"]
            if ts // self.cadence > self.boundary and ts > self.newest():
                self.boundary = ts // self.cadence
                self.lines.append((ts, False, row["seqId"]))

    def usable(self, action: str, row: dict[str, Any]) -> bool:
        if not {"ts", "bids", "asks"} <= row.keys():
            return False
        if any("e" in size for _, size, _, _ in row["bids"]):
            return False
        return action == "snapshot" or (self.seq is not None and row.get("prevSeqId") == self.seq)
