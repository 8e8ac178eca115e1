"""Cursors: the place that they name, and the bytes by which it is found again."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ravequant.vault.cursor import BEFORE_BYTES, HEAD_BYTES, Cursor, Trail

KEY = "2025-12-14"


@given(st.lists(st.binary(max_size=3_000), max_size=8))
def test_a_trail_remembers_head_and_end_however_the_bytes_come(parts):
    """Both CRCs are those of the file, for pieces of any size, none included."""
    trail, whole = Trail(), b"".join(parts)
    for part in parts:
        trail.pass_over(part)
    assert trail.offset == len(whole)
    assert trail.head == whole[:HEAD_BYTES]
    assert trail.cursor(KEY, 3) == Cursor(
        KEY, len(whole), zlib.crc32(whole[:HEAD_BYTES]), zlib.crc32(whole[-BEFORE_BYTES:]), 3
    )


@pytest.mark.parametrize("size", [1, 255, 256, 257, 1_000, 3_000, 4_095, 4_096, 4_097, 9_000])
def test_the_windows_end_at_4096_and_256_bytes(size):
    """In pieces that fill the head to its last byte, or run over it."""
    trail, whole = Trail(), bytes(at * 7 % 251 for at in range(9_000))
    for start in range(0, 9_000, size):
        trail.pass_over(whole[start : start + size])
        done = whole[: start + size]
        assert trail.head == done[:4_096]
        assert trail.cursor(KEY, 0) == Cursor(
            KEY, len(done), zlib.crc32(done[:4_096]), zlib.crc32(done[-256:]), 0
        )


@pytest.mark.parametrize("at", [0, 1, 255, 256, 257, 4095, 4096, 4097, 9_000])
def test_a_jump_is_the_same_as_passing_all_bytes_before(at):
    """Only the head and the bytes before the place need to be read."""
    whole = bytes(range(256)) * 40
    walked, jumped = Trail(), Trail()
    walked.pass_over(whole[:at])
    jumped.jump(whole[: min(at, HEAD_BYTES)], whole[max(0, at - BEFORE_BYTES) : at], at)
    for trail in (walked, jumped):
        trail.pass_over(whole[at : at + 77])
    assert walked.cursor(KEY, 0) == jumped.cursor(KEY, 0)


def test_a_cursor_comes_back_from_its_state():
    """The state is JSON-able, in the order of the fields."""
    cursor = Cursor("2025-12-14/21", 5, 7, 9, 2)
    assert cursor.state() == {
        "file": "2025-12-14/21", "offset": 5, "head_crc32": 7, "before_crc32": 9, "generation": 2,
    }  # fmt: skip
    assert list(cursor.state()) == ["file", "offset", "head_crc32", "before_crc32", "generation"]
    assert Cursor.restore(cursor.state()) == cursor
    zero = Cursor("", 0, 0, 0, 0)
    assert Cursor.restore(zero.state()) == zero


@pytest.mark.parametrize("field", ["offset", "head_crc32", "before_crc32", "generation"])
@pytest.mark.parametrize("value", [-1, "5", True, 1.0, None])
def test_each_number_is_checked(field, value):
    """Below zero, text, a truth value, a fraction: none of these is a place."""
    state = Cursor(KEY, 5, 7, 9, 2).state() | {field: value}
    with pytest.raises((TypeError, ValueError), match=r"cursor: a (field|number)"):
        Cursor.restore(state)


@pytest.mark.parametrize(
    "state",
    [
        None,
        {},
        {"file": 1, "offset": 0, "head_crc32": 0, "before_crc32": 0, "generation": 0},
        {"file": KEY, "offset": -1, "head_crc32": 0, "before_crc32": 0, "generation": 0},
        {"file": KEY, "offset": "5", "head_crc32": 0, "before_crc32": 0, "generation": 0},
        {"file": KEY, "offset": True, "head_crc32": 0, "before_crc32": 0, "generation": 0},
    ],
)
def test_a_cursor_is_not_restored_from_anything_else(state):
    """What a state file says is hostile until parsed."""
    with pytest.raises((TypeError, ValueError)):
        Cursor.restore(state)
