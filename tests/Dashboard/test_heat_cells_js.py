"""The heat in the page (heat_cells.js, heat.js): colours, widths and places; run by node."""

import base64
from typing import Any

import pytest

from tests.support.page_modules import NODE, NOT_RUN, called

pytestmark = pytest.mark.skipif(not NODE, reason=NOT_RUN)

CELLS = "chart/heat_cells.js"
RAMP = {"from": [0, 0, 0], "mid": [100, 50, 100], "to": [200, 250, 200]}
COLOURS = "(m, ...given) => [...m.coloursOf(...given)]"
# takes the first answer, adds the others, and tells the columns
HELD = """(m, first, ...others) => {
    const held = new m.HeatCells();
    held.take(first);
    for (const [way, heat] of others) held[way](heat);
    return held.sorted().map((c) => [c.minute, c.source, c.cells[0], c.peaks[0]]);
}"""


def heat(first: int, *cells: int, every: int = 1, **fields: Any) -> dict[str, Any]:
    """Return an answer with columns of two rows; the peak of a cell is half of it."""
    bytes_of = [bytes([cell, 0]) for cell in cells]
    peaks = [bytes([cell // 2, 0]) for cell in cells]
    return {
        "first": first, "every": every, "step": "20", "rows": 2, "base": [5] * len(cells),
        "cells": base64.b64encode(b"".join(bytes_of)).decode(),
        "peaks": base64.b64encode(b"".join(peaks)).decode(),
        "source": ["ws" if cell else "none" for cell in cells],
        "least": 128_000, "full": 2_000_000,
    } | fields  # fmt: skip


def columns(*answers: Any) -> list[list[Any]]:
    (found,) = called(CELLS, (HELD, list(answers)))
    return list(found)


def test_colours_rise_from_the_least_to_the_full_amount():
    """Nothing below 128,000, never above 62 %, and full from twice the wall size on."""
    amounts = [128_000, 2_000_000], [128_000, 1_000_000]
    found, small = called(CELLS, *((COLOURS, [RAMP, *some]) for some in amounts))
    opacity = found[3::4]
    assert len(opacity) == 256
    assert set(opacity[:97]) == {0}  # byte 96 is 128,000 itself: where the ramp begins
    assert opacity[97:] == sorted(opacity[97:])
    assert opacity[97] > 0
    assert max(opacity) == round(0.62 * 255)
    assert opacity[222] < opacity[223] == opacity[255]  # 2,000,000
    assert found[4 * 223 : 4 * 223 + 3] == RAMP["to"]
    assert small[3::4].index(158) == 191  # 1,000,000


def test_answers_of_one_width_are_merged():
    """Columns of the same minutes are replaced, others stay."""
    assert columns(heat(10, 1, 2, 3), ["take", heat(12, 9, 8)]) == [
        [10, "ws", 1, 0], [11, "ws", 2, 1], [12, "ws", 9, 4], [13, "ws", 8, 4],
    ]  # fmt: skip


def test_an_answer_of_another_width_replaces_all():
    """Somebody has zoomed."""
    assert columns(heat(10, 1, 2), ["take", heat(10, 7, every=5)]) == [[10, "ws", 7, 3]]


def test_new_minutes_go_into_wide_columns():
    """A wide column is its newest minute with a book; a minute without one changes nothing."""
    wide = heat(10, 1, 2, every=5)
    found = columns(wide, ["add", heat(14, 4, 6, 0)], ["add", heat(20, 0)])
    assert found == [[10, "ws", 4, 2], [15, "ws", 6, 3], [20, "none", 0, 0]]
    assert columns(wide, ["add", heat(9, 4, every=3)]) == columns(wide)
    narrow = heat(10, 1)
    assert columns(narrow, ["add", heat(10, 0)]) == [[10, "none", 0, 0]]


def test_the_oldest_columns_are_forgotten():
    """A page that is open for days holds a day, and an hour at most beyond it."""
    found = columns(heat(0, *[1] * 1_400), ["add", heat(1_400, *[1] * 100)])
    assert len(found) == 1_500
    found = columns(heat(0, *[1] * 1_400), ["add", heat(1_400, *[1] * 101)])
    assert (len(found), found[0][0], found[-1][0]) == (1_440, 61, 1_500)


def test_a_cell_is_found_by_minute_and_price():
    """Both bytes; 0 beside the columns, above the rows and where nothing was seen."""
    at = """(m, answer, ...places) => {
        const held = new m.HeatCells();
        held.take(answer);
        return places.map(([minute, price]) => held.at(minute, price));
    }"""
    places = [[12, 100], [14, 119.9], [12, 120], [12, 99], [9, 100], [15, 100], [20, 100]]
    (found,) = called(CELLS, (at, [heat(10, 200, 90, 0, every=5), *places]))
    assert found == [[200, 100], [200, 100], [0, 0], [0, 0], [0, 0], [90, 45], [0, 0]]


FRAME = {
    "first": 100, "every": 1, "columns": 50, "x0": 10, "spacing": 8, "width": 300, "height": 200,
    "y0": 1_100, "slope": -1,
}  # fmt: skip


def place(frame: dict[str, Any], sheet: dict[str, Any], every: int = 1) -> Any:
    (found,) = called("chart/heat.js", ("placeOf", [{**FRAME, **frame}, sheet, every]))
    return found


def test_a_sheet_stands_at_its_minutes_and_prices():
    """A cell is as wide as its minutes and as high as its step; its lower edge is in it."""
    sheet = {"first": 102, "columns": 4, "step": 10, "top": 105, "rows": 3}
    assert place({}, sheet) == {
        "from": {"x": 0, "y": 0, "width": 4, "height": 3},
        "to": {"x": 22, "y": 50, "width": 32, "height": 30},
    }
    assert place({"every": 5}, {**sheet, "first": 105}, 5)["to"]["width"] == 32
    assert place({"every": 5}, {**sheet, "first": 105})["to"]["width"] == 6.4


def test_only_the_part_that_shows_is_drawn():
    """Columns left and right of the pane and rows above and below it are left out."""
    sheet = {"first": 0, "columns": 1_000, "step": 10, "top": 200, "rows": 200}
    assert place({}, sheet) == {
        "from": {"x": 99, "y": 90, "width": 38, "height": 20},
        "to": {"x": -2, "y": 0, "width": 304, "height": 200},
    }
    assert place({}, {**sheet, "first": 140}) is None
    assert place({"y0": 5_000}, sheet) is None
