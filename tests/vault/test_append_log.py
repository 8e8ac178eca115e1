"""Append-only logs: whole lines whatever the disk or a crash does, each in its day or hour."""

import errno
import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ravequant import times
from ravequant.errors import VaultError
from ravequant.vault import append_log as log_module
from ravequant.vault.append_log import AppendLog, DayLog, HourLog
from ravequant.vault.atomic import replace_file
from ravequant.vault.paths import hour_files

FULL = "free space on its disk; what was whole before stays whole"
FAILING = "check the disk, then start again"
DAY = times.day_start_ms("2025-12-14")
NEXT = DAY + times.DAY_MS
MOMENT = times.parse_iso("2023-04-04T23:59:59.999Z")


@pytest.fixture
def small_disk(tmp_path):
    """Return a folder on a disk of 64 KiB; skipped where it cannot be mounted."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command here")
    if done.returncode:
        pytest.skip("a small tmpfs cannot be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


class Disk:
    """Stands between the log and the system: counts calls, and shortens or refuses on demand."""

    def __init__(self, monkeypatch):
        self.calls = []
        self.refuse = {}  # call -> errno
        self.spare = 0  # writes let through before they are refused
        self.most = 1 << 30  # bytes one write takes
        for name in ("write", "fsync", "ftruncate"):
            monkeypatch.setattr(os, name, self._between(name, getattr(os, name)))

    def _between(self, name, real):
        def call(handle, *rest):
            self.calls.append(name)
            if name == "write":
                rest = (bytes(rest[0])[: self.most],)
                self.spare -= 1
            if name in self.refuse and (name != "write" or self.spare < 0):
                raise OSError(self.refuse[name], os.strerror(self.refuse[name]))
            return real(handle, *rest)

        return call

    def tear(self, number, **also):
        """Take three bytes of the next record, then refuse; ``also`` refuses other calls."""
        self.most, self.spare, self.refuse = 3, 1, {"write": number, **also}

    def mend(self, **still):
        """Work again, but for the calls in ``still``."""
        self.most, self.refuse = 1 << 30, still


@pytest.fixture
def disk(monkeypatch):
    """Return the layer between the log and the system."""
    return Disk(monkeypatch)


def test_appends_whole_lines_and_goes_on_after_reopening(tmp_path):
    """Lines stand in the order they came, over several openings; folders are made."""
    path = tmp_path / "a" / "b.jsonl"
    with AppendLog(path) as log:
        log.append(b"1\n")
        log.append(b"2\n3\r\n")
    with AppendLog(path) as log:
        assert log.length == log.synced_length == 7
        log.append(b"4\n")
    assert path.read_bytes() == b"1\n2\n3\r\n4\n"


def test_a_reader_sees_each_line_at_once(tmp_path):
    """Nothing is held back in the process: what was appended can be read before any sync."""
    with AppendLog(tmp_path / "x") as log:
        log.append(b"1\n")
        assert (tmp_path / "x").read_bytes() == b"1\n"
        assert log.dirty
        log.sync()
        assert not log.dirty


def test_refuses_half_lines(tmp_path):
    """Data without a newline at its end is a mistake of the caller."""
    with AppendLog(tmp_path / "x") as log:
        for data in (b"half", b""):
            with pytest.raises(ValueError, match="does not end with a newline"):
                log.append(data)
    assert (tmp_path / "x").read_bytes() == b""


def test_torn_tail_at_every_byte_of_the_last_record(tmp_path):
    """Wherever the last record was cut, the others stay, the rest is kept aside and counted."""
    whole, last = b'{"n":1}\n{"n":2}\n', b'{"n":3,"price":"101250.5"}\n'
    for cut in range(len(last)):
        path = tmp_path / f"{cut}.jsonl"
        path.write_bytes(whole + last[:cut])
        with AppendLog(path) as log:
            assert log.torn_bytes == cut
            assert log.length == len(whole)
            log.append(last)
        assert path.read_bytes() == whole + last
        aside = tmp_path / f"{cut}.jsonl.torn"
        assert (aside.read_bytes() if aside.exists() else b"") == last[:cut]


@pytest.mark.parametrize("nuls", [1, 4096, 200_000])
@pytest.mark.parametrize("half", [b"", b'{"n":'])
def test_nul_filled_tail(tmp_path, nuls, half):
    """Zeroes that a file system left after a power cut are a torn tail like any other."""
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"1\n" + half + bytes(nuls))
    with AppendLog(path) as log:
        assert log.torn_bytes == len(half) + nuls
        log.append(b"2\n")
    assert path.read_bytes() == b"1\n2\n"
    assert (tmp_path / "x.jsonl.torn").read_bytes() == half + bytes(nuls)


def test_a_file_of_one_torn_line(tmp_path):
    """Without any newline everything is torn; what was kept aside before stays there."""
    path = tmp_path / "x"
    for tear in (b"first", b"second"):
        path.write_bytes(tear)
        with AppendLog(path) as log:
            assert (log.length, log.torn_bytes) == (0, len(tear))
    assert (tmp_path / "x.torn").read_bytes() == b"firstsecond"


def test_short_writes_are_continued(tmp_path, disk):
    """A system that takes three bytes at a time still gets whole lines."""
    disk.most = 3
    with AppendLog(tmp_path / "x") as log:
        log.append(b"0123456789\n")
    assert (tmp_path / "x").read_bytes() == b"0123456789\n"


@pytest.mark.parametrize(
    ("number", "remedy"), [(errno.ENOSPC, FULL), (errno.EIO, FAILING)], ids=["full", "failing"]
)
def test_a_failed_write_leaves_no_half_record(tmp_path, disk, number, remedy):
    """Half a record was taken before the refusal: it is cut off, and the log goes on."""
    path = tmp_path / "x"
    with AppendLog(path) as log:
        log.append(b"1\n")
        disk.tear(number)
        with pytest.raises(VaultError) as caught:
            log.append(b"0123456789\n")
        assert str(caught.value) == (
            f"{path}: cannot be appended to: {os.strerror(number)}; {remedy}"
        )
        assert path.read_bytes() == b"1\n"
        disk.mend()
        log.append(b"2\n")
    assert path.read_bytes() == b"1\n2\n"


def test_nothing_is_appended_behind_a_half_record(tmp_path, disk):
    """If even the cut is refused, appends and syncs are, until it succeeds."""
    path = tmp_path / "x"
    with AppendLog(path) as log:
        log.append(b"1\n")
        disk.tear(errno.EIO, ftruncate=errno.EIO)
        with pytest.raises(VaultError, match="cannot be appended to"):
            log.append(b"0123456789\n")
        disk.mend(ftruncate=errno.EIO)
        assert path.read_bytes() == b"1\n012"
        for attempt in (lambda: log.append(b"2\n"), log.sync):
            with pytest.raises(VaultError) as caught:
                attempt()
            assert str(caught.value) == (
                f"{path}: cannot be cut back to its last whole line: {os.strerror(errno.EIO)}; "
                f"{FAILING}"
            )
        disk.mend()
        log.append(b"2\n")
    assert path.read_bytes() == b"1\n2\n"


def test_an_interrupt_between_short_writes_leaves_no_half_record(tmp_path, monkeypatch):
    """Ctrl-C in the middle of a record takes the record back."""
    real, path = os.write, tmp_path / "x"
    with AppendLog(path) as log:
        log.append(b"1\n")

        def interrupted(handle, data):
            monkeypatch.setattr(os, "write", raise_interrupt)
            return real(handle, bytes(data)[:3])

        def raise_interrupt(*_):
            raise KeyboardInterrupt

        monkeypatch.setattr(os, "write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            log.append(b"0123456789\n")
        monkeypatch.setattr(os, "write", real)
    assert path.read_bytes() == b"1\n"


def test_after_a_failed_sync_the_data_counts_as_lost(tmp_path, disk):
    """What came after the last good sync is cut back, so that nobody believes in it."""
    path = tmp_path / "x"
    with AppendLog(path) as log:
        log.append(b"1\n")
        log.sync()
        log.append(b"2\n")
        disk.refuse = {"fsync": errno.EIO}
        with pytest.raises(VaultError) as caught:
            log.sync()
        assert str(caught.value) == (
            f"{path}: cannot be synced: {os.strerror(errno.EIO)}; {FAILING}"
        )
        assert path.read_bytes() == b"1\n"
        assert log.length == log.synced_length == 2
        assert log.dirty
        disk.refuse = {}
        log.append(b"3\n")
    assert path.read_bytes() == b"1\n3\n"


def test_what_is_found_at_the_start_is_synced_before_it_counts(tmp_path, disk, monkeypatch):
    """Another process may have died before its sync: opening syncs, or refuses."""
    path = tmp_path / "x"
    path.write_bytes(b"1\n")
    monkeypatch.setattr(log_module, "fsync_folder", lambda _: None)
    disk.refuse = {"fsync": errno.EIO}
    with pytest.raises(VaultError, match="cannot be synced"):
        AppendLog(path)
    assert path.read_bytes() == b"1\n"


def test_sync_without_news_does_nothing(tmp_path, disk):
    """A second sync costs nothing, and closing twice is allowed."""
    log = AppendLog(tmp_path / "x")
    disk.calls = []
    log.sync()
    assert disk.calls == []
    log.close()
    log.close()


def fill(log, line):
    """Append until the disk refuses."""
    while True:
        log.append(line)


def test_full_disk(small_disk):
    """On a disk that really is full: loud, no half record, on again when there is room."""
    path, line = small_disk / "x.jsonl", b"y" * 999 + b"\n"
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(20_000))
    with AppendLog(path) as log:
        with pytest.raises(VaultError) as caught:
            fill(log, line)
        assert str(caught.value) == (
            f"{path}: cannot be appended to: {os.strerror(errno.ENOSPC)}; {FULL}"
        )
        written = path.read_bytes()
        assert written == line * (log.length // len(line))
        assert len(written) > 20_000
        ballast.unlink()
        log.append(line)
    assert path.read_bytes() == written + line


def test_full_disk_and_a_replaced_file(small_disk):
    """On a full disk the old content of a replaced file stands and no temporary eats space."""
    path = small_disk / "state.json"
    replace_file(path, b"old")
    with pytest.raises(VaultError):
        replace_file(path, bytes(100_000))
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in small_disk.iterdir()] == ["state.json"]


def test_full_disk_keeps_a_torn_tail(small_disk):
    """A torn tail that cannot be kept aside is not cut off either."""
    path = small_disk / "x"
    torn = b"1\n" + b"t" * 40_000
    path.write_bytes(torn)
    with pytest.raises(VaultError) as caught:
        AppendLog(path)
    assert str(caught.value) == (
        f"{path}: cannot be opened for appending: {os.strerror(errno.ENOSPC)}; {FULL}"
    )
    assert path.read_bytes() == torn


WRITER = """
import sys
from pathlib import Path
from ravequant.vault.append_log import AppendLog
with AppendLog(Path(sys.argv[1])) as log:
    start = log.length // 100
    for n in range(start, start + 1_000_000):
        log.append(f"{n:099}\\n".encode())
        if n == start + 200:
            print("running", flush=True)
"""


def test_killed_writers_leave_a_log_without_holes(tmp_path):
    """Each of five killed writers is followed by one that goes on where it stopped."""
    path = tmp_path / "x.jsonl"
    for _ in range(5):
        command = [sys.executable, "-c", WRITER, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline()
            writer.kill()
    with AppendLog(path) as log:
        lines = path.read_bytes().splitlines()
        assert log.torn_bytes == 0
    assert [int(line) for line in lines] == list(range(len(lines)))
    assert len(lines) > 1000


# -- one file a day


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


# -- one file an hour


def line(text: str) -> bytes:
    return text.encode() + b"\n"


def test_lines_go_into_the_hour_of_their_time(tmp_path):
    """The last millisecond of a day and the first of the next stand in two days' folders."""
    with HourLog(tmp_path) as log:
        for step, text in enumerate(["a", "b"]):
            log.append(MOMENT + step, line(text))
        log.append(MOMENT + times.HOUR_MS + 1, line("c"))
    found = [(name, path.read_bytes()) for name, path in hour_files(tmp_path)]
    assert found == [
        ("2023-04-04/23", b"a\n"), ("2023-04-05/00", b"b\n"), ("2023-04-05/01", b"c\n"),
    ]  # fmt: skip


def test_start_in_the_same_hour_goes_on_behind_the_last_whole_line(tmp_path):
    """A torn tail is cut off, kept aside and counted; nothing whole is lost or glued."""
    with HourLog(tmp_path) as log:
        log.append(MOMENT, line("whole"))
    path = tmp_path / "2023-04-04" / "23.jsonl"
    path.write_bytes(path.read_bytes() + b'{"torn')
    with HourLog(tmp_path) as log:
        assert log.torn_bytes == 6
        assert log.last_line() == b"whole\n"
        log.append(MOMENT, line("next"))
    assert path.read_bytes() == b"whole\nnext\n"
    assert path.with_name("23.jsonl.torn").read_bytes() == b'{"torn'


def test_newest_line_is_found_over_hours_and_days(tmp_path):
    """Also in a packed hour, and past hours in which nothing valid stands."""
    with HourLog(tmp_path) as log:
        log.append(MOMENT, line("old"))
    later = tmp_path / "2023-04-05"
    later.mkdir()
    (later / "02.jsonl.gz").write_bytes(gzip.compress(b"packed\n"))
    (later / "07.jsonl").write_bytes(b"")
    assert HourLog(tmp_path).last_line() == b"packed\n"
    assert HourLog(tmp_path).last_line(lambda found: found.startswith(b"o")) == b"old\n"


def test_packed_hour_is_restored_before_it_grows(tmp_path):
    """A plain file beside the packed one would hide what that holds."""
    folder = tmp_path / "2023-04-04"
    folder.mkdir()
    (folder / "23.jsonl.gz").write_bytes(gzip.compress(b"packed\n"))
    with HourLog(tmp_path) as log:
        log.append(MOMENT, line("next"))
    assert (folder / "23.jsonl").read_bytes() == b"packed\nnext\n"
    assert not (folder / "23.jsonl.gz").exists()
