"""An instrument's data set aside: a vault of its own, and room for another stream."""

from pathlib import Path

import pytest

from ravequant.errors import LockedError, NoDataError
from ravequant.vault import set_aside
from ravequant.vault.atomic import move_over
from ravequant.vault.lock import writer_lock
from ravequant.vault.paths import Vault

BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"


def fill(vault: Vault, inst_id: str) -> None:
    for path in (
        vault.trades(inst_id) / "2025-12-14.jsonl",
        vault.snapshots(inst_id) / "2025-12-14/00.jsonl.gz",
        vault.metadata(inst_id),
        vault.metadata_history(inst_id),
        vault.gap_ledger(inst_id),
        vault.derived("vwap", inst_id) / "vwap_1m.jsonl",
        vault.state("vwap", inst_id),
        vault.book_import(inst_id) / "note.json",
        vault.root / f"parquet/trades/instId={inst_id}/day=2025-12-14/part.parquet",
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(inst_id, encoding="utf-8")


def names(root: Path, inst_id: str) -> set[str]:
    return {
        str(path.relative_to(root))
        for path in root.rglob("*")
        if path.is_file() and inst_id in str(path.relative_to(root)) and "locks" not in path.parts
    }


def test_all_of_it_goes_to_a_vault_of_its_own(vault):
    """The others stay; a second time a second folder is made."""
    fill(vault, BTC)
    fill(vault, ETH)
    before = names(vault.root, BTC)
    assert len(before) == 9
    target = set_aside.set_aside(vault, BTC)
    assert target == vault.root / "set_aside" / f"{BTC}.1"
    assert names(target, BTC) == before
    assert len(names(vault.root, ETH)) == 9
    assert Vault(target).metadata(BTC).exists()
    fill(vault, BTC)
    assert set_aside.set_aside(vault, BTC).name == f"{BTC}.2"


def test_without_data_it_says_so(vault):
    """Nothing is made."""
    with pytest.raises(NoDataError, match=f"holds nothing of {BTC}; name another vault"):
        set_aside.set_aside(vault, BTC)
    assert not (vault.root / "set_aside").exists()


@pytest.mark.parametrize("stream", ["trades_perps", "l2_perps", "vwap", "repair", "import_books"])
def test_while_a_program_writes_it_nothing_is_moved(vault, stream):
    """The message names the program."""
    fill(vault, BTC)
    with writer_lock(vault, stream, BTC), pytest.raises(LockedError, match="its one writer"):
        set_aside.set_aside(vault, BTC)
    assert len(names(vault.root, BTC)) == 9


@pytest.mark.parametrize("step", range(6))
def test_broken_off_it_is_finished_by_the_next_run(vault, monkeypatch, step):
    """All of it lies in one folder then."""
    fill(vault, BTC)
    before = names(vault.root, BTC)
    moved: list[Path] = []

    def stopping(source: Path, target: Path) -> None:
        if len(moved) == step:
            raise KeyboardInterrupt
        moved.append(source)
        move_over(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(set_aside, "move_over", stopping)
        with pytest.raises(KeyboardInterrupt):
            set_aside.set_aside(vault, BTC)
    assert names(set_aside.set_aside(vault, BTC), BTC) == before
