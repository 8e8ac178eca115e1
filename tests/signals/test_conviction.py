"""Both readings of what is met, their caps, and the size (SPEC 11.6)."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ravequant.signals import conviction
from ravequant.signals.conviction import SIZES
from ravequant.signals.evidence import CONFLUENCES
from ravequant.signals.inputs import CvdRow
from tests.support.made_signals import A, book, hidden, only, set_up, side, volume


@pytest.mark.parametrize(
    ("met", "very_high", "strict", "notes"),
    [
        ("wick volume_tier absorption wall imbalance cvd vwap", False, "MAX", "MAX"),
        ("wick wall cvd vwap", False, "MAX", "MAX"),  # the four of the notes
        ("wick imbalance cvd vwap", False, "MAX", "MAX"),
        ("wick volume_tier absorption wall", False, "HIGH", "MAX"),  # three facts, one told twice
        ("wick volume_tier absorption wall imbalance", False, "MAX", "MAX"),
        ("wick volume_tier absorption cvd vwap", False, "HIGH", "MAX"),  # nothing rests there
        ("wick volume_tier absorption cvd vwap", True, "MAX", "MAX"),
        ("wick volume_tier absorption cvd", True, "HIGH", "MAX"),
        ("wick volume_tier cvd vwap", True, "MAX", "MAX"),
        ("wick wall cvd", False, "HIGH", "HIGH"),
        ("wick volume_tier absorption", False, "WATCH", "HIGH"),  # two facts
        ("wick", True, "HIGH", "MAX"),
        ("wick cvd", False, "WATCH", "WATCH"),
        ("volume_tier absorption", False, "LOW", "WATCH"),
        ("wick", False, "LOW", "LOW"),
        ("", False, "LOW", "LOW"),
    ],
)
def test_two_readings_of_what_is_met(met, very_high, strict, notes):
    """Strict: one event counts once, and MAX wants the book or VERY_HIGH. The notes only count."""
    found = conviction.read(
        frozenset(met.split()), very_high=very_high, diverges=False, capped_by=None
    )
    assert (found.strict, found.notes) == (strict, notes)
    assert (found.uncapped, found.capped_by, found.diverges) == (strict, None, False)


def test_the_sizes():
    """Three times, twice, once, nothing."""
    assert SIZES == {"MAX": 3, "HIGH": 2, "WATCH": 1, "LOW": 0}


@pytest.mark.parametrize(
    ("met", "very_high", "strict", "notes", "diverges"),
    [
        ("wick wall cvd vwap", False, "HIGH", "HIGH", True),  # both were MAX
        ("wick", True, "HIGH", "HIGH", True),  # one was
        ("wick wall cvd", False, "HIGH", "HIGH", False),
        ("wick cvd", False, "WATCH", "WATCH", False),
        ("", False, "LOW", "LOW", False),
    ],
)
def test_a_divergence_takes_max_from_either_reading(met, very_high, strict, notes, diverges):
    """No reading is more than HIGH; it is said only where it took something."""
    found = conviction.read(
        frozenset(met.split()), very_high=very_high, diverges=True, capped_by=None
    )
    assert (found.strict, found.notes, found.diverges) == (strict, notes, diverges)


EVERY = [
    frozenset(names) for count in range(8) for names in combinations(sorted(CONFLUENCES), count)
]


@given(
    st.sampled_from(EVERY), st.booleans(), st.booleans(), st.sampled_from([None, "book", "tape"])
)
def test_a_cap_only_lowers(met, very_high, diverges, capped_by):
    """A divergence leaves at most HIGH of both; a cap at most WATCH of the strict one alone."""
    free = conviction.read(met, very_high=very_high, diverges=False, capped_by=None)
    found = conviction.read(met, very_high=very_high, diverges=diverges, capped_by=capped_by)
    most = SIZES["HIGH"] if diverges else SIZES["MAX"]
    assert SIZES[found.notes] == min(SIZES[free.notes], most)
    assert SIZES[found.uncapped] == min(SIZES[free.strict], most)
    assert SIZES[found.strict] == min(SIZES[found.uncapped], 1 if capped_by else 3)
    assert SIZES[free.strict] <= SIZES[free.notes]
    assert found.diverges == (diverges and free.notes == "MAX")
    assert found.capped_by == capped_by


ROWS = set_up().volume
LATE = A - 60


@pytest.mark.parametrize(
    ("wrong", "capped_by"),
    [
        ({}, None),
        ({"book": None}, "book"),
        ({"book": book(gap=True)}, "book"),
        ({"book": book(ts=A * 60_000 - 121_000)}, "book"),
        ({"book": None, "volume": ()}, "book"),
        ({"book": book(side(depth=937))}, "book"),  # the tip lies 19.70 bps away
        ({"book": book(imbalance=(10, None, 5, 0, 3, None))}, "book"),  # its band is seen in part
        ({"book": book(imbalance=(None, -78, None, None, None, None))}, None),
        ({"volume": ()}, "tape"),
        ({"volume": ROWS[:-4]}, "tape"),  # stale
        ({"volume": (*ROWS[:-1], volume(0, gap=True))}, "tape"),
        ({"volume": (volume(20, gap=True), *ROWS[-20:])}, "tape"),  # it may have been touched there
        ({"volume": (volume(50, gap=True), *ROWS[-40:])}, None),  # before its birth
        ({"the_wick": hidden(gap=True)}, "tape"),
        ({"cvd": ()}, "tape"),
        ({"cvd": (CvdRow(LATE, "-1", gap=False),)}, "tape"),
        ({"cvd": (CvdRow(A - 1, "-1", gap=True),)}, "tape"),
        ({"vwap": ()}, None),
    ],
)
def test_without_the_book_or_the_tape_there_is_no_more_than_watch(wrong, capped_by):
    """The uncapped value stands beside it; the reading of the notes is not capped."""
    signal = only(set_up(**wrong))
    assert signal.capped_by == capped_by
    assert signal.conviction == ("WATCH" if capped_by else "MAX")
    assert signal.readings.uncapped in {"MAX", "HIGH"}
    assert signal.conviction_notes == "MAX"
