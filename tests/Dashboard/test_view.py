"""Columns of minutes: dense, of numbers alone, and rolled up to bars of closed minutes."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from Dashboard.view import (
    FIELDS,
    CvdCells,
    VolumeCells,
    VwapCells,
    WhaleTag,
    cvd_cells,
    dense,
    rolled,
    volume_cells,
    vwap_cells,
    window,
)
from ravequant import times
from ravequant.vault.paths import CHECKOUT

MINUTE = times.parse_iso("2025-12-14T21:34:00Z") // times.MINUTE_MS
WHALE = WhaleTag(3, 1_000_000.0)


def example(section):
    """Return the record that the contract shows in a section."""
    text = (CHECKOUT / "SPEC.md").read_text(encoding="utf-8")
    return json.loads(text.split(f"\n## {section}", 1)[1].split("```json\n", 1)[1].split("\n")[0])


VOLUME, VWAP, CVD = example("7. Volume"), example("5. VWAP"), example("6. CVD")


def test_the_rows_of_the_contract_as_cells():
    """Every cell is the number of its field; words stay words, a tier is its number."""
    assert volume_cells(VOLUME, WHALE) == (
        MINUTE, VolumeCells(101250, 101265.5, 101245, 101260, 5.2e6, 1e6, 4, "buy", 1, 0),
    )  # fmt: skip
    assert vwap_cells(VWAP) == (
        MINUTE, VwapCells(101231.12345678, 101058, 101102.5, 470.25, 0),
    )  # fmt: skip
    assert cvd_cells(CVD) == (MINUTE, CvdCells(-2310000.5, -125000, None))


def test_what_is_not_there_is_null():
    """No tier yet, nothing absorbed, a row from before the bands: null, and never a number."""
    plain = VOLUME | {"volume_tier": None, "absorption": False, "whale_count": 3, "gap": True}
    _, cells = volume_cells(plain, WHALE)
    assert cells[-4:] == (None, None, 0, 1)
    old = {name: value for name, value in VWAP.items() if not name.startswith("sd_")}
    assert vwap_cells(old)[1].sd is None


@pytest.mark.parametrize("wrong", ["nan", "Infinity", "", "1,5", "101_260.x", 5, None, "<script>"])
@pytest.mark.parametrize(
    ("cells_of", "row", "field"),
    [
        (lambda row: volume_cells(row, WHALE), VOLUME, "close"),
        (vwap_cells, VWAP, "vwap_session"),
        (cvd_cells, CVD, "cvd_session"),
    ],
)
def test_a_row_without_a_number_is_refused(cells_of, row, field, wrong):
    """A value that is no finite decimal text refuses its row, so that no pixel is invented."""
    with pytest.raises((ValueError, TypeError)):
        cells_of(row | {field: wrong})


@pytest.mark.parametrize(
    "wrong",
    [{"volume_tier": "T5"}, {"absorbed_side": "<b>"}, {"timestamp_utc": "now"}, {"open": {}}],
)
def test_an_unknown_word_is_refused(wrong):
    """A tier, a side or a time that does not exist refuses its row."""
    with pytest.raises((ValueError, TypeError, KeyError)):
        volume_cells(VOLUME | wrong, WHALE)
    with pytest.raises(ValueError, match="no divergence"):
        cvd_cells(CVD | {"divergence": "sideways"})


def cells(minute, price, **other):
    return minute, VolumeCells(price, price, price, price, 10, 1, 1, None, 0, 0)._replace(**other)


def test_columns_are_dense():
    """A place a minute in each column, null without a row, rows outside of the span left out."""
    found = dense(range(10, 14), [cells(9, 1.0), cells(11, 2.5), cells(14, 3.0)], [], [])
    assert tuple(found) == FIELDS
    assert {len(column) for column in found.values()} == {4}
    assert found["c"] == [None, 2.5, None, None]
    assert found["v4h"] == [None] * 4
    assert dense(range(10, 10), [], [], [])["o"] == []


def test_of_two_rows_of_a_minute_the_later_counts():
    """A row that was written again takes the place of the one before it."""
    assert dense(range(5, 6), [cells(5, 1.0), cells(5, 2.0)], [], [])["c"] == [2.0]


# --- bars ----------------------------------------------------------------------------------------


@given(st.integers(30_000_000, 31_000_000), st.integers(1, 2_880), st.sampled_from([1, 5, 60, 240]))
def test_a_window_is_of_whole_bars(until, minutes, every):
    """It begins and ends at multiples of the bar, holds what was asked for, and ends in time."""
    span = window(until, minutes, every)
    assert span.start % every == span.stop % every == 0
    assert minutes <= len(span) < minutes + every
    assert until - every < span.stop <= until


def test_a_bar_rolls_up_its_minutes():
    """Open and close are the first and last, amounts the sum, gaps and tiers the largest."""
    volume = [
        cells(0, 10.0, h=12.0, l=9.0, vol=0.1, tier=4, absorbed="buy"),
        cells(2, 11.0, h=15.0, l=8.0, vol=0.2, whales=1),
        cells(4, 13.0, gap=1, tier=None),
    ]
    vwap = [(minute, VwapCells(minute, 2.0, 3.0, None, int(minute == 1))) for minute in range(5)]
    cvd = [(minute, CvdCells(5.0 * minute, 5.0, None)) for minute in range(1, 5)]
    found = rolled(dense(range(5), volume, vwap, cvd), 5, missing=0)
    assert {name: column[0] for name, column in found.items()} == {
        "o": 10.0, "h": 15.0, "l": 8.0, "c": 13.0, "vol": 10.3, "delta": 3, "tier": 4,
        "absorbed": "buy", "whales": 1, "gap": 1, "v1h": 4, "v4h": 2.0, "vs": 3.0, "sd": None,
        "vgap": 1, "cvd": 20.0, "cvd1m": 20.0, "div": None,
    }  # fmt: skip
    assert {len(column) for column in found.values()} == {1}


def test_a_bar_without_a_record_is_null():
    """Nothing is carried over from the bar before."""
    found = rolled(dense(range(10), [cells(3, 10.0)], [], []), 5, missing=0)
    assert found["o"] == [10.0, None]
    assert found["vol"] == [10, None]


def test_a_bar_that_began_before_the_recording_is_null():
    """Its open was not seen; the next one is whole."""
    rows = [cells(minute, float(minute)) for minute in range(12, 20)]
    assert rolled(dense(range(20), rows, [], []), 5, missing=12)["o"] == [None, None, None, 15.0]
    assert rolled(dense(range(20), rows, [], []), 5, missing=10)["o"] == [None, None, 12.0, 15.0]


def test_a_band_belongs_to_the_row_of_its_vwap():
    """The deviation of an older row is never drawn around the mean of a newer one."""
    vwap = [(0, VwapCells(1.0, 1.0, 1.0, 7.0, 0)), (1, VwapCells(2.0, 2.0, 2.0, None, 0))]
    found = rolled(dense(range(5), [], vwap, []), 5, missing=0)
    assert (found["vs"], found["sd"]) == ([2.0], [None])
