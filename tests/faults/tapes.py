"""Both exporters on a disk that fails to order: a short tape, one run on that disk, one after it.

The exchange in a box plays the tape as soon as the exporter has come, and answers by REST for what
it has played; so the second run can get every trade, and of the book only what comes last.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from ravequant import exact, times
from ravequant.records import Trade, TradeEncoder
from ravequant.vault.paths import CHECKOUT, Vault, day_files
from tests.faults import disk
from tests.faults.calculators import BTC, LINEAR
from tests.faults.disk import Order
from tests.support import l2_box, trades_box

LIMIT_S = 60  # I5: nothing hangs; twice that, for a machine that has other work
KNOWN = 10  # trades that stand in the vault before
AGAIN_S = 0.2  # the exporters' pause after a refusal, seconds otherwise
STEP_MS = 500  # from one book message to the next
_MIDNIGHT = times.parse_iso("2025-12-15T00:00:00Z")


@dataclass(frozen=True)
class Ended:
    """How a run ended, and what it said."""

    code: int
    log: str


def full_for_good(order: Order) -> bool:
    """Return True if the disk stays full."""
    return order.fault == "full" and order.at > 0 and not order.times


class Exporter:
    """One of the two programs; a subclass knows its tape and what must stand in the vault."""

    module = ""
    pause = ""
    options: tuple[str, ...] = ()

    def run(self, vault: Vault, where: list[str], order: Order) -> Ended:
        """Run until nothing more comes, or until the disk ends it."""
        words = ["--vault", vault.root, "--instId", BTC, *where, *self.options]
        words += ["--log-file", vault.root.with_name("own.log"), "--stop-when-idle", 1.5]
        if full_for_good(order):  # it stays up, and tries again and again
            words += ["--max-seconds", 8]
        given = replace(order, root=str(vault.root), pauses={self.pause: AGAIN_S})
        done = subprocess.run(
            disk.command(given, self.module, *words),
            cwd=CHECKOUT,
            check=False,
            timeout=LIMIT_S,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        return Ended(done.returncode, done.stderr.decode())

    @contextmanager
    def exchange(self, folder: Path) -> Iterator[list[str]]:
        """Run the exchange with the tape; yields the options that lead there."""
        raise NotImplementedError

    def seed(self, vault: Vault) -> None:
        """Put in what stands in the vault before."""

    def check(self, vault: Vault, *, fresh: bool) -> int:
        """Compare the vault with the tape; return the records. ``fresh``: no run was killed."""
        raise NotImplementedError


class TradesExporter(Exporter):
    """Sixty trades over midnight."""

    module = "Trades_Bot.trades_exporter"
    pause = "Trades_Bot.trade_recorder:_DISK_AGAIN_S"
    options = ("--rest-limit-factor", "50")

    def __init__(self) -> None:
        encoder = TradeEncoder(BTC, LINEAR)
        self.tape = [
            Trade(
                _MIDNIGHT + (n - 30) * 20_000,
                1_000 + 2 * n,
                ("buy", "sell")[n % 2],
                exact.text(1_012_500 + n % 7, 1),
                "45",
                2,
            )
            for n in range(60)
        ]
        self._lines = [encoder.line(trade) for trade in self.tape]

    @contextmanager
    def exchange(self, folder: Path) -> Iterator[list[str]]:
        folder.mkdir(parents=True, exist_ok=True)
        tape = folder / "tape.jsonl"
        tape.write_bytes(b"".join(self._lines))
        words = ["--trades", tape, "--speed", "1500", "--rest-limit-factor", "50"]
        with trades_box.exchange(folder, *words) as where:
            yield where

    def seed(self, vault: Vault) -> None:
        day = vault.trades(BTC) / "2025-12-14.jsonl"
        day.parent.mkdir(parents=True)
        day.write_bytes(b"".join(self._lines[:KNOWN]))

    def check(self, vault: Vault, *, fresh: bool) -> int:  # noqa: ARG002 - all in any case
        """Every trade once, in order, in the file of its day, as the exchange sent it (I1, I2)."""
        files = {day: path.read_bytes() for day, path in day_files(vault.trades(BTC))}
        assert b"".join(files.values()) == b"".join(self._lines)
        assert list(files) == ["2025-12-14", "2025-12-15"]
        assert files["2025-12-14"].count(b"\n") == 30
        assert set(trades_box.ledger(vault, BTC)) <= {"repaired"}  # I3
        return len(self._lines)


class BookExporter(Exporter):
    """Half a minute of a book over the turn of an hour."""

    module = "L2_Bot.l2_exporter"
    pause = "L2_Bot.book_recorder:_DISK_AGAIN_S"
    options = ("--cadence", "1s", "--deep-every", "1")
    updates = 64

    @contextmanager
    def exchange(self, folder: Path) -> Iterator[list[str]]:
        folder.mkdir(parents=True, exist_ok=True)
        path = l2_box.tape(folder / "tape.jsonl", l2_box.steady(self.updates, STEP_MS))
        with l2_box.exchange(folder, "--books", path, "--speed", "20") as where:
            yield where

    def check(self, vault: Vault, *, fresh: bool) -> int:
        """Whole lines in rising time, each the book of its moment; deep ones behind their line."""
        found = l2_box.lines(vault)
        moments = [l2_box.moment(line) for line in found]
        assert moments == sorted(set(moments))
        for ts, line in zip(moments, found, strict=True):
            number = (ts - l2_box.START) // STEP_MS
            row: dict[str, Any] = orjson.loads(line)
            assert row["asks_top400"] == [["101", str(number + 1), "0", "1"]]
            assert row["bids_top400"] == [["100", "5", "0", "1"]]
        assert moments[-1] >= l2_box.START + self.updates * STEP_MS
        named = {times.parse_iso(row["from_utc"]) for row in l2_box.deep_rows(vault)}
        assert named <= set(moments)
        assert not fresh or len(moments) >= self.updates * STEP_MS // 1_000
        return len(found)


EXPORTERS = {"trades": TradesExporter(), "books": BookExporter()}
