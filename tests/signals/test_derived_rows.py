"""Rows of the derived files: a refused line costs itself, an event its wick's status."""

import pytest

from ravequant import times
from ravequant.signals.derived_rows import (
    parsed,
    take_event,
    terms,
    tick_at,
    tracked,
    whole,
    wick_event,
)
from ravequant.signals.inputs import VwapRow, WickAsOf, price
from tests.support.book_lines import put_metadata
from tests.support.hour_vault import BTC, CONTRACT, MINUTE, START, event

FIRST = START // MINUTE


def test_a_refused_line_is_named_and_counted(caplog):
    """The first in full, then the number of all; the others are rows."""
    caplog.set_level("WARNING")
    lines = [b'{"a":1}', b"{}", b'{"a":2}', b"[]"]
    assert list(parsed("x.jsonl", lines, lambda row: row["a"])) == [1, 2]
    assert "x.jsonl: the line b'{}'… is left out: KeyError('a')" in caplog.text
    assert "x.jsonl: 2 lines are left out in all" in caplog.text


def test_the_end_of_a_wick_is_taken_from_its_birth_on():
    """An end of an unknown wick is none; a second birth begins anew."""
    born: dict[str, WickAsOf] = {}
    for kind, known in (("touched", 9), ("created", 10), ("touched", 30)):
        take_event(born, wick_event(event(kind, known, 10)))
    (wick,) = born.values()
    assert (wick.status, wick.ended) == ("touched", FIRST + 30)
    take_event(born, wick_event(event("created", 40, 10)))
    (wick,) = born.values()
    assert (wick.status, wick.ended) == ("untouched", None)
    with pytest.raises(ValueError, match="'moved' is no event of a wick"):
        wick_event(event("moved", 9, 9))


def test_a_vwap_is_whole_if_the_file_covers_its_window():
    """The first row of the file 239 minutes earlier, and not 238."""
    row = VwapRow(FIRST, price("100"), price("100"), gap=False, traded=9, whole=False)
    assert [whole(row, FIRST - back).whole for back in (238, 239)] == [False, True]
    assert not whole(row, None).whole


def test_terms_and_reach_of_an_unknown_instrument_are_none(vault, caplog):
    """Without metadata there is no tick, and the log says that there is no stop."""
    caplog.set_level("WARNING")
    assert terms(vault, BTC) is None
    assert tick_at(None, FIRST) is None
    assert "no stop can be given" in caplog.text
    assert tracked(vault, BTC) is None
    put_metadata(vault, BTC, CONTRACT)
    assert tick_at(terms(vault, BTC), times.DAY_MINUTES) == price("0.1")
