"""The limits of an instrument: its settings, the size of its walls, ages."""

import pytest

from ravequant import settings, settings_schema
from ravequant.signals.candidates import Query
from ravequant.signals.limits import SignalLimits
from ravequant.signals.rules import find
from tests.support.made_signals import (
    BTC,
    LIMITS,
    set_up,
)


def test_settings_change_the_limits():
    """The wall's size goes by the asset, and a fee of nothing leaves gross what it is."""
    table = {"wall_notional": {"ETH": "1000000"}, "maker_bps": "0", "taker_bps": "0"}
    chosen = settings_schema.build(settings.Settings, {"signals": table})
    limits = SignalLimits.of("ETH-USDT-SWAP", chosen)
    assert limits.least_wall == LIMITS.least_wall // 2
    assert SignalLimits.of(BTC, chosen).least_wall == LIMITS.least_wall
    (signal,) = find(set_up(), Query(), limits).signals
    assert signal.plan.reward_risk == signal.plan.reward_risk_net == "18.82"


def test_each_setting_is_a_limit():
    """Every key of the table is there, with the value of the settings."""
    chosen = settings_schema.build(settings.Settings, {"signals": {"near_bps": "12.5"}})
    limits = SignalLimits.of(BTC, chosen)
    for name in settings.Signals._fields:
        assert getattr(limits, name) == getattr(chosen.signals, name), name


@pytest.mark.parametrize(
    ("stream", "seconds"),
    [("wicks", 180), ("volume", 180), ("cvd", 180), ("vwap", 1_200), ("buckets", 120)],
)
def test_each_stream_has_its_age(stream, seconds):
    """In milliseconds; a trade may be as old as it is."""
    assert LIMITS.stale_ms(stream) == seconds * 1_000
    assert LIMITS.stale_ms("trades") is None
