"""The facts of a trial: each by hand, and each None where its stream does not count."""

from dataclasses import replace
from math import log

import pytest

from Edge_Lab.predictor import FACTS
from Edge_Lab.trial_facts import facts_at
from ravequant.signals.candidates import LastPrice
from ravequant.signals.inputs import CvdRow, VwapRow, price
from tests.support.made_signals import (
    LIMITS,
    A,
    book,
    mirrored,
    only,
    set_up,
    side,
    volume,
)

LAST = LastPrice(price("101050.9"), "mid")
CLOSES = [price("101050") + (price("1") if n % 2 else 0) for n in range(60)]


def state(**other):
    """Return the notes' set-up with volumes, deltas and closes of an hour."""
    facts = {
        "volume": tuple(volume(ago, total="1000000", ratio="1.25") for ago in range(60, -1, -1)),
        "cvd": tuple(CvdRow(A - 60 + n, "-125000", gap=False) for n in range(60)),
        "vwap": tuple(
            VwapRow(A - 60 + n, close, price("101100"), gap=False) for n, close in enumerate(CLOSES)
        ),
    }
    return set_up(**facts | other)


def facts_of(known):
    return facts_at(known, LIMITS, only(known).candidate, LAST)


def test_the_facts_of_the_notes():
    """Fifteen facts, decimals as text of six places."""
    variance = 59 * log(101_051 / 101_050) ** 2
    assert facts_of(state()) == {
        "age": 32, "touched_share": "1.000000", "size_median": "0.800000", "tip_exact": 1,
        "distance_bps": "19.702942", "hour_sin": "-0.591310", "hour_cos": "0.806445",
        "log_variance": f"{log(variance):.6f}", "volume_ratio": "1.25",
        "delta_share": "-0.125000", "cvd_change_15m_share": "-0.125000",
        "vwap_deviation_bps": "4.846686", "imbalance": "0.780000", "log_wall": "14.731802",
        "wall_age_s": 95,
    }  # fmt: skip


def test_the_model_reads_these_facts():
    """The same names in the same order."""
    assert tuple(facts_of(state())) == FACTS


def test_a_long_has_the_signs_of_its_side():
    """VWAP and book count for the trade, the tape as it is."""
    high, low = facts_of(set_up()), facts_of(mirrored(set_up()))
    assert (high["imbalance"], low["imbalance"]) == ("0.780000", "0.780000")
    assert (high["vwap_deviation_bps"], low["vwap_deviation_bps"]) == ("0.791625", "0.613595")


@pytest.mark.parametrize(
    ("change", "gone"),
    [
        ({"book": None}, {"imbalance", "log_wall", "wall_age_s"}),
        ({"book": book(gap=True)}, {"imbalance", "log_wall", "wall_age_s"}),
        ({"cvd": ()}, {"delta_share", "cvd_change_15m_share"}),
        ({"vwap": ()}, {"log_variance", "vwap_deviation_bps"}),
        ({"vwap": state().vwap[-29:]}, {"log_variance"}),
        ({"volume": tuple(volume(ago, ratio="1.25") for ago in range(60, -1, -1))},
         {"delta_share", "cvd_change_15m_share"}),
        ({"cvd": state().cvd[:-1]}, {"delta_share", "cvd_change_15m_share"}),
    ],
)  # fmt: skip
def test_a_fact_of_a_stream_that_does_not_count_is_none(change, gone):
    """Missing, over a gap, too few minutes, volumes that are no numbers, another minute."""
    found = facts_of(state(**change))
    assert {name for name, value in found.items() if value is None} == gone


def test_flows_are_of_fifteen_minutes_and_no_others():
    """The oldest of them counts, the row before it does not; nor where one of them is missing."""
    rows = list(state().cvd)
    rows[-15] = rows[-15]._replace(delta="+125000")
    rows[-16] = rows[-16]._replace(delta="-900000")
    for left, share in ((rows, "-0.108333"), (rows[:-3] + rows[-2:], "-0.100000")):
        assert facts_of(state(cvd=tuple(left)))["cvd_change_15m_share"] == share


def test_a_row_over_a_gap_takes_its_facts():
    """A gap in volume takes all three of the tape, one in CVD its two."""
    known = state()
    volumes = (*known.volume[:-1], known.volume[-1]._replace(gap=True))
    deltas = (*known.cvd[:-1], known.cvd[-1]._replace(gap=True))
    tape = ("volume_ratio", "delta_share", "cvd_change_15m_share")
    for change, found in (
        ({"volume": volumes}, (None,) * 3),
        ({"cvd": deltas}, ("1.25", None, None)),
    ):
        facts = facts_of(state(**change))
        assert tuple(facts[name] for name in tape) == found


def test_closes_count_from_thirty_on_and_without_a_whole_vwap():
    """Half an hour of them is enough, if they move."""
    rows = state().vwap
    part = facts_of(state(vwap=tuple(row._replace(whole=False) for row in rows[-30:])))
    assert part["vwap_deviation_bps"] is None
    assert part["log_variance"] is not None
    still = tuple(row._replace(close=CLOSES[0]) for row in rows)
    assert facts_of(state(vwap=still))["log_variance"] is None


def test_nothing_is_no_minus():
    """No wall is a logarithm of 0, and the cosine of 18:00 has no sign."""
    known = state(book=book(side()))
    assert facts_of(known)["log_wall"] == "0.000000"
    evening = replace(known, minute=A // 1_440 * 1_440 + 18 * 60)
    found = facts_at(evening, LIMITS, only(known).candidate, LAST)
    assert found["hour_cos"] == "0.000000"


def test_no_fact_is_of_the_touch():
    """Nobody knows the touch at A."""
    assert len(facts_of(state())) == 15
    assert not any(name.startswith("touch_") for name in facts_of(state()))
