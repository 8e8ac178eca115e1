"""OKX as one `Exchange`: its names in records, its limits, and the parts it makes."""

import pytest

from ravequant.exchanges.base import Channel
from ravequant.exchanges.okx.exchange import EXCHANGE
from ravequant.exchanges.okx.order_book import OkxOrderBook
from ravequant.exchanges.okx.rest import OkxRest
from ravequant.exchanges.okx.session import OkxSession


def test_names_are_those_of_the_records():
    """Vault paths and records carry these words."""
    assert (EXCHANGE.name, EXCHANGE.trades_channel) == ("okx", "trades")
    assert (EXCHANGE.books_channel, EXCHANGE.deep_channel) == ("books", "books-full")


def test_limits_are_below_those_of_the_exchange():
    """Three new connections a second, fewer than 30 books a connection, pages of 100 fills."""
    assert EXCHANGE.connects_per_second <= 3
    assert EXCHANGE.books_per_connection < 30
    assert EXCHANGE.pages.rows == 100
    assert EXCHANGE.dense_ids


@pytest.mark.parametrize("base", ["wss://ws.okx.com/ws/v5", "wss://ws.okx.com/ws/v5/"])
@pytest.mark.parametrize("channel", ["trades", "books"])
def test_both_channels_are_public(base, channel):
    """Trades and books come from the same path."""
    assert EXCHANGE.socket_url(base, channel) == "wss://ws.okx.com/ws/v5/public"


def test_each_part_is_made_anew():
    """A session per connection, a book per instrument, a REST client per address."""
    session = EXCHANGE.session([Channel("trades", "BTC-USDT-SWAP")])
    rest = EXCHANGE.rest("https://openapi.okx.com", attempts=1)
    assert isinstance(session, OkxSession)
    assert isinstance(EXCHANGE.order_book(), OkxOrderBook)
    assert EXCHANGE.order_book() is not EXCHANGE.order_book()
    assert isinstance(rest, OkxRest)
    rest.close()
