"""OKX, perpetual swaps of v5: the parts of this folder as one `Exchange`."""

from typing import Final

from ravequant.exchanges.base import Exchange
from ravequant.exchanges.okx import messages, rest
from ravequant.exchanges.okx.order_book import OkxOrderBook
from ravequant.exchanges.okx.session import OkxSession


def socket_url(base: str, channel: str) -> str:  # noqa: ARG001 - all our channels are public ones
    """Return the address of the public channels."""
    return f"{base.rstrip('/')}/public"


EXCHANGE: Final = Exchange(
    name="okx",
    trades_channel=messages.TRADES,
    books_channel=messages.BOOKS,
    deep_channel=messages.BOOKS_FULL,
    dense_ids=True,
    pages=rest.PAGES,
    connects_per_second=3,
    books_per_connection=25,  # the exchange advises fewer than 30
    session=OkxSession,
    rest=rest.OkxRest,
    order_book=OkxOrderBook,
    book_time=messages.book_time,
    socket_url=socket_url,
)
