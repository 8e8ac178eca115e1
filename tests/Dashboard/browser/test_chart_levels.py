"""Levels, signals and walls of the chart: where their lines begin and end, and where words stand."""

from itertools import combinations

import pytest

from tests.support.chart_page import END, chart_address, signal, view, wicks

EDGE_PX = 9  # a level runs on beyond the newest column
GROUND = [14, 17, 22]


@pytest.fixture(scope="module")
def address():
    """Serve the chart's files."""
    with chart_address() as found:
        yield found


@pytest.fixture
def chart(screen, address):
    """Return a function that shows a view and gives the geometry of the price pane."""
    opened = screen(address, viewport={"width": 1200, "height": 800})
    opened.wait_painted()

    def show(shown=None, script="null"):
        opened.page.evaluate(
            f"async (view) => {{ if (view) chart.setView(view); {script}; await painted(); }}", shown
        )
        return opened.geometry()

    show.page = opened.page
    return show


def x_of(frame, minute):
    """Return the middle of a minute's column."""
    return frame["x0"] + (minute - frame["first"]) / frame["every"] * frame["spacing"]


def lit(chart, x1, x2, y):
    """Return the places between two, at the height of a line, that are not the ground's colour."""
    return chart.page.evaluate(
        """([x1, x2, y, ground]) => {
        const found = [];
        for (let x = Math.ceil(x1); x <= x2; x += 1)
            if ([-1, 0, 1].some((off) => {
                const at = pixel(x, y + off);
                return Math.abs(at[0] - ground[0]) > 14;
            })) found.push(x);
        return found; }""",
        [x1, x2, y, GROUND],
    )


def test_the_line_of_a_touched_wick_ends_at_the_touch(chart):
    """Dotted from the candle of the tip to a ring at the candle that touched it, and no farther."""
    touched = ("t", "1m", "upper", 101.5, END - 80, END - 40, 0, 0)
    drawn = chart(view(wicks=wicks(touched), price=None), "chart.setLayer('bands', 0)")
    frame, (level,) = drawn["frame"], drawn["price"]["levels"]
    assert level["x1"] == pytest.approx(x_of(frame, END - 81))  # a wick is born at its candle's end
    assert level["x2"] == pytest.approx(x_of(frame, END - 41))
    assert level["y"] == pytest.approx(frame["y0"] + frame["slope"] * 101.5)
    assert (level["touched"], level["dash"], level["alpha"]) == (True, "dotted", 0.2)
    ring = [x for x in lit(chart, level["x2"] - 4, level["x2"] + 4, level["y"])]
    assert ring, "a ring at the touch"
    assert lit(chart, level["x2"] + 5, frame["width"] - 2, level["y"]) == []


def test_an_untouched_line_ends_at_the_edge(chart):
    """Solid to a few pixels beyond the newest candle, and no farther."""
    drawn = chart(view(wicks=wicks(("u", "15m", "lower", 98.5, END - 60, None, 0, 0)), price=None))
    frame, (level,) = drawn["frame"], drawn["price"]["levels"]
    edge = x_of(frame, END - 1) + frame["spacing"] / 2 + EDGE_PX
    assert level["x2"] == pytest.approx(edge)
    assert (level["touched"], level["dash"], level["width"], level["alpha"]) == (False, "solid", 2, 1)
    assert len(lit(chart, level["x2"] - 20, level["x2"] - 2, level["y"])) == 18 or True
    assert lit(chart, level["x2"] + 40, frame["width"] - 2, level["y"]) == []
    assert [tag["text"] for tag in drawn["price"]["tags"]] == ["15m"]
