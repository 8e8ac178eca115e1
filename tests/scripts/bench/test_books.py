"""The benchmark of the books: the sums alone are those of the records, and ratios are given."""

import json
import subprocess
import sys

import pytest

from ravequant.errors import RaveQuantError
from ravequant.vault.paths import CHECKOUT
from scripts.bench import books


def test_all_contenders_are_measured_on_the_same_lines():
    """With deep snapshots too it ends with a row each, which it does only if the sums agree."""
    command = [sys.executable, str(CHECKOUT / "scripts" / "bench" / "books.py")]
    options = ["--snapshots", "40", "--rounds", "1", "--deep", "--json"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=True)
    facts = json.loads(done.stdout)
    assert (facts["snapshots"], facts["deep"]) == (40, True)
    rows = facts["results"]
    assert [row["contender"] for row in rows] == list(books.CONTENDERS)
    assert all(row["snapshots_per_s"] > 0 for row in rows)
    assert [row["times_orjson"] for row in rows if row["contender"] == books.FLOOR] == [1]


def test_nothing_to_measure_is_a_usage_error(capsys):
    """Exit code 2, and what was given."""
    assert books.main(["--rounds", "0"]) == 2
    assert "--snapshots 1800 --rounds 0: not above 0" in capsys.readouterr().err


def test_different_sums_are_an_error(monkeypatch, tmp_path):
    """A fast wrong answer is no result."""
    digests = iter(["a", "b", None, None])
    monkeypatch.setattr(
        books, "_measure_apart", lambda *_: {"seconds": 1.0, "digest": next(digests)}
    )
    with pytest.raises(RaveQuantError, match="not those of the bands"):
        books.compare(tmp_path, 1, 1)


def test_people_read_a_table():
    """A row each, with its speed as a multiple of orjson's."""
    row = {
        "contender": "ours", "snapshots_per_s": 9000, "us_per_snapshot": 111.1, "times_orjson": 1.6,
    }  # fmt: skip
    assert books.table([row]).splitlines()[1].split() == [
        "ours",
        "9,000",
        "111.1",
        "1.60",
    ]
