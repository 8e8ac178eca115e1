"""Tests of scripts.bench.archive: contenders with different records give no figures."""

from importlib.util import find_spec

import pytest

from ravequant.errors import RaveQuantError, UsageError
from scripts.bench import archive, market
from scripts.bench.archive import CONTENDERS, OURS


def test_different_records_are_an_error():
    """A fast wrong answer is no result; unzipping alone has none."""
    found = {name: [{"seconds": 1.0, "digest": name}] for name in CONTENDERS}
    with pytest.raises(RaveQuantError, match="the records differ"):
        archive.rows(found, 1)


def test_a_row_tells_how_many_times_as_fast_ours_is():
    """Against ours with the same result: columns or lines."""
    found = {name: [{"seconds": 4.0, "digest": "a", "peak_mb": 9}] for name in CONTENDERS}
    found["unzip alone"] = [{"seconds": 1.0, "digest": ""}]
    found["ravequant, columns"] = [{"seconds": 2.0, "digest": "a"}]
    rows = {row["name"]: row for row in archive.rows(found, 100)}
    assert rows["ravequant, columns"]["rows_per_s"] == 50
    assert {name: row["ours_is"] for name, row in rows.items()} == {
        "ravequant, columns": 1,
        "polars, columns": 2,
        "ravequant, lines": 1,
        "polars, lines": 1,
        "unzip alone": 0.25,
    }
    assert OURS["polars, lines"] == "ravequant, lines"


def test_all_give_the_same_records(tmp_path):
    """Each contender, on the same file."""
    path = str(market.write_fills(tmp_path, 2_000, 3))
    there = find_spec("polars") is not None
    names = [name for name in CONTENDERS if there or not name.startswith("polars")]
    digests = {name: archive.measure(name, path)["digest"] for name in names}
    assert digests.pop("unzip alone") == ""
    assert len(set(digests.values())) == 1


def test_a_missing_rival_is_named(monkeypatch):
    """With the command that installs it."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(UsageError, match="polars not installed: python -m pip install"):
        archive.check()
