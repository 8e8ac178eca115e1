"""The size that a verdict leaves, and its words: one case for each of the words."""

from typing import get_args

import pytest

from Edge_Lab import verdict as lab
from ravequant import times
from ravequant.signals import proof
from ravequant.signals.proof import counting, not_tested, shown_size, sized, stop_line
from tests.support.made_signals import made_verdict


@pytest.mark.parametrize(
    ("word", "sizes"),
    [
        ("PROVEN", ("x0", "x1", "x3")),
        ("PROMISING", ("x0", "(x1, promising)", "(x1, promising)")),
        ("TOO EARLY", ("x0", "(x1, not proven)", "(x3, not proven)")),
        ("NO DATA", ("x0", "(x1, not proven)", "(x3, not proven)")),
        ("NOT PROVEN", ("x0", "(x1, not proven)", "(x3, not proven)")),
        ("QUEUE DECIDES", ("x0", "(x1, not proven)", "(x3, not proven)")),
        ("LOSES", ("x0", "(x0, LOSES)", "(x0, LOSES)")),
        ("DISAGREES", ("x0", "(x0, DISAGREES)", "(x0, DISAGREES)")),
        ("LAB BROKEN", ("x0", "(x0, LAB BROKEN)", "(x0, LAB BROKEN)")),
    ],
)
def test_each_word(word, sizes):
    """Only PROVEN leaves a size bare; the number shown is the size that is left."""
    verdict = made_verdict(word)
    assert tuple(sized(size, verdict) for size in (0, 1, 3)) == sizes
    for size, text in zip((0, 1, 3), sizes, strict=True):
        assert text.lstrip("(").startswith(f"x{shown_size(size, verdict)}")
    stops = sizes[2].startswith("(x0")
    assert stop_line(verdict) == (f"{word}: Stop trading this as it is." if stops else "")


def test_the_words_are_those_of_the_lab():
    """None is without an effect."""
    assert set(get_args(lab.Word)) == proof.WORDS


def test_without_a_verdict():
    """Not tested is said; with the setting off nothing is."""
    assert [sized(3, not_tested()), sized(0, not_tested()), sized(3, None)] == [
        "(x3, not tested)", "x0", "x3",
    ]  # fmt: skip
    assert [shown_size(3, not_tested()), shown_size(3, None)] == [3, 3]
    assert [stop_line(not_tested()), stop_line(None)] == ["", ""]
    assert not_tested().short == ("not tested; python Edge_Lab/edge_lab.py judge, then verdict")
    assert not_tested(" with these options").short == "not tested with these options"


@pytest.mark.parametrize("word", ["PROVEN", "LOSES"])
def test_a_verdict_counts_for_seven_days(word):
    """To the millisecond; then it is not tested, says how old it is, and keeps its name."""
    verdict = made_verdict(word)._replace(made_ms=times.DAY_MS)
    end = 8 * times.DAY_MS
    assert counting(verdict, end) == verdict
    old = counting(verdict, end + 1)
    assert (old.made_ms, sized(3, old), stop_line(old)) == (times.DAY_MS, "(x3, not tested)", "")
    assert old.short == (
        "not tested: its verdict is 7 d old; python Edge_Lab/edge_lab.py judge, then verdict"
    )
