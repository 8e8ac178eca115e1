"""A signal in the words of find_signals (signals.js): what is a go, and what is none; by node."""

from typing import Any

import pytest

from tests.support.made_signals import WORTH
from tests.support.page_modules import NODE, NOT_RUN, called

pytestmark = pytest.mark.skipif(not NODE, reason=NOT_RUN)


def signal(worth: str = "MAX x3", verdict: str | None = "PROVEN", **changes: Any) -> dict[str, Any]:
    """Return a signal with a size, its price in reach."""
    words = {"worth": worth, "near": changes.pop("near", True)}
    fixed: dict[str, Any] = {"no_trade": None, "in_contact": False, "size_shown": 3, "layers": []}
    return fixed | {"words": words, "verdict": verdict, "conviction": "MAX"} | changes


def test_a_go_is_proven_and_in_reach():
    """Everything else has a word beside its conviction, or is no entry at all."""
    cases = {
        "a go": (signal(), True, ""),
        "far": (signal(near=False), False, "wait"),
        "not tested": (signal("MAX (x3, not tested)", "not tested"), False, "not tested"),
        "promising": (signal("MAX (x1, promising)", "PROMISING"), False, "promising"),
        "sizes do not go by the lab": (signal(verdict=None), False, "lab not asked"),
        "no size": (signal("LOW x0", size_shown=0), False, "no size"),
        "no trade": (signal("NO TRADE: fees", no_trade="fees", size_shown=0), False, ""),
        "in contact": (signal("NO ENTRY: in contact", in_contact=True, size_shown=0), False, ""),
        "without its words": (signal(words=None), False, "wait"),
    }
    calls = [(name, [made]) for made, _, _ in cases.values() for name in ("isGo", "besideOf")]
    found = called("signals.js", *calls)
    told = dict(zip(cases, zip(found[::2], found[1::2], strict=True), strict=True))
    assert told == {name: (go, beside) for name, (_, go, beside) in cases.items()}


def test_nothing_of_another_time_is_a_go():
    """A replay of a proven signal in reach: not now."""
    found = called("signals.js", ("isGo", [signal(), False]), ("besideOf", [signal(), False]))
    assert found == [False, "not now"]


def test_of_all_verdicts_the_best_alone_is_a_go():
    """Each word of the lab, with the worth that it leaves."""
    made = [signal(worth, word) for word, worth in WORTH.items()]
    found = called("signals.js", *(("isGo", [one]) for one in made))
    assert dict(zip(WORTH, found, strict=True)) == {word: word == "PROVEN" for word in WORTH}


def test_a_layer_that_gives_less_than_a_reason_has_a_sign_of_its_own():
    """Half the points, or a part of another layer: `~`, not the sign of a reason."""
    rows = [
        ("wick", "met", 20, 20), ("wick", "met", 10, 20), ("young_wall", "met", 10, 10),
        ("young_wall", "not_met", 0, 10), ("cvd", "stale", 0, 10), ("vwap", "partial", 0, 5),
    ]  # fmt: skip
    layers = [dict(zip(("layer", "state", "points", "of"), row, strict=True)) for row in rows]
    found = called("signals.js", *(("signOf", [layer]) for layer in layers))
    assert found == ["✓", "~", "~", "\N{EN DASH}", "⚠", "▨"]


def test_a_recorder_that_began_a_moment_ago_is_found_by_its_words():
    """Under a minute of run; the words are those of doctor."""
    words = ["up 6s, 0 breaks", "up 59s, 41 trades/s", "up 1m00s, 41 trades/s", "up", "lives"]
    health = [{"name": "l2_exporter", "words": one} for one in words]
    (found,) = called("health.js", ("justBegun", [health]))
    assert found == ["l2_exporter up 6s", "l2_exporter up 59s"]
