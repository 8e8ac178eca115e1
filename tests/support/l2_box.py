"""What the tests of the book exporter share: an exchange in a box, the exporter, what it wrote."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from ravequant import times
from ravequant.vault.paths import CHECKOUT, Vault
from tests.support import box
from tests.support.box import logged
from tests.support.plain_book import Message

__all__ = ["logged"]  # handed on

BTC = "BTC-USDT-SWAP"
START = times.parse_iso("2025-12-14T21:59:50.000Z")
EXPORTER = CHECKOUT / "L2_Bot" / "l2_exporter.py"


@contextmanager
def exchange(
    folder: Path, *arguments: Any, faults: Sequence[dict[str, Any]] = ()
) -> Iterator[list[str]]:
    """Run an exchange that waits for a reader of books; yield the exporter's arguments for it."""
    with box.exchange(folder, *arguments, "--wait-for-books", 1, faults=faults) as where:
        yield where


def started(vault: Vault, where: list[str], *arguments: Any) -> subprocess.Popen[str]:
    words = ["--vault", str(vault.root), *where, *map(str, arguments)]
    return subprocess.Popen(
        [sys.executable, str(EXPORTER), *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8",
    )  # fmt: skip


def record(vault: Vault, where: list[str], *arguments: Any) -> tuple[int, str]:
    """Run the exporter until nothing more comes; its exit code and its log."""
    process = started(vault, where, "--stop-when-idle", 1, *arguments)
    _, log = process.communicate(timeout=60)
    return process.returncode, log


def lines(vault: Vault, inst_id: str = BTC) -> list[bytes]:
    """Return every snapshot line, in order, and check that each stands in the hour of its time."""
    found = []
    for path in sorted(vault.snapshots(inst_id).glob("*/*.jsonl")):
        hour = f"{path.parent.name}/{path.stem}"
        for line in path.read_bytes().splitlines(keepends=True):
            assert times.hour(moment(line)) == hour
            found.append(line)
    return found


def deep_rows(vault: Vault) -> list[dict[str, Any]]:
    paths = sorted(vault.deep_snapshots(BTC).glob("*/*.jsonl"))
    return [orjson.loads(line) for path in paths for line in path.read_bytes().splitlines()]


def moment(line: bytes) -> int:
    return times.parse_iso(orjson.loads(line)["timestamp_utc"])


def tape(path: Path, messages: list[Message], inst_id: str = BTC) -> Path:
    """Write book frames as a recording."""
    arg = {"channel": "books", "instId": inst_id}
    made = ({"frame": {"arg": arg, "action": action, "data": [row]}} for action, row in messages)
    path.write_bytes(b"".join(orjson.dumps(one) + b"\n" for one in made))
    return path


def steady(updates: int, step_ms: int = 100, first_seq: int = 10) -> list[Message]:
    """Return a snapshot and updates of it, ten a second, over the turn of an hour."""
    made: list[Message] = []
    for number in range(updates + 1):
        asks = [["101", str(number + 1), "0", "1"]]
        row = {
            "asks": asks, "bids": [] if number else [["100", "5", "0", "1"]],
            "ts": str(START + number * step_ms), "checksum": 0, "seqId": first_seq + number,
            "prevSeqId": first_seq + number - 1 if number else -1,
        }  # fmt: skip
        made.append(("update" if number else "snapshot", row))
    return made


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    box.wait_for(condition, seconds=seconds)
