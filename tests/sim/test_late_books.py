"""Books that come late: as they were some moments before, in an unbroken chain."""

from ravequant.sim import late_books
from ravequant.sim.faults import Fault
from ravequant.sim.feed import BookChange, Feed
from ravequant.sim.market import ModelMarket

SOL = "SOL-USDT-SWAP"


def lagging(after_ms: int = 0) -> tuple[ModelMarket, Feed]:
    """Return a market as it is, and the same with late books."""
    markets = [ModelMarket(3, (SOL,), rows_per_second=20) for _ in "ab"]
    fault = Fault("book_lag", delay_ms=400, after_ms=after_ms)
    return markets[0], late_books.of(markets[1], [fault], markets[1].start_ms)


def applied(book: dict[str, str], changes: list[BookChange]) -> dict[str, str]:
    """Return the asks after some changes."""
    for change in changes:
        asks = {price: size for price, size, _ in change.asks}
        book = asks if change.snapshot else book | asks
    return {price: size for price, size in book.items() if size != "0"}


def test_each_push_shows_a_book_of_at_most_so_long_before():
    """The asks of a push are those of the market some slots before, and never later ones."""
    plain, late = lagging()
    shown: dict[str, str] = {}
    then: dict[str, str] = {}
    history, lags, chain = [], set(), None
    for step in range(1, 60):
        now = plain.start_ms + 100 * step
        assert [trade for _, trade in plain.trades(now)] == [t for _, t in late.trades(now)]
        then = applied(then, plain.books(now))
        history.append(then)
        changes = late.books(now)
        for change in changes:
            assert change.ts == now
            assert chain is None or change.prev_seq_id == chain
            chain = change.seq_id
        if changes:
            shown = applied(shown, changes)
        ages = [age for age in range(6) if step > age and history[-1 - age] == shown]
        assert ages, f"step {step} shows no book of the last half second"
        lags.add(ages[0])
    assert len(lags) > 2
    snapshot = late.snapshot(SOL, 400)
    assert snapshot is not None
    assert (applied({}, [snapshot]), snapshot.seq_id) == (shown, chain)


def test_a_deep_book_is_not_late():
    """REST answers with the book as it is."""
    plain, late = lagging()
    for step in range(1, 20):
        for feed in (plain, late):
            feed.trades(plain.start_ms + 100 * step)
            feed.books(plain.start_ms + 100 * step)
    assert late.snapshot(SOL, 5_000) == plain.snapshot(SOL, 5_000)


def test_outside_of_its_time_nothing_is_late():
    """``after`` and ``until`` count from the start; other feeds are left alone."""
    plain, late = lagging(after_ms=60_000)
    for step in range(1, 12):
        now = plain.start_ms + 100 * step
        plain.trades(now)
        late.trades(now)
        assert late.books(now) == [
            BookChange(
                one.inst_id, now, snapshot=one.snapshot, bids=one.bids, asks=one.asks,
                seq_id=one.seq_id, prev_seq_id=one.prev_seq_id,
            )
            for one in plain.books(now)
        ]  # fmt: skip
    assert late_books.of(plain, [Fault("drop")], 0) is plain
