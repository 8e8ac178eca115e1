"""The books of a vault together with its trades."""

from ravequant.pipeline.flow_source import BOOKS_AND_TRADES, FlowReader
from ravequant.settings import Settings
from ravequant.trades.taker_tape import TakerTape
from ravequant.vault.paths import Vault

BTC = "BTC-USDT-SWAP"


def test_two_side_inputs_with_a_cursor_each(tmp_path):
    """Deep books and trades; the books expire, and lines of trades may be repaired."""
    vault = Vault(tmp_path)
    source = BOOKS_AND_TRADES.source(vault, BTC, Settings())
    assert list(source.side_inputs) == ["beside", "tape"]
    assert (source.expires, source.repaired) == (True, True)
    path = vault.trades(BTC) / "2025-12-14.jsonl"
    path.parent.mkdir(parents=True)
    path.touch()
    assert list(source.side_inputs["tape"].files()) == [("2025-12-14", path)]


def test_a_new_reader_begins_a_new_tape(tmp_path):
    """Nothing of an earlier run that was given up is left in it."""
    source = BOOKS_AND_TRADES.source(Vault(tmp_path), BTC, Settings())
    tape = source.side_inputs["tape"]
    assert isinstance(tape, TakerTape)
    tape.restore({"last_id": 7, "reached": 9})
    reader = source.decoder(lambda *_: None)
    assert isinstance(reader, FlowReader)
    tape.start(None, 0)
    assert reader.state() == {"last_ts": -1, "tape": {"last_id": -1, "reached": -1}}
    assert reader.counts()["trade_lines"] == 0
    batch = reader.news()
    assert (batch.books, batch.tape) == ([], tape)
