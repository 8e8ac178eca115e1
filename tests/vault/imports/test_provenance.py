"""The account of imported days: written, read again, refused where it cannot be read."""

from dataclasses import replace

import pytest

from ravequant.errors import VaultError
from ravequant.vault.imports import provenance
from ravequant.vault.imports.provenance import ImportedDay, SourceFile

BTC = "BTC-USDT-SWAP"
DAY = ImportedDay(
    imported_ms=1_700_000_000_000,
    stream="trades",
    day="2025-12-14",
    files=(SourceFile("BTC-USDT-SWAP-trades-2025-12-14.zip", 12, "ab" * 32, "e7", "a,b"),),
    rows=10,
    records=4,
    first_id=11,
    last_id=22,
    dropped_recorded=3,
    jumps=((13, 14),),
    proof="candles",
    contract="metadata",
    lines=7,
    sha256="cd" * 32,
    spans=((11, 12), (15, 20)),
    records_sha256="ef" * 32,
)
LINE = (
    b'{"instId":"BTC-USDT-SWAP","imported_utc":"2023-11-14T22:13:20.000Z","stream":"trades",'
    b'"day":"2025-12-14","files":[{"name":"BTC-USDT-SWAP-trades-2025-12-14.zip","bytes":12,'
    b'"sha256":"' + b"ab" * 32 + b'","etag":"e7","header":"a,b"}],"rows":10,"records":4,'
    b'"first_id":"11","last_id":"22","dropped_recorded":3,"jumps":[["13","14"]],'
    b'"proof":"candles","differing_minutes":0,"contract":"metadata",'
    b'"snapshots_disagreeing":null,"lines":7,"sha256":"' + b"cd" * 32 + b'",'
    b'"spans":[["11","12"],["15","20"]],"records_sha256":"' + b"ef" * 32 + b'",'
    b'"hours":[],"keep":false}\n'
)


def test_a_line_is_the_golden_one(vault):
    """Every field of the contract, ids as text; read back it is the same day."""
    provenance.append(vault, BTC, [DAY])
    assert vault.imports(BTC).read_bytes() == LINE
    assert provenance.entries(vault, BTC) == [DAY]


def test_the_newest_line_of_a_day_and_stream_counts(vault):
    """Older lines stay in the file."""
    books = replace(DAY, stream="books", hours=("07", "08"), keep=True, snapshots_disagreeing=2)
    later = replace(DAY, rows=11)
    provenance.append(vault, BTC, [DAY, books, later])
    assert provenance.newest(vault, BTC) == {DAY.day: later}
    assert provenance.newest(vault, BTC, "books") == {DAY.day: books}
    assert later.same_files(["ab" * 32])
    assert not later.same_files(["ab" * 32, "ab" * 32])


def test_fields_of_books_may_be_absent(vault):
    """A line of an earlier version lacks them."""
    vault.imports(BTC).parent.mkdir(parents=True)
    vault.imports(BTC).write_bytes(LINE.replace(b',"hours":[],"keep":false', b""))
    assert provenance.entries(vault, BTC) == [DAY]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"rows":10', b'"rows":-1'),
        (b'"first_id":"11"', b'"first_id":"x"'),
        (b"BTC-USDT-SWAP", b"ETH-USDT-SWAP"),
        (b'"2025-12-14"', b'"2025-12-99"'),
        (b'"proof":"candles"', b'"proof":7'),
        (b'"lines":7,', b""),
        (b"{", b"["),
    ],
)
def test_a_damaged_line_is_refused_by_its_number(vault, old, new):
    """Nothing is imported twice by a guess."""
    vault.imports(BTC).parent.mkdir(parents=True)
    vault.imports(BTC).write_bytes(LINE + LINE.replace(old, new, 1))
    with pytest.raises(VaultError, match="line 2 is no provenance"):
        provenance.entries(vault, BTC)


def test_without_a_file_nothing_was_imported(vault):
    """No file is no error."""
    assert provenance.entries(vault, BTC) == []
