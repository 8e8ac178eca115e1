"""The gap ledger: what a line says, which line decides, and what is not believed."""

import errno
import logging
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ravequant import times
from ravequant.errors import VaultError
from ravequant.vault.gap_ledger import (
    Gap,
    GapLedger,
    LedgerEntry,
    raise_generation,
    read_generation,
)

BTC = "BTC-USDT-SWAP"
NOON = times.parse_iso("2025-12-14T12:00:00.123Z")
STATUSES = ("open", "repaired", "id_hole", "unrecoverable")
GOLDEN = (
    b'{"detected_utc":"2025-12-14T12:00:00.123Z","channel":"trades","instId":"BTC-USDT-SWAP",'
    b'"from_trade_id":"101","to_trade_id":"110","missing":10,"status":"id_hole",'
    b'"reason":"the exchange answered beyond them"}\n'
)


def entry(first, last, status="id_hole"):
    """Return an entry about the ids first … last."""
    return LedgerEntry(Gap(first, last), status, "the exchange answered beyond them", NOON)


@pytest.fixture
def ledger(tmp_path):
    """Return a ledger without a file."""
    return GapLedger(tmp_path / "gaps" / f"{BTC}.jsonl", BTC)


def test_golden_line(ledger):
    """A line has the fields of SPEC section 3 in their order, and is read back as it was."""
    ledger.append(entry(101, 110))
    assert ledger.path.read_bytes() == GOLDEN
    assert GapLedger(ledger.path, BTC).entries() == (entry(101, 110),)


def test_without_a_file_there_is_no_id_hole(ledger):
    """No ledger file: every jump of ids is a hole."""
    assert ledger.is_gap(5, 5)
    assert ledger.entries() == ()
    assert not ledger.path.exists()


@pytest.mark.parametrize("status", STATUSES)
def test_only_id_hole_explains_missing_ids(ledger, status):
    """Every other status leaves a hole."""
    ledger.append(entry(101, 110, status))
    assert ledger.is_gap(101, 110) == (status != "id_hole")


def test_one_unexplained_id_makes_a_hole(ledger):
    """A jump is a hole if any of its missing ids is not id_hole."""
    ledger.append(entry(101, 110))
    assert not ledger.is_gap(103, 105)
    assert ledger.is_gap(100, 110)
    assert ledger.is_gap(101, 111)
    ledger.append(entry(111, 120))
    assert not ledger.is_gap(101, 120)
    ledger.append(entry(122, 130))
    assert ledger.is_gap(101, 130)
    ledger.append(entry(121, 121))
    assert not ledger.is_gap(101, 130)
    ledger.append(entry(91, 100))
    assert not ledger.is_gap(91, 130)


def test_the_newest_line_that_covers_an_id_decides(ledger):
    """A later status replaces an earlier one for just the ids it covers."""
    ledger.append(entry(101, 110, "open"))
    ledger.append(entry(101, 110, "id_hole"))
    assert not ledger.is_gap(101, 110)
    ledger.append(entry(104, 105, "unrecoverable"))
    assert not ledger.is_gap(101, 103)
    assert ledger.is_gap(103, 104)
    assert not ledger.is_gap(106, 110)


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 12), st.sampled_from(STATUSES))),
    st.integers(0, 40),
    st.integers(0, 10),
)
def test_intervals_agree_with_single_ids(tmp_path_factory, lines, first, width):
    """Whatever is written, the answer is that of a table with one status per id."""
    ledger = GapLedger(tmp_path_factory.mktemp("ledger") / "x.jsonl", BTC)
    table = {}
    for start, more, status in lines:
        ledger._take(entry(start, start + more, status))
        table.update(dict.fromkeys(range(start, start + more + 1), status))
    wanted = any(table.get(trade_id) != "id_hole" for trade_id in range(first, first + width + 1))
    assert ledger.is_gap(first, first + width) == wanted


def test_a_reader_sees_what_the_writer_adds(ledger):
    """Refresh reads only when the file changed, and says whether it did."""
    reader = GapLedger(ledger.path, BTC)
    assert not reader.refresh()
    ledger.append(entry(101, 110))
    assert reader.is_gap(101, 110)
    assert reader.refresh()
    assert not reader.is_gap(101, 110)
    assert not reader.refresh()
    assert not ledger.refresh()
    reader.append(entry(111, 120))
    ledger.append(entry(121, 130))
    assert not ledger.is_gap(101, 130)
    ledger.path.unlink()
    assert reader.refresh()
    assert reader.is_gap(101, 110)


def test_a_torn_tail_is_not_read_and_not_glued(ledger):
    """Half a line counts for nothing, and the next entry stands on its own line."""
    ledger.append(entry(101, 110))
    with ledger.path.open("ab") as file:
        file.write(GOLDEN.replace(b"101", b"111")[:-1])
    reader = GapLedger(ledger.path, BTC)
    assert (reader.entries(), reader.rejected) == ((entry(101, 110),), 0)
    ledger.append(entry(121, 130))
    reader.refresh()
    assert reader.entries() == (entry(101, 110), entry(121, 130))
    assert reader.rejected == 0


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (GOLDEN, b"\0\0\0\n", "not JSON: "),
        (GOLDEN, b"[1]\n", "not a JSON object but list"),
        (b'"trades"', b'"books"', "channel: 'books' is not 'trades'"),
        (b"BTC-USDT-SWAP", b"ETH-USDT-SWAP", "instId: 'ETH-USDT-SWAP' is not 'BTC-USDT-SWAP'"),
        (b'"id_hole"', b'"lost"', "status: 'lost' is none of open, repaired, id_hole, unrecoverab"),
        (b'"id_hole"', b'["id_hole"]', "status: ['id_hole'] is none of open, "),
        (b'"id_hole"', b"[" * 1000 + b"]" * 1000, "status: [[[...]]] is none of open, "),
        (b'"101"', b'"x"', "from_trade_id: 'x' is not a whole number in a string"),
        (b'"101"', b"true", "from_trade_id: True is not a whole number in a string"),
        (b'"110"', b"null", "to_trade_id: None is not a whole number in a string"),
        (b'"110"', b'"100"', "to_trade_id: 100 lies before 101"),
        (b'"reason":"the', b'"because":"the', "reason: None is not a string"),
        (b"12:00", b"25:00", "detected_utc: '2025-12-14T25:00:00.123Z' is not a UTC time"),
    ],
)
def test_bad_lines_are_skipped_counted_and_logged_once(ledger, caplog, old, new, reason):
    """A line that is no entry stops nothing; the log names file, byte offset and reason."""
    ledger.append(entry(1, 2))
    offset = ledger.path.stat().st_size
    with ledger.path.open("ab") as file:
        file.write(GOLDEN.replace(old, new))
    with caplog.at_level(logging.WARNING):
        ledger.refresh()
        ledger.append(entry(5, 6))
        os.utime(ledger.path, (0, 0))
        assert ledger.refresh()
    assert ledger.entries() == (entry(1, 2), entry(5, 6))
    assert ledger.rejected == 1
    (message,) = caplog.messages
    assert message.startswith(f"{ledger.path}: line at byte {offset} skipped: {reason}")


def test_of_many_bad_lines_the_first_are_named_and_all_counted(ledger, caplog):
    """A file that is no ledger does not fill the log."""
    ledger.path.parent.mkdir(parents=True)
    ledger.path.write_bytes(b"{}\n" * 1_000)
    with caplog.at_level(logging.WARNING):
        ledger.refresh()
    assert (ledger.rejected, len(caplog.messages)) == (1_000, 20)


def test_ids_may_be_json_numbers(ledger):
    """Ledgers that write ids as numbers are understood."""
    ledger.path.parent.mkdir()
    ledger.path.write_bytes(GOLDEN.replace(b'"101"', b"101").replace(b'"110"', b"110"))
    ledger.refresh()
    assert not ledger.is_gap(101, 110)


def test_an_entry_that_could_not_be_written_does_not_count(ledger, monkeypatch):
    """After a failed sync the entry is neither in the file nor in the answers."""
    ledger.append(entry(1, 2))
    real, calls = os.fsync, []

    def second_fails(handle):
        calls.append(handle)
        if len(calls) == 3:  # the folder and what was found are synced first
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(handle)

    monkeypatch.setattr(os, "fsync", second_fails)
    with pytest.raises(VaultError, match="cannot be synced"):
        ledger.append(entry(3, 4))
    assert ledger.is_gap(3, 4)
    assert GapLedger(ledger.path, BTC).entries() == (entry(1, 2),)


def test_the_generation_starts_at_zero_and_rises_by_one(tmp_path):
    """Absent is 0; the file is that of SPEC section 1."""
    path = tmp_path / "gaps" / f"{BTC}.generation.json"
    assert read_generation(path) == 0
    assert raise_generation(path) == 1
    assert raise_generation(path) == 2
    assert path.read_bytes() == b'{"generation":2}\n'
    assert read_generation(path) == 2


@pytest.mark.parametrize(
    "left",
    [b"", b"garbage", b"[]", b"{}", b'{"generation":"2"}', b'{"generation":-1}',
     b'{"generation":true}', b'{"generation":1.5}', b"\xff"],
)  # fmt: skip
def test_a_damaged_generation_is_an_error(tmp_path, left):
    """It is never taken for 0: a repair could pass unnoticed."""
    path = tmp_path / "x.generation.json"
    path.write_bytes(left)
    for attempt in (read_generation, raise_generation):
        with pytest.raises(VaultError) as caught:
            attempt(path)
        assert str(caught.value) == (
            f'{path}: is not like {{"generation":2}}; write there a number above every one used '
            "before, and run the calculators with --rebuild"
        )
