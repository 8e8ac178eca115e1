"""What a market offers the exchange: the model and recordings both do."""

from ravequant.contract import Contract
from ravequant.records import Trade, TradeEncoder
from ravequant.sim.feed import BookChange, Feed, KnowsFills
from ravequant.sim.market import ModelMarket
from ravequant.sim.recording import Recording


def checked(feed: Feed) -> None:
    """Ask for a second of it; types and order are those of the contract."""
    until_ms = feed.start_ms + 1_000
    trades = feed.trades(until_ms)
    assert trades
    assert all(trade.ts < until_ms for _, trade in trades)
    assert feed.trades(until_ms) == []
    assert {inst_id for inst_id, _ in trades} <= set(feed.instruments)
    assert all(isinstance(change, BookChange) for change in feed.books(until_ms))


def test_the_model_market_is_a_feed(tmp_path):
    """It makes records, so it knows no single fills."""
    market = ModelMarket(1, ("BTC-USDT-SWAP",), rows_per_second=100)
    checked(market)
    assert not isinstance(market, KnowsFills)


def test_a_recording_is_a_feed(tmp_path):
    """It keeps the sizes of recorded fills."""
    inst_id = "BTC-USDT-SWAP"
    market = ModelMarket(1, (inst_id,), rows_per_second=100)
    found: list[Trade] = [trade for _, trade in market.trades(market.start_ms + 2_000)]
    encoder = TradeEncoder(inst_id, Contract("0.01", "1", "linear"))
    path = tmp_path / "trades.jsonl"
    path.write_bytes(b"".join(map(encoder.line, found)))
    recording = Recording([path])
    checked(recording)
    assert isinstance(recording, KnowsFills)
