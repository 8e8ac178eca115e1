"""Rows of the context feeds: recorded ones are read, hostile ones are refused by name."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ravequant.exchanges.base import ChannelData
from ravequant.exchanges.context_feeds import (
    FundingRow,
    InterestRow,
    LiquidationRow,
    MarkRow,
    PeriodRow,
    SettledRow,
)
from ravequant.exchanges.okx import context_rows
from ravequant.exchanges.okx.messages import parse_frame
from ravequant.records import RecordError
from tests.conftest import SHARED_DATA

BTC = "BTC-USDT-SWAP"
RECORDED = SHARED_DATA / "okx_context" / "recorded"
recorded = pytest.mark.skipif(not RECORDED.is_dir(), reason="needs the recorded payloads")
TS = "1790358563915"
DETAIL = {
    "bkLoss": "0", "bkPx": "82655.7", "ccy": "", "posSide": "long", "side": "sell",
    "sz": "8.55", "ts": TS,
}  # fmt: skip
MARK = {"instId": BTC, "instType": "SWAP", "markPx": "83679.8", "ts": TS}
INTEREST = {
    "instId": BTC,
    "oi": "2216113.01000000309",
    "oiCcy": "22161.13",
    "oiUsd": "1.5",
    "ts": TS,
}
FUNDING = {
    "fundingRate": "0.00002", "fundingTime": "1790380800000", "instId": BTC,
    "nextFundingTime": "1790409600000", "prevFundingTime": "1790352000000",
    "settFundingRate": "-0.00003", "settState": "settled", "premium": "-0.0004", "ts": TS,
}  # fmt: skip
SETTLED = {"instId": BTC, "fundingTime": "1703059200000", "realizedRate": "0.0000746572360545"}
ROWS = {
    "liquidation": DETAIL, "mark": MARK, "interest": INTEREST, "funding": FUNDING,
    "settled": SETTLED,
}  # fmt: skip
OPTIONAL = {
    "liquidation": {"bkLoss", "ccy", "posSide"},
    "mark": {"instType"},
    "interest": set(),
    "funding": {"prevFundingTime", "settFundingRate", "settState", "premium"},
    "settled": set(),
}
STRANGE: list[Any] = [None, 1, 1.5, True, [], {}, "", "NaN", "-1", "1e5", "x" * 300]
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def one_liquidation(detail: Any) -> LiquidationRow:
    found, faults = context_rows.liquidation_rows({"instId": BTC, "details": [detail]})
    if faults:
        raise RecordError(faults[0])
    return found[0]


READ = {
    "liquidation": one_liquidation,
    "mark": lambda row: context_rows.mark_row(row, BTC),
    "interest": lambda row: context_rows.interest_row(row, BTC),
    "funding": lambda row: context_rows.funding_row(row, BTC),
    "settled": lambda row: context_rows.settled_row(row, BTC),
}


@recorded
def test_recorded_frames_are_read():
    """Of each feed, as the socket sent them."""
    found = []
    for path in sorted(RECORDED.glob("ws_*.jsonl")):
        for line in path.read_bytes().splitlines():
            payload = parse_frame(line)
            if not isinstance(payload, ChannelData):
                continue
            if payload.channel.name == "liquidation-orders":
                assert payload.channel.inst_id == "SWAP"
                rows, faults = context_rows.liquidation_rows(payload.rows[0])
                assert (len(rows), faults) == (1, [])
                found.append(rows[0])
            elif payload.channel.name == "mark-price":
                assert context_rows.mark_row(payload.rows[0], BTC) == MarkRow(
                    1790358817778, "83679.8"
                )
            elif payload.channel.name == "funding-rate":
                row = context_rows.funding_row(payload.rows[0], BTC)
                assert row.settled == SettledRow(1790352000000, "0.0000341625964238")
    assert found[-1] == LiquidationRow(BTC, 1791565600771, "sell", "long", "82655.7", "8.55", "0")


@recorded
def test_recorded_answers_are_read():
    """Of REST, of today's form and of one without prevFundingTime."""
    for line in (RECORDED / "rest_funding_rate_BTC-USDT-SWAP_2026.jsonl").read_bytes().splitlines():
        (row,) = orjson.loads(line)["data"]
        assert context_rows.funding_row(row, BTC).settled is not None
    for line in (
        (RECORDED / "rest_open_interest_BTC-USDT-SWAP_2026.jsonl").read_bytes().splitlines()
    ):
        (row,) = orjson.loads(line)["data"]
        assert context_rows.interest_row(row, BTC).contracts == row["oi"]


def test_documented_rows_are_read():
    """Each feed in its form."""
    assert context_rows.interest_row(INTEREST, BTC) == InterestRow(
        int(TS), "2216113.01000000309", "22161.13", "1.5"
    )
    assert context_rows.funding_row(FUNDING, BTC) == FundingRow(
        int(TS), "0.00002", 1790380800000, 1790409600000, 1790352000000, "-0.00003", "settled",
        "-0.0004",
    )  # fmt: skip
    assert context_rows.settled_row(SETTLED, BTC).rate == "0.0000746572360545"
    row = ["1701417600000", "200", "380"]
    assert context_rows.period_row(row, "taker") == PeriodRow(1701417600000, ("200", "380"))


@pytest.mark.parametrize("kind", ROWS)
def test_a_row_without_a_field_is_refused(kind):
    """Each field that the record needs; the others may lack."""
    for field in ROWS[kind]:
        row = {name: value for name, value in ROWS[kind].items() if name != field}
        if field in OPTIONAL[kind]:
            READ[kind](row)
        else:
            with pytest.raises(RecordError):
                READ[kind](row)


@pytest.mark.parametrize("kind", ROWS)
@pytest.mark.parametrize("value", STRANGE, ids=repr)
def test_a_field_of_another_form_is_refused(kind, value):
    """Each field that the record needs, in each wrong form; a rate may be below zero."""
    for field in set(ROWS[kind]) - OPTIONAL[kind]:
        if value == "-1" and field in ("fundingRate", "realizedRate"):
            continue
        with pytest.raises(RecordError):
            READ[kind]({**ROWS[kind], field: value})


@pytest.mark.parametrize("kind", ROWS)
@given(row=anything)
def test_nothing_else_is_ever_raised(kind, row):
    """Anything may come: it is refused, by name."""
    with pytest.raises(RecordError):
        READ[kind](row)


def test_a_row_of_another_instrument_is_refused():
    """Its channel said otherwise."""
    for kind in ("mark", "interest", "funding", "settled"):
        with pytest.raises(RecordError, match="instId"):
            READ[kind]({**ROWS[kind], "instId": "ETH-USDT-SWAP"})


def test_one_bad_row_does_not_spoil_its_frame():
    """The sound rows are kept, and the fault is named."""
    item = {"instId": "DOGE-USDT-SWAP", "details": [DETAIL, {**DETAIL, "sz": "0"}, DETAIL]}
    found, faults = context_rows.liquidation_rows(item)
    assert [row.inst_id for row in found] == ["DOGE-USDT-SWAP"] * 2
    assert len(faults) == 1
    assert "sz" in faults[0]
    hostile: list[Any] = [None, [], {"instId": "X"}, {"instId": 1, "details": []}, {"details": 3}]
    for strange in hostile:
        assert context_rows.liquidation_rows(strange)[0] == []


def test_funding_times_are_in_order():
    """Before, coming, after; a message that says otherwise would move the chain."""
    for field, value in (("prevFundingTime", FUNDING["fundingTime"]),
                         ("nextFundingTime", FUNDING["fundingTime"])):  # fmt: skip
        with pytest.raises(RecordError, match="out of order"):
            context_rows.funding_row({**FUNDING, field: value}, BTC)


@pytest.mark.parametrize(
    "row",
    [["1701417600000"], ["1701417600000", "1", "2"], ["1701417600001", "1"], ["x", "1"],
     ["1701417600000", 1], {}, None],
)  # fmt: skip
def test_a_row_of_a_statistic_has_its_form(row):
    """A start on the grid and as many texts as the series has."""
    with pytest.raises(RecordError):
        context_rows.period_row(row, "ls_accounts")


def test_the_newest_time_of_a_row():
    """Of liquidations that of the newest detail; none where there is none."""
    rows = {"details": [{"ts": TS}, {"ts": "1790358563999"}, {"ts": "x"}, 3]}
    assert context_rows.newest_time(rows) == 1790358563999
    assert context_rows.newest_time(MARK) == int(TS)
    assert context_rows.newest_time({"details": []}) is None
    assert context_rows.newest_time(None) is None
