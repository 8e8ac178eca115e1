"""Book messages of an archive: 10 ms steps that lead to the same books, snapshots at times."""

import itertools

import pytest

from ravequant import times
from ravequant.sim.archive_books import book_messages, deep_messages, fine_steps
from ravequant.sim.bookframes import RecordedBook
from ravequant.sim.feed import BookChange
from ravequant.sim.market import ModelMarket

BTC = "BTC-USDT-SWAP"
START = times.parse_iso("2025-12-14T23:59:50.000Z")
SPAN = 20_000


def market():
    return ModelMarket(5, (BTC,), start_ms=START)


def levels(book):
    shown = book.snapshot(400)
    return shown.bids, shown.asks


@pytest.fixture(scope="module")
def messages():
    return list(book_messages(market(), START + SPAN))


def test_each_slot_of_the_market_ends_in_its_own_book(messages):
    """After the steps of a slot the book is that of the market's own message, level for level."""
    feed, whole, books = market(), RecordedBook(BTC), {}
    for now in range(START + 100, START + SPAN + 1, 100):
        feed.trades(now)
        for change in feed.books(now):
            whole.apply(change)
            books[change.ts] = levels(whole)
    fine, met = RecordedBook(BTC), 0
    for message in messages:
        fine.apply(message)
        if message.ts in books:
            assert levels(fine) == books[message.ts]
            met += 1
    assert met == len(books) > 150


def test_times_rise_and_ids_are_a_chain(messages):
    """Steps are 10 ms apart or more; each message follows the one before it, as on a socket."""
    assert all(late.ts > early.ts for early, late in itertools.pairwise(messages))
    assert all(message.ts % 10 == 0 for message in messages)
    for early, late in itertools.pairwise(messages):
        assert late.snapshot or late.prev_seq_id == early.seq_id
    assert len(messages) > 3 * SPAN // 100  # more than the market's own


def test_no_book_on_the_way_is_crossed_or_too_deep(messages):
    """Levels go before others come."""
    book = RecordedBook(BTC)
    for message in messages:
        book.apply(message)
        shown = book.snapshot(1_000)
        assert float(shown.bids[0][0]) < float(shown.asks[0][0])
        assert max(len(shown.bids), len(shown.asks)) <= 400


def test_a_day_and_a_minute_begin_with_a_snapshot(messages):
    """Midnight brings one, and so does each period that was asked for."""
    snapshots = [message.ts for message in messages if message.snapshot]
    assert snapshots[0] == messages[0].ts
    assert [ts // times.MINUTE_MS for ts in snapshots] == [
        START // times.MINUTE_MS, START // times.MINUTE_MS + 1,
    ]  # fmt: skip
    seldom = book_messages(market(), START + SPAN, snapshot_every_ms=10 * times.SECOND_MS)
    assert len([message for message in seldom if message.snapshot]) == 3


def test_the_market_s_own_steps_can_be_had():
    """Without fine steps there is one message for each slot."""
    plain = list(book_messages(market(), START + SPAN, fine=False))
    assert all(message.ts % 100 == 0 for message in plain)
    assert len(plain) <= SPAN // 100


def test_an_update_without_room_for_ids_stays_whole():
    """A recording's ids may be neighbours."""
    change = BookChange(BTC, 100, snapshot=False, bids=(("9", "1", "1"), ("8", "0", "0")),
                        asks=(), seq_id=8, prev_seq_id=7)  # fmt: skip
    assert fine_steps(change) == [change]


def test_deep_books_come_once_a_second_and_agree_with_the_market():
    """Snapshot, then updates; together they give the market's own 5000 levels."""
    found = list(deep_messages(market(), START + 5_000))
    assert [message.snapshot for message in found] == [True, False, False, False, False]
    feed, book = market(), RecordedBook(BTC)
    for message in found:
        book.apply(message)
    feed.trades(START + 5_000)
    feed.books(START + 5_000)
    truth = feed.snapshot(BTC, 5_000)
    shown = book.snapshot(5_000)
    assert (shown.ts, shown.bids, shown.asks) == (truth.ts, truth.bids, truth.asks)
    assert len(truth.bids) == 5_000
