"""The exporters as the fault tests handle them: started, killed, stopped, looked at."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from ravequant import times
from ravequant.vault.paths import CHECKOUT, Vault, day_files
from tests.support import box
from tests.support.plain_book import Message, PlainBook, Sides

BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"
TRADES = {"channel": "trades"}
BOOKS = {"channel": "books"}
CONNECTED = "Connected to "  # in the log of an exporter
REST = "10"  # times the exchange's rate limits, on both sides: market time runs faster too


@dataclass(frozen=True)
class Program:
    """An exporter."""

    name: str
    script: Path
    before: tuple[str, ...] = ()  # words that come before its own

    def start(self, vault: Vault, there: list[str], *options: Any) -> subprocess.Popen[bytes]:
        """Start it on BTC, or on the instruments of the options; its log is next to the vault."""
        vault.root.mkdir(parents=True, exist_ok=True)
        words = [*there, "--rest-limit-factor", REST, *map(str, options)]
        if "--instId" not in words:
            words += ["--instId", BTC]
        own = ("--log-file", vault.root.parent / f"{self.name}.own.log")
        with self.log_file(vault).open("ab") as log:
            return subprocess.Popen(
                [sys.executable, self.script, *self.before, "--vault", vault.root, *own, *words],
                stderr=log,
                stdout=subprocess.DEVNULL,
                cwd=vault.root.parent,
            )

    def log_file(self, vault: Vault) -> Path:
        """Return where its log goes."""
        return vault.root.parent / f"{self.name}.log"

    def log(self, vault: Vault) -> str:
        """Return its log, of all its lives."""
        return self.log_file(vault).read_text(encoding="utf-8")

    def size(self, vault: Vault) -> int:
        """Return how many bytes of raw data stand there."""
        folders = {CONTEXT.name: vault.marks, TRADE.name: vault.trades, BOOK.name: vault.snapshots}
        folder = folders[self.name](BTC)
        return sum(path.stat().st_size for path in folder.rglob("*.jsonl"))

    def facts(self, vault: Vault) -> dict[str, Any]:
        """Return its newest heartbeat."""
        found: dict[str, Any] = json.loads(vault.health(self.name).read_bytes())
        return found

    def run(self, vault: Vault, there: list[str], *options: Any, seconds: float = 100) -> str:
        """Run it to its end, which must be a good one; return its log."""
        process = self.start(vault, there, *options)
        code = _within(process, seconds)
        assert code == 0, self.log(vault)[-3000:]
        return self.log(vault)


TRADE = Program("trades_exporter", CHECKOUT / "Trades_Bot" / "trades_exporter.py")
BOOK = Program("l2_exporter", CHECKOUT / "L2_Bot" / "l2_exporter.py")
CONTEXT = Program("context_exporter", CHECKOUT / "Context_Bot" / "context_exporter.py")


def _within(process: subprocess.Popen[bytes], seconds: float) -> int:
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise AssertionError(f"still running after {seconds:g} s") from None


@contextmanager
def alive(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """End a process when the test ends, however it ends."""
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def stop(process: subprocess.Popen[bytes], number: int = signal.SIGTERM) -> float:
    """Ask a process to stop; it must exit with 0. Returns how long it took."""
    began = time.monotonic()
    process.send_signal(number)
    assert _within(process, 30) == 0
    return time.monotonic() - began


def last_id(vault: Vault, inst_id: str = BTC) -> int:
    """Return the newest id on disk, -1 without any."""
    found = [path for _, path in day_files(vault.trades(inst_id)) if path.stat().st_size]
    if not found:
        return -1
    with found[-1].open("rb") as file:
        file.seek(max(0, found[-1].stat().st_size - 4096))
        lines = file.read().split(b"\n")
    return int(orjson.loads(lines[-2])["trade_id"]) if len(lines) > 1 else -1


def has_id(vault: Vault, inst_id: str, wanted: int) -> bool:
    """Return True if everything up to an id is on disk."""
    return last_id(vault, inst_id) >= wanted


def catch_up(vault: Vault, there: list[str], folder: Path, *inst_ids: str) -> None:
    """Run the trade exporter until it has all that was published when it came, then stop it."""
    names = inst_ids or (BTC,)
    words = [word for name in names for word in ("--instId", name)]
    connected = TRADE.log(vault).count(CONNECTED)  # its own word: the exchange notes it later
    with alive(TRADE.start(vault, there, *words)) as process:
        box.wait_for(lambda: TRADE.log(vault).count(CONNECTED) > connected, process)
        settle(vault, folder, process, *names)


def settle(vault: Vault, folder: Path, process: subprocess.Popen[bytes], *inst_ids: str) -> None:
    """Stop a trade exporter once all is on disk that had been published a moment ago."""
    time.sleep(1.5)  # now it stands in the frame log too
    for name in inst_ids or (BTC,):
        newest = newest_published(folder, name)
        box.wait_for(partial(has_id, vault, name, newest), process, seconds=200)
    stop(process)


def newest_published(folder: Path, inst_id: str) -> int:
    """Return the newest id of an instrument that the exchange has noted so far."""
    path, marks = folder / box.FRAMES, b'"instId":"%s","tradeId":' % inst_id.encode()
    size = path.stat().st_size
    for length in (1 << 16, size):
        with path.open("rb") as file:
            file.seek(max(0, size - length))
            number, comma, _ = file.read().rpartition(marks)[2].partition(b",")
        if comma and number.isdigit():
            return int(number)
    return -1


def grows(program: Program, vault: Vault) -> Callable[[], bool]:
    """Return a condition: more stands there than now."""
    before = program.size(vault)
    return lambda: program.size(vault) > before


@contextmanager
def market(
    folder: Path, *options: Any, seed: int = 1, faults: Any = (), speed: Any = 20
) -> Iterator[list[str]]:
    """Run a made-up market of BTC (``--instId`` for others) with five minutes of history."""
    words = [*options, "--seed", seed, "--speed", speed, "--rest-limit-factor", REST]
    if "--instId" not in words:
        words += ["--instId", BTC]
    if "--history" not in words:
        words += ["--history", "5m"]
    with box.exchange(folder, *words, faults=faults, seed=seed) as where:
        yield where


# -- books whose truth is known


def book_tape(path: Path, messages: list[Message], inst_id: str = BTC) -> Path:
    """Write book messages as a recording for the exchange."""
    arg = {"channel": "books", "instId": inst_id}
    frames = ({"frame": {"arg": arg, "action": kind, "data": [row]}} for kind, row in messages)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(orjson.dumps(one) + b"\n" for one in frames))
    return path


def truth_of(messages: list[Message]) -> dict[int, Sides]:
    """Return the book after each message, by its seqId."""
    plain, found = PlainBook(), {}
    for action, row in messages:
        plain.apply(action, row)
        found[row["seqId"]] = plain.both()
    return found


def lively(updates: int, *, rng: Any, step_ms: int = 100, start: str) -> list[Message]:
    """Return a snapshot and seeded updates of a book with ten levels a side."""
    begin = times.parse_iso(start)
    made: list[Message] = []
    for number in range(updates + 1):
        bids = [[str(100 - at), str(at + 1), "0", "1"] for at in range(10)]
        asks = [[str(101 + at), str(at + 1), "0", "1"] for at in range(10)]
        if number:
            bids = [[str(100 - rng.randrange(1, 10)), str(rng.randrange(0, 90)), "0", "1"]]
            asks = [[str(101 + rng.randrange(1, 10)), str(rng.randrange(0, 90)), "0", "1"]]
        row = {
            "asks": asks,
            "bids": bids,
            "ts": str(begin + number * step_ms),
            "checksum": 0,
            "seqId": 10 + number,
            "prevSeqId": 9 + number if number else -1,
        }
        made.append(("update" if number else "snapshot", row))
    return made
