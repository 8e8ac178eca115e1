"""Files of a folder as the source of an import."""

from argparse import Namespace
from dataclasses import replace

import pytest

from ravequant import exchanges
from ravequant.errors import NoDataError
from tests.support.import_market import BTC, LABELS, WHOLE, archive
from tests.Trades_Bot.test_archive_download import PUBLISHER, Listing
from Trades_Bot.import_sources import downloads, folders

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


def test_days_of_which_the_exchange_has_one_file_are_no_success(vault):
    """They come later: the label that lacks is named, and the import does not end as done."""
    box = replace(PUBLISHER, listing=lambda *_, **__: Listing(("2025-01-02",)))
    args = Namespace(
        inst_ids=[BTC], since="2025-01-01", until="2025-01-02", partial=False, replace=False,
        dir=None, rest_limit_factor=1.0,
    )  # fmt: skip
    (find,) = downloads(vault, OKX, box, "http://x", args)
    with pytest.raises(NoDataError, match=r"label 2025-01-01 and 2025-01-03 lacks.*--partial"):
        find()
