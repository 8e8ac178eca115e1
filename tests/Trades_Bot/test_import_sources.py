"""Files of a folder as the source of an import."""

from argparse import Namespace

import pytest

from ravequant import exchanges
from ravequant.errors import NoDataError
from tests.support.import_market import LABELS, WHOLE, archive
from Trades_Bot.import_sources import folders

OKX = exchanges.load_archive("okx")


def found(folder, **options):
    words = {"inst_ids": None, "since": None, "until": None, "partial": False, "dir": folder}
    return [find() for find in folders(OKX, Namespace(**(words | options)))]


def test_the_whole_days_of_a_folder(tmp_path):
    """Each instrument with its days, files and size; at the ends only with --partial."""
    folder = archive(tmp_path / "a")
    (source,) = found(folder)
    assert [files.day for files in source.days()] == list(WHOLE)
    assert source.cells[:3] == (WHOLE[0], WHOLE[-1], "4")
    assert list(source.funding()) == []
    source.close()
    assert found(folder, partial=True)[0].count == 5


def test_an_instrument_without_files_is_named(tmp_path):
    """As is a folder that holds parts of days alone."""
    folder = archive(tmp_path / "a", LABELS[:1])
    with pytest.raises(NoDataError, match="2025-12-11 lacks 2025-12-11, 2025-12-12 lacks"):
        found(folder)
    with pytest.raises(NoDataError, match="no trades of ETH-USDT-SWAP"):
        found(folder, inst_ids=["ETH-USDT-SWAP"])
