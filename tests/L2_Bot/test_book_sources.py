"""Files of an import: of a folder, of the days asked for."""

import logging

import pytest

from L2_Bot.book_sources import AskedDays, files_of, listed
from ravequant import times
from ravequant.errors import UsageError
from ravequant.exchanges import load_archived_books
from tests.support import book_archives
from tests.support.book_archives import BTC

ARCHIVE = load_archived_books("okx")
DAYS = ("2025-01-29", "2025-01-30", "2025-01-31")


def test_a_folder_gives_the_files_of_one_instrument_by_day(tmp_path, caplog):
    """Deep ones only if asked for; other names and other instruments are passed over."""
    for day in (DAYS[0], DAYS[2]):
        book_archives.write(tmp_path, day, b"")
    book_archives.write(tmp_path, DAYS[1], b"", depth=5000)
    book_archives.write(tmp_path, DAYS[1], b"", "ETH-USDT-SWAP")
    (tmp_path / "notes.txt").write_text("x", encoding="utf-8")
    span = AskedDays(DAYS[0], DAYS[2])
    with caplog.at_level(logging.WARNING):
        found = files_of(tmp_path, ARCHIVE, BTC, span, deep=False)
    assert [files.day for files in found] == [DAYS[0], DAYS[2]]
    assert "no file of 1 days: 2025-01-30" in caplog.text
    deep = files_of(tmp_path, ARCHIVE, BTC, span, deep=True)
    assert [(files.books is None, files.deep is None) for files in deep] == [
        (False, True), (True, False), (False, True),
    ]  # fmt: skip


def test_a_span_holds_days_that_are_over():
    """Without an end, up to yesterday."""
    today = times.day(times.utc_now_ms())
    assert AskedDays(None, None).holds(DAYS[0])
    assert not AskedDays(None, None).holds(today)
    assert not AskedDays(DAYS[1], None).holds(DAYS[0])
    assert AskedDays(DAYS[0], DAYS[2]).days() == list(DAYS)
    with pytest.raises(UsageError, match="is not over"):
        AskedDays(None, today).check()


def test_many_days_are_shown_by_the_first_of_them():
    """Five names, and a number."""
    assert listed(DAYS) == "2025-01-29, 2025-01-30, 2025-01-31"
    assert listed(DAYS * 3).endswith("2025-01-30 and 4 more")
