"""Which files an import asks for, day by day."""

from dataclasses import replace

import pytest

from ravequant import exchanges, times
from ravequant.errors import NoDataError, UsageError
from ravequant.exchanges.archive.published import Published, PublishedFile
from tests.vault.imports.test_provenance import BTC
from Trades_Bot.archive_download import Download, days_between, offer, plan

OKX = exchanges.load_archive("okx")
PUBLISHER = exchanges.load_publisher("okx")


class Listing:
    """An exchange with files of some labels."""

    def __init__(self, labels):
        self._labels = labels

    def files(self, stream, inst_id, labels):
        found = tuple(
            PublishedFile(f"{stream}-{label}", stream, inst_id, label, f"http://x/{label}", 1 << 20)
            for label in labels
            if label in self._labels or (stream == "funding" and self._labels)
        )
        return Published(found, tuple(one for one in labels if one not in self._labels))

    def close(self):
        pass


def asked(labels, days=("2025-01-01", "2025-01-02", "2025-01-03")):

    box = replace(PUBLISHER, listing=lambda *_, **__: Listing(labels))
    return offer(box, "http://x", BTC, days, limit_factor=1)


def test_a_day_comes_with_its_trades_and_candles():
    """Files of two days are counted once; a day without any file of trades is left out."""
    found = asked(("2025-01-02", "2025-01-03"))
    assert [[file.name for file in day.files] for day in found.days] == [
        ["trades-2025-01-02", "candles-2025-01-02"],
        ["trades-2025-01-02", "trades-2025-01-03", "candles-2025-01-02", "candles-2025-01-03"],
        ["trades-2025-01-03", "candles-2025-01-03"],
    ]
    assert found.absent == ("2025-01-01", "2025-01-04")
    assert len([file for file in found.files if file.stream != "funding"]) == 4
    assert plan([found], ".").files == len(list(found.files))


def test_days_at_the_ends_need_both_labels(tmp_path):
    """But not with --partial."""
    found = asked(("2025-01-02", "2025-01-03"))
    download = Download(OKX, found, tmp_path, keep=False)
    assert [day.day for day in download.wanted(partial=False)] == ["2025-01-02"]
    assert len(download.wanted(partial=True)) == 3
    download.close()


def test_nothing_published():
    """The days are named, and when they come."""
    with pytest.raises(NoDataError, match="from 2025-01-01 to 2025-01-03; it publishes a day"):
        asked(())


def test_days_up_to_yesterday(monkeypatch):
    """Today is never among them."""
    monkeypatch.setattr(times, "utc_now_ms", lambda: times.day_start_ms("2025-01-04") + 7)
    assert days_between("2025-01-02", None) == ["2025-01-02", "2025-01-03"]
    assert days_between("2025-01-01", "2025-01-01") == ["2025-01-01"]
    assert days_between("2025-01-03", "2025-02-01") == ["2025-01-03"]
    with pytest.raises(UsageError, match="expected a day up to 2025-01-03"):
        days_between("2025-01-04", None)
