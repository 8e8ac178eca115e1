"""From the exchange's socket to VWAP: recordings replayed, whole and through a faulty feed."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from ravequant.vault.paths import Vault, day_files
from tests.support import oracle
from tests.support.trades_box import (
    BTC,
    ETH,
    TRADES,
    exchange,
    ledger,
    record,
    recorded,
    replay,
    written,
)
from VWAP import vwap_calculator

RECORDINGS: dict[str, dict[str, tuple[str, ...]]] = {
    "2023": {BTC: (f"{BTC}/2023-04-04.jsonl.gz", f"{BTC}/2023-04-05.jsonl.gz")},
    "2024": {
        BTC: (f"{BTC}/2024-08-08.jsonl.gz",),
        ETH: (f"{ETH}/2024-08-08.jsonl.gz", f"{ETH}/2024-08-09.jsonl.gz"),
    },
}
FAULTS: list[dict[str, Any]] = [
    {**TRADES, "kind": "drop", "probability": 0.05},
    {**TRADES, "kind": "duplicate", "probability": 0.03},
    {**TRADES, "kind": "reorder", "probability": 0.01},
    {"kind": "disconnect", "every": 700, "how": "drop"},
]


def replayed(folder: Path, shared: Path, year: str, faults: list[dict[str, Any]]) -> Vault:
    """Record a year's recordings through the exchange at full speed, then compute their VWAP."""
    vault = Vault(folder / "vault")
    names = [name for files in RECORDINGS[year].values() for name in files]
    instruments = [word for inst_id in RECORDINGS[year] for word in ("--instId", inst_id)]
    # two instruments share the market's clock: wait until both are listened to
    waiting = ("--wait-for-clients", str(len(RECORDINGS[year])))
    options = (*replay(shared, *names), "--speed", "max", *waiting)
    with exchange(folder, *options, faults=faults) as there:
        record(vault, *there, *instruments, "--stop-when-idle", "6" if faults else "2")
    arguments = ["--vault", str(vault.root), "--log-level", "error", *instruments]
    assert vwap_calculator.main(arguments) == 0
    return vault


def vwap(vault: Vault, inst_id: str) -> bytes:
    return (vault.derived("vwap", inst_id) / "vwap_1m.jsonl").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("year", RECORDINGS)
@pytest.mark.parametrize("faults", [[], FAULTS], ids=["whole", "faulty"])
def test_what_was_recorded_comes_out_to_the_last_digit(tmp_path, shared_data, year, faults):
    """Every id once and in order, and VWAP equal to fractions, whatever the feed went through.

    A frame lost, doubled or out of order and a socket cut leave no trace but ``repaired`` lines in
    the ledger; the id that one recording lacks itself is an ``id_hole``.
    """
    vault = replayed(tmp_path, shared_data, year, faults)
    for inst_id, names in RECORDINGS[year].items():
        assert written(vault, inst_id) == recorded(shared_data, *names)
        settled = ledger(vault, inst_id)
        assert set(settled) <= {"repaired", "id_hole"}
        assert settled["id_hole"] == (year == "2023")
        assert bool(settled["repaired"]) == bool(faults)
        lines = [
            line
            for _, path in day_files(vault.trades(inst_id))
            for line in path.read_bytes().splitlines(keepends=True)
        ]
        minutes = oracle.closed_minutes(lines, lambda _first, _last: False)
        wanted = oracle.vwap_rows(minutes, inst_id)
        met = [orjson.loads(line) for line in vwap(vault, inst_id).splitlines()]
        assert met == wanted
        assert not any(row["gap"] for row in met)
