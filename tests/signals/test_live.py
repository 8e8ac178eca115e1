"""The market at an instant: its minute, what is read, and that the same is read again later."""

import gzip
import shutil

import pytest

from Context_Bot import liquidations_1m
from Context_Bot.context_lines import ContextLines
from ravequant import catalog, times
from ravequant.errors import UsageError
from ravequant.exchanges.context_feeds import MarkRow
from ravequant.records import Trade, TradeEncoder
from ravequant.settings import Settings
from ravequant.signals import live
from ravequant.signals.inputs import price
from ravequant.signals.limits import SignalLimits
from ravequant.signals.live import InstantQuestion
from ravequant.signals.seen import LAGGING, Seen
from ravequant.vault.append_log import DayLog
from ravequant.vault.gap_ledger import Gap, GapLedger, LedgerEntry
from tests.support import feed_rows
from tests.support.book_lines import put
from tests.support.notes_market import BTC, CONTRACT, A, Market, calculate, record
from tests.support.trade_streams import write_raw

ENCODER = TradeEncoder(BTC, CONTRACT)
LIMITS = SignalLimits.of(BTC, Settings())
MINUTE = times.MINUTE_MS
CLOSING_ID = 1_506  # of the trade at A + 5 s
BEFORE = 506  # trades, this one included


@pytest.fixture
def notes(vault):
    """Return a vault with the notes' set-up, all calculators run; A is its newest minute."""
    record(vault, Market())
    return vault


def read(vault, ms, *, past=False, again=None, **how):
    asked = InstantQuestion(vault, BTC, ms, live=how.get("live", True), seen=how.get("seen"))
    return live.read(asked, back=50, age_max=40, past=past, again=again)


def trades(vault, *rows):
    """Append trades: (milliseconds after A, price)."""
    written = sum(path.read_bytes().count(b"\n") for path in vault.trades(BTC).iterdir())
    first = CLOSING_ID - BEFORE + written
    found = [
        ENCODER.line(Trade(A + ms, number, "buy", text, "1"))
        for number, (ms, text) in enumerate(rows, first + 1)
    ]
    write_raw(vault, BTC, found)


def minute_of(state):
    return (state.ms - A) // MINUTE


@pytest.mark.parametrize(
    ("after", "minute"), [(-1, -2), (4_999, -2), (5_000, 0), (42_000, 0), (65_000, 0)]
)
def test_the_minute_is_the_newest_that_a_trade_has_closed(notes, after, minute):
    """Not the one that the clock shows: the trade 5 s past its end must have come."""
    state, _ = read(notes, A + after, live=False)
    assert minute_of(state) == minute
    assert state.instant.ms == A + after


def test_all_on_disk_is_read_though_the_clock_is_a_little_slow(notes):
    """The instant of a question of now is not before the newest line."""
    trades(notes, (6_000, "101060"))
    state, tail = read(notes, A + 1_000)
    assert (state.instant.ms, minute_of(state)) == (A + 6_000, 0)
    assert state.instant.trade_ms == A + 6_000
    assert state.instant.seen == Seen(CLOSING_ID + 1, A)
    assert [trade.price for trade in tail.trades if trade.ts >= A] == [
        price("101050.5"), price("101060"),
    ]  # fmt: skip


def test_what_was_seen_is_what_is_read_again(notes):
    """Later trades, snapshots and minutes change nothing, nor do days that were packed."""
    trades(notes, (7_000, "101250"), (6_500, "101060"))
    first = read(notes, A + 8_000, past=True)
    trades(notes, *((ms, "101300") for ms in range(8_000, 200_000, 1_000)))
    put(notes.snapshots(BTC), [Market()._snapshot(second, stands=False) for second in (5, 10, 130)])
    calculate(notes)
    seen = first.state.instant.seen
    assert read(notes, A + 8_000, past=True, live=False, seen=seen) == first
    for path in (notes.trades(BTC), notes.snapshots(BTC), notes.derived("liquidity_buckets", BTC)):
        for file in path.rglob("*.jsonl"):
            file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
            file.unlink()
    assert read(notes, A + 8_000, past=True, live=False, seen=seen) == first


def test_a_snapshot_that_comes_late_was_not_there(notes):
    """Of the book no more is read than was seen, though it is of a time before the minute."""
    trades(notes, (66_000, "101060"))
    calculate(notes)
    first = read(notes, A + 67_000, past=True)
    assert (minute_of(first.state), first.state.book.ts) == (1, A)
    put(notes.snapshots(BTC), [Market()._snapshot(58, stands=True)])
    calculate(notes)
    seen = first.state.instant.seen
    assert read(notes, A + 67_000, past=True, live=False, seen=seen) == first
    assert read(notes, A + 67_000).state.book.ts == A + 58_000


def test_a_trade_that_came_after_its_minute_had_closed_is_looked_at(notes):
    """No candle holds it; of the last hour, which is longer than a wick is young."""
    late = ((-600_000, "101251"), (-39 * 60_000, "101252"), (-70 * 60_000, "101253"))
    trades(notes, (6_000, "101060"), *late)
    _, tail = read(notes, A + 9_000)
    prices = [price(text) for text in ("101050.5", "101060", "101251", "101252")]
    assert [trade.price for trade in tail.trades] == prices


def test_calculators_that_are_behind_are_named(notes):
    """Each with how far it was; once they have run the answer is the same with what was seen."""
    trades(notes, (66_000, "101060"), (127_000, "101060"))
    put(notes.snapshots(BTC), [Market()._snapshot(60, stands=True)])
    first = read(notes, A + 128_000)
    assert minute_of(first.state) == 2
    behind = dict.fromkeys(LAGGING[:7], A)  # of context feeds nothing was ever recorded
    seen = first.state.instant.seen
    assert seen == Seen(CLOSING_ID + 2, A + 60_000, behind)
    calculate(notes)
    assert read(notes, A + 128_000, live=False, seen=seen) == first
    now, _ = read(notes, A + 128_000)
    assert now.instant.seen == Seen(CLOSING_ID + 2, A + 60_000)
    assert now.book.ts == A + 60_000


def test_context_feeds_that_are_behind_are_named_by_their_clock(notes):
    """Their lines are on disk up to 5 s before the newest mark price; a minute is summed by it."""

    def reach():
        return read(notes, A + 8_000).state.instant.seen.reach

    feed_rows.marks(notes, A - 2 * times.DAY_MS)
    assert reach() == {}  # long ago is never
    context = catalog.MARKS.place(notes, BTC)
    lines = ContextLines("okx", BTC, CONTRACT)
    for ms, marks, liquidations in ((4_999, A - 1, 0), (5_000, None, 0), (5_400, None, 0)):
        with DayLog(context) as log:
            log.append(A + ms, lines.mark(MarkRow(A + ms, "97000"), "mark-price"))
        found = {"liquidations_1m": liquidations, "marks": marks}
        assert reach() == {name: end for name, end in found.items() if end is not None}
    calculate(notes, modules=(liquidations_1m,))
    assert reach() == {}
    trades(notes, (67_000, "101060"))
    assert read(notes, A + 68_000).state.instant.seen.reach["marks"] == A + 400
    assert "liquidations_1m" not in read(notes, A + 68_000).state.instant.seen.reach


def test_a_profile_that_never_ran_or_is_behind_is_named(notes):
    """As every other calculator: what it writes later was not there."""
    assert read(notes, A + 8_000).state.instant.seen.reach == {}
    trades(notes, (67_000, "101060"))
    assert read(notes, A + 68_000).state.instant.seen.reach["profile"] == A
    put(notes.snapshots(BTC), [Market()._snapshot(60, stands=True)])
    calculate(notes)
    assert read(notes, A + 68_000).state.instant.seen.reach == {}
    notes.state("profile", BTC).unlink()
    shutil.rmtree(notes.derived("profile", BTC))
    assert read(notes, A + 68_000).state.instant.seen.reach == {"profile": 0}


def test_trades_since_the_wicks_were_followed_are_looked_at(notes):
    """A tracker that is behind has not seen them, though they lie before the minute."""
    trades(notes, (20_000, "101250"), (66_000, "101060"), (127_000, "101060"))
    _, tail = read(notes, A + 128_000)
    assert price("101250") in {trade.price for trade in tail.trades}


def test_a_calculator_that_never_ran_and_one_whose_state_is_damaged(notes):
    """Nothing of the first is read; of the second what is there."""
    for metric in ("vwap", "liquidity_buckets"):
        notes.state(metric, BTC).unlink()
        for path in notes.derived(metric, BTC).iterdir():
            path.unlink()
        notes.derived(metric, BTC).rmdir()
    notes.state("cvd", BTC).write_bytes(b"{torn")
    state, _ = read(notes, A + 9_000)
    assert state.instant.seen.reach == {"vwap": 0, "buckets": 0}
    assert (state.vwap, state.book, len(state.cvd)) == ((), None, 239)


def test_a_minute_that_closes_while_the_calculators_run_is_waited_for_once(notes):
    """A second run takes less than a second; what is behind by more is not waited for."""
    trades(notes, (66_000, "101060"))
    ran = []

    def again():
        ran.append(1)
        calculate(notes)

    state, _ = read(notes, A + 67_000, again=again)
    assert (minute_of(state), state.instant.seen.reach, len(ran)) == (1, {}, 1)
    read(notes, A + 67_000, again=again)
    trades(notes, (66_000, "101060"), (127_000, "101060"), (190_000, "101060"))
    read(notes, A + 191_000, again=again)
    assert len(ran) == 1


def test_more_than_the_question_is_refused(notes):
    """What was seen belongs to the time of its answer."""
    with pytest.raises(UsageError) as caught:
        read(notes, A - MINUTE, live=False, seen=Seen(CLOSING_ID, A))
    assert str(caught.value) == (
        "--seen 1506,2025-12-14T21:35:00.000Z is of 2025-12-14T21:35:05.000Z, later than --at "
        "2025-12-14T21:34:00.000Z: give both as the answer showed them"
    )


def test_data_become_stale_where_no_minute_closes(notes):
    """A recorder that has ended, or a market without trades: the minute stands, ages do not."""
    for after, stale in ((65_000, False), (180_000, False), (180_001, True)):
        state, _ = read(notes, A + after)
        assert minute_of(state) == 0
        assert (state.defect("volume", LIMITS) == "stale") == stale, after
    assert [state.age_ms(name) for name in ("volume", "vwap", "buckets")] == [180_001] * 3


def test_without_a_trade_it_is_the_minute_of_the_moment(vault):
    """Books alone are an answer too; of an empty vault nothing is known."""
    put(vault.snapshots(BTC), [Market()._snapshot(-5, stands=True)])
    state, tail = read(vault, A + 7_000)
    assert (minute_of(state), state.instant.seen) == (
        0, Seen(None, A - 5_000, {"buckets": 0, "book_flow": 0}),
    )  # fmt: skip
    assert (state.trade, tail.trades) == (None, ())
    assert read(vault, A - 9_000, live=False).state.instant.newest is None


def test_missing_ids_since_the_minute_make_the_wick_doubtful(notes):
    """As they will when that minute has closed."""
    state, _ = read(notes, A + 6_000)
    assert not state.gap_minutes
    found = ENCODER.line(Trade(A + 9_000, CLOSING_ID + 5, "buy", "101060", "1"))
    write_raw(notes, BTC, [found])
    state, _ = read(notes, A + 9_500)
    assert state.gap_minutes == [state.minute]


def test_lines_that_an_answer_given_then_may_have_lacked_are_named(notes):
    """Those on their way then, of which nobody knows; and those repaired since."""
    trades(notes, (7_000, "101060"))

    def unsure(after, seen=None):
        asked = InstantQuestion(notes, BTC, A + after, live=False, seen=seen)
        end = live.read(asked, back=50, age_max=40, past=False).state.instant
        assert end is not None
        return live.unsure(asked, end)

    assert unsure(8_000) == "trades 1506 to 1507"
    assert unsure(8_000, Seen(CLOSING_ID + 1, A)) == ""
    assert unsure(20_000) == ""
    trades(notes, (70_000, "101060"), (18_000, "101060"), (-9_000, "101060"))
    assert unsure(24_000) == "trades 1509, 1510, which came later"
    assert unsure(20_000) == "trades 1509 to 1509; trades 1509, 1510, which came later"
    ledger = GapLedger(notes.gap_ledger(BTC), BTC)
    for moment, ids in ((A, (3, 4)), (A + 9_000, (7, 9)), (A + 9_000, (2_000, 2_001))):
        ledger.append(LedgerEntry(Gap(*ids), "repaired", "fetched", moment))
    assert unsure(1_000) == (
        "snapshots since 2025-12-14T21:35:00.000Z; trades 1510, which came later; trades 7 to 9, "
        "repaired since"
    )
    assert unsure(8_000, Seen(CLOSING_ID + 1, A)) == "trades 7 to 9, repaired since"
