"""A checkout for the commands of the READMEs: a copy of the programs, with data in its vault.

It is made once for all test processes: the model market recorded by the real exporters, then
everything that `run_all.py --once` computes. Its settings lead to the exchange in a box, so that
a command typed in it touches no data of yours and reaches nothing beyond this computer.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from ravequant import settings, times
from ravequant.settings import SETTINGS_VARIABLE
from ravequant.signals.candidates import Query
from ravequant.signals.limits import SignalLimits
from ravequant.signals.signal_log import AskedQuestion, record
from ravequant.vault.paths import CHECKOUT, VAULT_VARIABLE, Vault
from scripts.supervision.tasks import free_port
from Untouch_Wick.find_signals import find_hidden_signals

LIMIT_S = 60  # a hang is a failure
LEFT_OUT = shutil.ignore_patterns(
    ".*",
    "*.log*",
    "*.egg-info",
    "tests",
    "demo_vault",
    "box_vault",
    "build",
    "ravequant.toml",
    "raw",
    "meta",
    "derived",
    "state",
    "logs",
)
# the first 5 h of history end at 21:32:30, the set-up is complete at 21:35, the market ends 50 s on
MARKET = ("--rows-per-second", "0.2", "--plant", "18150s", "--rest-limit-factor", "20")
RECORDED = ("--start", "2025-12-14T21:32:30.000Z", "--history", "18000s", "--until", "200s")
BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"  # both are recorded, the first is in the settings
GOES_ON = ("--start", "2025-12-14T21:36:30.000Z", "--history", "18240s")


class CheckoutCopy:
    """A copy of the checkout in which commands are typed."""

    def __init__(self, root: Path) -> None:
        self.root, self.port = root, free_port()
        self.said = root.parent / "said.txt"
        self.exchange: subprocess.Popen[bytes] | None = None
        (root / "ravequant.toml").write_text(
            f'instruments = ["{BTC}"]\n[okx]\nws_url = "ws://127.0.0.1:{self.port}/ws/v5"\n'
            f'rest_url = "http://127.0.0.1:{self.port}"\n',
            encoding="utf-8",
        )

    @property
    def vault(self) -> Path:
        """Its data."""
        return self.root / "Rave_Quant_Vault"

    def open_exchange(self, *options: str) -> None:
        """Start the exchange in a box unless it serves already."""
        if self.exchange is None:
            words = ["python", "scripts/okx_exchange.py", "--port", str(self.port), *MARKET]
            self.exchange = self.start([*words, *options], ".")
            self.wait_for(self.exchange, r'"rest_url"')

    def close_exchange(self) -> None:
        """End it."""
        if self.exchange is not None:
            self.exchange.kill()
            self.exchange.wait()
            self.exchange = None

    def start(self, words: Sequence[str], folder: str) -> "subprocess.Popen[bytes]":
        """Start a command in a folder of the checkout; its output goes to ``said``."""
        environment = dict(os.environ, PYTHONPATH=str(self.root), PYTHONUTF8="1", COLUMNS="100")
        environment["PATH"] = os.pathsep.join(
            [str(Path(sys.executable).parent), os.environ["PATH"]]
        )
        for name in (VAULT_VARIABLE, SETTINGS_VARIABLE, "RAVEQUANT_DISCORD_WEBHOOK"):
            environment.pop(name, None)
        with self.said.open("wb") as said:
            return subprocess.Popen(
                [shutil.which(words[0], path=environment["PATH"]) or words[0], *words[1:]],
                cwd=self.root / folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )

    def answer(self) -> str:
        """Return the output of the newest command."""
        return self.said.read_text(encoding="utf-8", errors="replace")

    def run(self, words: Sequence[str], folder: str) -> int:
        """Run a command to its end and return its exit code."""
        process = self.start(words, folder)
        return self._ended(process)

    def run_until(self, words: Sequence[str], folder: str, sign: str, files: str = "") -> int:
        """Run a command until it has shown a sign of life, interrupt it; its exit code.

        It has written ``files``, a pattern from the checkout on, by then.
        """
        process = self.start(words, folder)
        try:
            self.wait_for(process, sign)
            deadline = time.monotonic() + LIMIT_S
            while files and not any(self.root.glob(files)):
                assert time.monotonic() < deadline, f"no {files}:\n{self.answer()}"
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
        except BaseException:
            process.kill()
            raise
        return self._ended(process)

    def wait_for(self, process: "subprocess.Popen[bytes]", sign: str) -> None:
        """Wait until the output of a program holds a pattern."""
        deadline = time.monotonic() + LIMIT_S
        while not re.search(sign, self.answer(), re.MULTILINE):
            assert process.poll() is None, f"ended with {process.returncode}:\n{self.answer()}"
            assert time.monotonic() < deadline, f"no {sign!r} in:\n{self.answer()}"
            time.sleep(0.05)

    def _ended(self, process: "subprocess.Popen[bytes]") -> int:
        try:
            return process.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            raise


def template(shared: Path) -> Path:
    """Return the checkout that all others are copied from; the first process makes it."""
    place = shared / "readme_checkout"
    with FileLock(shared / "readme_checkout.lock"):
        if not (place / "complete").exists():
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            _fill(CheckoutCopy(shutil.copytree(CHECKOUT, place / "checkout", ignore=LEFT_OUT)))
            (place / "complete").touch()
    return place / "checkout"


def _fill(checkout: CheckoutCopy) -> None:
    """Record five hours and some minutes of the model market, and compute all of it."""
    waiting = ("--wait-for-clients", "2", "--wait-for-books", "2", "--exit-at-end")
    checkout.open_exchange(*RECORDED, *waiting, "--speed", "50")
    common = (
        "--instId",
        BTC,
        "--instId",
        ETH,
        "--stop-when-idle",
        "2",
        "--rest-limit-factor",
        "20",
    )
    trades = ("python", "Trades_Bot/trades_exporter.py", *common, "--backfill", "6h")
    books = ("python", "L2_Bot/l2_exporter.py", *common, "--deep-every", "1")
    context = ("python", "Context_Bot/context_exporter.py", *common)
    running = [checkout.start(words, ".") for words in (trades, books, context)]
    try:
        assert [process.wait(LIMIT_S) for process in running] == [0, 0, 0], checkout.answer()
    finally:
        for process in running:
            process.kill()
        checkout.close_exchange()
    assert checkout.run(["python", "scripts/run_all.py", "--once"], ".") == 0, checkout.answer()
    _record_signals(Vault(checkout.vault))


def _record_signals(vault: Vault) -> None:
    """Record the signals of the newest minute, as a watch would have done while it was recorded."""
    limits = SignalLimits.of(BTC, settings.Settings())
    for row in find_hidden_signals(BTC, at="latest", vault=vault.root):
        moment = times.parse_iso(row["as_of_utc"])
        asked = AskedQuestion.of(moment + 7_000, Query(), limits, 0)
        record(vault, BTC, [row], asked, moment // times.MINUTE_MS)


@contextmanager
def copied(folder: Path, original: Path) -> Iterator[CheckoutCopy]:
    """Yield a copy of the checkout; its exchange ends with it."""
    checkout = CheckoutCopy(shutil.copytree(original, folder / "checkout"))
    try:
        yield checkout
    finally:
        checkout.close_exchange()


def restore_data(checkout: CheckoutCopy, original: Path) -> None:
    """Put the data back as it was."""
    for name in ("Rave_Quant_Vault", "demo_vault", "box_vault"):
        shutil.rmtree(checkout.root / name, ignore_errors=True)
    shutil.copytree(original / "Rave_Quant_Vault", checkout.vault)
