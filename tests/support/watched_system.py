"""The whole system as processes that a test kills: exchange, recorders, dashboard, calculators."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import requests

from ravequant.contract import Contract
from ravequant.records import TradeEncoder
from ravequant.sim.market import ModelMarket
from ravequant.vault.paths import CHECKOUT, Vault
from tests.support.box import ended, exchange, wait_for
from tests.support.trade_streams import write_raw

BTC: Final = "BTC-USDT-SWAP"
PROGRAMS: Final = {
    "trades_exporter": "Trades_Bot/trades_exporter.py",
    "l2_exporter": "L2_Bot/l2_exporter.py",
    "server": "Dashboard/dashboard.py",
}
CALCULATORS: Final = "calculators"  # children of the server, for as long as they are down
SEED: Final = 7
ROWS: Final = 1  # trades a second
_LOOK_S: Final = 0.03
_REST: Final = ("--rest-limit-factor", "50")


class WatchedSystem:
    """The running programs; one that is killed stays dead until it is started again."""

    def __init__(
        self, folder: Path, where: Sequence[str], rate: float, inst_ids: Sequence[str]
    ) -> None:
        self.vault = Vault(folder / "vault")
        self.rest_url = where[-1]
        self.rate = rate
        self.inst_ids = inst_ids
        self.address = f"http://127.0.0.1:{_free_port()}"
        self._folder, self._where = folder, [*where, *_REST]
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._down: dict[str, float] = {}
        self._ended = threading.Event()

    @classmethod
    @contextmanager
    def of(
        cls, folder: Path, rate: float, past_ms: int, inst_ids: Sequence[str] = (BTC,)
    ) -> Iterator["WatchedSystem"]:
        """Run a made-up market, its past recorded, a signal planted now, and the programs."""
        names = [word for name in inst_ids for word in ("--instId", name)]
        market = ("--seed", SEED, "--rows-per-second", ROWS, "--plant", f"{past_ms}ms")
        options = (*market, "--history", f"{past_ms}ms", "--speed", rate, "--wait-for-clients", 0)
        write_past(Vault(folder / "vault"), past_ms, inst_ids)
        with ExitStack() as held:
            where = held.enter_context(exchange(folder, *options, *names, *_REST))
            made = cls(folder, where, rate, inst_ids)
            held.callback(made._end)
            for name in PROGRAMS:
                made.start(name)
            threading.Thread(target=made._hold_down, daemon=True).start()
            yield made

    def start(self, name: str) -> None:
        """Start a program that is down."""
        if name != CALCULATORS:
            words = [word for inst_id in self.inst_ids for word in ("--instId", inst_id)]
            words += ["--vault", str(self.vault.root), *self._options(name)]
            variables = {"RAVEQUANT_TEST_CLOCK": self.rest_url} if name == "server" else {}
            with (self._folder / f"{name}.log").open("ab") as log:
                self._running[name] = subprocess.Popen(
                    [sys.executable, str(CHECKOUT / PROGRAMS[name]), *words],
                    stdout=log, stderr=log, env={**os.environ, **variables},
                )  # fmt: skip
        if name == "server":
            wait_for(self._answers, self._running[name])
        self._down.pop(name, None)

    def _options(self, name: str) -> list[str]:
        if name == "server":
            refresh_s = max(0.5, 15 / self.rate)
            return ["--port", self.address.rpartition(":")[2], "--refresh", f"{refresh_s:g}"]
        return self._where

    def kill(self, name: str) -> None:
        """End a program at once, without a word."""
        self._down[name] = time.monotonic()
        if name != CALCULATORS:
            process = self._running.pop(name)
            process.kill()
            process.wait()

    def hang(self, name: str) -> None:
        """Stop a program where it stands; ``go_on`` lets it run again."""
        self._down[name] = time.monotonic()
        os.kill(self._running[name].pid, signal.SIGSTOP)

    def go_on(self, name: str) -> None:
        """Let a program run again that was stopped."""
        os.kill(self._running[name].pid, signal.SIGCONT)
        self._down.pop(name, None)

    def down_s(self) -> dict[str, float]:
        """Return for how long each program that is down has been, in seconds."""
        now = time.monotonic()
        return {name: now - since for name, since in self._down.items()}

    def pid(self, name: str) -> int:
        """Return the process of a program."""
        return self._running[name].pid

    def _answers(self) -> bool:
        with suppress(OSError):  # those of requests are of this kind
            return requests.get(f"{self.address}/api/v1/status", timeout=5).ok
        return False

    def _hold_down(self) -> None:
        """End each calculator that the server starts, while they are down."""
        while not self._ended.wait(_LOOK_S):
            server = self._running.get("server")
            if CALCULATORS in self._down and server is not None:
                for child in children(server.pid):
                    with suppress(ProcessLookupError):
                        os.kill(child, signal.SIGKILL)

    def _end(self) -> None:
        self._ended.set()
        for process in self._running.values():
            with suppress(ProcessLookupError, AttributeError):
                os.kill(process.pid, signal.SIGCONT)
            process.terminate()
        for process in self._running.values():
            ended(process)


def write_past(vault: Vault, past_ms: int, inst_ids: Sequence[str]) -> None:
    """Write the trades of the market's past, as they would have been recorded."""
    start_ms = ModelMarket(SEED, inst_ids).start_ms
    market = ModelMarket(SEED, inst_ids, rows_per_second=ROWS, plant=start_ms + past_ms)
    encoders = {
        name: TradeEncoder(name, Contract(row["ctVal"], row["ctMult"], row["ctType"]))
        for name, row in market.instruments.items()
    }
    lines: dict[str, list[bytes]] = {name: [] for name in inst_ids}
    for name, trade in market.trades(start_ms + past_ms):
        lines[name].append(encoders[name].line(trade))
    for name, found in lines.items():
        write_raw(vault, name, found)


def children(pid: int) -> list[int]:
    """Return the processes that a process has started; none where there is no /proc."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = path.read_text(encoding="utf-8").rpartition(")")[2].split()
            if int(fields[1]) == pid:
                found.append(int(path.parent.name))
    return found


def resident_mb(pid: int) -> float:
    """Return the memory of a process in megabytes; 0 where there is no /proc."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    return 0.0


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: Any = free.getsockname()[1]
        return int(port)
