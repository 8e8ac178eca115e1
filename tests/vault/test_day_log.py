"""What DayLog promises: one file per UTC day, in order, and a newest line to go on from."""

import errno
import gzip
import os
from pathlib import Path

import pytest

from ravequant import times
from ravequant.errors import VaultError
from ravequant.vault.append_log import DayLog

DAY = times.day_start_ms("2025-12-14")
NEXT = DAY + times.DAY_MS


def names(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder and what they hold."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_each_line_goes_into_the_largest_day_seen(tmp_path):
    """A late line of an earlier day joins the newest file (SPEC section 3)."""
    with DayLog(tmp_path) as log:
        assert log.path is None
        log.append(DAY, b"1\n")
        log.append(NEXT - 1, b"2\n")
        log.append(NEXT, b"3\n")
        log.append(NEXT - 1, b"4\n")
        assert log.path == tmp_path / "2025-12-15.jsonl"
    assert names(tmp_path) == {"2025-12-14.jsonl": b"1\n2\n", "2025-12-15.jsonl": b"3\n4\n"}


def test_a_restart_continues_the_newest_day(tmp_path):
    """The newest file on disk counts as seen; its torn tail is cut at once."""
    (tmp_path / "2025-12-15.jsonl").write_bytes(b"1\nto")
    with DayLog(tmp_path) as log:
        assert log.torn_bytes == 2
        log.append(DAY, b"2\n")
    found = names(tmp_path)
    assert found == {"2025-12-15.jsonl": b"1\n2\n", "2025-12-15.jsonl.torn": b"to"}


def test_the_old_day_is_synced_before_the_next_one_exists(tmp_path, monkeypatch):
    """If the old day cannot be synced the next one is not begun, and nothing is written."""
    log = DayLog(tmp_path)
    log.append(DAY, b"1\n")
    log.sync()
    log.append(DAY, b"2\n")

    def failing(_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing)
        with pytest.raises(VaultError, match="cannot be synced"):
            log.append(NEXT, b"3\n")
    assert names(tmp_path) == {"2025-12-14.jsonl": b"1\n"}
    assert log.last_line() == b"1\n"
    log.append(DAY, b"2\n")
    log.append(NEXT, b"3\n")
    log.close()
    assert names(tmp_path) == {"2025-12-14.jsonl": b"1\n2\n", "2025-12-15.jsonl": b"3\n"}


def test_a_packed_newest_day_is_restored_before_it_grows(tmp_path):
    """A plain file beside a .gz would hide it: what was packed comes first."""
    (tmp_path / "2025-12-14.jsonl.gz").write_bytes(gzip.compress(b"1\n2\n"))
    with DayLog(tmp_path) as log:
        assert names(tmp_path).keys() == {"2025-12-14.jsonl.gz"}
        log.append(DAY, b"3\n")
    assert names(tmp_path) == {"2025-12-14.jsonl": b"1\n2\n3\n"}


def test_a_packed_older_day_stays_packed(tmp_path):
    """A line of a later day begins a new file and leaves the packed one alone."""
    packed = gzip.compress(b"1\n")
    (tmp_path / "2025-12-14.jsonl.gz").write_bytes(packed)
    with DayLog(tmp_path) as log:
        log.append(NEXT, b"2\n")
    assert names(tmp_path) == {"2025-12-14.jsonl.gz": packed, "2025-12-15.jsonl": b"2\n"}


def test_a_plain_day_counts_before_its_packed_form(tmp_path):
    """Packing that was killed before its last step leaves both: the plain one goes on."""
    packed = gzip.compress(b"1\n")
    (tmp_path / "2025-12-14.jsonl.gz").write_bytes(packed)
    (tmp_path / "2025-12-14.jsonl").write_bytes(b"1\n")
    with DayLog(tmp_path) as log:
        log.append(DAY, b"2\n")
        assert log.last_line() == b"2\n"
    assert names(tmp_path) == {"2025-12-14.jsonl": b"1\n2\n", "2025-12-14.jsonl.gz": packed}


@pytest.mark.parametrize("damage", [lambda data: data[:-9], lambda _: b"not gzip", lambda _: b""])
def test_a_damaged_packed_day_is_never_grown_over(tmp_path, damage):
    """What cannot be restored whole is an error, and stays as it is."""
    path = tmp_path / "2025-12-14.jsonl.gz"
    path.write_bytes(damage(gzip.compress(b"1\n" * 1000)))
    before = names(tmp_path)
    log = DayLog(tmp_path)
    if path.read_bytes():  # an empty one holds nothing that could be lost
        for attempt in (lambda: log.append(DAY, b"2\n"), log.last_line):
            with pytest.raises(VaultError, match=r"is not a whole gzip file: .*; put a good copy"):
                attempt()
        assert names(tmp_path) == before


def test_the_last_line_over_all_days(tmp_path):
    """The newest whole line counts: empty days and torn tails are passed over, .gz is read."""
    log = DayLog(tmp_path)
    assert log.last_line() is None
    (tmp_path / "2025-12-12.jsonl.gz").write_bytes(gzip.compress(b"1\n2\n"))
    (tmp_path / "2025-12-13.jsonl").write_bytes(b"")
    (tmp_path / "2025-12-14.jsonl").write_bytes(b"torn")
    assert log.last_line() == b"2\n"
    (tmp_path / "2025-12-14.jsonl").write_bytes(b"3\n\0\0\0")
    assert log.last_line() == b"3\n"


def test_the_last_valid_line(tmp_path):
    """Whole lines that are damaged are passed over, within a file and across files."""
    (tmp_path / "2025-12-12.jsonl.gz").write_bytes(gzip.compress(b"1\n" * 700_000 + b"2\nbad\n"))
    (tmp_path / "2025-12-13.jsonl").write_bytes(b"\0\0\0}\n" * 3)
    log = DayLog(tmp_path)
    assert log.last_line() == b"\0\0\0}\n"
    assert log.last_line(lambda line: line.strip().isdigit()) == b"2\n"


def test_no_part_of_a_line_passes_for_a_line(tmp_path):
    """Of a packed line that begins before the end that is looked at nothing is returned."""
    packed = gzip.compress(b"1" * 4_000_000 + b"\nbad\n")
    (tmp_path / "2025-12-12.jsonl.gz").write_bytes(packed)
    assert DayLog(tmp_path).last_line(lambda line: line.strip().isdigit()) is None


def test_a_line_that_will_be_cut_off_is_not_the_newest(tmp_path, monkeypatch):
    """Behind a sync and a cut that were both refused the disk still shows lines that do not count.

    Who went on after them would leave a hole that nobody asks for.
    """
    log = DayLog(tmp_path)
    log.append(DAY, b"1\n")
    log.sync()
    log.append(DAY, b"2\n")

    def failing(*_):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing)
        patch.setattr(os, "ftruncate", failing)
        with pytest.raises(VaultError, match="cannot be synced"):
            log.append(NEXT, b"3\n")
        assert names(tmp_path) == {"2025-12-14.jsonl": b"1\n2\n"}
        with pytest.raises(VaultError, match="cannot be cut back"):
            log.last_line()
    assert log.last_line() == b"1\n"
    assert names(tmp_path) == {"2025-12-14.jsonl": b"1\n"}
