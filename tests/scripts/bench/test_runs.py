"""Tests of scripts.bench.runs: turns, medians, the table, and the processes that are measured."""

import os
import sys
from functools import partial

import pytest

from ravequant.errors import RaveQuantError
from scripts.bench import runs
from scripts.bench.runs import Comparison, Figure


def test_runs_take_turns():
    """Each contender once, then each again; figures that no run has are None."""
    order = list[str]()

    def note(name):
        order.append(name)
        return {"at": len(order)}

    found = runs.in_turns(2, {name: partial(note, name) for name in "ab"})
    assert order == list("abab")
    assert runs.median(found["a"], "at") == 2
    assert runs.largest(found["b"], "at") == 4
    assert runs.ratio(found["b"], found["a"], "at") == pytest.approx((2 + 4 / 3) / 2)
    assert runs.median(found["a"], "unknown") is None
    assert runs.largest(found["a"], "unknown") is None


def test_a_comparison_as_text():
    """Title, table and notes; a figure in the unit of its header, ``-`` where there is none."""
    figures = (Figure("seconds", "ms", "{:,.0f}", 1e3), Figure("n", "n", "{:.0f}"))
    rows = [{"name": "ours", "seconds": 1.5, "n": 2}, {"name": "theirs", "n": 3}]
    shown = Comparison("a title", figures, rows, ["a note"]).text()
    assert shown == "a title\n           ms  n\nours    1,500  2\ntheirs      -  3\na note\n"


def test_a_command_is_measured_in_a_plain_environment(monkeypatch, tmp_path):
    """Cost and stdout are returned; no setting of yours reaches it."""
    monkeypatch.setenv("RAVEQUANT_VAULT", "mine")
    code = "import os; print('RAVEQUANT_VAULT' in os.environ)"
    took = runs.watched([sys.executable, "-c", code], tmp_path)
    assert took["said"] == "False\n"
    assert took["seconds"] > 0
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - names are enough
    if hasattr(os, "posix_spawn"):
        assert took["cpu_s"] > 0
        assert 1 < took["peak_mb"] < 100


def test_a_command_that_fails_is_an_error(tmp_path):
    """With its exit code and its last words; a code that is expected is none."""
    command = [sys.executable, "-c", "import sys; sys.exit('no such luck')"]
    with pytest.raises(RaveQuantError, match=r"ended with 1: no such luck"):
        runs.watched(command, tmp_path)
    assert runs.watched(command, tmp_path, codes=(0, 1))["code"] == 1
