"""CRC-32 checksums of parts, joined to that of the whole, as zlib joins them."""

from typing import Final

_POLYNOMIAL: Final = 0xEDB88320  # of CRC-32, its bits reversed
_ONE: Final = 1 << 31  # x to the power of 0


def _times(first: int, second: int) -> int:
    """Return the product of two polynomials, modulo that of CRC-32."""
    product, bit = 0, _ONE
    while bit:
        if first & bit:
            product ^= second
        second = second >> 1 ^ _POLYNOMIAL if second & 1 else second >> 1
        bit >>= 1
    return product


def _powers() -> list[int]:
    """Return x to the powers of 8, 16, 32, …: shifts by 1, 2, 4, … bytes."""
    power, found = 1 << 30, []
    for _ in range(3 + 63):
        found.append(power)
        power = _times(power, power)
    return found[3:]


_SHIFTS: Final = _powers()


def joined(first: int, second: int, length: int) -> int:
    """Return the CRC-32 of two parts as one; ``length`` is that of the second, in bytes."""
    shift, at = _ONE, 0
    while length:
        if length & 1:
            shift = _times(_SHIFTS[at], shift)
        length, at = length >> 1, at + 1
    return _times(shift, first) ^ second
