"""Tests of scripts.bench.dashboard: each budget in a row beside what was measured."""

import pytest

from scripts.bench import answers, chart, dashboard, live_day
from scripts.bench.dashboard import SCREEN, Budget
from scripts.bench.runs import Comparison, Sizes
from scripts.showcase import browser
from tests.support.examples import often


def text(*rows):
    return Comparison("case", dashboard.FIGURES, list(rows)).text()


def test_a_budget_stands_beside_its_median():
    """The largest too, with a budget of its own where there is one; ``-`` for what is unknown."""
    shown = text(
        dashboard._row(SCREEN, [100, 300, 5_000], 1e-3),
        dashboard._row(Budget("memory", "MB", 120), [None]),
        dashboard._row(Budget("view", "ms"), [4]),
    )
    assert [line.split() for line in shown.splitlines()[2:]] == [
        [*f"{SCREEN.name}, s".split(), "0.30", "5.00", "1", "2"],
        ["memory,", "MB", "-", "-", "120", "-"],
        ["view,", "ms", "4.00", "4.00", "-", "-"],
    ]


@pytest.mark.skipif(not often(0, 1), reason="it takes a minute")
def test_all_is_measured(tmp_path, monkeypatch):
    """Answers, server, page and frames of a short day."""
    pytest.importorskip("playwright", reason=browser.NOT_RUN)
    if not browser.on_this_computer():
        pytest.skip(browser.NOT_RUN)
    monkeypatch.setattr(dashboard, "WINDOW_S", 0.5)
    monkeypatch.setattr(chart, "FRAMES", 2)
    monkeypatch.setattr(dashboard, "HOURS", 6)
    monkeypatch.setattr(live_day, "EVERY_MS", 50_000)
    monkeypatch.setattr(answers, "AGAIN", 1)
    sizes = Sizes(tmp_path, 1, 1, 1, 1, 1, (1,), 1.0)
    rows = {row["name"]: row for row in dashboard.run(sizes).rows}
    assert len(rows) == 8 + 2 + 13 + 4
    assert all(row["median"] > 0 for row in rows.values())
