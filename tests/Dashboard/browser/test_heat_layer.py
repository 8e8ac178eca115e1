"""The heat in the chart: its cells are a plain reading of the books, and its pixels show them."""

import base64
import random

import orjson
import pytest

from Dashboard.heat_columns import Asked, HeatColumns
from ravequant.vault.paths import Vault
from tests.support import heat_market
from tests.support.chart_page import END, middle, view
from tests.support.heat_market import BTC, DEPTH, LINEAR, SETTINGS, START
from tests.support.plain_heat import PlainHeat

ADD = """const { HeatLayer } = await import("/static/chart/heat.js");
    heat = chart.addLayer(new HeatLayer());"""
ROOM = """chart.panes.candles.applyOptions({
    autoscaleInfoProvider: () => ({ priceRange: { minValue: 94, maxValue: 106 } }) });"""
GROUND = [14, 17, 22]
STEP = 0.25


@pytest.fixture
def heated(chart):
    """Return a chart with a view and a layer of heat, nothing else drawn over it."""
    chart.screen.page.evaluate("() => { globalThis.heat = null; }")
    quiet = "for (const name of ['bands', 'vwap', 'holes', 'wicks']) chart.setLayer(name, false)"
    chart.show(view(), f"{quiet}; {ROOM} {ADD}")
    return chart


def answer(*columns: tuple[str, list[int]], first: int = END - 10, every: int = 1):
    """Return columns of 40 rows from 95 on, each a source and the peaks of its lowest rows."""
    peaks = b"".join(bytes(cells + [0] * (40 - len(cells))) for _, cells in columns)
    text = base64.b64encode(peaks).decode()
    return {
        "first": first, "every": every, "step": str(STEP), "rows": 40, "base": [380] * len(columns),
        "cells": text, "peaks": text, "source": [source for source, _ in columns],
        "least": 128_000, "full": 2_000_000,
    }  # fmt: skip


def pixel(chart, frame, minute, price):
    """Return the colour in the middle of a minute's column at a price."""
    x, y = middle(frame, minute), frame["y0"] + frame["slope"] * price
    return chart.value(f"pixel({x + 1.5}, {y})")  # beside the wick of a candle


def test_the_cells_of_the_page_are_a_plain_reading_of_the_books(heated, tmp_path):
    """Fifty cells by chance, of a real answer over real files, as the chart holds them."""
    vault = Vault(tmp_path)
    raw = heat_market.put(vault, *heat_market.market(11))
    first, until = START // 60_000, START + 570_000
    asked = Asked(BTC, first, first + 9, 1, until)
    found = orjson.loads(orjson.dumps(HeatColumns(vault, SETTINGS).answer(asked)))
    heated.run("heat.set(given)", found)
    plain = PlainHeat(raw, BTC, LINEAR, DEPTH)
    step = plain.step(range(first, first + 10), until)
    columns = [plain.column(minute, step, until) for minute in range(first, first + 10)]
    chance, wanted, places = random.Random(11), [], []
    for _ in range(50):
        column, row = chance.randrange(10), chance.randrange(100)
        wanted.append([columns[column].cells[row], columns[column].peaks[row]])
        places.append([first + column, float((columns[column].base + row) * step + step / 2)])
    script = f"{places}.map((place) => chart.geometry().heat.at(...place))"
    assert heated.value(script) == wanted
    assert len({tuple(cells) for cells in wanted}) > 15


def test_a_wall_is_bright_and_small_sums_are_not_drawn(heated):
    """A pixel inside of each cell: full at twice the wall size, nothing below 128,000."""
    cells = [0, 1, 95, 130, 200, 223, 255]
    drawn = heated.run("heat.set(given)", answer(*[("ws", cells)] * 10))
    frame = drawn["frame"]
    colours = [pixel(heated, frame, END - 5, 95 + (row + 0.5) * STEP) for row in range(7)]
    assert colours[:3] == [GROUND] * 3
    light = [sum(colour) for colour in colours]
    assert light[2] < light[3] < light[4] < light[5] == light[6]
    full = [
        round(0.38 * low + 0.62 * high) for low, high in zip(GROUND, (242, 184, 216), strict=True)
    ]
    assert max(abs(a - b) for a, b in zip(colours[5], full, strict=True)) <= 2


def test_cells_end_where_their_column_and_row_end(heated):
    """One pixel a cell, enlarged without smoothing."""
    drawn = heated.run("heat.set(given)", answer(("ws", [0, 255, 0]), ("none", []), ("ws", [255])))
    frame = drawn["frame"]
    half = frame["spacing"] / 2
    x, top = middle(frame, END - 10), frame["y0"] + frame["slope"] * (95 + 2 * STEP)
    high = -frame["slope"] * STEP
    inside = [(x - half + 1, top + 1), (x + half - 1, top + 1), (x - half + 1, top + high - 1)]
    outside = [
        (x - half - 1, top + 2),
        (x + half + 1, top + 2),
        (x, top - 1.5),
        (x, top + high + 1.5),
    ]
    assert GROUND not in heated.value(f"{[list(p) for p in inside]}.map((p) => pixel(...p))")
    assert heated.value(f"{[list(p) for p in outside]}.map((p) => pixel(...p))") == [GROUND] * 4


def test_brightness_does_not_depend_on_what_is_shown(heated):
    """The same cell has the same colour beside a larger wall, and after a pan."""
    drawn = heated.run("heat.set(given)", answer(*[("ws", [180])] * 10))
    alone = pixel(heated, drawn["frame"], END - 5, 95 + STEP / 2)
    drawn = heated.run("heat.set(given)", answer(*[("ws", [180, 0, 255])] * 10))
    assert pixel(heated, drawn["frame"], END - 5, 95 + STEP / 2) == alone != GROUND
    drawn = heated.run("chart.pan(-20)")
    assert pixel(heated, drawn["frame"], END - 5, 95 + STEP / 2) == alone


def test_columns_of_buckets_are_hatched_and_say_so(heated):
    """`bands only`, and a stale book hatches the newest columns."""
    columns = [("bands", [200])] * 20 + [("ws", [200])] * 9 + [("none", [])]
    drawn = heated.run("heat.set(given)", answer(*columns, first=END - 30))
    assert drawn["heat"]["hatches"] == [{"first": END - 30, "end": END - 10, "words": "bands only"}]
    frame = drawn["frame"]
    y = frame["y0"] + frame["slope"] * 104.5  # between the lines of the grid
    assert heated.columns_with(middle(frame, END - 28), middle(frame, END - 12), y, 4)
    newest = middle(frame, END - 6), middle(frame, END - 3), y, 4
    assert heated.columns_with(*newest) == []
    drawn = heated.run("chart.setState({ stale: { book: true } })")
    assert drawn["heat"]["hatches"][1:] == [{"first": END - 6, "end": END - 1, "words": ""}]
    assert heated.columns_with(*newest)
    drawn = heated.run("chart.setState({ stale: { book: false } })")
    assert heated.columns_with(*newest) == []


def test_the_layer_goes_and_changes_its_colours(heated):
    """Off by its key, other colours in the other theme, gone when it is cleared."""
    drawn = heated.run("heat.set(given)", answer(*[("ws", [255])] * 10))
    frame = drawn["frame"]
    dark = pixel(heated, frame, END - 5, 95.1)
    heated.run("chart.setLayer('heat', false)")
    assert pixel(heated, frame, END - 5, 95.1) == GROUND
    heated.run("chart.setLayer('heat', true)")
    assert pixel(heated, frame, END - 5, 95.1) == dark
    tokens = "document.documentElement.style.setProperty('--heat-to', '#00ff00'); chart.retheme()"
    heated.run(tokens)
    red, green, blue = pixel(heated, frame, END - 5, 95.1)
    assert green > 2 * max(red, blue)
    heated.run("heat.clear()")
    assert pixel(heated, frame, END - 5, 95.1) == GROUND


def test_days_of_different_steps_stand_side_by_side(heated):
    """New columns of another step of prices do not disturb the older ones."""
    heated.run("heat.set(given)", answer(*[("ws", [255])] * 5))
    later = answer(*[("ws", [255])] * 5, first=END - 5) | {"step": "0.5", "base": [190] * 5}
    drawn = heated.run("heat.add(given)", later)
    assert [sheet["step"] for sheet in drawn["heat"]["sheets"]] == [0.25, 0.5]
    frame = drawn["frame"]
    old = [pixel(heated, frame, END - 7, price) for price in (95.1, 95.4)]
    new = [pixel(heated, frame, END - 3, price) for price in (95.1, 95.4)]
    assert (old[0], old[1]) == (new[0], GROUND)
    assert new[0] == new[1] != GROUND
