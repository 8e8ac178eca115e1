"""Files fetched over real sockets: whole, resumed, refused; killed at any instant and gone on."""

import errno
import itertools
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ravequant.errors import FeedError, UsageError, VaultError
from ravequant.exchanges.archive.download import Fetcher, fetch_days
from ravequant.exchanges.archive.published import PublishedFile
from ravequant.exchanges.archive.publisher import DayFiles
from ravequant.vault.paths import CHECKOUT
from tests.support.file_server import FileHost, Trouble, file_host

NAME = "BTC-USDT-SWAP-trades-2025-01-31.zip"
DATA = random.Random(7).randbytes(300_000)


@pytest.fixture
def host():
    with file_host() as made:
        made.files[NAME] = DATA
        yield made


@pytest.fixture
def waits():
    return []


@pytest.fixture
def fetcher(tmp_path, waits):
    made = Fetcher(tmp_path / "files", pause=waits.append)
    yield made
    made.close()


def names(fetcher):
    return sorted(path.name for path in fetcher.folder.iterdir())


def test_a_file_is_fetched_whole_and_not_fetched_again(host, fetcher, waits):
    """One request, with an agent's name; the file has its name, its bytes and its ETag."""
    fetched = fetcher.fetch(host.published(NAME))
    assert fetched.path.read_bytes() == DATA
    assert (fetched.size, fetched.etag) == (len(DATA), host.etag(NAME))
    assert fetcher.fetch(host.published(NAME)) == fetched
    assert len(host.requests) == 1
    assert host.requests[0]["User-Agent"] == "ravequant"
    assert host.requests[0]["Accept-Encoding"] == "identity"
    assert names(fetcher) == [f".{NAME}.json", NAME]
    assert waits == []


def test_a_cut_transfer_goes_on_from_its_byte(host, fetcher, waits):
    """Three cuts: each request asks for the rest of the same version."""
    host.troubles = [Trouble(cut=100_000), Trouble(cut=50_000), Trouble(cut=1)]
    assert fetcher.fetch(host.published(NAME)).path.read_bytes() == DATA
    assert [request.get("Range") for request in host.requests] == [
        None, "bytes=100000-", "bytes=150000-", "bytes=150001-",
    ]  # fmt: skip
    assert {request.get("If-Range") for request in host.requests[1:]} == {f'"{host.etag(NAME)}"'}
    assert len(waits) == 3
    assert max(waits) <= 8


def test_another_run_goes_on_where_one_stopped(host, tmp_path):
    """The part and its note are enough."""
    host.troubles = [Trouble(cut=200_000)]

    def stop(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Fetcher(tmp_path, pause=stop).fetch(host.published(NAME))
    assert (tmp_path / f"{NAME}.partial").stat().st_size == 200_000
    assert not (tmp_path / NAME).exists()
    assert Fetcher(tmp_path).fetch(host.published(NAME))
    assert (tmp_path / NAME).read_bytes() == DATA
    assert host.requests[-1]["Range"] == "bytes=200000-"


def test_a_file_that_was_rewritten_in_between_is_begun_anew(host, fetcher):
    """No byte of the old version stands in the new one."""
    host.troubles = [Trouble(cut=200_000)]
    new = random.Random(8).randbytes(250_000)
    fetcher._pause = lambda _: host.files.update({NAME: new})
    fetched = fetcher.fetch(host.published(NAME))
    assert (fetched.path.read_bytes(), fetched.etag) == (new, host.etag(NAME))


def test_a_range_of_another_version_is_not_taken(host, fetcher):
    """A host that ignores If-Range: its 206 names another ETag, and all is fetched again."""
    host.troubles = [
        Trouble(cut=100_000),
        Trouble(status=206, headers={"ETag": '"ffff"', "Content-Range": "bytes 1-2/3"}),
    ]
    assert fetcher.fetch(host.published(NAME)).path.read_bytes() == DATA
    assert "Range" not in host.requests[2]


def test_the_end_of_a_range_begins_anew(host, fetcher):
    """416: there is no such rest."""
    host.troubles = [Trouble(cut=100_000), Trouble(status=416)]
    assert fetcher.fetch(host.published(NAME)).path.read_bytes() == DATA
    assert "Range" not in host.requests[2]


def test_the_md5_is_compared_in_either_case(host, fetcher):
    """One of the two origins writes the ETag in capitals."""
    host.always = Trouble(headers={"ETag": f'"{host.etag(NAME).upper()}"'})
    assert fetcher.fetch(host.published(NAME)).etag == host.etag(NAME).upper()


def test_a_file_whose_md5_is_another_is_fetched_once_more(host, fetcher):
    """A byte that changed on the way is not believed; twice is an error that names the file."""
    host.troubles = [Trouble(flip=True)]
    assert fetcher.fetch(host.published(NAME)).path.read_bytes() == DATA
    fetcher.keep_only(())
    host.always = Trouble(flip=True)
    host.requests.clear()
    with pytest.raises(FeedError) as error:
        fetcher.fetch(host.published(NAME))
    assert str(error.value) == (
        f"{host.url}/{NAME}?v=9: its MD5 is not its ETag, twice; nothing was kept, run again "
        "later, and report it if it stays so"
    )
    assert len(host.requests) == 2
    assert names(fetcher) == []


def test_an_etag_with_a_dash_is_no_md5(host, fetcher):
    """It still says which version it is."""
    host.troubles = [Trouble(cut=9, headers={"ETag": '"abc-2"'})]
    host.always = Trouble(headers={"ETag": '"abc-2"'})
    assert fetcher.fetch(host.published(NAME)).path.read_bytes() == DATA
    assert host.requests[1]["Range"] == "bytes=9-"


@pytest.mark.parametrize("etag", ['W/"abc"', "abc", '""'])
def test_without_a_strong_etag_nothing_is_resumed(host, fetcher, etag):
    """A weak one does not name bytes."""
    host.troubles = [Trouble(cut=9, headers={"ETag": etag})]
    host.always = Trouble(headers={"ETag": etag})
    assert fetcher.fetch(host.published(NAME)).path.read_bytes() == DATA
    assert "Range" not in host.requests[1]


def test_404_is_an_absent_file_and_not_asked_for_again(host, fetcher, waits):
    """It is said by None, at once."""
    absent = host.published("BTC-USDT-SWAP-trades-2025-02-01.zip")
    assert fetcher.fetch(absent) is None
    assert fetcher.fetch(absent) is None
    assert (len(host.requests), waits, names(fetcher)) == (1, [], [])


def test_refusals_wait_a_minute_and_then_twice_as_long(host, fetcher, waits):
    """403 and 429 alike; after six of them the run ends, and says how to go on."""
    host.troubles = [Trouble(status=429), Trouble(status=403), Trouble(status=429)]
    assert fetcher.fetch(host.published(NAME)).path.read_bytes() == DATA
    assert waits == [60, 120, 240]
    fetcher.keep_only(())
    host.always = Trouble(status=403)
    with pytest.raises(FeedError) as error:
        fetcher.fetch(host.published(NAME))
    assert str(error.value) == (
        f"{host.url}/{NAME}?v=9: HTTP 403 (6 times); run again later: it goes on from the byte "
        "reached"
    )
    assert waits[3:] == [60, 120, 240, 480, 960]


def test_failures_of_the_server_are_tried_again(host, fetcher, waits):
    """Short waits, and an end to them when no byte comes."""
    host.troubles = [Trouble(status=503), Trouble(status=500)]
    assert fetcher.fetch(host.published(NAME)).path.read_bytes() == DATA
    assert waits == [2, 4]
    fetcher.keep_only(())
    host.always = Trouble(status=502)
    with pytest.raises(FeedError, match=r"HTTP 502 \(6 times\)"):
        fetcher.fetch(host.published(NAME))


def test_a_slow_line_that_breaks_often_arrives(host, fetcher):
    """Failures count only while no byte comes."""
    host.troubles = [Trouble(cut=10_000) for _ in range(20)]
    assert fetcher.fetch(host.published(NAME)).path.read_bytes() == DATA
    assert len(host.requests) == 21


def test_a_redirect_is_not_followed(host, fetcher):
    """Neither elsewhere nor anywhere."""
    host.always = Trouble(status=302, headers={"Location": "http://203.0.113.5/x.zip"})
    with pytest.raises(FeedError) as error:
        fetcher.fetch(host.published(NAME))
    assert str(error.value) == (
        f"{host.url}/{NAME}?v=9: HTTP 302, leads to 'http://203.0.113.5/x.zip': expected 200 from "
        "that host itself; fetch the file with a browser and use --dir, and report it if it stays "
        "so"
    )
    assert len(host.requests) == 1


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (Trouble(without=("Content-Length",)), "Content-Length ''"),
        (Trouble(headers={"Content-Length": "0"}), "Content-Length '0'"),
        (Trouble(headers={"Content-Length": str(9 << 30)}), f"Content-Length '{9 << 30}'"),
        (Trouble(headers={"Content-Encoding": "gzip"}), "Content-Encoding 'gzip'"),
    ],
)
def test_a_size_that_cannot_be_checked_is_refused(host, fetcher, trouble, said):
    """The length is held against Content-Length, so there must be one, of the bytes themselves."""
    host.always = trouble
    with pytest.raises(FeedError, match=said):
        fetcher.fetch(host.published(NAME))
    assert not (fetcher.folder / NAME).exists()


@pytest.mark.parametrize("name", ["../x.zip", "a/b.zip", "C:x.zip", ".x.zip", "", "a\\b.zip"])
def test_a_name_that_is_a_path_is_refused_before_anything_is_asked(host, fetcher, name):
    """Nothing leaves the folder."""
    file = PublishedFile(name, "trades", "X", "2025-01-31", f"{host.url}/{NAME}", 0)
    with pytest.raises(VaultError, match="expected a bare name; nothing was written"):
        fetcher.fetch(file)
    assert host.requests == []


def test_plain_text_is_for_this_machine_only(fetcher):
    """A file of another host comes by https."""
    file = PublishedFile(NAME, "trades", "X", "2025-01-31", f"http://203.0.113.5/{NAME}", 0)
    with pytest.raises(UsageError, match="expected https://"):
        fetcher.fetch(file)


def test_a_disk_without_room_is_named_before_a_byte_is_fetched(host, fetcher, monkeypatch):
    """Free, needed, and the remedy."""
    usage = shutil._ntuple_diskusage(10, 9, 60 << 20)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(VaultError) as error:
        fetcher.fetch(host.published(NAME))
    assert str(error.value) == (
        f"{fetcher.folder}: 60 MB free, 64 MB needed for {NAME}; free space on its disk, or name a "
        "folder on another one"
    )


def test_a_disk_that_fills_on_the_way_keeps_what_it_has(host, fetcher, monkeypatch):
    """The error names the file; the next run goes on."""
    opened = Path.open

    def full(self, mode="r", *more, **options):
        if mode == "ab" and self.exists() and self.stat().st_size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return opened(self, mode, *more, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", full)
        with pytest.raises(VaultError, match=r"cannot be written: No space left .*free space"):
            fetcher.fetch(host.published(NAME))
    have = (fetcher.folder / f"{NAME}.partial").stat().st_size
    assert 0 < have < len(DATA)
    assert fetcher.fetch(host.published(NAME)).path.read_bytes() == DATA
    assert host.requests[-1]["Range"] == f"bytes={have}-"


CHILD = """
import sys
from ravequant.exchanges.archive.download import Fetcher
from ravequant.exchanges.archive.published import PublishedFile
file = PublishedFile(sys.argv[2], "trades", "X", "2025-01-31", sys.argv[3], 0)
print(Fetcher(sys.argv[1]).fetch(file).size)
"""


def child(host: FileHost, folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", CHILD, str(folder), NAME, f"{host.url}/{NAME}"]
    return subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE)


def test_killed_at_any_instant_it_goes_on(host, tmp_path):
    """Killed again and again on the way: the part is always one of the file, and it ends whole."""
    host.always = Trouble(pace=0.002)
    draws = random.Random(3)
    kills = 0
    while not (tmp_path / NAME).exists():
        process = child(host, tmp_path)
        began, before = time.monotonic(), len(host.requests)
        while len(host.requests) == before and process.poll() is None:
            time.sleep(0.005)
            assert time.monotonic() - began < 100
        time.sleep(draws.uniform(0, 0.12))
        if process.poll() is None:
            process.kill()
            kills += 1
        process.communicate()
        part = tmp_path / f"{NAME}.partial"
        if part.exists():
            assert DATA.startswith(part.read_bytes())
        assert kills < 60
    assert kills >= 3
    assert (tmp_path / NAME).read_bytes() == DATA
    assert not (tmp_path / f"{NAME}.partial").exists()


# -- the days of an import

LABELS = ("2025-01-31", "2025-02-01", "2025-02-02", "2025-02-03")


def trades(label):
    return f"BTC-USDT-SWAP-trades-{label}.zip"


@pytest.fixture
def days(host):
    for label in LABELS:
        host.files[trades(label)] = label.encode() * 100
    return [
        DayFiles(first, (host.published(trades(first)), host.published(trades(second))))
        for first, second in itertools.pairwise(LABELS)
    ]


def zips(fetcher):
    return sorted(path.name for path in fetcher.folder.glob("*.zip"))


def test_two_files_of_trades_are_on_disk_at_once(days, fetcher, host):
    """A day's files stay until the next day is asked for; each is fetched once."""
    seen = []
    for day in fetch_days(fetcher, days):
        assert [fetched.path.name for fetched in day.fetched] == zips(fetcher)
        seen.append((day.day, len(zips(fetcher)), day.absent))
    assert seen == [(label, 2, ()) for label in LABELS[:3]]
    assert names(fetcher) == []
    assert len(host.requests) == 4


def test_files_are_kept_if_asked(days, fetcher):
    """All of them."""
    assert len(list(fetch_days(fetcher, days, keep=True))) == 3
    assert zips(fetcher) == [trades(label) for label in LABELS]


def test_an_absent_label_is_named_on_both_its_days(days, fetcher, host):
    """The other label of each day is fetched; the absent one is asked for once."""
    del host.files[trades(LABELS[1])]
    found = list(fetch_days(fetcher, days))
    assert [[file.label for file in day.absent] for day in found] == [
        [LABELS[1]], [LABELS[1]], [],
    ]  # fmt: skip
    assert [len(day.fetched) for day in found] == [1, 1, 2]
    assert len(host.requests) == 4


def test_an_import_that_stops_finds_its_files_again(days, fetcher, host, tmp_path):
    """Files go only when their day is done with; others of an older run go at once."""
    for _ in fetch_days(fetcher, days):
        break
    assert len(zips(fetcher)) == 2
    fetcher.fetch(host.published(trades(LABELS[3])))
    list(fetch_days(fetcher, days[:1]))
    assert len(host.requests) == 3
    assert zips(fetcher) == []


def test_files_of_the_user_are_used_and_never_deleted(days, fetcher, host):
    """A file that was not fetched has no note, and stays."""
    own = fetcher.folder / trades(LABELS[0])
    own.write_bytes(b"mine")
    first = next(fetch_days(fetcher, days[:1])).fetched[0]
    assert (first.path, first.etag, first.size) == (own, "", 4)
    list(fetch_days(fetcher, days[:1]))
    assert own.read_bytes() == b"mine"
