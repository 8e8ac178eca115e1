"""Imported lines between recorded ones: in order of ids, no recorded byte changed."""

from typing import NamedTuple

import pytest

from ravequant.errors import VaultError
from ravequant.vault.imports.merge import Neighbours, RecordedDay, Segment, day_ids, merged
from ravequant.vault.raw_content import RawContent


class Block(NamedTuple):
    """Lines as an archive hands them out."""

    lines: bytes
    first_id: int
    last_id: int


def block(first: int, last: int) -> Block:
    return Block(b"new %d-%d\n" % (first, last), first, last)


@pytest.fixture
def recorded(tmp_path) -> RecordedDay:
    """Ids 5 to 9 and 12 to 14, and a torn line."""
    path = tmp_path / "2025-12-14.jsonl"
    path.write_bytes(b"old 5-9\nold 12-14\ntorn")
    segments = (Segment(5, 9, 0, 8), Segment(12, 14, 8, 18))
    return RecordedDay(path, RawContent(22, 0), segments, 18)


def test_blocks_go_to_their_places(recorded):
    """Before, between and behind; the torn line stays the last."""
    taken = list[bytes]()
    blocks = [block(1, 4), block(10, 11), block(15, 20)]
    found = b"".join(merged(recorded, blocks, taken.append))
    assert found == b"new 1-4\nold 5-9\nnew 10-11\nold 12-14\nnew 15-20\ntorn"
    assert taken == [one.lines for one in blocks]


def test_without_a_recorded_file_the_blocks_are_all(tmp_path):
    """A day that nobody recorded."""
    assert b"".join(merged(None, [block(1, 2)], lambda _: None)) == b"new 1-2\n"


def test_a_block_over_recorded_ids_is_refused(recorded):
    """It would bring an id twice."""
    with pytest.raises(VaultError, match="ids 8 to 11 meet recorded ones of 5 to 9"):
        list(merged(recorded, [block(8, 11)], lambda _: None))


def test_a_file_that_became_shorter_is_refused(recorded):
    """It has changed since it was read."""
    recorded.path.write_bytes(b"old 5-9\n")
    with pytest.raises(VaultError, match="became shorter"):
        list(merged(recorded, [], lambda _: None))


def test_ids_of_a_day(recorded):
    """Missing ids are those that neither side has, from the newest id before on."""
    found = day_ids([(3, 4), (8, 10), (16, 18)], recorded, Neighbours(1, None))
    assert found == (3, 18, ((2, 2), (11, 11), (15, 15)), ((3, 4), (10, 10), (16, 18)))


def test_ids_of_the_neighbours_are_not_brought(recorded):
    """What stands before or behind the day is covered."""
    beside = Neighbours(3, 17)
    assert beside.covered(recorded.covered) == [(0, 3), (5, 9), (12, 14), (17, 10**18)]
    found = day_ids([(1, 20)], recorded, beside)
    assert found == (4, 16, (), ((4, 4), (10, 11), (15, 16)))


def test_a_day_without_any_id(tmp_path):
    """Nothing traded."""
    assert day_ids([], None, Neighbours(None, None)) is None
