"""Exact numbers: decimal text to scaled integers and back, ratios divided once, signs.

Every quantity is an integer number of units of ``10**-places``. The places are the same for every
instrument, so values from any minute, file or run can be added directly:

========  ======  =========================================================
kind      places  holds
========  ======  =========================================================
price         20  a price in quote currency
size          10  contracts, ctVal, ctMult: the factors of base
base          30  coins (linear: qty x ctVal x ctMult)
notional      50  quote currency (base x price)
========  ======  =========================================================

Python's integers have no width, so sums of products never overflow or round. Only ``divide``
rounds, and ``root``: once, at the end, half-even (SPEC section 2).
"""

import re
from functools import lru_cache
from math import isqrt
from typing import Final

from ravequant.errors import shown

PRICE_PLACES: Final = 20
SIZE_PLACES: Final = 10
BASE_PLACES: Final = 3 * SIZE_PLACES
NOTIONAL_PLACES: Final = PRICE_PLACES + BASE_PLACES

MEAN_PLACES: Final = PRICE_PLACES + 6  # most of a mean of prices, such as a VWAP

PRICE_ONE: Final = 10**PRICE_PLACES
SIZE_ONE: Final = 10**SIZE_PLACES
BASE_ONE: Final = 10**BASE_PLACES
NOTIONAL_ONE: Final = 10**NOTIONAL_PLACES

_PLAIN = re.compile(r"(0|[1-9][0-9]{0,19})(?:\.([0-9]{1,30}))?")
_PACKED = re.compile(r"(-?[0-9]{1,400})(?:e([0-9]{1,3}))?")


def units(text: str, places: int) -> int:
    """Return plain decimal ``text`` as an integer count of ``10**-places``.

    >>> units("101250.5", 2)
    10125050

    Raises ValueError unless it is a plain unsigned decimal (no sign, exponent, blank or leading
    zero; at most 20 digits before the point) with at most ``places`` decimals.
    """
    return _units(text, places)


@lru_cache(maxsize=1 << 12)  # prices and sizes come again and again
def _units(text: str, places: int) -> int:
    match = _PLAIN.fullmatch(text)
    if match is None:
        raise ValueError(f"{shown(text)} is not a plain decimal")
    whole, fraction = match[1], (match[2] or "").rstrip("0")
    if len(fraction) > places:
        raise ValueError(f"{shown(text)} has more than {places} decimals")
    scale: int = 10 ** (places - len(fraction))
    return int(whole + fraction) * scale


def decimals(written: str) -> int:
    """Return how many decimals a plain decimal needs: 1 for ``0.10``."""
    return len(written.partition(".")[2].rstrip("0"))


def text(value: int, places: int) -> str:
    """Return ``value`` units of ``10**-places`` in canonical form: plain, no trailing zeros."""
    if value < 0:
        return f"-{text(-value, places)}"
    digits = str(value)
    point = len(digits) - places
    if point <= 0 or not places:
        return fixed(value, places).rstrip("0").rstrip(".") if value and places else digits
    kept = digits.rstrip("0")
    return f"{kept[:point]}.{kept[point:]}" if len(kept) > point else digits[:point]


def signed_text(value: int, places: int) -> str:
    """Return ``text(value, places)`` with ``+`` before it if it is positive."""
    written = text(value, places)
    return f"+{written}" if value > 0 else written


@lru_cache(maxsize=1 << 14)
def price_text(value: int) -> str:
    """Return a price as text; the same prices are written again and again."""
    return text(value, PRICE_PLACES)


def fixed(value: int, places: int) -> str:
    """Return ``value`` units of ``10**-places`` with all its places shown (places > 0)."""
    if value < 0:
        return f"-{fixed(-value, places)}"
    digits = str(value).rjust(places + 1, "0")
    return f"{digits[:-places]}.{digits[-places:]}"


def signed(written: str) -> str:
    """Return a written number with ``+`` before it if it is positive; others as they are."""
    return f"+{written}" if written[0] != "-" and written.strip("0.") else written


def signed_fixed(value: int, places: int) -> str:
    """Return ``fixed(value, places)`` with ``+`` before it if it is positive."""
    written = fixed(value, places)
    return f"+{written}" if value > 0 else written


def packed(value: int) -> str:
    """Return an integer as text, its trailing zeros as an exponent: ``12e40``, or plain ``1234``.

    Sums count very small units, so many of their digits are trailing zeros.
    """
    digits = str(value)
    kept = digits.rstrip("0")
    zeros = len(digits) - len(kept)
    return f"{kept}e{zeros}" if kept and zeros else digits


def unpacked(written: str) -> int:
    """Return the integer that ``packed`` wrote. Raises ValueError for other text."""
    match = _PACKED.fullmatch(written)
    if match is None:
        raise ValueError(f"{shown(written)} is not a whole number like 12e40")
    value: int = int(match[1]) * 10 ** int(match[2] or 0)
    return value


def divide(numerator: int, denominator: int, places: int) -> int:
    """Return numerator / denominator in units of ``10**-places``, rounded once, half to even."""
    if denominator < 0:
        numerator, denominator = -numerator, -denominator
    scale: int = 10**places
    quotient, rest = divmod(numerator * scale, denominator)
    twice = 2 * rest
    if twice > denominator or (twice == denominator and quotient & 1):
        quotient += 1
    return quotient


def ratio_text(numerator: int, denominator: int, places: int) -> str:
    """Return ``text(divide(numerator, denominator, places), places)`` of two positive numbers.

    In one piece: a row of VWAP has nine of them.
    """
    quotient, rest = divmod(numerator * 10**places, denominator)
    rest += rest
    if rest > denominator or (rest == denominator and quotient & 1):
        quotient += 1
    digits = str(quotient)
    whole, part = digits[:-places], digits[-places:].rstrip("0")
    if not whole:
        return text(quotient, places)
    return f"{whole}.{part}" if part else whole


def root(numerator: int, denominator: int, places: int) -> int:
    """Return sqrt(numerator / denominator) in units of ``10**-places``, rounded once, half to even.

    Neither number is negative.
    """
    square = 4 * 10 ** (2 * places) * numerator  # of twice the root, times the denominator
    twice = isqrt(square // denominator)
    down, over = twice >> 1, twice & 1
    if over and twice * twice * denominator == square:  # halfway
        return down + (down & 1)
    return down + over
