"""Tests of scripts.bench.import_books: hours on disk hold the books that are rebuilt."""

import pytest

from ravequant.errors import RaveQuantError
from scripts.bench import import_books
from scripts.bench.import_books import CONTENDERS, FLOOR


def test_the_import_and_the_rebuilding_alone_give_the_same_books(tmp_path):
    """Both from the same file; orjson gives none."""
    path, size = import_books.published(tmp_path, 1, 300)
    assert size > 100
    digests = [import_books.measure(name, str(path))["digest"] for name in CONTENDERS]
    assert digests[0] == digests[1] is not None
    assert digests[2] is None


def test_different_books_are_an_error():
    """A fast wrong answer is no result."""
    digests = iter(["a", "b", None])
    found = {name: [{"seconds": 1.0, "digest": next(digests)}] for name in CONTENDERS}
    with pytest.raises(RaveQuantError, match="one is wrong"):
        import_books.rows(found, 1)


def test_a_row_is_messages_a_second():
    """And the multiple of orjson's time."""
    found = {name: [{"seconds": 2.0, "digest": "a", "peak_mb": 9}] for name in CONTENDERS}
    found[FLOOR] = [{"seconds": 1.0, "digest": None, "peak_mb": 5}]
    row, *_ = import_books.rows(found, 1_000)
    assert row == {
        "name": "import, whole", "messages_per_s": 500, "us_per_message": 2000.0,
        "times_orjson": 0.5, "peak_mb": 9,
    }  # fmt: skip
