"""Rows of trade archives: four header forms, floats as text, and every row that is none."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from ravequant import times
from ravequant.exchanges.archive.container import ArchiveError, open_member
from ravequant.exchanges.okx.archive.csv_rows import canonical
from ravequant.exchanges.okx.archive.trade_rows import RowReader, header_form
from ravequant.records import Trade
from ravequant.trades.line_writer import trades
from tests.support.archive_files import BTC, FORMS, HEADERS, market_fills, trade_csv, write_zip

START = times.parse_iso("2025-12-14T00:00:00Z")
FILLS = market_fills(3_000, START)


def read(path: Path, inst_id: str = BTC) -> list[Trade]:
    """Return the rows of a file."""
    with open_member(path, ".csv") as member:
        return [trade for _, rows in RowReader(member, inst_id).rows() for trade in trades(rows)]


def plain(trades: Iterable[Trade]) -> list[tuple[object, ...]]:
    """Return the values of trades, their numbers canonical."""
    return [
        (t.ts, t.trade_id, t.side, canonical(t.price), canonical(t.qty), t.count, t.source)
        for t in trades
    ]


def refused(tmp_path: Path, data: bytes) -> str:
    """Return the message with which a csv is refused."""
    path = write_zip(tmp_path / "a.zip", data)
    with pytest.raises(ArchiveError) as caught:
        read(path)
    return str(caught.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize("form", FORMS)
def test_each_form_gives_the_same_rows(tmp_path, form):
    """Price and size are told apart by their names, and by their order where there is none."""
    rows = FILLS if form == "source" else [replace(fill, source="0") for fill in FILLS]
    assert plain(read(write_zip(tmp_path / "a.zip", trade_csv(FILLS, form)))) == plain(rows)


def test_columns_are_read_by_name(tmp_path):
    """In any order, with the other Chinese word for the id, a byte order mark, CR LF, capitals."""
    data = (
        "\ufeffsource,size,price,side,created_time/成交时间,trade_id/交易id\r\n"
        "1,3.0,2.5,SELL,1745034103856,7\r\n"
    ).encode()
    path = write_zip(tmp_path / "a.zip", data)
    assert read(path) == [Trade(1745034103856, 7, "sell", "2.5", "3", 1, "1")]


def test_the_header_is_known_as_it_stands():
    """The words of GBK too; a file without one has an empty text."""
    path = "a.zip"
    assert header_form(path, HEADERS["chinese"]).text.startswith("trade_id/撮合id,side/交易方向,")
    assert header_form(path, HEADERS["source"]).columns[-1] == "source"
    assert header_form(path, b"1,buy,2.0,3.0,1745034103856\n").text == ""


@pytest.mark.parametrize(
    "header",
    [
        "instrument_name,trade_id,side,price,created_time",
        "instrument_name,trade_id,side,price,size,created_time,count",
        "instrument_name,trade_id,side,price,size,size,created_time",
        "<html>",
        "",
        "open,high,low,close,vol,vol_ccy,vol_quote,open_time",
    ],
)
def test_an_unknown_header_is_refused(tmp_path, header):
    """A column too few, too many, twice, or text of another kind."""
    message = refused(tmp_path, f"{header}\n".encode())
    assert message.startswith(f"line 1: the header is '{header[:20]}")
    assert "expected the columns trade_id, side, price, size, created_time, with or" in message
    assert message.endswith("if OKX has changed its form, update RaveQuant")


GOOD = "BTC-USDT-SWAP,104136693,buy,0.5747,38.0,1692547262958"


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("BTC", "ETH", "instrument_name: 'ETH-USDT-SWAP' is not BTC-USDT-SWAP"),
        ("104136693", "", "trade_id: '' is not a whole number"),
        ("104136693", "-1", "trade_id: '-1' is not a whole number"),
        ("104136693", "1e5", "trade_id: '1e5' is not a whole number"),
        ("104136693", "9" * 19, "is not a whole number"),
        ("buy", "bid", "side: 'bid' is neither buy nor sell"),
        ("0.5747", "0.0", "price: '0' is not above zero"),
        ("0.5747", "-1.0", "'-1.0' is not a number like 38.0 or 7.98e-05"),
        ("0.5747", "1e-21", "price: '0.000000000000000000001' has more than 20 decimals"),
        ("38.0", "nan", "'nan' is not a number like 38.0 or 7.98e-05"),
        ("38.0", "1e-11", "size: '0.00000000001' has more than 10 decimals"),
        ("1692547262958", "1692547262", "ts: 1692547262 is not a time in Unix milliseconds"),
        ("1692547262958", "1692547262958,0", "7 columns in place of 6"),
        (GOOD, "", "1 columns in place of 6"),
        ("buy", '"buy"', "is neither buy nor sell"),
    ],
)
def test_a_row_of_another_form_is_refused(tmp_path, old, new, found):
    """With its line, its text, and the field that is wrong."""
    data = HEADERS["english"].decode() + f"{GOOD}\n{GOOD.replace(old, new)}\n{GOOD}\n"
    message = refused(tmp_path, data.encode())
    assert message.startswith("line 3: ")
    assert found in message
    assert "; expected rows of BTC-USDT-SWAP as OKX writes them; fetch the file" in message


def test_a_file_without_a_line_is_refused(tmp_path):
    """A header alone is a file without trades; nothing at all is none."""
    assert refused(tmp_path, b"").startswith("its csv is empty; expected a header or rows")
    assert read(write_zip(tmp_path / "a.zip", HEADERS["english"])) == []


def test_real_rows_are_read(tmp_path, shared_data):
    """Fourteen consecutive rows of the archive, and single ones of 2024 to 2026."""
    folder = shared_data / "okx_archive" / "rows"
    excerpt = (folder / "MATIC-USDT-SWAP-trades-2023-08-21.excerpt.csv").read_bytes()
    found = read(write_zip(tmp_path / "a.zip", excerpt), "MATIC-USDT-SWAP")
    assert len(found) == 14
    assert found[0] == Trade(1692547262958, 104136693, "buy", "0.5747", "38")
    for number, line in enumerate((folder / "rows_of_other_archives.csv").open(encoding="utf-8")):
        header, quoted = line.split(",", 2)[2].split(",", 1)[0], line.split('"')[1::2]
        forms = {"6": "english", "7": "source", "Chinese": "chinese"}
        if header not in forms:
            continue
        data = HEADERS[forms[header]] + quoted[-1].encode() + b"\n"
        inst_id = quoted[-1].split(",")[0] if header != "Chinese" else "BTC-USDT"
        [trade] = read(write_zip(tmp_path / f"{number}.zip", data), inst_id)
        assert str(trade.trade_id) in quoted[-1]


def test_a_row_far_down_is_named_by_its_line(tmp_path):
    """Lines are counted over the blocks of a file, odd rows and ordinary ones alike."""
    rows = trade_csv(FILLS * 6).replace(b",buy,", b",BUY,", 3)
    assert len(rows) > 1 << 19
    message = refused(tmp_path, rows + b"x\n")
    assert message.startswith(f"line {6 * len(FILLS) + 2}: 'x': 1 columns in place of 6")
