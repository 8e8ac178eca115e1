"""Lines of columns: those of records.TradeEncoder, byte for byte."""

from hypothesis import given
from hypothesis import strategies as st

from ravequant.contract import Contract
from ravequant.exchanges.okx.archive.csv_rows import canonical
from ravequant.records import Trade, TradeEncoder
from ravequant.trades.joining import columns_of
from ravequant.trades.line_writer import LineWriter

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


@given(st.lists(trade, min_size=1, max_size=20), st.sampled_from(["BTC-USDT-SWAP", "X-Y"]))
def test_lines_are_those_of_the_encoder(trades, inst_id):
    """Whatever the widths of their fields."""
    encoder = TradeEncoder(inst_id, CONTRACT)
    found = LineWriter(inst_id, CONTRACT).lines(columns_of(trades))
    assert found == b"".join(map(encoder.line, trades))
