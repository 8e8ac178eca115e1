"""Tests of ravequant.pipeline.level_source: raw trades as closed minutes with price levels."""

import pytest

from ravequant import exact, settings
from ravequant.errors import VaultError
from ravequant.pipeline import level_source
from ravequant.pipeline.level_source import LEVELS, PriceBuckets, buckets_of
from ravequant.pipeline.runner import SupersededStateError
from ravequant.settings import Settings
from tests.pipeline.test_trade_source import lines
from tests.support.trade_streams import BTC, START, write_raw
from tests.support.wick_vault import tick_size

SOL = "SOL-USDT-SWAP"


def test_minutes_come_with_levels_in_the_buckets_of_the_instrument(vault):
    """Through each of the two sources; other processes read ahead for one of them."""
    write_raw(vault, BTC, lines((0, 1), (2, 2)))
    chosen, files = Settings(), LEVELS.files(vault, BTC)
    for source in (
        LEVELS.source(vault, BTC, chosen), LEVELS.source_of(vault, BTC, chosen, files)
    ):  # fmt: skip
        decoder = source.decoder(lambda *_: None)
        closed = decoder.read(b"".join(lines((0, 1), (2, 2))), "2025-12-14.jsonl")
        assert [bar.levels and bar.levels.numbers for bar in closed.bars] == [[10]]
        assert "levels" in decoder.state()
        assert source.legs is None  # kept minutes have no levels
        assert source.first_ms is not None
        assert source.first_ms(None) == START
    assert LEVELS.source(vault, BTC, chosen).read_ahead is not None
    assert LEVELS.source_of(vault, BTC, chosen, files).read_ahead is None
    assert [path.parent for _, path in files()] == [LEVELS.folder(vault, BTC)]


def test_a_bucket_is_as_the_settings_say_else_a_hundred_of_the_first_ticks(vault):
    """So buckets never change when the exchange changes the tick."""
    assert buckets_of(vault, BTC, Settings()) == PriceBuckets(10 * exact.PRICE_ONE)
    tick_size(vault, "0.01", inst_id=SOL)
    tick_size(vault, "0.001", since=1, inst_id=SOL)
    assert buckets_of(vault, SOL, Settings()) == PriceBuckets(exact.PRICE_ONE, "0.01")


def test_without_a_setting_the_metadata_are_needed(vault):
    """The error says where they come from."""
    with pytest.raises(VaultError, match="metadata"):
        LEVELS.source(vault, SOL, Settings())


def test_a_setting_goes_by_the_asset(vault, tmp_path):
    """And an empty one is a hundred ticks, of BTC too."""
    file = tmp_path / "own.toml"
    file.write_text('[footprint]\nbucket = { SOL = "0.25", BTC = "" }\n', encoding="utf-8")
    chosen = settings.load(file)
    assert buckets_of(vault, SOL, chosen).height == exact.PRICE_ONE // 4
    tick_size(vault, "0.1")
    assert buckets_of(vault, BTC, chosen) == PriceBuckets(10 * exact.PRICE_ONE, "0.1")


@pytest.mark.parametrize(
    ("before", "now", "anew"),
    [("0.1", "0.1", False), ("0.1", "0.01", True), (None, "0.1", False), ("0.1", None, False)],
)
def test_other_ticks_are_noticed(before, now, anew):
    """Of settings that changed the loop itself says so."""
    grids = [
        PriceBuckets(100 * exact.units(tick or "7", exact.PRICE_PLACES), tick)
        for tick in (before, now)
    ]
    state = grids[0].state()
    assert state == {"bucket": exact.price_text(grids[0].height), "tick": before}
    if anew:
        with pytest.raises(SupersededStateError, match=r"were 10 high, 100 ticks of 0\.1, now of"):
            grids[1].check(state)
    else:
        grids[1].check(state)


def test_a_hundred_ticks():
    """The number of the contract."""
    assert level_source.TICKS == 100
