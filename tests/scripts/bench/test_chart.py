"""Tests of scripts.bench.chart: a made-up day in the browser, and what its frames cost."""

import base64

import pytest

from ravequant.errors import UsageError
from scripts.bench import chart
from scripts.bench.runs import Sizes
from scripts.showcase import browser


def test_each_movement_is_measured(tmp_path, monkeypatch):
    """Panning in three windows and the crosshair, each with its budget beside it."""
    pytest.importorskip("playwright", reason=browser.NOT_RUN)
    if not browser.on_this_computer():
        pytest.skip(browser.NOT_RUN)
    monkeypatch.setattr(chart, "WARM", 1)
    monkeypatch.setattr(chart, "FRAMES", 4)
    sizes = Sizes(tmp_path, rounds=1, seed=1, lines=1, snapshots=1, messages=1, days=(1,), rate=1)
    comparison = chart.run(sizes)
    assert [row["name"] for row in comparison.rows] == list(chart.BUDGET_MS)
    assert all(row["cpu_ms"] > 0 and row["fps"] > 0 for row in comparison.rows)
    assert "1,440 candles, 300 wicks, heat 720 x 100" in comparison.notes[0]


def test_the_day_is_whole_and_always_the_same():
    """As many candles, wicks and cells as the table says, of the same seed the same."""
    view, heat = chart.day(3)
    assert {len(column) for name, column in view["minutes"].items() if name not in ONCE} == {1440}
    assert len(view["wicks"]["id"]) == len(set(view["wicks"]["id"])) == 300
    assert sum(touch is None for touch in view["wicks"]["touch"]) == 150
    assert len(base64.b64decode(heat["cells"])) == 720 * 100
    assert (view, heat) == chart.day(3)
    assert chart.day(4) != (view, heat)


ONCE = {"first", "every"}


def test_without_a_browser_it_says_so(monkeypatch):
    """Before anything is measured, and by which variable a browser is named."""
    pytest.importorskip("playwright", reason=browser.NOT_RUN)
    monkeypatch.setattr(browser, "on_this_computer", str)
    with pytest.raises(UsageError, match="needs a Chromium, Chrome or Edge: RAVEQUANT_BROWSER"):
        chart.check()
