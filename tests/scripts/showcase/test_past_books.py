"""The books of a demo's past: the market's own, in the recorder's form, up to now."""

from itertools import pairwise

import orjson
import pytest

from ravequant import times
from ravequant.catalog import BOOK, DEEP
from ravequant.errors import LockedError
from ravequant.sim.market import ModelMarket
from ravequant.vault.line_file import line_time, lines_forward
from ravequant.vault.lock import writer_lock
from scripts.showcase import past_books
from tests.support.trades_box import BTC

BEGIN = times.parse_iso("2025-12-14T00:00:00.000Z")
NOW = BEGIN + 8 * times.MINUTE_MS + 4_321
SPAN_MS = 5 * times.MINUTE_MS


@pytest.fixture
def _a_clock(monkeypatch):
    """A computer whose clock stands eight minutes after the market's beginning."""
    monkeypatch.setattr(times, "utc_now_ms", lambda: NOW)


def market() -> ModelMarket:
    """Return the market of the tests."""
    return ModelMarket(1, [BTC], start_ms=BEGIN, rows_per_second=1)


def lines(vault, data) -> list[bytes]:
    """Return the lines of a data set."""
    return [line for _, path in data.files(vault, BTC) for line in lines_forward(path)]


@pytest.mark.usefixtures("_a_clock")
def test_the_books_are_those_that_the_market_shows(vault):
    """Each ten seconds up to now, a deep one each minute after its snapshot, in whole lines."""
    until = past_books.write(vault, market(), SPAN_MS)
    assert NOW - past_books.EVERY_MS <= until <= NOW
    books = [orjson.loads(line) for line in lines(vault, BOOK)]
    moments = [times.parse_iso(book["timestamp_utc"]) for book in books]
    assert (moments[0], moments[-1]) == (until - SPAN_MS + past_books.EVERY_MS, until)
    assert {after - before for before, after in pairwise(moments)} == {past_books.EVERY_MS}
    seen = market()
    seen.trades(moments[7])
    shown = seen.snapshot(BTC, 400)
    assert shown is not None
    for name, side in (("bids", shown.bids), ("asks", shown.asks)):
        wanted = [[price, size, "0", orders] for price, size, orders in side]
        assert books[7][f"{name}_top400"] == wanted
    assert (books[7]["seqId"], books[7]["prevSeqId"], books[7]["gap_detected"]) == (-1, -1, False)
    deep = lines(vault, DEEP)
    assert len(deep) == SPAN_MS // times.MINUTE_MS
    whole = orjson.loads(deep[0])
    assert whole["from_utc"] == whole["timestamp_utc"]
    assert len(whole["bids"]) == past_books.DEEP_LEVELS
    assert line_time(deep[0]) in moments


@pytest.mark.usefixtures("_a_clock")
def test_no_book_is_older_than_the_market(vault):
    """A span that is longer than its life begins with it."""
    past_books.write(vault, market(), times.HOUR_MS)
    assert line_time(lines(vault, BOOK)[0]) == BEGIN + past_books.EVERY_MS


@pytest.mark.usefixtures("_a_clock")
def test_a_recorder_at_work_keeps_it_out(vault):
    """One writer at a time: its lock is the recorder's."""
    with writer_lock(vault, BOOK.stream, BTC), pytest.raises(LockedError):
        past_books.write(vault, market(), SPAN_MS)
    assert lines(vault, BOOK) == []


def test_the_program_takes_the_options_of_the_exchange(vault):
    """The market of a beginning that lies in the past, and the span before now."""
    begin = times.iso(times.utc_now_ms() - 90_000)
    options = ["--begin", begin, "--rows-per-second", "1", "--instId", BTC, "--span", "1m"]
    assert past_books.main(["--vault", str(vault.root), *options]) == 0
    assert len(lines(vault, BOOK)) >= 5
