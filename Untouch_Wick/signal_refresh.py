"""Brings the five calculators up to date: starts their scripts side by side and waits for them.

The rooms share no code; they meet in the files of the vault. One that another run holds is waited
for briefly; after that, and after a failure, its last commit is what there is.
"""

import logging
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from ravequant.errors import LockedError, NoDataError
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


def _start(vault: Vault, inst_id: str, script: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(CHECKOUT / script), "--vault", str(vault.root)]
    return subprocess.Popen(
        [*command, "--instId", inst_id, "--log-level", "warning", "--json"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
        text=True, encoding="utf-8", errors="replace", cwd=Path(CHECKOUT),
    )  # fmt: skip


def _tell(name: str, code: int, words: str) -> None:
    """Say what a calculator could not do; no raw data is nothing to say here."""
    last = (words.strip().splitlines() or ["it said nothing"])[-1]
    if code not in (0, NoDataError.exit_code):
        _log.warning("%s was not brought up to date, its last commit is used: %s", name, last)
