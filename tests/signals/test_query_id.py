"""The name of a query: another one for each setting that decides on wicks, evidence or prices."""

import pytest

from ravequant import settings
from ravequant.settings_schema import build
from ravequant.signals.candidates import Query
from ravequant.signals.limits import SignalLimits
from ravequant.signals.query_id import OF_SIZES, query_id
from tests.support.made_signals import BTC, LIMITS, limits_of

USUAL = "618d6abbefa3"
OTHER = {
    "surrounding_minutes": 11, "very_high_touched": 14, "reach_bps": "400", "near_bps": "20",
    "tape_minutes": 6, "wall_notional": {"ETH": "1"}, "wall_bps": "3", "wall_fresh_s": 301,
    "imbalance": "0.71", "vwap_bps": "11", "wicks_stale_s": 181, "volume_stale_s": 181,
    "cvd_stale_s": 181, "vwap_stale_s": 1_201, "buckets_stale_s": 121, "stop_bps": "2",
    "target_max_bps": "61", "whale_count": 11, "whale_volume": "1",
}  # fmt: skip


def test_the_name_of_the_usual_query():
    """It stands in recorded lines, so that it must not change by a version that asks the same."""
    assert query_id(Query(), LIMITS) == USUAL


def test_it_is_the_same_for_each_instrument():
    """Though the size of a wall is not."""
    chosen = build(settings.Settings, {"signals": {"wall_notional": {"ETH": "7"}}})
    names = {
        query_id(Query(), SignalLimits.of(inst_id, chosen)) for inst_id in (BTC, "ETH-USDT-SWAP")
    }
    assert len(names) == 1


def test_a_number_is_one_however_it_is_written():
    """Settings are compared by their value."""
    assert query_id(Query(), limits_of(near_bps="25.00", stop_bps="1.0")) == USUAL


@pytest.mark.parametrize("name", OTHER)
def test_each_setting_makes_another_name(name):
    """Each that decides on wicks, their evidence or their prices."""
    assert query_id(Query(), limits_of(**{name: OTHER[name]})) != USUAL


@pytest.mark.parametrize("other", [Query(21), Query(20, 41), Query(timeframe="5m"),
                                   Query(min_touched=9), Query(small_only=False)])  # fmt: skip
def test_each_argument_makes_another_name(other):
    """All five of them."""
    assert query_id(other, LIMITS) != USUAL


@pytest.mark.parametrize("table", [{"confirm_s": 31}, {"young_s": 3_601}])
def test_the_ages_of_a_young_wall_make_another_name(table):
    """They are settings of the buckets."""
    chosen = build(settings.Settings, {"buckets": table})
    assert query_id(Query(), SignalLimits.of(BTC, chosen)) != USUAL


def test_what_sizes_a_signal_does_not():
    """Fees, the most losses that are borne, and the reading that decides on the size."""
    other = {"maker_bps": "1", "taker_bps": "4", "break_even_max_pct": "50", "max_rule": "notes"}
    assert other.keys() <= OF_SIZES
    assert query_id(Query(), limits_of(**other)) == USUAL


def test_every_setting_is_one_or_the_other():
    """A new one has to be given its place in this file."""
    assert set(settings.Signals._fields) <= OTHER.keys() | OF_SIZES
