"""Tests of ravequant.pipeline.trade_source: raw trades as closed minutes, with their ledger."""

from ravequant import settings
from ravequant.contract import Contract
from ravequant.pipeline import trade_source
from ravequant.pipeline.trade_source import TRADES, TRADES_WITH_SQUARES
from ravequant.records import Trade, TradeEncoder
from ravequant.vault.gap_ledger import Gap, GapLedger, LedgerEntry
from tests.support.trade_streams import BTC, START, write_raw

MINUTE = 60_000
LINE = TradeEncoder(BTC, Contract("0.01", "1", "linear")).line


def lines(*trades: tuple[int, int]) -> list[bytes]:
    """Return lines of (minute after the start, id)."""
    return [LINE(Trade(START + at * MINUTE, last, "buy", "100", "1")) for at, last in trades]


def test_raw_trades_are_read_in_parts_and_never_expire(vault):
    """Other processes may read ahead; a repair, not a deletion, is what makes a run start over."""
    source = TRADES.source(vault, BTC, settings.Settings())
    assert source.read_ahead is not None
    assert (source.expires, source.archive, source.side_inputs) == (False, False, {})
    assert list(source.files()) == []
    write_raw(vault, BTC, lines((0, 1)))
    assert [path.parent for _, path in source.files()] == [TRADES.folder(vault, BTC)]


def test_the_sums_of_squares_stand_in_the_state_of_whom_needs_them(vault):
    """Of VWAP alone: the states of the other calculators are those of earlier versions."""
    write_raw(vault, BTC, lines((0, 1)))
    for made, squares in ((TRADES, False), (TRADES_WITH_SQUARES, True)):
        chosen, files = settings.Settings(), made.files(vault, BTC)
        here = made.source(vault, BTC, chosen)
        there = trade_source.source_of(vault, BTC, chosen, files, squares=made.squares)
        for source in (here, there):
            assert ("squares" in source.decoder(lambda *_: None).state()) is squares


def test_a_decoder_asks_the_ledger_of_the_instrument(vault):
    """Missing ids are a gap, unless the ledger says that there never were such ids."""
    block = b"".join(lines((0, 1), (1, 5), (2, 6), (3, 7)))
    read = trade_source.decoder(vault, BTC, settings.Settings())
    marked = START // MINUTE + 1
    assert read(lambda *_: None).read(block, "").gaps[-1] == marked
    ledger = GapLedger(vault.gap_ledger(BTC), BTC)
    ledger.append(LedgerEntry(Gap(2, 4), "id_hole", "never there", START))
    assert read(lambda *_: None).read(block, "").gaps == []


def test_the_first_minute_that_reading_gives(vault):
    """A line of the minute before may follow the first one; without lines there is none."""
    files = TRADES.files(vault, BTC)
    assert trade_source.first_bar_ms(files, BTC, None) is None
    write_raw(vault, BTC, lines((1, 1), (0, 2), (9, 3)))
    assert trade_source.first_bar_ms(files, BTC, None) == START
