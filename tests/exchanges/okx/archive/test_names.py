"""Names of the archive's files: every form that OKX uses, and all that is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ravequant import times
from ravequant.exchanges.okx.archive.names import (
    ALL_SWAPS,
    ArchiveName,
    labels_of,
    month_of,
    parse_name,
    start_ms,
)

BTC = "BTC-USDT-SWAP"
KNOWN = {
    "BTC-USDT-SWAP-trades-2023-04-05.zip": ArchiveName("trades", BTC, "2023-04-05"),
    "BTC-USDT-SWAP-trades-2023-04.zip": ArchiveName("trades", BTC, "2023-04"),
    "allswap-trades-2025-07-02.zip": ArchiveName("trades", ALL_SWAPS, "2025-07-02"),
    "BTC-USDT-SWAP-candlesticks-2026-05-18.zip": ArchiveName("candles", BTC, "2026-05-18"),
    "BTC-USDT-SWAP-candlesticks-2025-12.zip": ArchiveName("candles", BTC, "2025-12"),
    "BTC-USDT-SWAP-fundingrates-2025-01.zip": ArchiveName("funding", BTC, "2025-01"),
    "allswap-fundingrates-2026-04-01.zip": ArchiveName("funding", ALL_SWAPS, "2026-04-01"),
    "BTC-USDT-SWAP-L2orderbook-400lv-2023-04-04.tar.gz": ArchiveName("books", BTC, "2023-04-04"),
    "BTC-USDT-SWAP-L2orderbook-5000lv-2025-11-01.tar.gz": ArchiveName(
        "books_deep", BTC, "2025-11-01"
    ),
}


@pytest.mark.parametrize("file_name", KNOWN)
def test_a_name_is_its_parts_and_the_parts_are_the_name(file_name):
    """Each form is read into its stream, instrument and label, and written the same."""
    name = parse_name(file_name)
    assert name == KNOWN[file_name]
    assert name.file == file_name


@pytest.mark.parametrize("folder", ["reshaped/trades", "reshaped/books"])
def test_the_files_at_hand_have_known_names(shared_data, folder):
    """Files under OKX's names are all known."""
    files = sorted((shared_data / "okx_archive" / folder).iterdir())
    assert files
    assert all(parse_name(path.name) for path in files)


@pytest.mark.parametrize(
    "file_name",
    [
        "",
        "BTC-USDT-SWAP-trades-2023-04-05.csv",
        "BTC-USDT-SWAP-trades-2023-04-05.tar.gz",
        "BTC-USDT-SWAP-trades-2023-04-05.zip\n",
        "BTC-USDT-SWAP-trades-2023-04-05.zip.partial",
        "BTC-USDT-SWAP-trades-2023-04-31.zip",  # no such day
        "BTC-USDT-SWAP-trades-2023-13.zip",
        "BTC-USDT-SWAP-trades-2023-00-10.zip",
        "BTC-USDT-SWAP-trades-1969-01-01.zip",
        "BTC-USDT-SWAP-trades-٢٠٢٣-04-05.zip",
        "BTC-USDT-SWAP-trades-20230405.zip",
        "BTC-USDT-SWAP-L2orderbook-50lv-2023-04-04.csv.gz",
        "BTC-USDT-SWAP-L2orderbook-400lv-2023-04.tar.gz",  # books have no month's file
        "BTC-USDT-SWAP-L2orderbook-400lv-2023-04-04.zip",
        "BTC-trades-2023-04-05.zip",
        "btc-usdt-swap-trades-2023-04-05.zip",
        "../BTC-USDT-SWAP-trades-2023-04-05.zip",
        "C:\\BTC-USDT-SWAP-trades-2023-04-05.zip",
        "x/BTC-USDT-SWAP-trades-2023-04-05.zip",
        "-trades-2023-04-05.zip",
        "allspot-trades-2023-04-05.zip",
        "BTC-USDT-SWAP-borrowrates-2023-04-05.zip",
        "BTC-USDT-SWAP-trades-2023-04-05.zip?v=999",
    ],
)
def test_any_other_name_is_none(file_name):
    """A path, another ending, a date that does not exist: no name of the archive."""
    assert parse_name(file_name) is None


@given(st.text(max_size=60))
def test_no_text_is_read_that_is_not_written_the_same(text):
    """A name that is read is a bare name: it is written back as it was."""
    name = parse_name(text)
    assert name is None or name.file == text


def test_the_member_has_the_stem_of_its_file():
    """A zip holds a csv of its name, a book's tar a data file."""
    assert ArchiveName("trades", BTC, "2023-04-05").member == "BTC-USDT-SWAP-trades-2023-04-05.csv"
    assert (
        ArchiveName("books", BTC, "2023-04-04").member
        == "BTC-USDT-SWAP-L2orderbook-400lv-2023-04-04.data"
    )


@pytest.mark.parametrize("stream", ["trades", "candles", "funding"])
def test_a_utc_day_needs_its_own_label_and_the_next(stream):
    """Files of UTC+8 end at 16:00 UTC: the last eight hours stand in the next label's file."""
    assert labels_of(stream, "2024-12-31") == ("2024-12-31", "2025-01-01")
    assert labels_of(stream, "2024-02-28") == ("2024-02-28", "2024-02-29")


@pytest.mark.parametrize("stream", ["books", "books_deep"])
def test_a_utc_day_of_books_is_one_label(stream):
    """Book files are cut at midnight UTC."""
    assert labels_of(stream, "2024-12-31") == ("2024-12-31",)


@pytest.mark.parametrize(
    ("stream", "label", "start"),
    [
        ("trades", "2026-09-27", "2026-09-26T16:00:00Z"),
        ("candles", "2026-09-27", "2026-09-26T16:00:00Z"),
        ("funding", "2026-09", "2026-08-31T16:00:00Z"),
        ("trades", "2026-09", "2026-08-31T16:00:00Z"),
        ("books", "2026-09-01", "2026-09-01T00:00:00Z"),
        ("books_deep", "2026-09-01", "2026-09-01T00:00:00Z"),
    ],
)
def test_a_label_begins_in_its_own_zone(stream, label, start):
    """Trades, candles and funding begin at 16:00 UTC of the day before, books at midnight."""
    assert start_ms(stream, label) == times.parse_iso(start)


def test_a_label_of_no_day_has_no_start():
    """The day must exist."""
    with pytest.raises(ValueError, match="day is out of range"):
        start_ms("trades", "2026-02-30")


def test_a_month_stands_for_its_days():
    """The month's file has the same rows as the files of its labels."""
    assert month_of("2024-02-29") == "2024-02"
    month = ArchiveName("trades", BTC, "2024-02")
    assert month.monthly
    assert not ArchiveName("trades", BTC, "2024-02-01").monthly
    assert month.covers("2024-01-31")  # from 16:00 UTC on
    assert month.covers("2024-02-29")
    assert not month.covers("2024-03-01")
    assert not month.covers("2024-01-30")


def test_a_file_covers_the_days_that_it_has_rows_of():
    """A label of trades lies in two UTC days, a label of books in its own."""
    trades = ArchiveName("trades", BTC, "2024-02-29")
    assert [day for day in ("2024-02-27", "2024-02-28", "2024-02-29", "2024-03-01")
            if trades.covers(day)] == ["2024-02-28", "2024-02-29"]  # fmt: skip
    assert not ArchiveName("books", BTC, "2024-02-29").covers("2024-02-28")
