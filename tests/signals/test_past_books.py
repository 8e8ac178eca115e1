"""The newest snapshot of each five minutes of a day, read once for as long as it cannot change."""

import orjson
import pytest

from ravequant import times
from ravequant.signals import past_books as module
from ravequant.signals.past_books import past_books
from tests.support.hour_vault import BTC, START, bucket, put

MINUTE = START // times.MINUTE_MS
FILE = "2025-12-14.jsonl"


@pytest.fixture
def path(vault):
    """Return the bucket file of an hour, a snapshot each 10 s."""
    found = vault.derived("liquidity_buckets", BTC) / FILE
    put(found, map(bucket, range(0, 3_600, 10)))
    return found


def seconds(vault, minute, until=None):
    end = (MINUTE + minute) * times.MINUTE_MS
    found = past_books(vault, BTC, MINUTE + minute, end if until is None else until)
    return [(row.ts - START) // 1_000 for row in found]


def test_the_newest_of_each_step(vault, path):
    """At each fifth minute back from the one asked, oldest first; none later than ``until``."""
    assert seconds(vault, 12) == [120, 420, 720]
    assert seconds(vault, 12, START + 500_000) == [120, 420, 500]
    assert seconds(vault, 12, START + 419_000) == [120, 410]


def test_each_answer_is_as_the_first(vault, path):
    """However often and in whatever order it is asked."""
    wanted = {minute: seconds(vault, minute) for minute in range(60)}
    module._known.clear()
    assert {minute: seconds(vault, minute) for minute in reversed(range(60))} == wanted
    assert {minute: seconds(vault, minute) for minute in range(60)} == wanted


def test_a_snapshot_that_a_later_one_follows_is_read_once(vault, path):
    """The bytes before it may go; only the newest step is read again."""
    seconds(vault, 60)
    path.write_bytes(b" " * path.stat().st_size)
    assert seconds(vault, 60) == [*range(0, 3_600, 300)]


def test_the_newest_step_grows(vault, path):
    """What came since the last answer is in the next one."""
    assert seconds(vault, 65)[-1] == 3_590
    with path.open("ab") as file:
        file.write(orjson.dumps(bucket(3_700)) + b"\n")
    assert seconds(vault, 65)[-1] == 3_700


def test_a_file_that_was_rebuilt_is_read_anew(vault, path):
    """It took the place of the file that was known."""
    seconds(vault, 60)
    new = path.with_name("new")
    put(new, map(bucket, range(5, 3_600, 10)))
    new.replace(path)
    assert seconds(vault, 60) == [*range(295, 3_600, 300)]


def test_over_midnight_each_file_gives_its_own(vault, path):
    """A step that begins before midnight may have a snapshot in both files."""
    midnight = 3 * 60 * 60
    put(path, map(bucket, (midnight - 400, midnight - 90, midnight - 2)))
    put(path.with_name("2025-12-15.jsonl"), map(bucket, (midnight, midnight + 100, midnight + 500)))
    assert seconds(vault, 182) == [midnight - 400, midnight - 2, midnight + 100]
    both = [midnight - 400, midnight - 2, midnight, midnight + 100, midnight + 500]
    assert seconds(vault, 190) == both
