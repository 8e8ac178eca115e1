"""Csv of the archive: floats as text, columns by name, every row that is none."""

import pytest

from ravequant.exchanges.archive.container import ArchiveError
from ravequant.exchanges.okx.archive.csv_rows import (
    CsvForm,
    canonical,
    check_archive_name,
    column_names,
    header_text,
    parsed_rows,
)
from ravequant.records import RecordError
from tests.support.archive_files import BTC, write_zip

FORM = CsvForm("funding", ("a", "b"), ("instrument_name",))
NAME = f"{BTC}-fundingrates-2025-01.zip"


def parse(row: dict[str, str]) -> str:
    """Return a row as text; one with an x is none."""
    if "x" in row["a"]:
        raise RecordError("a: an x")
    return row["a"] + row["b"]


def rows(tmp_path, data: bytes, name: str = NAME) -> list[tuple[int, str]]:
    """Return the rows of a csv."""
    return list(parsed_rows(write_zip(tmp_path / name, data), BTC, FORM, parse))


@pytest.mark.parametrize(
    ("text", "exact"),
    [
        ("38.0", "38"), ("7.98e-05", "0.0000798"), ("104503.0", "104503"), ("0.02", "0.02"),
        ("1e+16", "10000000000000000"), ("2.5E1", "25"), ("100", "100"), ("1.50", "1.5"),
        ("0.1234567890123456789", "0.1234567890123456789"), ("0.0", "0"), ("0", "0"),
    ],
)  # fmt: skip
def test_floats_become_canonical_decimals(text, exact):
    """Exactly, never by way of a binary number."""
    assert canonical(text) == exact


@pytest.mark.parametrize(
    "text",
    ["", "-1", "+1", ".5", "5.", "1_0", "nan", "inf", "1e", "1e999", "01", "0x1", "1 ", "\u0661"],
)
def test_other_text_is_no_number(text):
    """What Python's own functions would take is refused too."""
    with pytest.raises(ValueError, match="is not a number like"):
        canonical(text)


def test_columns_are_read_by_name(tmp_path):
    """In any order, with Chinese behind a slash, with CR LF; lines count from 1."""
    data = "b/费率,a\r\n2,1\r\n4,3".encode("gbk")
    assert rows(tmp_path, data) == [(2, "12"), (3, "34")]
    assert column_names("\ufeffa/费,b\n".encode()) == ("a", "b")
    assert header_text("a/费,b\n".encode("gbk")) == header_text("\ufeffa/费,b".encode()) == "a/费,b"


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", "its csv is empty; expected a header"),
        (b"a,c\n", "line 1: the header is 'a,c'; expected the columns a, b, with or without inst"),
        (b"a,b,b\n", "line 1: the header is 'a,b,b'"),
        (b"a,b\n1,2\n1\n", "line 3: '1': 1 columns in place of 2; expected rows of BTC-USDT-SWAP"),
        (b"a,b\nx,2\n", "line 2: 'x,2': a: an x; expected rows of BTC-USDT-SWAP as OKX writes"),
        (b"instrument_name,a,b\nETH,1,2\n", "instrument_name: 'ETH' is not BTC-USDT-SWAP"),
    ],
)
def test_other_files_are_refused(tmp_path, data, found):
    """With file, line, value, expectation and remedy."""
    with pytest.raises(ArchiveError) as caught:
        rows(tmp_path, data)
    assert str(caught.value).startswith(f"{tmp_path / NAME}: ")
    assert found in str(caught.value)


def test_a_file_of_all_swaps_is_filtered(tmp_path):
    """The rows of the others are passed over, unread."""
    data = f"instrument_name,a,b\nETH-USDT-SWAP,x,2\n{BTC},3,4\n".encode()
    assert rows(tmp_path, data, "allswap-fundingrates-2025-01-31.zip") == [(3, "34")]


def test_names_of_other_streams_are_refused():
    """And of other instruments; all swaps only where it is asked for."""
    assert check_archive_name(f"x/{NAME}", "funding", BTC) is False
    every = "allswap-fundingrates-2025-01-31.zip"
    assert check_archive_name(every, "funding", BTC, of_all=True) is True
    for name in (every, NAME.replace("fundingrates", "trades"), "a.zip"):
        with pytest.raises(ArchiveError, match="by its name it holds no funding of this"):
            check_archive_name(name, "funding", BTC)
