"""H1: both exporters twice on one market, one pair killed all the time, the other never.

The pair that lives shows whether memory and handles stay flat; the pair that is killed shows that
nothing is lost by it. The calculators run on the first vault each minute. Everything is sampled
once a second.
"""

import random
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import fmean

import orjson
import requests

from ravequant import catalog, times
from ravequant.vault.paths import CHECKOUT, Vault, day_files
from tests.faults import invariants
from tests.faults.calculators import CALCULATORS
from tests.faults.exporters import BOOK, BTC, ETH, REST, TRADE, Program, has_id, newest_published
from tests.support import box

SPEED = 50
CADENCE_MS = 20_000  # of exchange time; two seconds would be 1.5 GB in twenty minutes
CALCULATED = tuple(program.name for program in catalog.ASKED_CALCULATORS)
BOTH = ("--instId", BTC, "--instId", ETH)


@dataclass(slots=True)
class Seen:
    """The samples of the soak, second by second; a curve is (minute, value)."""

    memory: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    handles: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    lag: list[tuple[float, float]] = field(default_factory=list)  # seconds of wall time
    calculators: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    kills: int = 0


def slope(curve: Sequence[tuple[float, float]]) -> float:
    """Return how much more the last quarter has than the second one, on average."""
    quarter = len(curve) // 4
    return fmean(y for _, y in curve[-quarter:]) - fmean(y for _, y in curve[quarter : 2 * quarter])


class Soak:
    """The soak while it runs."""

    def __init__(
        self,
        folder: Path,
        seed: int,
        *,
        seconds: float,
        kill_every_s: float,
        calculate_every_s: float,
    ) -> None:
        self.seen = Seen()
        self.living, self.dying = Vault(folder / "living/vault"), Vault(folder / "dying/vault")
        self._folder = folder
        self._seed = seed
        self._rng = random.Random(seed)
        self._seconds = seconds
        self._kill_every_s, self._calculate_every_s = kill_every_s, calculate_every_s
        self._alive: dict[str, subprocess.Popen[bytes]] = {}
        self._mortal: dict[str, subprocess.Popen[bytes]] = {}
        self._minute = 0.0
        self._rest = ""

    def run(self) -> None:
        """Run to the end; every exporter that lives must stop with exit code 0."""
        words = [*BOTH, "--seed", self._seed, "--speed", SPEED, "--rest-limit-factor", REST]
        words += ["--rows-per-second", 4, "--history", "10m", "--wait-for-books", 1]
        with box.exchange(self._folder, *words) as there:
            self._rest = there[-1]
            try:
                for program in (TRADE, BOOK):
                    self._alive[program.name] = self._start(program, self.living, there)
                    self._mortal[program.name] = self._start(program, self.dying, there)
                self._until_the_end(there)
                self._catch_up()
            finally:
                for process in (*self._alive.values(), *self._mortal.values()):
                    box.ended(process)
        codes = [process.returncode for process in (*self._alive.values(), *self._mortal.values())]
        assert codes == [0, 0, 0, 0], codes

    def _until_the_end(self, there: list[str]) -> None:
        began = time.monotonic()
        kill_at, calculate_at = began + self._kill_every_s, began + min(10, self._calculate_every_s)
        while (now := time.monotonic()) < began + self._seconds:
            self._minute = (now - began) / 60
            self._sample()
            if now >= kill_at:
                kill_at += self._kill_every_s
                for program in (TRADE, BOOK):
                    self._kill(program, there)
            if now >= calculate_at:
                calculate_at += self._calculate_every_s
                self._calculate()
            time.sleep(self._rng.uniform(0.5, 1.0))

    def _start(self, program: Program, vault: Vault, there: list[str]) -> subprocess.Popen[bytes]:
        more = ("--cadence", f"{CADENCE_MS}ms", "--deep-every", 10) if program is BOOK else ()
        return program.start(vault, there, *BOTH, *more)

    def _kill(self, program: Program, there: list[str]) -> None:
        process = self._mortal[program.name]
        assert process.poll() is None, f"{program.name} ended by itself"
        process.kill()
        process.wait()
        self.seen.kills += 1
        self._mortal[program.name] = self._start(program, self.dying, there)

    def _sample(self) -> None:
        for name, process in self._alive.items():
            assert process.poll() is None, f"{name} ended by itself"
            memory, handles = (
                invariants.resident_mb(process.pid),
                invariants.open_handles(process.pid),
            )
            if memory is not None and handles is not None:
                self.seen.memory.setdefault(name, []).append((self._minute, memory))
                self.seen.handles.setdefault(name, []).append((self._minute, handles))
        if (behind := self._lag_s()) is not None:
            self.seen.lag.append((self._minute, behind))

    def _lag_s(self) -> float | None:
        """Return how far the newest record on disk is behind the market's time, on the wall."""
        answer = requests.get(f"{self._rest}/api/v5/public/time", timeout=10)
        market = int(answer.json()["data"][0]["ts"])
        recorded = self._recorded_ts()
        return None if recorded is None else max(0.0, (market - recorded) / 1000 / SPEED)

    def _recorded_ts(self) -> int | None:
        found = [path for _, path in day_files(self.living.trades(BTC)) if path.stat().st_size]
        lines = _tail(found[-1]).splitlines()[:-1] if found else []
        return times.parse_iso(orjson.loads(lines[-1])["timestamp_utc"]) if lines else None

    def _calculate(self) -> None:
        for metric in CALCULATED:
            calculator = CALCULATORS[metric]
            note = self._folder / "most-memory"
            words = [sys.executable, "-m", "tests.faults.measured", str(note)]
            words += [calculator.module.__name__, *calculator.arguments(self.living)]
            process = subprocess.Popen(words, cwd=CHECKOUT)
            assert process.wait(120) == 0, f"{metric}: exit code {process.returncode}"
            if most := note.read_text(encoding="ascii"):
                self.seen.calculators.setdefault(metric, []).append((self._minute, float(most)))

    def _catch_up(self) -> None:
        """Let the pair that was killed fetch the rest."""
        for inst_id in (BTC, ETH):
            newest = newest_published(self._folder, inst_id)
            for vault in (self.living, self.dying):
                box.wait_for(partial(has_id, vault, inst_id, newest), seconds=120)


def _tail(path: Path, length: int = 4096) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - length))
        return file.read() + b"\n"
