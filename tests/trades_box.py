"""What the tests of the trade exporter share: an exchange in a box, the exporter, what it wrote."""

import gzip
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ravequant.records import Trade, join_fills, parse_trade
from ravequant.vault.paths import CHECKOUT, Vault, day_files

BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"
EXPORTER = CHECKOUT / "Trades_Bot" / "trades_exporter.py"
MIDNIGHT = ("BTC-USDT-SWAP/2023-04-04.jsonl.gz", "BTC-USDT-SWAP/2023-04-05.jsonl.gz")
LIMIT_S = 100  # a hang is a failure
TRADES = {"channel": "trades"}


@contextmanager
def exchange(
    folder: Path, *options: str, faults: list[dict[str, Any]] | None = None
) -> Iterator[list[str]]:
    """Run the exchange in a box; yields the exporter's options that lead there."""
    ready = folder / "ready.json"
    ready.unlink(missing_ok=True)
    if faults is not None:
        (folder / "faults.json").write_text(json.dumps({"seed": 7, "faults": faults}))
        options += ("--faults", str(folder / "faults.json"))
    script = CHECKOUT / "scripts" / "okx_exchange.py"
    command = [sys.executable, str(script), "--ready-file", str(ready)]
    with (folder / "exchange.log").open("wb") as log:
        process = subprocess.Popen([*command, *options], stderr=log, stdout=log)
        try:
            wait_for(lambda: ready.exists() and ready.stat().st_size, process)
            addresses = json.loads(ready.read_text())
            yield ["--ws-url", addresses["ws_url"], "--rest-url", addresses["rest_url"]]
        finally:
            process.kill()
            process.wait()


def wait_for(condition, process=None):
    """Wait until something holds; fails when the process ended or it takes too long."""
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert process is None or process.poll() is None, "the process ended"
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.02)


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


def recorded(shared: Path, *names: str) -> list[Trade]:
    """The recording's records, joined by SPEC section 3."""
    fills = []
    for name in names:
        with gzip.open(shared / "trades" / name) as file:
            fills += [parse_trade(line, name.split("/")[0])[0] for line in file]
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


def replay(shared: Path, *names: str) -> list[str]:
    return [text for name in names for text in ("--trades", str(shared / "trades" / name))]


def written_any(vault: Vault) -> bool:
    return any(path.stat().st_size for _, path in day_files(vault.trades(BTC)))
