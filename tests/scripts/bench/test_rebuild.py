"""Tests of scripts.bench.rebuild: the same rebuild from raw trades and from kept minutes."""

import pytest

from ravequant.vault.paths import Vault
from scripts.bench import rebuild
from scripts.bench.runs import Sizes
from tests.support import kept_days


@pytest.fixture
def sizes(tmp_path):
    """Return sizes of one day and a few trades."""
    return Sizes(tmp_path, rounds=1, seed=1, lines=1, snapshots=1, messages=1, days=(1,), rate=0.02)


def test_a_rebuild_is_measured_with_and_without_kept_minutes(sizes, monkeypatch):
    """Each contender has its time; raw trades stay raw where no minutes may be kept."""
    kept_at = list[int]()

    def here(vault, _, *metrics):
        kept_at.append(len(kept_days.kept_files(vault)))
        for metric in metrics or rebuild.ALL:
            kept_days.run(vault, metric)
        return {"seconds": 2.0, "cpu_s": 1.0, "peak_mb": 1.0}

    monkeypatch.setattr(rebuild, "_rebuild", here)
    monkeypatch.setattr(rebuild, "INSTRUMENTS", rebuild.INSTRUMENTS[:1])
    comparison = rebuild.run(sizes)
    assert [row["name"] for row in comparison.rows] == [
        "raw trades", "raw trades, keeping", "kept minutes",
        "kept minutes, vwap alone", "kept minutes, volume alone",
    ]  # fmt: skip
    assert kept_at == [0, 0, 1, 1, 1]
    assert [row["times_kept"] for row in comparison.rows] == [1.0] * 5
    assert comparison.rows[0]["fold_us"] == pytest.approx(1e6 / (1440 * 4))
    assert comparison.rows[-1]["fold_us"] == pytest.approx(1e6 / 1440)


def test_one_rebuild_is_a_run_of_the_program(sizes, tmp_path):
    """By its command line; what it costs is measured."""
    vault = Vault(tmp_path / "vault")
    kept_days.put(vault, kept_days.stream(3, days=1, count=50))
    took = rebuild._rebuild(vault, sizes, "vwap")
    assert took["seconds"] > 0
    assert vault.state("vwap", "BTC-USDT-SWAP").exists()
