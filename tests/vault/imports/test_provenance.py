"""The provenance of imported days: a line for each day and stream, of which the newest counts."""

import pytest

from ravequant.errors import VaultError
from ravequant.vault.imports import provenance
from ravequant.vault.imports.provenance import ImportedDay, SourceFile
from ravequant.vault.paths import Vault

BTC, DAY = "BTC-USDT-SWAP", "2025-01-30"
FILE = SourceFile("BTC-USDT-SWAP-trades-2025-01-30.zip", 7, "ab", "CD", "a,b")


def day(stream: str = "trades", **facts) -> ImportedDay:
    known = {"jumps": ((5, 6),), "spans": ((1, 4), (7, 9)), "records_sha256": "ef"}
    return ImportedDay(
        0, stream, DAY, (FILE,), 9, 8, 1, 9, 0, proof="ids", contract="metadata", lines=8,
        sha256="12", **{**known, **facts},
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path) -> Vault:
    vault = Vault(tmp_path)
    vault.imports(BTC).parent.mkdir(parents=True)
    return vault


def test_a_line_reads_back_as_it_was(folder):
    """Ids, files, hours and the pin; another stream is another day."""
    books = day("books", hours=("00", "23"), keep=True)
    provenance.append(folder, BTC, [day(), books])
    assert provenance.entries(folder, BTC) == [day(), books]
    assert provenance.newest(folder, BTC) == {DAY: day()}
    assert provenance.newest(folder, BTC, "books") == {DAY: books}
    assert day().same_files(["ab"])
    assert not day().same_files(["xy"])


def test_the_newest_line_of_a_day_counts(folder):
    """An import that came again stands behind the first."""
    again = day(differing_minutes=2)
    provenance.append(folder, BTC, [day()])
    provenance.append(folder, BTC, [again])
    assert provenance.newest(folder, BTC) == {DAY: again}


def test_nothing_imported_is_nothing(folder):
    """No file, no day."""
    assert provenance.entries(folder, BTC) == []


def test_a_line_that_cannot_be_read_is_named(folder):
    """Nothing is imported twice by a guess; a torn tail is no line."""
    provenance.append(folder, BTC, [day()])
    path = folder.imports(BTC)
    path.write_bytes(path.read_bytes() + b'{"instId"')
    assert len(provenance.entries(folder, BTC)) == 1
    path.write_bytes(path.read_bytes() + b":1}\n")
    with pytest.raises(VaultError, match="line 2 is no provenance of BTC-USDT-SWAP"):
        provenance.entries(folder, BTC)
