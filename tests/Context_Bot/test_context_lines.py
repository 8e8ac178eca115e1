"""The lines of the context feeds are those of the contract, byte for byte."""

import re

import pytest

from Context_Bot.context_lines import ContextLines, funding_fields, key_of, key_of_line
from ravequant import times
from ravequant.contract import Contract
from ravequant.exchanges.context_feeds import (
    FundingRow,
    InterestRow,
    LiquidationRow,
    MarkRow,
    PeriodRow,
    SettledRow,
)
from ravequant.vault.paths import CHECKOUT

BTC = "BTC-USDT-SWAP"
LINES = ContextLines("okx", BTC, Contract("0.01", "1", "linear"))


def at(text: str) -> int:
    return times.parse_iso(text)


ROW = LiquidationRow(BTC, at("2026-10-09T17:06:40.771Z"), "sell", "long", "82655.7", "8.55", "0")
FUNDING = FundingRow(
    at("2026-09-25T17:49:23.915Z"),
    "0.0000263463215391",
    1790380800000,
    1790409600000,
    1790352000000,
    "0.0000341625964238",
    "settled",
    "-0.0004010920207754",
)
MADE = [
    LINES.liquidation(ROW, at("2026-10-09T17:06:41.000Z"), "liquidation-orders"),
    LINES.interest(
        InterestRow(at("2026-09-28T13:43:00.957Z"), "2906566.84", "29065.6684", "2434932771.707"),
        "open-interest",
    ),
    LINES.funding(FUNDING, "funding-rate"),
    LINES.settled(
        SettledRow(at("2026-09-25T16:00:00.000Z"), "0.0000341625964238"),
        at("2026-09-25T08:00:00.000Z"),
        "ws",
    ),
    LINES.mark(MarkRow(at("2026-09-25T17:53:37.778Z"), "83679.8"), "mark-price"),
    LINES.statistic(
        PeriodRow(at("2026-09-29T00:00:00.000Z"), ("1.1739",)),
        "ls_accounts",
        "5m",
        at("2026-09-29T00:06:00.200Z"),
    ),
]


def contract_lines() -> list[bytes]:
    """Return the example lines of the section of the contract."""
    page = (CHECKOUT / "SPEC.md").read_text(encoding="utf-8")
    section = page[page.index("\n## 19.") :]
    block = re.search(r"```json\n(.*?)```", section, re.DOTALL)
    assert block is not None
    return block[1].encode().splitlines(keepends=True)


def test_the_lines_are_those_of_the_contract():
    """One of each feed, in the order of the page."""
    assert contract_lines() == MADE


def test_a_liquidated_side_follows_from_the_order_alone():
    """A position may be `net`: then only the side of the order says which it was."""
    net = ROW._replace(pos_side="net")
    assert net.liquidated == "long"
    assert net._replace(side="buy").liquidated == "short"


@pytest.mark.parametrize(("hours", "interval"), [(4, b"4"), (8, b"8"), (12, b"null")])
def test_an_interval_is_one_that_the_exchange_has(hours, interval):
    """Twelve hours are two settlements, one of which lacks."""
    row = SettledRow(at("2026-09-25T16:00:00.000Z"), "-0.0001")
    line = LINES.settled(row, row.ts - hours * 3_600_000, "rest")
    assert b'"interval_h":' + interval in line
    assert b'"interval_h":null' in LINES.settled(row, None, "rest")


def test_a_repeated_row_has_the_key_of_its_line():
    """So a row is known again after a restart."""
    assert key_of_line(MADE[0]) == (key_of(ROW), at("2026-10-09T17:06:41.000Z"))


def test_an_estimate_without_the_settlement_before_says_so():
    """The field is on the wire and in no reference: it may go."""
    assert funding_fields(FUNDING._replace(before=None))["prevFundingTime"] is None
