"""Tests of scripts.bench.books: the sums alone are those of the records, and ratios are given."""

import pytest

from ravequant.errors import RaveQuantError
from ravequant.vault.paths import Vault
from scripts.bench import books, market
from scripts.bench.books import CONTENDERS, FLOOR


@pytest.mark.parametrize("deep", [False, True])
def test_both_ways_give_the_same_sums(vault, deep):
    """The band sums alone and the bucketizer's records, with deep snapshots too."""
    market.append_snapshots(market.snapshots(vault, 1, deep=deep), 20)
    digests = [books.measure(name, str(vault.root))["digest"] for name in list(CONTENDERS)[:2]]
    assert digests[0] == digests[1] is not None


def test_orjson_has_no_sums(tmp_path):
    """Decoding alone gives seconds and nothing to compare."""
    found = books.measure("orjson, little gc", str(Vault(tmp_path).root))
    assert found["digest"] is None
    assert found["seconds"] >= 0


def test_different_sums_are_an_error():
    """A fast wrong answer is no result."""
    digests = iter(["a", "b", None, None])
    found = {name: [{"seconds": 1.0, "digest": next(digests)}] for name in CONTENDERS}
    with pytest.raises(RaveQuantError, match="not those of the bands"):
        books.rows(found, 1, "")


def test_a_row_is_a_multiple_of_orjson():
    """The median of the ratios round by round, and the time of each snapshot."""
    found = {name: [{"seconds": 2.0, "digest": "a"}] * 3 for name in CONTENDERS}
    found[FLOOR] = [{"seconds": s, "digest": None} for s in (8.0, 2.0, 4.0)]
    row, *_ = books.rows(found, 1_000, ", deep")
    assert row == {
        "name": "bucketizer, whole, deep", "snapshots_per_s": 500, "us_per_snapshot": 2000.0,
        "times_orjson": 2.0,
    }  # fmt: skip
