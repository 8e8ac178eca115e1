"""The interface of the context feeds: what a row says without knowing its exchange."""

import pytest

from ravequant import exchanges
from ravequant.errors import UsageError
from ravequant.exchanges.base import Channel
from ravequant.exchanges.context_feeds import FundingRow, LiquidationRow, SettledRow

FUNDING = FundingRow(10, "0.0001", 30, 40, 20, "-0.0002", "settled", "")


def test_an_exchange_names_its_feeds():
    """They are loaded by its name; another name has none."""
    feeds = exchanges.load_context("okx")
    assert feeds.liquidations == Channel("liquidation-orders", "SWAP")
    assert (feeds.mark, feeds.interest, feeds.funding) == (
        "mark-price", "open-interest", "funding-rate",
    )  # fmt: skip
    assert feeds.series["taker"] == 2
    with pytest.raises(UsageError, match="no context feeds"):
        exchanges.load_context("nowhere")


def test_a_settlement_is_known_once_it_is_settled():
    """Not while it is processed, nor without its rate or its time."""
    assert FUNDING.settled == SettledRow(20, "-0.0002")
    assert FUNDING._replace(state="processing").settled is None
    assert FUNDING._replace(settled_rate="").settled is None
    assert FUNDING._replace(before=None).settled is None


def test_a_sell_closes_a_long():
    """Whatever `posSide` says."""
    row = LiquidationRow("BTC-USDT-SWAP", 1, "sell", "net", "1", "1", "0")
    assert row.liquidated == "long"
    assert row._replace(side="buy", pos_side="long").liquidated == "short"
