"""Imports of books that fail: hostile files, and kills at every step."""

import os
import tarfile

import pytest

from L2_Bot import import_books
from ravequant import times
from ravequant.errors import DONE, FAILED
from ravequant.vault.imports import provenance
from ravequant.vault.paths import Vault
from tests.support import book_archives, crashes
from tests.support.book_archives import BTC, steady
from tests.support.book_imports import (
    DAY,
    NEXT,
    START,
    content,
    everything,
    first_day,
    run,
)

HOSTILE = {
    "a foreign instrument": book_archives.lines(first_day(), "ETH-USDT-SWAP"),
    "another day": book_archives.lines(steady(START + times.DAY_MS, START + times.DAY_MS + 1_000)),
    "no opening snapshot": book_archives.lines(first_day()[1:]),
    "times that go back": book_archives.lines([*first_day(), *first_day()[-2:]]),
    "an end within a line": book_archives.lines(first_day())[:-20],
    "nothing": b"",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_refused_day_writes_nothing_and_stops_no_other(vault, folder, capsys, kind):
    """The error names the file; the next day is imported."""
    path = book_archives.write(folder, DAY, HOSTILE[kind])
    assert run(vault, folder) == FAILED
    assert str(path) in capsys.readouterr().err
    assert list(content(vault)) == [f"{NEXT}/00"]
    assert not list(vault.root.rglob("*.part"))
    assert list(provenance.newest(vault, BTC, "books")) == [NEXT]


def test_a_wrong_checksum_at_the_end_refuses_the_day(vault, folder, capsys):
    """The last bytes are read before anything counts."""
    path = folder / f"{book_archives.name_of(DAY)}.tar.gz"
    data = path.read_bytes()
    path.write_bytes(data[:-8] + bytes([data[-8] ^ 1]) + data[-7:])
    assert run(vault, folder) == FAILED
    assert "it is damaged" in capsys.readouterr().err
    assert list(content(vault)) == [f"{NEXT}/00"]


def test_a_member_of_another_name_refuses_the_day(vault, folder, capsys):
    """Nothing is unpacked, so nothing can leave a folder."""
    path = folder / f"{book_archives.name_of(DAY)}.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("../../evil.data"))
    assert run(vault, folder) == FAILED
    assert "its member is named" in capsys.readouterr().err


def test_a_kill_at_any_step_is_made_up_for(tmp_path, folder):
    """Stopped before each write, sync, rename and deletion, then started again: the same vault."""
    words = ["--dir", str(folder), "--instId", BTC]
    whole = Vault(tmp_path / "whole")
    with crashes.steps(10**9) as taken:
        import_books.main(["--vault", str(whole.root), *words])
    wanted, count = everything(whole), len(taken)
    assert count > 20
    for at in range(1, count + 1, 1 if os.environ.get("RAVEQUANT_FAULTS") else 5):
        broken = Vault(tmp_path / f"stopped {at}")
        with crashes.steps(at), pytest.raises(crashes.Stopped):
            import_books.main(["--vault", str(broken.root), *words])
        assert import_books.main(["--vault", str(broken.root), *words]) == DONE
        assert everything(broken) == wanted, at
