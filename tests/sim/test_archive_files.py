"""Files of a market: cut as the exchange cuts them, whole ids, the same bytes each time."""

import tarfile
import zipfile
from decimal import Decimal

import pytest

from ravequant import times
from ravequant.sim import archive_files
from ravequant.sim.archive_files import ArchiveForm, fills_of, read_member, write_books, write_days
from ravequant.sim.market import ModelMarket
from ravequant.sim.recording import Recording
from tests.support.exchange_client import BTC, START, record, write_trades
from tests.support.exchange_client import write_books as frames_of

CUT = times.parse_iso("2025-12-14T16:00:00.000Z")
FROM, UNTIL = CUT - 90_000, CUT + 90_000


def market(*instruments):
    return ModelMarket(3, instruments or (BTC,), start_ms=FROM)


def rows(path):
    header, *lines = read_member(path)[1].decode().splitlines()
    return [dict(zip(header.split(","), line.split(","), strict=True)) for line in lines]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("archive")
    write_days(made, market(), UNTIL)
    return made


def test_every_fill_stands_once_and_the_day_ends_at_16_utc(folder):
    """Two labels, ids in a row within and across them, the second from 16:00 UTC on."""
    first, second = (
        rows(folder / f"{BTC}-trades-{label}.zip") for label in ("2025-12-14", "2025-12-15")
    )
    fills = [fill for _, fill in fills_of(market(), UNTIL)]
    ids = [int(row["trade_id"]) for row in first + second]
    assert ids == [fill.trade_id for fill in fills] == list(range(ids[0], ids[-1] + 1))
    assert max(int(row["created_time"]) for row in first) < CUT
    assert int(second[0]["created_time"]) >= CUT


def test_candles_are_the_sums_of_the_fills(folder):
    """Each minute of the market has a row; contracts of all of them are those of the trades."""
    candles = [row for label in ("2025-12-14", "2025-12-15")
               for row in rows(folder / f"{BTC}-candlesticks-{label}.zip")]  # fmt: skip
    opened = [int(row["open_time"]) for row in candles]
    assert opened == list(range(opened[0], UNTIL, times.MINUTE_MS))
    traded = sum(Decimal(fill.qty) for _, fill in fills_of(market(), UNTIL))
    assert sum(Decimal(row["vol"]) for row in candles) == traded


def test_funding_stands_in_the_file_of_a_month_and_of_all_instruments(tmp_path):
    """16:00 UTC is the first settlement of its label."""
    write_days(tmp_path, market(BTC, "ETH-USDT-SWAP"), UNTIL)
    names = sorted(path.name for path in tmp_path.glob("*fundingrates*"))
    assert names == [
        "BTC-USDT-SWAP-fundingrates-2025-12.zip",
        "ETH-USDT-SWAP-fundingrates-2025-12.zip",
        "allswap-fundingrates-2025-12-15.zip",
    ]
    assert [row["instrument_name"] for row in rows(tmp_path / names[2])] == [BTC, "ETH-USDT-SWAP"]
    assert [int(row["funding_time"]) for row in rows(tmp_path / names[0])] == [CUT]


@pytest.mark.parametrize("form", ["source", "chinese", "chinese-match", "bare"])
def test_trades_are_written_in_every_form(tmp_path, folder, form):
    """The same fills in each form."""
    write_days(tmp_path, market(), UNTIL, ArchiveForm(form))
    name = f"{BTC}-trades-2025-12-15.zip"
    lines = read_member(tmp_path / name)[1].decode("gbk").splitlines()
    named = rows(folder / name)
    assert len(lines) == len(named) + (form != "bare")
    assert named[-1]["trade_id"] in lines[-1].split(",")


def test_a_cut_some_seconds_early_moves_fills_and_no_id(tmp_path, folder):
    """In early 2023 the day ended before 16:00 UTC."""
    write_days(tmp_path, market(), UNTIL, ArchiveForm(cut_ms=9_000))
    name = f"{BTC}-trades-2025-12-15.zip"
    early, usual = rows(tmp_path / name), rows(folder / name)
    assert CUT - 9_000 <= int(early[0]["created_time"]) < CUT
    assert early[-len(usual) :] == usual


def test_the_same_market_gives_the_same_bytes(tmp_path, folder):
    """No time of the run is in a file."""
    for path in write_days(tmp_path, market(), UNTIL):
        assert path.read_bytes() == (folder / path.name).read_bytes()


def test_a_file_has_one_member_named_after_it(tmp_path, folder):
    """A csv in a zip, a data file in a tar.gz, both regular."""
    for path in folder.glob("*.zip"):
        with zipfile.ZipFile(path) as made:
            assert made.namelist() == [f"{path.name.removesuffix('.zip')}.csv"]
            assert made.testzip() is None
    (books,) = write_books(tmp_path, market(), FROM + 3_000)
    with tarfile.open(books) as made:
        (info,) = made.getmembers()
        assert info.isreg()
        assert info.name == f"{BTC}-L2orderbook-400lv-2025-12-14.data"
    assert not list(tmp_path.glob(".*"))  # nothing is left of the work


def test_books_are_cut_at_midnight_utc(tmp_path):
    """Each file begins with a snapshot of its day."""
    midnight = times.parse_iso("2025-12-15T00:00:00.000Z")
    feed = ModelMarket(3, (BTC,), start_ms=midnight - 2_000)
    first, second = write_books(tmp_path, feed, midnight + 2_000)
    assert (first.name[-17:], second.name[-17:]) == ("2025-12-14.tar.gz", "2025-12-15.tar.gz")
    assert read_member(second)[1].startswith(b'{"instId":"BTC-USDT-SWAP","action":"snapshot"')


def test_deep_books_have_a_name_of_their_own(tmp_path):
    """5000 levels a side."""
    (path,) = write_books(tmp_path, market(), FROM + 2_000, deep=True)
    assert path.name == f"{BTC}-L2orderbook-5000lv-2025-12-14.tar.gz"
    assert read_member(path)[1].count(b"\n") == 2


def test_a_recording_is_written_too(tmp_path):
    """Its single fills and its book messages."""
    trades = write_trades(tmp_path / "trades.jsonl", [record(i) for i in range(20)])
    books = frames_of(tmp_path / "books.jsonl", 5)
    made = write_days(tmp_path / "out", Recording([trades], [books]), START + 60_000)
    assert [row["trade_id"] for row in rows(made[0])] == [str(1000 + i) for i in range(20)]
    (path,) = write_books(tmp_path / "out", Recording([trades], [books]), START + 60_000)
    assert read_member(path)[1].count(b"\n") == 6


def test_labels_are_days_of_their_zone():
    """16:00 UTC begins the next label of UTC+8."""
    assert archive_files.label_of(CUT - 1) == "2025-12-14"
    assert archive_files.label_of(CUT) == "2025-12-15"
    assert archive_files.label_end_ms("2025-12-14") == CUT
    assert archive_files.label_of(CUT, 0) == "2025-12-14"
