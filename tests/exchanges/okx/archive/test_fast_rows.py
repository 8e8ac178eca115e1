"""Rows read at once: the same result as one by one, and every odd row handed back."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ravequant import times
from ravequant.exchanges.archive.container import ArchiveError
from ravequant.exchanges.okx.archive import fast_rows, trade_rows
from ravequant.exchanges.okx.archive.fast_rows import RowShape, read_rows, shape_of
from ravequant.exchanges.okx.archive.trade_rows import RowReader
from ravequant.records import Trade
from ravequant.trades.line_writer import trades
from tests.support.archive_files import BTC, FORMS, HEADERS, market_fills, row

START = times.parse_iso("2025-12-14T00:00:00Z")
FILLS = market_fills(2_000, START)
LATEST = 1 << 60


class Text:
    """A member of the given text."""

    path = Path("x.zip")

    def __init__(self, data: bytes) -> None:
        self._parts = [data, b""]

    def read(self, _: int) -> bytes:
        """Return all at once, then the end."""
        return self._parts.pop(0)


def outcome(data: bytes, *, at_once: bool) -> list[Trade] | str:
    """Return the rows of a csv, or why it is refused."""
    with pytest.MonkeyPatch.context() as patch:
        if not at_once:
            patch.setattr(trade_rows, "shape_of", lambda *_: None)
        try:
            read = RowReader(Text(data), BTC).rows()
            return [trade for _, rows in read for trade in trades(rows)]
        except ArchiveError as error:
            return str(error)


def shape(form: str) -> RowShape:
    """Return the shape of a form."""
    columns = trade_rows.header_form("x", HEADERS[form] or b"1").columns
    found = shape_of(columns, BTC)
    assert found is not None
    return found


@pytest.mark.parametrize("form", FORMS)
def test_ordinary_rows_are_all_read_at_once(form):
    """In every header form; none is handed back."""
    block = b"".join(row(fill, form) for fill in FILLS)
    found = read_rows(shape(form), block, 0, LATEST)
    assert found is not None
    good, rows = found
    assert good.all()
    assert (len(good), len(rows)) == (len(FILLS), len(FILLS))
    assert rows.columns.trade_id.tolist() == [fill.trade_id for fill in FILLS]
    assert rows.source.any() == (form == "source" and any(f.source == "1" for f in FILLS))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b",buy,", b",BUY,"), (b",buy,", b",bux,"), (b",buy,", b",buyy,"), (b",buy,", b";buy,"),
        (b",buy,", b",sell"), (b"BTC", b"ETH"), (b".5", b".x"), (b".0,", b",,"), (b".0,", b".0;"),
        (b"17656", b"1765x"), (b"17656", b"7656"), (b"17656", b"117656"), (b"\n", b"\r\n"),
        (b"\n", b",0\n"), (b"\n", b"\n\n"), (b"1.0,", b"1e0,"), (b"1.0,", b"01.0,"),
        (b",0\n", b",x\n"), (b",0\n", b";0\n"), (b",1\n", b",:\n"),
        (b"1.0,", b"0.0,"), (b"1.0,", b"-1.0,"),
    ],
)  # fmt: skip
def test_a_row_that_differs_is_handed_back_or_refused(form, old, new):
    """Whatever differs, the result is that of the rows one by one."""
    lines = [row(fill, form) for fill in FILLS[:200]]
    at = next((n for n, line in enumerate(lines) if old in line), None)
    if at is None:
        return
    lines[at] = lines[at].replace(old, new, 1)
    data = HEADERS[form] + b"".join(lines)
    assert outcome(data, at_once=True) == outcome(data, at_once=False)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("other", [b";", b".", b"/", b"e", b" "])
def test_each_comma_is_looked_at(form, other):
    """Another character in its place is refused as it is row by row."""
    lines = [row(fill, form) for fill in FILLS[:50]]
    for at in (place for place, byte in enumerate(lines[9]) if byte == 0x2C):
        changed = lines[9][:at] + other + lines[9][at + 1 :]
        data = HEADERS[form] + b"".join([*lines[:9], changed, *lines[10:]])
        found = outcome(data, at_once=True)
        assert isinstance(found, str)
        assert found == outcome(data, at_once=False)


number = st.one_of(
    st.sampled_from(
        ["38.0", "0.01", "104503.0", "7.98e-05", "100", "1.50", "0.0", "", "12345678.5"]
    ),
    st.floats(1e-8, 1e9).map(repr),
    st.integers(1, 10**9).map(lambda value: repr(value / 100)),
)
field_id = st.integers(1, 3) | st.integers(10**9, 10**9 + 50) | st.just(10**17)
side = st.sampled_from(["buy", "sell"]) | st.sampled_from(["BUY", "sel", ""])
moment = st.integers(START, START + 99) | st.sampled_from([5, START // 1_000, 10**13])


@given(
    st.sampled_from(FORMS),
    st.lists(
        st.tuples(field_id, side, number, number, moment, st.sampled_from("0012")), max_size=9
    ),
    st.booleans(),
)
def test_random_rows_are_read_alike_on_both_paths(form, rows, ordinary):
    """The same trades, or the same refusal of the same line."""
    lines = [] if not ordinary else [row(fill, form) for fill in FILLS[:3]]
    for an_id, taker, price, size, ts, source in rows:
        fields = [str(an_id), taker, price, size, str(ts)]
        if form in ("chinese", "none"):
            fields[2:4] = size, price
        else:
            fields[:0] = [BTC]
        fields += [source] if form == "source" else []
        lines.append(",".join(fields).encode() + b"\n")
    data = HEADERS[form] + b"".join(lines)
    assert outcome(data, at_once=True) == outcome(data, at_once=False)


@given(st.sampled_from(FORMS), st.binary(max_size=200))
def test_random_bytes_are_refused_alike(form, junk):
    """Behind ordinary rows, and cut short at the end of the block."""
    ordinary = b"".join(row(fill, form) for fill in FILLS[:2])
    for data in (ordinary + junk, ordinary[: len(ordinary) - len(junk)], junk):
        whole = HEADERS[form] + data + b"\n"
        assert outcome(whole, at_once=True) == outcome(whole, at_once=False)


def test_another_order_of_columns_is_read_one_by_one():
    """Only the orders that OKX writes are read at once."""
    assert shape_of(("side", "trade_id", "price", "size", "created_time"), BTC) is None
    assert shape_of(("trade_id", "side", "price", "size", "created_time"), BTC) == (
        b"",
        False,
        False,
    )
    assert shape("chinese") == shape("none") == (b"", True, False)
    assert shape("source") == (b"BTC-USDT-SWAP,", False, True)


def test_times_outside_the_bounds_are_handed_back():
    """Seconds in place of milliseconds have fewer digits; these have as many."""
    block = b"".join(row(fill, "english") for fill in FILLS)
    first, last = FILLS[0].ts, max(fill.ts for fill in FILLS)
    good = read_rows(shape("english"), block, first + 1, last)
    assert good is not None
    wanted = [first + 1 <= fill.ts < last for fill in FILLS]
    assert good[0].tolist() == wanted
    assert not all(wanted)
    assert good[1].columns.ts.tolist() == [
        f.ts for f, kept in zip(FILLS, wanted, strict=True) if kept
    ]


def test_a_block_that_begins_with_no_id_is_read_one_by_one():
    """Where its first row has no comma, or too long an id."""
    for block in (b"x\n", b"BTC-USDT-SWAP,\n", b"BTC-USDT-SWAP," + b"1" * 17 + b",buy,\n"):
        assert read_rows(shape("english"), block, 0, LATEST) is None


def test_odd_rows_come_back_in_their_place():
    """Between those that were read at once, with common decimals."""
    lines = [row(fill, "english") for fill in FILLS[:50]]
    lines[7] = lines[7].replace(b",buy,", b",BUY,").replace(b",sell,", b",Sell,")
    lines[31] = lines[31].rstrip(b"\n") + b"\r\n"
    found = outcome(HEADERS["english"] + b"".join(lines), at_once=True)
    assert not isinstance(found, str)
    assert [trade.trade_id for trade in found] == [fill.trade_id for fill in FILLS[:50]]
    assert np.array_equal([t.ts for t in found], [fill.ts for fill in FILLS[:50]])
    assert fast_rows.SOURCE == "source"
