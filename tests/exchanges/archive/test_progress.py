"""Progress of a download: a line that is rewritten on a terminal, whole lines elsewhere."""

import io

import pytest

from ravequant.exchanges.archive.download import Fetcher
from ravequant.exchanges.archive.progress import DownloadProgress, keep_rate, kept_rate
from tests.support.file_server import Trouble, file_host

MB = 1_000_000


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


def played(out):
    clock = Clock()
    progress = DownloadProgress(40 * MB, out=out, clock=clock)
    progress.begins("a.zip", 20 * MB, 0)
    for _ in range(10):
        clock.now += 1
        progress.receives(2 * MB)
    progress.ends("a.zip")
    return progress


def test_a_file_is_a_line_with_rate_and_time_left():
    """Into a log: nothing but whole lines."""
    out = io.StringIO()
    played(out)
    assert out.getvalue() == "a.zip: whole, 20.0 MB; 2.0 MB/s, 20.0 MB left, about 10s\n"


def test_a_terminal_shows_how_far_a_file_is():
    """One line, written over, and gone when the file is whole."""
    out = Screen()
    played(out)
    first, *_, last = out.getvalue().split("\r")[1:]
    assert first.rstrip() == "a.zip: 10 % of 20.0 MB; 2.0 MB/s, 38.0 MB left, about 19s"
    assert last == "a.zip: whole, 20.0 MB; 2.0 MB/s, 20.0 MB left, about 10s\n"


def test_the_rate_is_that_of_the_last_half_minute():
    """A slow begin is forgotten; before two looks there is none."""
    clock = Clock()
    progress = DownloadProgress(10 * MB, out=io.StringIO(), clock=clock)
    assert progress.rate is None
    progress.begins("a.zip", 10 * MB, 0)
    assert progress.rate is None
    for size in [1_000] * 40 + [MB] * 31:
        clock.now += 1
        progress.receives(size)
    assert progress.rate == MB


def test_a_long_file_says_so_each_minute_in_a_log():
    """Not more often."""
    clock, out = Clock(), io.StringIO()
    progress = DownloadProgress(600 * MB, out=out, clock=clock)
    progress.begins("a.tar.gz", 600 * MB, 0)
    for _ in range(130):
        clock.now += 1
        progress.receives(MB)
    assert out.getvalue() == (
        "a.tar.gz: 10 % of 600.0 MB; 1.0 MB/s, 540.0 MB left, about 9m00s\n"
        "a.tar.gz: 20 % of 600.0 MB; 1.0 MB/s, 480.0 MB left, about 8m00s\n"
    )


def test_a_fetcher_shows_its_waits_and_its_files(tmp_path):
    """Over a real socket: refused once, cut once, whole."""
    out = io.StringIO()
    with file_host() as host:
        host.files["a.zip"] = b"x" * 500_000
        host.troubles = [Trouble(status=429), Trouble(cut=1_000)]
        watcher = DownloadProgress(500_000, out=out)
        Fetcher(tmp_path, watcher=watcher, pause=lambda _: None).fetch(host.published("a.zip"))
    lines = out.getvalue().splitlines()
    assert lines[0] == "a.zip: HTTP 429; goes on in 60 s"
    assert lines[1].endswith("at byte 1000; goes on in 2 s")
    assert lines[2].startswith("a.zip: whole, 0.5 MB; ")


@pytest.mark.parametrize(
    "content", [b"", b"[]", b'{"bytes_a_second":0}', b'{"bytes_a_second":"x"}']
)
def test_the_rate_is_kept_for_the_next_plan(tmp_path, content):
    """An unreadable one is none."""
    assert kept_rate(tmp_path) is None
    keep_rate(tmp_path, None)
    assert kept_rate(tmp_path) is None
    keep_rate(tmp_path, 1_234_567.8)
    assert kept_rate(tmp_path) == 1_234_568
    (tmp_path / ".rate.json").write_bytes(content)
    assert kept_rate(tmp_path) is None
