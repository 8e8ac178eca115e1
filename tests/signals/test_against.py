"""What speaks against a signal: each part of the answer has its words, the heaviest first."""

from dataclasses import replace

import pytest

from ravequant.signals import proof
from ravequant.signals.against import against
from ravequant.signals.inputs import CvdRow, VwapRow, price
from tests.support.made_signals import (
    LIMITS,
    A,
    absorbing,
    book,
    hidden,
    limits_of,
    made_verdict,
    mirrored,
    only,
    set_up,
    side,
    volume,
    wall,
)

PROVEN = made_verdict("PROVEN")
OLD = book(side(walls=(wall(age_s=900),)))
QUIET = tuple(volume(ago) for ago in range(60, -1, -1))


def said(limits=LIMITS, **changes):
    """Return what speaks against the set-up of the notes, proven and with an old wall."""
    return against(only(set_up(**{"verdict": PROVEN, "book": OLD} | changes), limits), limits)


def test_nothing_is_said_where_nothing_speaks_against_it():
    """All reasons are met, the wall is old and the lab has proven the setup."""
    assert said() == []


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        (None, "the lab is not asked"),
        (proof.not_tested(), "not tested: no lab verdict"),
        (
            proof.not_tested(": its verdict is 9 d old; judge"),
            "not tested: its verdict is 9 d old",
        ),
        (made_verdict("TOO EARLY"), "lab: TOO EARLY, 84 of 200 fills"),
        (made_verdict("PROMISING"), "lab: PROMISING, 84 of 200 fills"),
        (made_verdict("LOSES"), "lab: LOSES, 84 of 200 fills"),
    ],
)
def test_any_verdict_but_the_best_is_said(verdict, words):
    """A size that is not proven is the first that speaks against it."""
    assert said(verdict=verdict) == [words]


def test_a_layer_that_cannot_be_judged_is_said():
    """With its state; those of a state together, and the book once more as it caps the size."""
    young = VwapRow(A - 1, price("101050"), price("101058"), gap=False, traded=64, whole=False)
    assert said(vwap=(young,)) == ["recorded only 64 of 240 min"]
    assert said(cvd=()) == ["tape not whole", "cvd MISSING"]
    assert said(book=None) == ["book not whole", "wall, imbalance, young wall MISSING"]
    lean = (10, -78, -78, 0, 3, None)
    far = set_up(verdict=PROVEN, book=OLD._replace(mid=price("100900"), imbalance=lean))
    assert against(only(far), LIMITS) == ["volume tier, absorption, cvd not judged from so far"]


def test_takers_that_go_the_other_way_are_said_first_among_the_reasons():
    """Opposed is more than absent; either side of the market."""
    assert said(cvd=(CvdRow(A - 1, "+1", gap=False),)) == ["cvd against"]
    assert said(cvd=(CvdRow(A - 1, "0", gap=False),)) == ["cvd flat"]
    low = mirrored(set_up(verdict=PROVEN, book=OLD))
    other = replace(low, cvd=(CvdRow(A - 1, "-1", gap=False),))
    assert against(only(other), LIMITS) == ["cvd against"]


def test_absent_reasons_are_named_while_they_are_few():
    """Two have their names, three are counted: the table names each."""
    empty = book(side(), imbalance=(10, 0, 5, 0, 3, None))
    assert said(volume=QUIET) == ["no T4 volume", "no absorption"]
    assert said(vwap=(VwapRow(A - 1, price("101050"), price("101200"), gap=False),)) == [
        "no stretch from vwap"
    ]
    assert said(book=empty) == ["no wall", "no imbalance"]
    young = VwapRow(A - 1, price("101050"), price("101200"), gap=False)
    assert said(book=empty, vwap=(young,)) == ["3 of 7 reasons not met"]
    three = said(book=empty, cvd=(CvdRow(A - 1, "+1", gap=False),), volume=QUIET)
    assert three == ["cvd against", "5 of 7 reasons not met"]


def test_weak_forms_are_said_last():
    """A tip that is not exact has half the points; a wall may have come seconds ago."""
    assert said(the_wick=hidden(tip_exact=False)) == ["tip not exact"]
    assert said(book=book()) == ["wall young, 95 s"]
    assert said(book=book(side(walls=(wall(age_s=None),)))) == ["wall age unknown"]
    assert said(limits_of(wall_fresh_s=95), book=book()) == []


def test_a_divergence_against_it_is_said():
    """It takes MAX away, and weighs more than an absent reason."""
    rows = (*QUIET[:-2], absorbing(), volume(0, divergence="bullish"))
    assert said(volume=rows, cvd=(CvdRow(A - 1, "+1", gap=False),)) == [
        "volume divergence against",
        "cvd against",
    ]
