"""Tests of ravequant.vault.crc: checksums of parts are joined to that of the whole."""

import zlib

from hypothesis import given
from hypothesis import strategies as st

from ravequant.vault import crc


@given(st.binary(max_size=600), st.binary(max_size=600))
def test_two_parts_join_to_the_checksum_of_the_whole(first, second):
    """Whatever the parts are, empty ones included."""
    assert crc.joined(zlib.crc32(first), zlib.crc32(second), len(second)) == zlib.crc32(
        first + second
    )


def test_long_parts_join_too():
    """The length of the second part decides how far the first is moved."""
    first, second = b"2025-12-14", bytes(range(256)) * 4_099
    assert crc.joined(zlib.crc32(first), zlib.crc32(second), len(second)) == zlib.crc32(
        first + second
    )
