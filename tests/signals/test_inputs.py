"""The records that the query reads: exact numbers from good rows, errors from all others."""

import pytest

from ravequant import exact, times
from ravequant.signals import inputs
from ravequant.signals.inputs import price
from tests.support.made_signals import book

STAMP = "2025-12-14T21:34:00Z"
MINUTE = times.parse_iso(STAMP) // times.MINUTE_MS
WICK = {
    "event_id": "x", "timeframe": "5m", "wick_type": "low", "creation_time_utc": STAMP,
    "wick_price": "101250.5", "wick_size_ticks": 12, "tip_exact": True, "signal_strength": "EXACT",
    "gap": False,
}  # fmt: skip
VOLUME = {
    "timestamp_utc": STAMP, "high": "101", "low": "99.5", "volume_tier": "T4",
    "volume_ratio": "2.60", "absorption": True, "absorbed_side": "buy", "divergence_type": None,
    "whale_count": 3, "whale_volume": "250000.25", "gap": True,
}  # fmt: skip
CVD = {"timestamp_utc": STAMP, "cvd_1m": "-125000", "gap": False}
VWAP = {"timestamp_utc": STAMP, "close": "100", "vwap_4h": "100.5", "minutes_4h": 240, "gap": False}


def bucket(bands=2):
    """Return a record of the liquidity buckets."""
    wall = {"price": "101", "notional": "5", "age_s": None, "young": False}
    found = {
        "timestamp_utc": "2025-12-14T21:34:56.123Z", "mid_price": "100.5",
        "bands_bps": [10, 25][:bands], "imbalance": ["-0.78", None], "gap": False,
    }  # fmt: skip
    for name in ("bid", "ask"):
        found |= {f"{name}_walls": [wall], f"{name}_young_age_s": [None, 45]}
        found |= {f"{name}_delta_significant": [False, True], f"{name}_depth_bps": "412.35"}
    return found


def test_a_wick():
    """As it was born: untouched, its tip in units of a price."""
    found = inputs.wick(WICK)
    assert (found.timeframe, found.side, found.birth) == ("5m", "low", MINUTE)
    assert (found.tip, found.size_ticks) == (price("101250.5"), 12)
    assert (found.tip_exact, found.tip_strength, found.gap) == (True, "EXACT", False)
    assert (found.status, found.ended) == ("untouched", None)


def test_minute_rows():
    """The minute that starts there; prices and amounts in exact units."""
    row = inputs.volume(VOLUME)
    assert (row.minute, row.high, row.low) == (MINUTE, price("101"), price("99.5"))
    assert (row.tier, row.ratio, row.absorption, row.absorbed_side) == ("T4", "2.60", True, "buy")
    assert row.whale_volume == exact.units("250000.25", exact.NOTIONAL_PLACES)
    assert (row.whale_count, row.divergence, row.gap) == (3, None, True)
    assert inputs.cvd(CVD) == (MINUTE, "-125000", False)
    assert inputs.vwap(VWAP) == (MINUTE, price("100"), price("100.5"), False, 240, True)


@pytest.mark.parametrize(("minutes", "whole"), [(240, True), (228, True), (227, False), (1, False)])
def test_a_vwap_of_95_percent_of_its_minutes_is_whole(minutes, whole):
    """Of fewer minutes with trades nobody knows it from the row alone."""
    row = inputs.vwap({**VWAP, "minutes_4h": minutes})
    assert (row.traded, row.whole) == (minutes, whole)


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("0.0000002345500107", 23455001070000),
        ("0.00000023455001065870", 23455001065870),
        ("0.00000023455001065870816457", 23455001065871),
    ],
)
def test_a_mean_may_have_more_places_than_a_price(text, units):
    """All that a VWAP is written with are read; behind the places of a price it is rounded."""
    assert inputs.vwap({**VWAP, "vwap_4h": text}).vwap_4h == units
    with pytest.raises(ValueError, match="is no price"):
        inputs.mean("0.00000")


def test_a_snapshot():
    """High wicks look at the asks, low wicks at the bids; bands as whole hundredths."""
    found = inputs.book(bucket() | {"ask_depth_bps": "12.50"})
    assert (found.ts % 60_000, found.mid) == (56_123, price("100.5"))
    assert (found.bands_bps, found.imbalance) == ((10, 25), (-78, None))
    assert (found.sides["high"].depth, found.sides["low"].depth) == (1_250, 41_235)
    (wall,) = found.sides["low"].walls
    assert (wall.price, wall.age_s, wall.young) == (price("101"), None, False)
    assert found.sides["high"].young_age_s == (None, 45)


@pytest.mark.parametrize(
    ("parse", "row"),
    [
        (inputs.wick, WICK | {"wick_type": "up"}),
        (inputs.wick, WICK | {"timeframe": "2m"}),
        (inputs.wick, WICK | {"signal_strength": "SURE"}),
        (inputs.wick, WICK | {"wick_price": "0"}),
        (inputs.wick, {}),
        (inputs.volume, VOLUME | {"high": "1e3"}),
        (inputs.volume, VOLUME | {"whale_volume": None}),
        (inputs.volume, VOLUME | {"timestamp_utc": "soon"}),
        (inputs.cvd, CVD | {"cvd_1m": "x"}),
        (inputs.cvd, CVD | {"cvd_1m": 5}),
        (inputs.vwap, VWAP | {"vwap_4h": "0"}),
        (inputs.book, bucket(bands=1)),
        (inputs.book, bucket() | {"bid_young_age_s": [None, "45"]}),
        (inputs.book, bucket() | {"ask_young_age_s": [None, True]}),
        (inputs.book, bucket() | {"mid_price": "0"}),
        (inputs.book, bucket() | {"imbalance": ["-0.781", None]}),
        (inputs.book, bucket() | {"ask_walls": [{}]}),
    ],
)
def test_a_row_that_no_calculator_writes_is_refused(parse, row):
    """Each by an error that the reader catches."""
    with pytest.raises((ValueError, KeyError, TypeError, AttributeError)):
        parse(row)


@pytest.mark.parametrize(
    ("at", "band"), [("100000", 0), ("100100", 0), ("100100.1", 1), ("95000", 5), ("94999.9", None)]
)
def test_the_band_of_a_price(at, band):
    """A band includes its outer edge, on both sides of mid."""
    assert book(mid=price("100000")).band(price(at)) == band
