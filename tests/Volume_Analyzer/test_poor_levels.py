"""Poor levels: open until price has been beyond them, by any distance, and not at them."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from Volume_Analyzer.poor_levels import PoorLevel, PoorLevels

HIGH, LOW = PoorLevel(7, "high", 100, 2), PoorLevel(7, "low", 50, 3)


@pytest.mark.parametrize(
    ("high", "low", "repaired"),
    [
        (100, 50, []),  # equality is not enough
        (101, 50, [HIGH]),
        (100, 49, [LOW]),
        (101, 49, [HIGH, LOW]),
        (60, 55, []),
    ],
)
def test_a_level_is_repaired_beyond_it(high, low, repaired):
    """And is then forgotten."""
    levels = PoorLevels([HIGH, LOW])
    assert levels.repaired(high, low) == repaired
    assert levels.levels == [level for level in (HIGH, LOW) if level not in repaired]
    assert levels.repaired(high, low) == []


@given(
    known=st.lists(
        st.builds(
            PoorLevel, st.integers(0, 5), st.sampled_from(["high", "low"]), st.integers(1, 20),
            st.integers(2, 4),
        ), max_size=8, unique_by=lambda level: (level.day, level.side),
    ),
    minutes=st.lists(st.tuples(st.integers(1, 22), st.integers(0, 4)), max_size=8),
)  # fmt: skip
def test_levels_are_those_that_no_minute_went_beyond(known, minutes):
    """Each once, the oldest first, over a state too."""
    levels, told = PoorLevels(), []
    levels.open(known)
    for low, span in minutes:
        levels = PoorLevels.restore(orjson.loads(orjson.dumps(levels.state())))
        told.append(levels.repaired(low + span, low))
    left = list(known)
    for (low, span), found in zip(minutes, told, strict=True):
        gone = [
            level
            for level in left
            if (level.price < low + span if level.side == "high" else level.price > low)
        ]
        assert found == gone
        left = [level for level in left if level not in gone]
    assert levels.levels == left
