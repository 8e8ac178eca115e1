"""The benchmark: all contenders give the same bars, and what is missing is said."""

import json
import subprocess
import sys
from importlib.util import find_spec

import pytest

from ravequant.errors import RaveQuantError
from ravequant.vault.paths import CHECKOUT
from scripts import benchmark
from scripts.benchmark_contenders import CONTENDERS

extras = pytest.mark.skipif(
    find_spec("duckdb") is None or find_spec("polars") is None,
    reason="the extra [bench] is not installed",
)


@extras
def test_all_contenders_give_the_same_bars():
    """It ends with a figure for each, which it does only if all bars are equal."""
    command = [sys.executable, "scripts/benchmark.py", "--lines", "3000", "--rounds", "1", "--json"]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True)
    result = json.loads(done.stdout)
    assert [row["contender"] for row in result["results"]] == list(CONTENDERS)
    assert all(row["lines_per_s"] > 0 for row in result["results"])
    assert 270 < result["bytes"] / result["lines"] < 285


def test_the_market_is_the_same_for_the_same_seed():
    """The file can be made again."""
    assert list(benchmark.market(50, 7)) == list(benchmark.market(50, 7))
    assert list(benchmark.market(50, 7)) != list(benchmark.market(50, 8))


def test_missing_engines_are_named_with_the_remedy(monkeypatch, capsys):
    """Exit code 2 and one line that says how to install them."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert benchmark.main([]) == 2
    assert (
        "duckdb and polars not installed: python -m pip install -e '.[bench]'"
        in capsys.readouterr().err
    )


def test_different_bars_are_an_error(monkeypatch, tmp_path):
    """A fast wrong answer is no result."""
    digests = iter("abcde")
    run = {"seconds": 1.0, "bars": 1, "peak_mb": None}
    monkeypatch.setattr(benchmark, "_measure_apart", lambda *_: {**run, "digest": next(digests)})
    with pytest.raises(RaveQuantError, match="the bars differ"):
        benchmark.compare(tmp_path / "none.jsonl", 1, 1)
