"""Tests of scripts.benchmark: options, headline, table and JSON; what cannot be measured."""

import json
import subprocess
import sys
from importlib.util import find_spec
from typing import Any

import pytest

from ravequant.vault.paths import CHECKOUT
from scripts import benchmark
from scripts.bench import archive
from scripts.bench.bars import CONTENDERS
from scripts.bench.runs import Comparison, Figure

extras = pytest.mark.skipif(
    find_spec("duckdb") is None or find_spec("polars") is None,
    reason="the extra [bench] is not installed",
)


@extras
def test_cases_are_measured_in_one_run():
    """Three in one command; each gives a row for each contender, as JSON."""
    command = [sys.executable, "scripts/benchmark.py", "--case", "bars,books,import", "--json"]
    sizes = ["--rounds", "1", "--lines", "3000", "--snapshots", "3"]
    done = subprocess.run(
        [*command, *sizes], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["machine"]["cores"] >= 1
    assert result["machine"]["versions"]["numpy"]
    assert result["asked"]["lines"] == 3_000
    bars, books, imported = (
        {row["name"]: row for row in result["cases"][case]["results"]}
        for case in ("bars", "books", "import")
    )
    assert list(bars) == list(CONTENDERS)
    assert all(row["lines_per_s"] > 0 for row in bars.values())
    assert bars["ravequant, 1 process"]["one_is"] == 1
    assert list(imported) == list(archive.CONTENDERS)
    assert imported["ravequant, lines"]["ours_is"] == imported["ravequant, columns"]["ours_is"] == 1
    assert books["orjson decode alone"]["times_orjson"] == 1
    assert books["bucketizer, whole, deep"]["snapshots_per_s"] > 0


@pytest.fixture
def quick(monkeypatch):
    """Let case bars be a comparison that is there at once."""
    figure = Figure("seconds", "ms", "{:,.0f}", 1e3)
    rows: list[dict[str, Any]] = [{"name": "ours", "seconds": 0.5}, {"name": "theirs"}]

    def run(sizes):
        return Comparison("bars: a case", (figure,), rows, [f"{sizes.lines}"])

    monkeypatch.setitem(benchmark.CASES, "bars", benchmark.Case("bars", run))


def test_the_computer_and_the_versions_are_shown(quick, capsys):
    """Processor, cores, versions, rounds; then the rows, and ``-`` for a figure that is unknown."""
    assert benchmark.main(["--case", "bars"]) == 0
    shown = capsys.readouterr().out
    assert "cores, load" in shown
    assert "numpy 2" in shown
    assert "Medians of 5 rounds, in turns; a small set" in shown
    assert "bars: a case\n         ms\nours    500\ntheirs    -\n500000\n" in shown


def test_full_takes_the_sizes_that_matter(quick, capsys):
    """Eight million lines, unless another number is given."""
    assert benchmark.main(["--case", "bars", "--full"]) == 0
    assert "\n8000000\n" in capsys.readouterr().out
    assert benchmark.main(["--case", "bars", "--full", "--lines", "7"]) == 0
    assert "\n7\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("--case", "bars,fast"),
            "some of bars, books, book_flow, footprint, import, import_books, rebuild, increment",
        ),
        (("--days", "0"), "'0': expected numbers above 0"),
        (("--rounds", "0"), "--rounds 0: expected a number above 0"),
        (("--rate", "-1"), "--rate -1: expected a number above 0"),
        (("--snapshots", "0"), "--snapshots 0: expected a number above 0"),
    ],
)
def test_impossible_options_are_refused(words, message, capsys):
    """Exit code 2 and their name, before anything is measured."""
    try:
        assert benchmark.main(words) == 2
    except SystemExit as end:
        assert end.code == 2  # noqa: PT017 - argparse ends by itself
    assert message in capsys.readouterr().err


def test_missing_engines_are_named_with_the_remedy(monkeypatch, capsys):
    """Exit code 2 and one line that says how to install them."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert benchmark.main([]) == 2
    remedy = "duckdb and polars not installed: python -m pip install -e '.[bench]'"
    assert remedy in capsys.readouterr().err
