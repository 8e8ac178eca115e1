"""Hour files: each line in the UTC hour of its time, and a safe start in the middle of one."""

import gzip

import pytest

from ravequant import times
from ravequant.vault.hour_log import HourLog, hour_name
from ravequant.vault.paths import hour_files

MOMENT = times.parse_iso("2023-04-04T23:59:59.999Z")


def line(text: str) -> bytes:
    return text.encode() + b"\n"


@pytest.mark.parametrize(
    ("moment", "name"),
    [
        ("2023-04-04T00:00:00.000Z", "2023-04-04/00"),
        ("2023-04-04T09:59:59.999Z", "2023-04-04/09"),
        ("2023-04-04T23:59:59.999Z", "2023-04-04/23"),
        ("2024-02-29T12:00:00.000Z", "2024-02-29/12"),
    ],
)
def test_hour_is_that_of_utc(moment, name):
    """00 to 23, under the UTC date."""
    assert hour_name(times.parse_iso(moment)) == name


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


def test_listing_takes_the_plain_form_first_and_nothing_else(tmp_path):
    """Of a plain and a packed hour the plain one counts; other names are left alone."""
    day = tmp_path / "2023-04-04"
    day.mkdir()
    for name in ("00.jsonl", "00.jsonl.gz", "01.jsonl.gz", "24.jsonl", "1.jsonl", "02.jsonl.torn",
                 ".03.jsonl.tmp", "notes.txt"):  # fmt: skip
        (day / name).touch()
    (tmp_path / "2023-13-01").mkdir()
    (tmp_path / "2023-13-01" / "00.jsonl").touch()
    (tmp_path / "2023-04-03.jsonl").touch()
    assert list(hour_files(tmp_path)) == [
        ("2023-04-04/00", day / "00.jsonl"), ("2023-04-04/01", day / "01.jsonl.gz"),
    ]  # fmt: skip
    assert list(hour_files(tmp_path / "absent")) == []
