"""The newest raw lines, read from the end and by their times: what reading all of it finds."""

import gzip
import random
from contextlib import suppress

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ravequant import catalog, times
from ravequant.contract import Contract
from ravequant.records import RecordError, Trade, TradeEncoder, parse_trade
from ravequant.signals import late_lines
from ravequant.signals import raw_tail as module
from ravequant.signals.inputs import price
from ravequant.signals.raw_tail import RawEnd, TailStart, newest_raw_book, raw_end, raw_tail
from ravequant.signals.seen import NewestPrice, RawMid, RawTrade, Seen
from ravequant.vault.gap_ledger import Gap, GapLedger, LedgerEntry
from ravequant.vault.paths import Vault
from tests.support.book_lines import put, snapshot
from tests.support.examples import often

BTC = "BTC-USDT-SWAP"
CONTRACT = Contract("0.01", "1", "linear")
MIDNIGHT = times.parse_iso("2025-12-15T00:00:00Z")
SECOND = times.SECOND_MS
ENCODER = TradeEncoder(BTC, CONTRACT)


@st.composite
def tapes(draw):
    """Draw raw lines around midnight, late, repeated, damaged, ahead; and an instant among them."""
    chance = random.Random(draw(st.integers(0, 1 << 30)))
    moment, last = MIDNIGHT - chance.choice((600, 60, 2)) * SECOND, 100
    lines: list[bytes] = []
    for number in range(draw(st.integers(0, 90))):
        moment += chance.choice((0, 1, 400, 3_000, 3_000, 20_000))
        last += chance.choice((1, 1, 1, 3))
        ts, trade_id = moment, last
        if chance.random() < 0.2:
            ts -= chance.choice((chance.randrange(5_000), chance.randrange(30_000)))
        if chance.random() < 0.1:
            trade_id = max(1, last - chance.randrange(1, 6))
        ahead = chance.random() < 0.05
        if ahead:
            ts += 10 * times.DAY_MS
        row = ENCODER.line(Trade(ts, trade_id, "buy", str(100 + number), "1", ahead=ahead))
        if chance.random() < 0.1:
            row = chance.choice([b"{}\n", row.replace(b'"1",', b'"x",'), row[:90] + b"\n"])
        lines.append(row)
    packed = draw(st.booleans())
    return lines, moment - chance.randrange(30_000), packed


def put_trades(vault, lines, *, packed):
    folder = vault.trades(BTC)
    folder.mkdir(parents=True, exist_ok=True)
    day = max((path.name[:10] for path in folder.iterdir()), default="2025-12-14")
    for row in lines:
        with suppress(RecordError):
            trade = parse_trade(row, BTC)[0]
            day = day if trade.ahead else max(day, times.day(trade.ts))
        with (folder / f"{day}.jsonl").open("ab") as file:
            file.write(row)
    for path in sorted(folder.iterdir())[: -1 if packed else 0]:
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()


def by_reading_all(lines):
    """Return the valid trades, repetitions left out; one that is ahead has the time -1."""
    found: list[RawTrade] = []
    for row in lines:
        with suppress(RecordError):
            trade, _ = parse_trade(row, BTC)
            if not found or trade.trade_id > found[-1].trade_id:
                ts = -1 if trade.ahead else trade.ts
                found.append(RawTrade(ts, trade.first_id, trade.trade_id, price(trade.price)))
    return found


def end_of(vault, ms, **how):
    return raw_end(vault, BTC, ms, live=how.get("live", False), seen=how.get("seen"))


@settings(max_examples=often(70, 200))
@given(tapes())
def test_the_end_is_that_of_all_lines(tmp_path_factory, tape):
    """Live all that is on disk; asked for again up to the same id; else up to the moment."""
    lines, ms, packed = tape
    vault = Vault(tmp_path_factory.mktemp("tape"))
    put_trades(vault, lines, packed=packed)
    whole = by_reading_all(lines)
    known = by_reading_all(row for row in lines if any(t.ts <= ms for t in by_reading_all([row])))
    for live, trades in ((True, whole), (False, known)):
        timed = [trade for trade in trades if trade.ts >= 0]
        end = end_of(vault, ms, live=live)
        assert end.seen.trade_id == (trades[-1].trade_id if trades else None)
        assert end.watermark == max((trade.ts for trade in timed), default=None)
        last = max(timed, key=lambda trade: (trade.ts, trade.trade_id), default=None)
        assert end.newest == (last and NewestPrice(last.ts, last.price, "trade"))
        assert end.ms == max(ms, end.watermark or 0)
        if live:
            assert end_of(vault, ms, seen=end.seen) == end


@settings(max_examples=often(70, 200))
@given(tapes(), st.integers(0, 90), st.integers(0, 90))
def test_no_line_is_missed_that_a_candle_may_not_hold(tmp_path_factory, tape, early, late):
    """All lines from the known minute on, and earlier ones whose minute had closed."""
    lines, ms, packed = tape
    vault = Vault(tmp_path_factory.mktemp("tape"))
    put_trades(vault, lines, packed=packed)
    end = end_of(vault, ms, live=True)
    known, since = end.ms - early * SECOND, end.ms - (early + late) * SECOND
    found = raw_tail(vault, BTC, TailStart(since, known, known), end).trades
    trades, wanted, high = by_reading_all(lines), set(), -1
    valid = {trade for row in lines for trade in by_reading_all([row])}
    for trade in trades:
        late = trade.ts // 60_000 < (high - 5_000) // 60_000
        if trade.ts >= since and (trade.ts >= known or late):
            wanted.add(trade)
        high = max(high, trade.ts)
    assert wanted <= set(found) <= {trade for trade in valid if trade.ts >= since}
    assert len(set(found)) == len(found)


@settings(max_examples=often(70, 200))
@given(tapes(), st.integers(0, 90), st.integers(0, 90), st.integers(2, 40))
def test_lines_looked_at_together_or_each_by_itself(tmp_path_factory, tape, early, late, together):
    """The same trades are found, and the same gap, however many lines a look takes in."""
    lines, ms, packed = tape
    vault = Vault(tmp_path_factory.mktemp("tape"))
    put_trades(vault, lines, packed=packed)
    end = end_of(vault, ms, live=True)
    known, since = end.ms - early * SECOND, end.ms - (early + late) * SECOND
    found = []
    for batch in (1, together, 1_000):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(late_lines, "_BATCH", batch)
            late_lines._passed.clear()
            found.append(raw_tail(vault, BTC, TailStart(since, known, known), end))
    assert found[0] == found[1] == found[2]


@settings(max_examples=often(40, 200))
@given(tapes(), st.integers(0, 90), st.integers(0, 90), st.integers(1, 6))
def test_a_process_that_is_asked_again_goes_on(tmp_path_factory, tape, early, late, together):
    """Lines come and the minute moves on: each time it finds what reading all of it anew finds."""
    lines, ms, _ = tape
    vault = Vault(tmp_path_factory.mktemp("tape"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(late_lines, "_BATCH", together)
        for number in range(0, len(lines), 9):
            put_trades(vault, lines[number : number + 9], packed=False)
            end = end_of(vault, ms, live=True)
            known, since = end.ms - early * SECOND, end.ms - (early + late) * SECOND
            start = TailStart(since, known, known)
            found = raw_tail(vault, BTC, start, end)
            kept = dict(late_lines._passed)
            late_lines._passed.clear()
            assert raw_tail(vault, BTC, start, end) == found
            late_lines._passed.update(kept)


def test_a_late_line_that_is_later_than_all_before_its_minute_closed(vault):
    """It comes after the closing trade, and no trade before it has a larger time of its minute."""
    moments = (-60_000, -9_000, 5_000, -1)
    trades = [Trade(MIDNIGHT + ms, n, "buy", "101", "1") for n, ms in enumerate(moments, 1)]
    put_trades(vault, map(ENCODER.line, trades), packed=False)
    end = end_of(vault, MIDNIGHT + 6_000, live=True)
    tail = raw_tail(vault, BTC, TailStart(MIDNIGHT - times.HOUR_MS, MIDNIGHT, MIDNIGHT), end)
    assert {trade.trade_id for trade in tail.trades} >= {3, 4}


def test_a_late_line_among_others_that_are_looked_at_together(vault):
    """The line that closed its minute stands before it, and all of them long before the border."""
    moments = (1_000, 2_000, 66_000, 59_999, 67_000, 400_000)
    trades = [Trade(MIDNIGHT + ms, n, "buy", "101", "1") for n, ms in enumerate(moments, 1)]
    put_trades(vault, map(ENCODER.line, trades), packed=False)
    end = end_of(vault, MIDNIGHT + 400_000, live=True)
    border = MIDNIGHT + 360_000
    tail = raw_tail(vault, BTC, TailStart(MIDNIGHT, border, border), end)
    assert [trade.trade_id for trade in tail.trades] == [4, 6]


def test_many_lines_behind_a_later_one_hide_it_not(vault):
    """Rows out of order by less than a minute, however many; one of long ago ends no search."""
    first = Trade(MIDNIGHT + 50_000, 1, "buy", "101", "1")
    trades = [first, *(Trade(MIDNIGHT + n, n, "buy", "102", "1") for n in range(2, 200))]
    trades.insert(150, Trade(0, 150, "buy", "103", "1"))
    put_trades(vault, map(ENCODER.line, trades), packed=False)
    end = end_of(vault, MIDNIGHT + 60_000, live=True)
    assert (end.watermark, end.newest.price, end.seen.trade_id) == (first.ts, price("101"), 199)


def test_in_older_files_the_date_says_which_line_is_ahead(vault):
    """A line of a later date than its file's is of no time, and it has an id."""
    put_trades(vault, [ENCODER.line(Trade(MIDNIGHT - 9_000, 1, "buy", "101", "1"))], packed=False)
    with (vault.trades(BTC) / "2025-12-14.jsonl").open("ab") as file:
        file.write(ENCODER.line(Trade(MIDNIGHT + 9_000, 2, "buy", "999", "1")))
    end = end_of(vault, MIDNIGHT - 5_000, live=True)
    assert (end.ms, end.watermark, end.seen) == (MIDNIGHT - 5_000, MIDNIGHT - 9_000, Seen(2))
    tail = raw_tail(vault, BTC, TailStart(0, MIDNIGHT - 60_000, MIDNIGHT - 60_000), end)
    assert [trade.trade_id for trade in tail.trades] == [1]


def test_the_minute_of_an_end(vault):
    """A trade 5 s past its end closes a minute; without one it is that of the moment."""
    assert RawEnd(MIDNIGHT + 90_000, Seen(), None, None).minute_ms == MIDNIGHT + 60_000
    for watermark, minute in ((4_999, -60_000), (5_000, 0), (64_999, 0), (65_000, 60_000)):
        end = RawEnd(MIDNIGHT + 90_000, Seen(), MIDNIGHT + watermark, None)
        assert end.minute_ms == MIDNIGHT + minute, watermark
    assert end_of(vault, MIDNIGHT, live=True) == RawEnd(MIDNIGHT, Seen(), None, None)


def test_ids_that_are_missing_since_the_minute_are_a_gap(vault):
    """Unless the ledger says that there are none; missing ids before it are the candles' own."""
    rows = [(1, -30_000), (5, -20_000), (6, -1_000), (9, 1_000), (10, 2_000)]
    put_trades(
        vault,
        [ENCODER.line(Trade(MIDNIGHT + ms, n, "buy", "101", "1")) for n, ms in rows],
        packed=False,
    )
    end = end_of(vault, MIDNIGHT + 3_000, live=True)

    def gap(known):
        return raw_tail(vault, BTC, TailStart(MIDNIGHT - 60_000, MIDNIGHT + known, 0), end).gap

    assert [gap(known) for known in (-25_000, 0, 1_500)] == [True, True, False]
    ledger = GapLedger(vault.gap_ledger(BTC), BTC)
    ledger.append(LedgerEntry(Gap(7, 8), "id_hole", "there are none", 0))
    assert [gap(known) for known in (-25_000, 0, 1_500)] == [True, False, False]


def test_a_gap_before_a_late_line_is_the_candles_own(vault):
    """It was known when its minute closed; the late line is looked at for its price alone."""
    rows = [(1, -30_000), (2, 6_000), (5, -20_000), (6, 70_000)]
    trades = (Trade(MIDNIGHT + ms, n, "buy", "101", "1") for n, ms in rows)
    put_trades(vault, map(ENCODER.line, trades), packed=False)
    end = end_of(vault, MIDNIGHT + 71_000, live=True)
    start = TailStart(MIDNIGHT - 60_000, MIDNIGHT + 60_000, MIDNIGHT + 60_000)
    tail = raw_tail(vault, BTC, start, end)
    assert ([trade.trade_id for trade in tail.trades], tail.gap) == ([5, 6], False)


# --- mids ------------------------------------------------------------------------------------


def book(seconds, mid):
    bids, asks = [[str(mid - 1), "1", "0", "1"]], [[str(mid + 1), "1", "0", "1"]]
    return snapshot(MIDNIGHT + seconds * SECOND, bids, asks)


def mids(*found):
    return tuple(RawMid(MIDNIGHT + s * SECOND, price(str(mid))) for s, mid in found)


@pytest.fixture
def books(vault):
    """Return a vault with snapshots on both sides of midnight, and one trade."""
    rows = [book(-70, 100), book(-2, 101), book(0, 102), book(2, 103), book(4, 104)]
    put(vault.snapshots(BTC), rows)
    trade = Trade(MIDNIGHT + 3 * SECOND, 7, "buy", "99", "1")
    put_trades(vault, [ENCODER.line(trade)], packed=False)
    return vault


def test_snapshots_are_read_up_to_a_time(books):
    """Live all; asked for again up to the newest that was seen; else up to the moment."""
    now = MIDNIGHT + 3_500
    live = end_of(books, now, live=True)
    assert live.seen == Seen(7, MIDNIGHT + 4_000)
    assert live.ms == MIDNIGHT + 4_000  # a clock that is half a second slow
    assert live.newest == NewestPrice(MIDNIGHT + 4_000, price("104"), "mid")
    put(books.snapshots(BTC), [book(6, 105)])
    assert end_of(books, now, seen=live.seen) == live
    past = end_of(books, now)
    assert past.seen == Seen(7, MIDNIGHT + 2_000)
    assert past.newest == NewestPrice(MIDNIGHT + 3_000, price("99"), "trade")
    assert end_of(books, now, seen=Seen(7)).newest == past.newest
    assert newest_raw_book(books, BTC, MIDNIGHT - 1) == MIDNIGHT - 2_000


def test_mids_count_from_the_minute_on(books):
    """Over an hour and a day's end, to the newest that was seen."""
    end = end_of(books, MIDNIGHT + 5_000, seen=Seen(7, MIDNIGHT + 2_000))

    def since(seconds):
        return raw_tail(books, BTC, TailStart(0, MIDNIGHT, MIDNIGHT + seconds * SECOND), end).mids

    assert since(-2) == mids((-2, 101), (0, 102), (2, 103))
    assert since(1) == mids((2, 103))
    assert raw_tail(books, BTC, TailStart(0, 0, 0), end._replace(seen=Seen(7))).mids == ()


def test_mids_of_an_hour_are_enough(books):
    """A market without trades would have its books read from the start."""
    end = end_of(books, MIDNIGHT + module.MIDS_MS, live=True)
    assert raw_tail(books, BTC, TailStart(0, 0, 0), end).mids == mids((0, 102), (2, 103), (4, 104))


def test_the_buckets_hold_the_mids_that_are_no_longer_there(books):
    """Raw books are deleted first; what a question found in them it finds again."""
    end = end_of(books, MIDNIGHT + 5_000, live=True)
    start = TailStart(0, MIDNIGHT, MIDNIGHT - 60_000)
    before = raw_tail(books, BTC, start, end)
    folder = books.derived("liquidity_buckets", BTC)
    folder.mkdir(parents=True)
    for _, path in list(catalog.BOOK.files(books, BTC)):
        with (folder / f"{path.parent.name}.jsonl").open("ab") as file:
            for line in path.read_bytes().splitlines():
                row = orjson.loads(line)
                kept = {name: row[name] for name in ("timestamp_utc", "mid_price")}
                file.write(orjson.dumps(kept) + b"\n")
        path.unlink()
    assert end_of(books, MIDNIGHT + 5_000, live=True) == end
    assert raw_tail(books, BTC, start, end) == before
