"""Decimals read as words of eight bytes: the number that ``exact`` reads, or an error."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ravequant import exact, swar_digits
from ravequant.errors import shown


def read(texts: list[bytes], words: int, most_places: int):
    """Read texts as the words of a line each; return values, places, lengths and errors."""
    block = b"".join(text.ljust(8 * words, b'"')[: 8 * words] for text in texts)
    columns = np.frombuffer(block, "<u8").reshape(-1, words)
    given_words = [columns[:, n].copy() for n in range(words)]
    errors = np.zeros(len(texts), np.uint64)
    pattern = swar_digits.pattern_of(given_words)
    column = swar_digits.read(given_words, pattern, most_places, errors)
    return column, errors != 0


def written(text: bytes) -> bytes:
    """Return the number with which eight bytes or sixteen begin.

    A byte whose bit 4 is clear ends it; the first such byte is its point if digits follow.
    """
    marks = [at for at, byte in enumerate(text) if not byte & 16]
    first, second = [*marks, len(text), len(text)][:2]
    return text[:second] if 0 < first < second - 1 else text[:first]


def value_of(number: bytes, places: int) -> int | None:
    """Return the value that ``exact`` reads; None for 0 and for text that it refuses."""
    try:
        return exact.units(number.decode("ascii"), places) or None
    except (ValueError, UnicodeDecodeError):
        return None


numbers = st.one_of(
    st.integers(0, 10**8 - 1).map(str),
    st.from_regex(r"[0-9]{1,6}\.[0-9]{1,6}", fullmatch=True),
).map(str.encode)
lines = st.one_of(
    st.tuples(numbers, st.binary(max_size=8)).map(b'"'.join),
    st.text('0123456789.,"-+e x', max_size=16).map(str.encode),
    st.binary(max_size=16),
)


@given(st.lists(lines, min_size=1, max_size=6), st.sampled_from((1, 2)))
@example([b"0.1", b"43250.5"], 1)
@example([b"00.5", b"0", b"1"], 1)
@example([b"12345678", b"1.234567"], 1)
def test_a_number_is_read_as_exact_reads_it_or_is_an_error(texts, words):
    """In units of its column; whatever bytes stand there, and beside whatever else."""
    column, wrong = read(texts, words, 6)
    for at, text in enumerate(texts):
        number = written(text.ljust(8 * words, b'"')[: 8 * words])
        value = value_of(number, 6)
        assert wrong[at] == (value is None), number
        if value is not None:
            assert int(column.value[at]) * 10 ** (6 - column.places) == value
            assert column.length[at] == len(number)


@pytest.mark.parametrize(
    ("text", "value", "places", "length"),
    [
        (b'43250.5"', 432505, 1, 7),
        (b'100",...', 100, 0, 3),
        (b'0.01","a', 1, 2, 4),
        (b"1.5,1.5,", 15, 1, 3),
        (b'7"......', 7, 0, 1),
        (b"7.,.....", 7, 0, 1),  # a point without a digit behind it ends the number
    ],
)
def test_a_number_ends_at_a_mark(text, value, places, length):
    """A quote, a comma, or a second point; what stands behind it does not matter."""
    column, wrong = read([text], 1, 6)
    assert not wrong[0]
    assert (int(column.value[0]), column.places, int(column.length[0])) == (value, places, length)


@pytest.mark.parametrize(
    "text", [b'.5"     ', b'0"......', b'00"     ', b'0.0"    ', b'01.5"   ',
             b'-1"     ', b'1e5"    ', b'1 2"    ', b'"       ', b'1\xff"    ']
)  # fmt: skip
def test_text_that_is_no_number_is_an_error(text):
    """No digit, 0, a leading 0, a sign, an exponent, a blank, a byte above 0x7f."""
    _, wrong = read([text, b'1"      '], 1, 6)
    assert list(wrong) == [True, False]


def test_more_decimals_than_allowed_are_an_error():
    """The limit itself is allowed."""
    assert list(read([b'1.23"', b'1.234"'], 1, 2)[1]) == [False, True]


def test_numbers_of_two_words_reach_fifteen_digits_and_grow_into_python_ints():
    """Aligned to the most decimals of the column, in int64 if all fit."""
    column, wrong = read([b'123456789012345"', b'0.0000000000001"'], 2, 20)
    assert not wrong.any()
    assert column.places == 13
    assert column.value.dtype == object
    assert column.value.tolist() == [123456789012345 * 10**13, 1]
    column, _ = read([b'1234567890.1234"', b'5"'], 2, 20)
    assert column.value.tolist() == [12345678901234, 50000]
    assert column.value.dtype == np.int64


def test_scaling_goes_over_to_python_ints_before_int64_is_full():
    """At 2**62: sums of two values still fit."""
    values = np.array([3, 4], np.int64)
    assert swar_digits.scale_up(values, 0) is values
    assert swar_digits.scale_up(values, 18).dtype == np.int64
    wide = swar_digits.scale_up(values, 19)
    assert wide.tolist() == [3 * 10**19, 4 * 10**19]
    assert wide.dtype == object
    assert not swar_digits.fits(1 << 62)
    assert swar_digits.fits((1 << 62) - 1)


@given(st.integers(0, 10**8 - 1))
def test_eight_digits_are_a_number(value):
    """The first digit in the lowest byte."""
    digits = np.array([[int(sign) for sign in f"{value:08}"]], np.uint8).view("<u8").ravel()
    assert int(swar_digits.number(digits.copy())[0]) == value, shown(value)


def test_words_are_gathered_from_any_offset():
    """Eight bytes each, without a copy of the block."""
    data = np.frombuffer(bytes(range(40)), np.uint8)
    rows = swar_digits.gather(data, np.array([0, 3, 24]), 2)
    assert rows.shape == (3, 2)
    assert [int(row[0]) & 255 for row in rows] == [0, 3, 24]
    assert [int(row[1]) & 255 for row in rows] == [8, 11, 32]
    assert len(swar_digits.texts(data, 41)) == 0


@given(
    st.integers(1, 16),
    st.lists(
        st.binary(min_size=16, max_size=16) | st.from_regex(rb"[0-9]{16}", fullmatch=True),
        min_size=1,
        max_size=9,
    ),
)
@example(13, [b"ab.1738281600123", b",,,1738281600124"])
@example(13, [b"ab.17382816001x3", b",,,1738281600124"])
@example(13, [b"ab.x738281600123", b",,,x738281600124"])
@example(9, [b"1234567000000009", b"7654321000000009"])
@example(1, [b"...............0"])
def test_whole_numbers_end_where_the_words_do(length, texts):
    """Digits alone, without a leading zero; what stands before them does not count."""
    words = -(-length // 8)
    texts = [text[16 - 8 * words :] for text in texts]
    rows = np.frombuffer(b"".join(texts), "<u8").reshape(-1, words)
    errors = np.zeros(len(texts), np.uint64)
    found = swar_digits.whole_numbers(rows, length, errors)
    for text, value, wrong in zip(texts, found.tolist(), errors.tolist(), strict=True):
        own = text[len(text) - length :]
        if own.isdigit() and (length == 1 or own[:1] != b"0"):
            assert (value, wrong) == (int(own), 0)
        else:
            assert wrong
