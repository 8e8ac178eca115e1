"""Brings the five calculators up to date: starts their scripts side by side and waits for them.

The rooms share no code; they meet in the files of the vault. One that another run holds is waited
for briefly; after that, and after a failure, its last commit is what there is. Who asks again and
again keeps one process in which they stay loaded: most of a round would be five Pythons starting.
"""

import logging
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import orjson

from ravequant.errors import FAILED, LockedError, NoDataError
from ravequant.vault.paths import CHECKOUT, Vault

CALCULATORS: Final = {
    "wicks": "Untouch_Wick/untouch_wick.py",
    "volume": "Volume_Analyzer/volume_analyzer.py",
    "cvd": "CVD/run_cvd_from_jsonl.py",
    "vwap": "VWAP/vwap_calculator.py",
    "liquidity_buckets": "Liquidity_Buckets/l2_bucketizer.py",
}
LOCKED_S: Final = 2.0  # how long a calculator that runs elsewhere is waited for
_ASK_AGAIN_S: Final = 0.1
_LAST_S: Final = 5.0  # to end a calculator's run in order
_log = logging.getLogger("find_signals")


def refresh(vault: Vault, inst_id: str, calculators: dict[str, str] | None = None) -> None:
    """Run all calculators of an instrument; what goes wrong is logged and stops nothing."""
    scripts = CALCULATORS if calculators is None else calculators
    patience_ends = time.monotonic() + LOCKED_S
    running = {name: _start(vault, inst_id, script) for name, script in scripts.items()}
    try:
        while running:
            for name, process in list(running.items()):
                words = process.communicate()[1]
                del running[name]
                locked = process.returncode == LockedError.exit_code
                if locked and time.monotonic() < patience_ends:
                    time.sleep(_ASK_AGAIN_S)
                    running[name] = _start(vault, inst_id, scripts[name])
                else:
                    _tell(name, process.returncode, words)
    finally:
        for process in running.values():
            process.kill()
            process.wait()


class Kept:
    """The calculators in one process that stays; of an instrument's first round on its own each.

    A round that has much to catch up with is then done side by side.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._caught_up = set[str]()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._end()

    def refresh(
        self, vault: Vault, inst_id: str, calculators: dict[str, str] | None = None
    ) -> None:
        """Run all calculators of an instrument; what goes wrong is logged and stops nothing."""
        if inst_id not in self._caught_up:
            refresh(vault, inst_id, calculators)
            self._caught_up.add(inst_id)
            return
        scripts = CALCULATORS if calculators is None else calculators
        patience_ends = time.monotonic() + LOCKED_S
        for name, script in scripts.items():
            code, words = self._run(vault, inst_id, script)
            while code == LockedError.exit_code and time.monotonic() < patience_ends:
                time.sleep(_ASK_AGAIN_S)
                code, words = self._run(vault, inst_id, script)
            _tell(name, code, words)

    def _run(self, vault: Vault, inst_id: str, script: str) -> tuple[int, str]:
        try:
            process = self._process = self._process or _serving()
            assert process.stdin is not None  # noqa: S101 - both are pipes
            assert process.stdout is not None  # noqa: S101
            process.stdin.write(orjson.dumps(_words(vault, inst_id, script)) + b"\n")
            process.stdin.flush()
            code, words = orjson.loads(process.stdout.readline())
        except (OSError, ValueError) as error:  # it is gone: the next one gets a new process
            self._end()
            return FAILED, f"the process of the calculators ended: {error}"
        except BaseException:  # Ctrl-C before its answer, which is never to be taken for another's
            self._end()
            raise
        return code, words

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(OSError):
            if process.stdin is not None:
                process.stdin.close()
        try:
            process.wait(_LAST_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _serving() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, str(CHECKOUT / "Untouch_Wick" / "signal_worker.py")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(CHECKOUT),
    )  # fmt: skip


def _words(vault: Vault, inst_id: str, script: str) -> list[str]:
    command = [str(CHECKOUT / script), "--vault", str(vault.root)]
    return [*command, "--instId", inst_id, "--log-level", "warning", "--json"]


def _start(vault: Vault, inst_id: str, script: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *_words(vault, inst_id, script)],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
        text=True, encoding="utf-8", errors="replace", cwd=Path(CHECKOUT),
    )  # fmt: skip


def _tell(name: str, code: int, words: str) -> None:
    """Say what a calculator could not do; no raw data is nothing to say here."""
    last = (words.strip().splitlines() or ["it said nothing"])[-1]
    if code not in (0, NoDataError.exit_code):
        _log.warning("%s was not brought up to date, its last commit is used: %s", name, last)
