"""The model market as a Feed: reproducible records, books that follow each other, legal names."""

import subprocess
import sys
import zlib
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ravequant.errors import UsageError
from ravequant.records import join_fills
from ravequant.sim.feed import BookChange, Feed
from ravequant.sim.market import ModelMarket
from tests.support.examples import often
from tests.support.measures import book

BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"
MINUTE = 60_000
HOUR = 60 * MINUTE
GOLDEN = (1_404_938_685, 1_936_030_321)

Side = dict[str, tuple[str, str]]  # price to (size, orders)


def check(content: object) -> int:
    """Return a CRC of all that was handed out."""
    return zlib.crc32(repr(content).encode("ascii"))


class Follower:
    """A client that keeps the windows by applying every change, strictly."""

    def __init__(self, market: ModelMarket) -> None:
        self.sides: dict[str, tuple[Side, Side]] = {}
        self.seq: dict[str, int] = {}
        for inst_id in market.instruments:
            self.apply(book(market, inst_id, 400))

    def apply(self, change: BookChange) -> None:
        if change.snapshot:
            self.sides[change.inst_id] = ({}, {})
        else:
            assert change.prev_seq_id == self.seq[change.inst_id] < change.seq_id
        self.seq[change.inst_id] = change.seq_id
        for side, levels in zip(
            self.sides[change.inst_id], (change.bids, change.asks), strict=True
        ):
            for price, size, orders in levels:
                if size == "0":
                    del side[price]
                else:
                    side[price] = (size, orders)


def touch(market: ModelMarket, inst_id: str) -> tuple[Decimal, Decimal]:
    """Return best bid and best ask as last shown."""
    shown = book(market, inst_id, 1)
    return Decimal(shown.bids[0][0]), Decimal(shown.asks[0][0])


def window(change: BookChange) -> tuple[Side, Side]:
    """Return a snapshot's sides the way a follower keeps them."""
    bids, asks = ({px: (size, n) for px, size, n in side} for side in (change.bids, change.asks))
    return bids, asks


def test_it_is_a_feed():
    """The model has the form the exchange asks for, and has no end."""
    market: Feed = ModelMarket(1)
    assert list(market.instruments) == [BTC, ETH]
    assert market.end_ms is None


def test_seed_says_it_all_on_every_platform():
    """The same seed gives the same records and book everywhere; the sums are from Linux."""
    market = ModelMarket(1, rows_per_second=2)
    trades = market.trades(market.start_ms + 2 * HOUR)
    assert (check(trades), check(market.snapshot(BTC, 5000))) == GOLDEN


def test_another_seed_is_another_market():
    """Seeds do not share their draws."""
    first, second = (
        ModelMarket(seed).trades(ModelMarket(seed).start_ms + MINUTE) for seed in (1, 2)
    )
    assert first != second


@settings(max_examples=often(3, 8))
@given(st.lists(st.integers(1, 5_000), min_size=1, max_size=40), st.booleans())
def test_it_does_not_matter_when_it_is_asked(steps, with_books):
    """However often, at whatever moments and with or without books: the records are the same."""
    asked = ModelMarket(3)
    now, found = asked.start_ms, []
    for step in steps:
        now += step
        batch = asked.trades(now)
        assert all(trade.ts < now for _, trade in batch)
        found += batch
        if with_books:
            asked.books(now)
    for inst_id in asked.instruments:
        wanted = ModelMarket(3).trades(now)
        mine, theirs = ([t for name, t in rows if name == inst_id] for rows in (found, wanted))
        assert mine == theirs
    at_once = ModelMarket(3)
    at_once.trades(now)
    asked.books(now)
    assert window(book(asked, BTC, 400)) == window(book(at_once, BTC, 400))


@pytest.mark.parametrize("rate", [1, 15, 300])
def test_records_are_rows_of_the_exchange(rate):
    """Ids without holes, joined by SPEC 3, whole ticks and lots, some retail, few out of order."""
    market = ModelMarket(5, rows_per_second=rate)
    hours = 1.5 if rate < 100 else 0.1
    rows = market.trades(market.start_ms + int(hours * HOUR))
    for inst_id, row in market.instruments.items():
        trades = [trade for name, trade in rows if name == inst_id]
        assert all(late.first_id == early.trade_id + 1 for early, late in pairwise(trades))
        assert list(join_fills(trades)) == trades
        tick, lot = Decimal(row["tickSz"]), Decimal(row["lotSz"])
        assert all(Decimal(trade.price) % tick == 0 for trade in trades)
        assert all(Decimal(trade.qty) >= trade.count * lot for trade in trades)
        assert all(Decimal(trade.qty) % lot == 0 for trade in trades)
        assert 0.2 < sum(trade.count > 1 for trade in trades) / len(trades) < 0.7
        assert 0 < sum(trade.source == "1" for trade in trades) < len(trades) / 10
        swapped = [early.ts - late.ts for early, late in pairwise(trades) if late.ts < early.ts]
        assert 0 < len(swapped) < len(trades) / 100
        assert max(swapped) < 20


def test_instruments_interleave_in_time():
    """The rows of several instruments come in the order of time, but for the few swapped ones."""
    market = ModelMarket(2)
    stamps = [trade.ts for _, trade in market.trades(market.start_ms + HOUR)]
    latest = 0
    for stamp in stamps:
        assert stamp > latest - 20
        latest = max(latest, stamp)


@pytest.mark.parametrize(
    ("seed", "rate", "step"), [(1, 15, 100), (2, 200, 100), (3, 5, 77), (4, 1, 1700)]
)
def test_changes_lead_from_window_to_window(seed, rate, step):
    """Each change, applied to the window before it, gives the next 400 levels; never crossed."""
    market = ModelMarket(seed, rows_per_second=rate)
    now = market.start_ms + 20 * MINUTE
    market.trades(now)
    follower = Follower(market)
    for _ in range(120):
        now += step
        market.trades(now)
        for change in market.books(now):
            assert not change.snapshot
            assert now - 100 < change.ts <= now
            follower.apply(change)
        for inst_id in market.instruments:
            shown = book(market, inst_id, 400)
            assert shown.seq_id == follower.seq[inst_id]
            assert window(shown) == follower.sides[inst_id]
            assert len(shown.bids) == len(shown.asks) == 400
            bid, ask = touch(market, inst_id)
            assert bid < ask


def test_book_is_asked_for_late():
    """A first look at the books is a snapshot; after a long while one change covers it all."""
    market = ModelMarket(1, rows_per_second=1)
    first = market.books(market.start_ms + HOUR)
    assert [change.snapshot for change in first] == [True, True]
    later = market.books(market.start_ms + 2 * HOUR)
    assert [(change.snapshot, change.prev_seq_id) for change in later] == [
        (False, change.seq_id) for change in first
    ]
    assert market.books(market.start_ms + 2 * HOUR) == []


def test_snapshot_is_of_the_last_moment_asked_for():
    """Where only trades were asked for, the book is theirs, not the one of long ago."""
    market = ModelMarket(1, rows_per_second=1)
    market.books(market.start_ms + MINUTE)
    market.trades(market.start_ms + HOUR)
    assert book(market, BTC, 400).ts == market.start_ms + HOUR
    assert market.snapshot("DOGE-USDT-SWAP", 400) is None


@pytest.mark.parametrize("rate", [15, 400])
def test_takers_trade_at_the_best_price_shown(rate):
    """The first organic trade of a slot is at the touch shown before it; none is inside of it."""
    market = ModelMarket(6, rows_per_second=rate)
    now = market.start_ms + 10 * MINUTE
    market.trades(now)
    seen = 0
    for _ in range(300):
        market.books(now)
        best = {inst_id: touch(market, inst_id) for inst_id in market.instruments}
        now += 100
        moved: set[tuple[str, str]] = set()
        for inst_id, trade in market.trades(now):
            bid, ask = best[inst_id]
            price = Decimal(trade.price)
            if trade.source == "1":  # retail: at the touch or better for the taker
                continue
            seen += 1
            assert price >= ask if trade.side == "buy" else price <= bid
            if (inst_id, trade.side) not in moved:
                assert price == (ask if trade.side == "buy" else bid)
            moved.add((inst_id, trade.side))
    assert seen > 100


def test_load_of_twenty_thousand_rows_a_second():
    """As a load for an exporter the rate is steady and whatever was asked for."""
    market = ModelMarket(1, (BTC,), rows_per_second=20_000)
    rows = market.trades(market.start_ms + 2_000)
    assert 17_000 * 2 < len(rows) < 23_000 * 2
    trades = [trade for _, trade in rows]
    assert list(join_fills(trades)) == trades


def test_rate_may_change():
    """A thin history and a thick present; the notional of a minute stays what it was."""
    market = ModelMarket(1, (BTC,), rows_per_second=1)
    thin = market.trades(market.start_ms + HOUR)
    market.rows_per_second = 30
    thick = market.trades(market.start_ms + 2 * HOUR)
    assert len(thick) > 10 * len(thin)
    sums = [sum(Decimal(t.price) * Decimal(t.qty) for _, t in rows) for rows in (thin, thick)]
    assert max(sums) < 6 * min(sums)


def test_instrument_nobody_knows():
    """Any linear perpetual can be had, with plausible figures and a legal row."""
    market = ModelMarket(1, ("DOGE-USDT-SWAP",))
    row = market.instruments["DOGE-USDT-SWAP"]
    assert (row["ctType"], row["ctValCcy"], row["settleCcy"]) == ("linear", "DOGE", "USDT")
    assert market.trades(market.start_ms + MINUTE)
    assert len(book(market, "DOGE-USDT-SWAP", 400).bids) == 400


def test_rows_of_the_two_instruments():
    """Contract values, ticks and lots are those of the v5 reference."""
    rows = ModelMarket(1).instruments
    fields = ("ctVal", "ctMult", "ctType", "tickSz", "lotSz", "minSz")
    assert [rows[BTC][field] for field in fields] == ["0.01", "1", "linear", "0.1", "0.01", "0.01"]
    assert [rows[ETH][field] for field in fields] == ["0.1", "1", "linear", "0.01", "0.01", "0.01"]


def test_names_it_refuses():
    """An illegal name and an inverse contract are refused, with the remedy."""
    with pytest.raises(UsageError, match=r"^instrument 'btc/usdt' is not a legal name"):
        ModelMarket(1, ("btc/usdt",))
    with pytest.raises(UsageError) as caught:
        ModelMarket(1, ("BTC-USD-SWAP",))
    assert str(caught.value) == (
        "instrument 'BTC-USD-SWAP' is not one the model market can make: expected a linear "
        "perpetual like SOL-USDT-SWAP; replay a recording for any other"
    )


def test_it_starts_without_numpy():
    """The exchange is up at once: the model needs the standard library only."""
    code = "import sys, ravequant.sim.market; print('numpy' in sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "False"
