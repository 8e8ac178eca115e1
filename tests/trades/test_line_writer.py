"""Lines of columns: those of records.TradeEncoder, byte for byte."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ravequant import exact, times
from ravequant.contract import Contract
from ravequant.exchanges.okx.archive.csv_rows import canonical
from ravequant.records import Trade, TradeEncoder
from ravequant.trades.joining import columns_of
from ravequant.trades.line_writer import LineWriter

DAY = times.parse_iso("2025-12-14T00:00:00Z")
CONTRACT = Contract("0.01", "1", "linear")
number = st.one_of(
    st.sampled_from(["1", "10", "0.1", "99999999", "100000000", "0.00000001", "101250.5"]),
    st.decimals("0.0000000001", "99999999999", places=None, allow_nan=False).map(
        lambda value: canonical(f"{value:.8f}").rstrip(".")
    ),
).filter(lambda text: text != "0")
trade = st.builds(
    Trade,
    ts=st.integers(1_700_000_000_000, 1_700_400_000_000),
    trade_id=st.integers(10_000, 10**17),
    side=st.sampled_from(["buy", "sell"]),
    price=number,
    qty=number,
    count=st.integers(1, 10_000),
    source=st.sampled_from(["0", "1", "27"]),
)


@given(st.lists(trade, min_size=1, max_size=40), st.sampled_from(["BTC-USDT-SWAP", "X-Y"]))
def test_lines_are_those_of_the_encoder(trades, inst_id):
    """Whatever the widths of their fields."""
    encoder = TradeEncoder(inst_id, CONTRACT)
    found = LineWriter(inst_id, CONTRACT).lines(columns_of(trades))
    assert found == b"".join(map(encoder.line, trades))


alike = st.builds(
    Trade,
    ts=st.integers(DAY, DAY + times.DAY_MS - 1) | st.sampled_from([DAY, DAY + times.DAY_MS - 1]),
    trade_id=st.integers(2_885_385_355, 2_885_385_999) | st.just(2_899_999_999),
    side=st.sampled_from(["buy", "sell"]),
    price=st.integers(1, 10**9 - 1).map(lambda value: exact.text(value, 1)),
    qty=st.integers(1, 10**10 - 1).map(lambda value: exact.text(value, 2)),
    count=st.integers(1, 12_345),
    source=st.sampled_from(["0", "1", "9"]),
)


@given(st.lists(alike, min_size=1, max_size=40))
def test_records_of_one_day_are_written_at_once(trades):
    """The same bytes."""
    encoder = TradeEncoder("BTC-USDT-SWAP", CONTRACT)
    found = LineWriter("BTC-USDT-SWAP", CONTRACT)._at_once(columns_of(trades))
    assert found == b"".join(map(encoder.line, trades))


@pytest.mark.parametrize(
    "change",
    [
        {"ts": DAY + times.DAY_MS}, {"ts": DAY - 1}, {"trade_id": 3_000_000_000}, {"source": "10"},
        {"trade_id": 2_800_000_000 - 1}, {"qty": "100000000"}, {"price": "0.12345678"},
        {"count": 100_000_000},
    ],
)  # fmt: skip
@pytest.mark.parametrize("place", [0, 20, 39])
def test_records_that_differ_are_written_one_by_one(change, place):
    """Another day, another beginning of the id, a longer source, a wider number; the same bytes."""
    trades = [Trade(DAY + n, 2_885_385_355 + n, "buy", "99.5", "1") for n in range(40)]
    trades[place] = replace(trades[place], **change)
    writer, rows = LineWriter("BTC-USDT-SWAP", CONTRACT), columns_of(trades)
    assert writer._at_once(rows) is None
    encoder = TradeEncoder("BTC-USDT-SWAP", CONTRACT)
    assert writer.lines(rows) == b"".join(map(encoder.line, trades))


def test_short_ids_are_written_one_by_one():
    """Fewer than eight digits."""
    rows = columns_of([Trade(DAY, 1_234_567, "buy", "1", "1")])
    assert LineWriter("BTC-USDT-SWAP", CONTRACT)._at_once(rows) is None
