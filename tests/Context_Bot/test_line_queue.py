"""Lines go to disk in the order in which they were made, also when the disk refuses for a while."""

import errno
import os

import pytest

from Context_Bot.line_queue import LineQueue, QueuedLine
from ravequant.errors import VaultError
from ravequant.vault.append_log import AppendLog, DayLog

START = 1_765_747_200_000
SYNC = b"synced"
DAY = "2025-12-14.jsonl"


@pytest.fixture
def queue(tmp_path):
    """Return a queue of a dated log and of a plain one."""
    logs: dict[str, DayLog | AppendLog] = {
        "marks": DayLog(tmp_path / "marks"),
        "spans": AppendLog(tmp_path / "spans.jsonl"),
    }
    made = LineQueue("BTC-USDT-SWAP", logs)
    yield made
    made.close()


def line(log: str, number: int, *after: str) -> QueuedLine:
    return QueuedLine(log, START + number, b"%d\n" % number, after)


def refuse(monkeypatch, name: str) -> None:
    def refused(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, name, refused)


def test_each_line_goes_to_its_log(queue, tmp_path):
    """And the newest time of each log is known."""
    queue.put(line("marks", 1))
    queue.put(line("spans", 2))
    queue.write(0)
    assert (tmp_path / "marks" / DAY).read_bytes() == b"1\n"
    assert (tmp_path / "spans.jsonl").read_bytes() == b"2\n"
    assert queue.newest == {"marks": START + 1, "spans": START + 2}


def test_a_log_is_synced_before_the_line_that_relies_on_it(queue, monkeypatch):
    """A mark price on disk says that all before it is there for good."""
    done: list[bytes] = []
    fsync, write = os.fsync, os.write

    def noted_sync(handle: int) -> None:
        done.append(SYNC)
        fsync(handle)

    def noted_write(handle: int, data: bytes) -> int:
        done.append(bytes(data))
        return write(handle, data)

    monkeypatch.setattr(os, "fsync", noted_sync)
    monkeypatch.setattr(os, "write", noted_write)
    queue.put(line("marks", 0))
    queue.write(0)  # opens the day
    done.clear()
    queue.put(line("spans", 1))
    queue.put(line("marks", 2, "spans"))
    queue.put(line("marks", 3, "spans"))
    queue.write(0)
    assert [one for one in done if one != SYNC] == [b"1\n", b"2\n", b"3\n"]
    assert SYNC in done[done.index(b"1\n") : done.index(b"2\n")]
    assert done[done.index(b"2\n") :].count(SYNC) == 0


def test_a_refused_line_keeps_those_behind_it_waiting(queue, monkeypatch, tmp_path):
    """They come in their order once the disk takes them, five seconds later."""
    with monkeypatch.context() as patched:
        refuse(patched, "write")
        queue.put(line("marks", 1))
        queue.put(line("spans", 2))
        queue.write(0)
        assert queue.refused
    queue.write(4)
    assert (tmp_path / "spans.jsonl").read_bytes() == b""
    queue.write(5)
    assert not queue.refused
    assert (tmp_path / "marks" / DAY).read_bytes() == b"1\n"
    assert (tmp_path / "spans.jsonl").read_bytes() == b"2\n"


def test_lines_that_a_refused_sync_cut_off_are_written_again(queue, monkeypatch, tmp_path):
    """A second sync may report success for pages that the first one dropped."""
    queue.put(line("marks", 1))
    queue.write(0)
    queue.sync(0)
    queue.put(line("marks", 2))
    queue.write(0)
    with monkeypatch.context() as patched:
        refuse(patched, "fsync")
        queue.sync(1)
        assert queue.refused
        assert (tmp_path / "marks" / DAY).read_bytes() == b"1\n"
    queue.put(line("marks", 3))
    queue.write(6)
    queue.sync(6)
    assert (tmp_path / "marks" / DAY).read_bytes() == b"1\n2\n3\n"
    assert queue.lost == 0


def test_a_disk_that_refuses_at_the_end_is_an_error(tmp_path, monkeypatch):
    """The program's exit code says so."""
    queue = LineQueue("BTC-USDT-SWAP", {"marks": DayLog(tmp_path / "marks")})
    queue.put(line("marks", 1))
    refuse(monkeypatch, "write")
    with pytest.raises(VaultError, match="No space left"):
        queue.close()
