"""Tests of ravequant.pipeline.book_source: raw snapshots with deep ones as a slower input."""

from ravequant import settings
from ravequant.pipeline.book_source import BOOKS

BTC = "BTC-USDT-SWAP"


def test_raw_snapshots_expire_and_are_read_in_order(vault):
    """Each is compared with the one before, so no other process reads a part of them."""
    source = BOOKS.source(vault, BTC, settings.Settings())
    assert source.read_ahead is None
    assert (source.expires, source.repaired, source.archive) == (True, False, False)
    beside = source.side_inputs["beside"]
    assert list(source.files()) == list(beside.files()) == []
    hour = BOOKS.folder(vault, BTC) / "2025-12-14" / "21.jsonl"
    deep = vault.deep_snapshots(BTC) / "2025-12-14" / "21.jsonl"
    for path in (hour, deep):
        path.parent.mkdir(parents=True)
        path.touch()
    assert list(source.files()) == [("2025-12-14/21", hour)]
    assert list(beside.files()) == [("2025-12-14/21", deep)]
