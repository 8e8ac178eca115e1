"""Which files a UTC day needs, by their names alone."""

import pytest

from ravequant import exchanges
from ravequant.errors import NoDataError, UsageError
from Trades_Bot.archive_files import ArchiveFolder

OKX = exchanges.load_archive("okx")
BTC = "BTC-USDT-SWAP"


@pytest.fixture
def folder(tmp_path):
    def put(*names: str) -> ArchiveFolder:
        for name in names:
            (tmp_path / name).touch()
        return ArchiveFolder(tmp_path, OKX)

    return put


def names(paths) -> list[str]:
    return [path.name.removeprefix(f"{BTC}-").removesuffix(".zip") for path in paths]


def test_a_day_needs_two_labels(folder):
    """The days at either end lack one; other files of the folder are none of theirs."""
    found = folder(
        *(f"{BTC}-trades-2025-01-{day}.zip" for day in ("30", "31")),
        f"{BTC}-candlesticks-2025-01-30.zip", f"{BTC}-candlesticks-2025-01-31.zip",
        f"{BTC}-trades-2025-01-29.zip.partial", "ETH-USDT-SWAP-trades-2025-01-29.zip", "notes.txt",
    )  # fmt: skip
    days = found.days(BTC, None, None)
    assert [(one.day, names(one.trades), one.lacking) for one in days] == [
        ("2025-01-29", ["trades-2025-01-30"], ("2025-01-29",)),
        ("2025-01-30", ["trades-2025-01-30", "trades-2025-01-31"], ()),
        ("2025-01-31", ["trades-2025-01-31"], ("2025-02-01",)),
    ]
    assert [len(one.candles) for one in days] == [0, 2, 0]
    assert [one.whole for one in days] == [False, True, False]
    assert found.instruments() == [BTC, "ETH-USDT-SWAP"]
    assert [one.day for one in found.days(BTC, "2025-01-30", "2025-01-30")] == ["2025-01-30"]


def test_the_file_of_a_month_stands_for_its_days(folder):
    """Once, where both labels are in it; a daily file comes before it."""
    found = folder(f"{BTC}-trades-2025-01.zip", f"{BTC}-trades-2025-01-15.zip")
    assert len(found.days(BTC, None, None)) == 32
    assert names(found.day(BTC, "2025-01-20").trades) == ["trades-2025-01"]
    assert names(found.day(BTC, "2025-01-15").trades) == ["trades-2025-01-15", "trades-2025-01"]
    assert found.day(BTC, "2025-01-31").lacking == ("2025-02-01",)


def test_funding_of_an_instrument_and_of_all(folder):
    """Months of the instrument and days of all swaps."""
    found = folder(f"{BTC}-fundingrates-2025-01.zip", "allswap-fundingrates-2025-02-01.zip")
    assert len(found.funding(BTC)) == 2
    assert len(found.funding("ETH-USDT-SWAP")) == 1


def test_nothing_there(folder, tmp_path):
    """No folder, no file of the instrument: said with what is expected."""
    with pytest.raises(NoDataError, match=r"expected files like BTC-USDT-SWAP-trades-2025-01-31"):
        folder().days(BTC, None, None)
    with pytest.raises(UsageError, match="expected a folder"):
        ArchiveFolder(tmp_path / "absent", OKX)
