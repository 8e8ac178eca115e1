"""What the tests of the trade exporter share: an exchange in a box, the exporter, what it wrote."""

import gzip
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from ravequant.records import Trade, join_fills, parse_trade
from ravequant.vault.paths import CHECKOUT, Vault, day_files
from tests.support.box import LIMIT_S, exchange, wait_for
from tests.support.recordings import Recording

__all__ = ["LIMIT_S", "exchange", "wait_for"]  # handed on

BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"
EXPORTER = CHECKOUT / "Trades_Bot" / "trades_exporter.py"
TRADES = {"channel": "trades"}


def start(vault: Vault, *options: str) -> subprocess.Popen[bytes]:
    """Start the exporter; its log goes to ``exporter.log`` beside the vault."""
    vault.root.mkdir(parents=True, exist_ok=True)
    with (vault.root.parent / "exporter.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, EXPORTER, "--vault", vault.root, "--json",
             "--log-file", vault.root.parent / "own.log", *options],
            stderr=log, stdout=subprocess.PIPE, cwd=vault.root.parent,
        )  # fmt: skip


def record(vault: Vault, *options: str) -> Any:
    """Run the exporter to its end and return its last statistics."""
    process = start(vault, *options)
    out, _ = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0, log_of(vault)[-3000:]
    return json.loads(out.splitlines()[-1])


def log_of(vault: Vault) -> str:
    return (vault.root.parent / "exporter.log").read_text(encoding="utf-8")


def joined(recording: Recording, days: int | None = None) -> list[Trade]:
    """Return the records of the first so many days of a recording, joined by SPEC section 3."""
    fills = []
    for path in recording.trade_files[:days]:
        with gzip.open(path) as file:
            fills += [parse_trade(line, recording.inst_id)[0] for line in file]
    return list(join_fills(fills))


def written(vault: Vault, inst_id: str) -> list[Trade]:
    """All records of the vault, in order; every line must be valid and end with a newline."""
    found = []
    for day, path in day_files(vault.trades(inst_id)):
        lines = path.read_bytes().splitlines(keepends=True)
        assert lines[-1].endswith(b"\n")
        found += [parse_trade(line, inst_id)[0] for line in lines]
        assert path.name.startswith(day)
    return found


def ledger(vault: Vault, inst_id: str) -> Counter[str]:
    """Missing ids by status."""
    path = vault.gap_ledger(inst_id)
    counted: Counter[str] = Counter()
    for line in path.read_text().splitlines() if path.exists() else ():
        entry = json.loads(line)
        counted[entry["status"]] += entry["missing"]
    return counted


def replay(*files: Path) -> list[str]:
    """Return the options of an exchange that replays these trades."""
    return [text for path in files for text in ("--trades", str(path))]


def written_any(vault: Vault) -> bool:
    return any(path.stat().st_size for _, path in day_files(vault.trades(BTC)))
