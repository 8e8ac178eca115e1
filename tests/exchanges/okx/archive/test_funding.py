"""Settled funding out of the archive: one line a settlement, as a recorder would write it."""

import pytest

from ravequant import times
from ravequant.exchanges.archive.container import ArchiveError
from ravequant.exchanges.okx.archive.funding import Settlement, read_funding
from tests.support.archive_files import BTC, write_zip

HEADER = "instrument_name,funding_rate,funding_time"
EIGHT = times.parse_iso("2024-01-01T00:00:00Z")


def month(tmp_path, *rows: str, header: str = HEADER, label: str = "2024-01", of: str = BTC):
    """Write a funding file."""
    data = "\n".join((header, *rows, "")).encode("gbk")
    return write_zip(tmp_path / f"{of}-fundingrates-{label}.zip", data)


def at(hours: float) -> int:
    return EIGHT + int(hours * times.HOUR_MS)


def test_a_settlement_is_one_line():
    """The fields of the stream in their order; the rate is exact."""
    line = Settlement(EIGHT, "0.0002955843024083", 8).line(BTC)
    assert line == (
        b'{"timestamp_utc":"2024-01-01T00:00:00.000Z","exchange":"okx","market":"perp","channel":'
        b'"funding-settled","instId":"BTC-USDT-SWAP","rate":"0.0002955843024083","interval_h":8,'
        b'"via":"archive"}\n'
    )


def test_rates_and_intervals(tmp_path):
    """In order of time, each once, with the hours since the settlement before, where known."""
    path = month(
        tmp_path,
        f"{BTC},-2.3e-05,{at(8)}",
        f"{BTC},0.0002955843024083,{at(0)}",
        f"{BTC},-0.0,{at(12)}",
        f"{BTC},0.0,{at(13)}",
        f"{BTC},0.0001,{at(29)}",
        f"{BTC},0.0001,{at(29)}",
    )
    assert read_funding([path], BTC) == [
        Settlement(at(0), "0.0002955843024083", None),
        Settlement(at(8), "-0.000023", 8),
        Settlement(at(12), "0", 4),
        Settlement(at(13), "0", 1),
        Settlement(at(29), "0.0001", None),  # one is missing, or more
    ]
    assert read_funding([path], BTC, before_ms=at(-8))[0].interval_h == 8


def test_months_join_and_chinese_names_are_read(tmp_path):
    """The interval goes on over the border of two files."""
    chinese = "instrument_name/交易对,funding_rate/资金费率,funding_time/时间"
    first = month(tmp_path, f"{BTC},0.1,{at(0)}")
    second = month(tmp_path, f"{BTC},0.2,{at(8)}", header=chinese, label="2024-02")
    found = read_funding([first, second], BTC)
    assert [(of.rate, of.interval_h) for of in found] == [("0.1", None), ("0.2", 8)]


def test_a_day_of_all_swaps_is_filtered(tmp_path):
    """Other instruments are passed over there, and refused in a month of this one."""
    rows = (f"ETH-USDT-SWAP,0.3,{at(0)}", f"{BTC},0.1,{at(0)}")
    path = month(tmp_path, *rows, label="2024-01-01", of="allswap")
    assert [of.rate for of in read_funding([path], BTC)] == ["0.1"]
    with pytest.raises(ArchiveError, match="'ETH-USDT-SWAP' is not BTC-USDT-SWAP"):
        read_funding([month(tmp_path, *rows)], BTC)


def test_a_time_with_two_rates_is_refused(tmp_path):
    """With file, line and both."""
    path = month(tmp_path, f"{BTC},0.1,{at(0)}", f"{BTC},0.2,{at(0)}")
    with pytest.raises(ArchiveError) as caught:
        read_funding([path], BTC)
    assert str(caught.value) == (
        f"{path}: line 3: rate 0.2 at 2024-01-01T00:00:00.000Z, where another row has 0.1; "
        "expected one rate a settlement; fetch the file again, or move it away"
    )


@pytest.mark.parametrize("row", ["nan,1704067200000", "--1,1704067200000", ",1704067200000", "1,1"])
def test_other_rows_are_refused(tmp_path, row):
    """A rate that is no number, a time that is none."""
    with pytest.raises(ArchiveError, match="line 2: "):
        read_funding([month(tmp_path, f"{BTC},{row}")], BTC)


def test_the_real_row_is_read(tmp_path, shared_data):
    """As it is quoted of the file of January 2024."""
    lines = (shared_data / "okx_archive" / "rows" / "rows_of_other_archives.csv").read_text("utf-8")
    row = lines.splitlines()[-1].split('"')[-2]
    assert read_funding([month(tmp_path, row)], BTC) == [
        Settlement(1_704_038_400_000, "0.0002955843024083", None)
    ]
