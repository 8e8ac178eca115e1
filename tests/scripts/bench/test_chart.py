"""Tests of scripts.bench.chart: a made-up day in the browser, and what its frames cost."""

import base64
import json
import subprocess
import sys

import pytest

from ravequant.errors import UsageError
from ravequant.vault.paths import CHECKOUT
from scripts.bench import chart
from scripts.showcase import browser

SHORT = """
import sys
from scripts import benchmark
from scripts.bench import chart
chart.WARM, chart.FRAMES = 1, 4
sys.exit(benchmark.main(["--case", "chart", "--rounds", "1", "--json"]))
"""


def test_each_movement_is_measured():
    """Panning in three windows and the crosshair, each with its budget beside it."""
    pytest.importorskip("playwright", reason=browser.NOT_RUN)
    if not browser.on_this_computer():
        pytest.skip(browser.NOT_RUN)
    done = subprocess.run(
        [sys.executable, "-c", SHORT], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    case = json.loads(done.stdout)["cases"]["chart"]
    assert [row["name"] for row in case["results"]] == list(chart.BUDGET_MS)
    assert all(row["cpu_ms"] > 0 and row["fps"] > 0 for row in case["results"])
    assert "1,440 candles, 300 wicks, heat 720 x 100" in case["notes"][0]


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
