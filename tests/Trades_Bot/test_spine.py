"""From the exchange's socket to VWAP: recordings replayed, whole and through a faulty feed."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from ravequant.vault.paths import Vault, day_files
from tests.support import oracle, recordings
from tests.support.trades_box import TRADES, exchange, joined, ledger, record, replay, written
from VWAP import vwap_calculator

Recordings = tuple[recordings.Recording, ...]
ALONE = [(recording,) for recording in recordings.at_hand(recordings.MIDNIGHT)]
EVENINGS = (recordings.at_hand(chosen) for chosen in (recordings.EVENING, recordings.EVENING_ETH))
SETS: list[Recordings] = [*ALONE, *zip(*EVENINGS, strict=True)]
FAULTS: list[dict[str, Any]] = [
    {**TRADES, "kind": "drop", "probability": 0.05},
    {**TRADES, "kind": "duplicate", "probability": 0.03},
    {**TRADES, "kind": "reorder", "probability": 0.01},
    {"kind": "disconnect", "every": 700, "how": "drop"},
]


def replayed(folder: Path, chosen: Recordings, faults: list[dict[str, Any]]) -> Vault:
    """Record recordings through the exchange at full speed, then compute their VWAP."""
    vault = Vault(folder / "vault")
    files = [path for recording in chosen for path in recording.trade_files]
    instruments = [word for recording in chosen for word in ("--instId", recording.inst_id)]
    # two instruments share the market's clock: wait until both are listened to
    waiting = ("--wait-for-clients", str(len(chosen)))
    options = (*replay(*files), "--speed", "max", *waiting)
    with exchange(folder, *options, faults=faults) as there:
        record(vault, *there, *instruments, "--stop-when-idle", "6" if faults else "2")
    arguments = ["--vault", str(vault.root), "--log-level", "error", *instruments]
    assert vwap_calculator.main(arguments) == 0
    return vault


def vwap(vault: Vault, inst_id: str) -> bytes:
    return (vault.derived("vwap", inst_id) / "vwap_1m.jsonl").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("chosen", SETS, ids=lambda chosen: str(chosen[0]))
@pytest.mark.parametrize("faults", [[], FAULTS], ids=["whole", "faulty"])
def test_what_was_recorded_comes_out_to_the_last_digit(tmp_path, chosen, faults):
    """Every id once and in order, and VWAP equal to fractions, whatever the feed went through.

    A frame lost, doubled or out of order and a socket cut leave no trace but ``repaired`` lines in
    the ledger; the id that one recording lacks itself is an ``id_hole``.
    """
    vault = replayed(tmp_path, chosen, faults)
    for recording in chosen:
        inst_id = recording.inst_id
        assert written(vault, inst_id) == joined(recording)
        settled = ledger(vault, inst_id)
        assert set(settled) <= {"repaired", "id_hole"}
        assert settled["id_hole"] == (recording in recordings.MIDNIGHT)
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
