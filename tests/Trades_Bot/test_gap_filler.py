"""The gap filler against a scripted exchange: every record once, in order, whatever is lost."""

from dataclasses import dataclass, field, replace
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ravequant.exchanges.okx.rest import PAGES
from ravequant.records import Trade, join_fills
from ravequant.times import DAY_MS
from tests.support.examples import often
from Trades_Bot.gap_filler import GapFiller
from Trades_Bot.gap_search import GapDetected, GapSettled, PageRequest

BASE_MS = 1_700_000_000_000


def fill(trade_id, *, ts=BASE_MS, side="buy", price="", qty="1"):
    """One fill; neighbours join only where a price is given."""
    return Trade(ts, trade_id, side, price or str(trade_id), qty)


def filler(last=None, *, rows=1000, patience=900.0, last_ts=BASE_MS):
    return GapFiller(last, last_ts, pages=PAGES, buffer_rows=rows, patience_s=patience)


def take(subject):
    """Everything there is to write."""
    actions = []
    while portion := subject.take():
        actions += portion
    return actions


def ids(actions):
    return [action.trade_id for action in actions if isinstance(action, Trade)]


def ledger(actions):
    return [
        (action.status, action.from_id, action.to_id)
        for action in actions
        if isinstance(action, GapSettled)
    ]


def ask(subject, now):
    request = subject.request(now)
    assert request is not None
    return request


def test_the_first_row_begins_an_empty_vault():
    """Without anything on disk the first live row is written as it is, then the next ones."""
    subject = filler()
    subject.live(fill(7), 0.0)
    subject.live(fill(8), 0.0)
    assert ids(take(subject)) == [7, 8]
    assert subject.request(10.0) is None


def test_duplicates_are_dropped_and_counted():
    """A row whose ids are all known, like the replay after a subscribe, is not written again."""
    subject = filler(last=7)
    subject.live(fill(7), 0.0)
    subject.live(fill(8), 0.0)
    subject.live(fill(8), 0.0)
    assert ids(take(subject)) == [8]
    assert subject.duplicates == 2


def test_a_gap_is_asked_for_oldest_first_and_written_before_the_waiting_rows():
    """Ids 8 to 11 are missing: the page that ends below 108 is asked for, then 12 follows."""
    subject = filler(last=7)
    subject.live(fill(12, side="sell"), 0.0)
    assert subject.request(0.5) is None  # REST may trail the stream
    request = ask(subject, 1.0)
    assert request.after == 108
    assert take(subject) == [GapDetected(8, 11)]
    subject.page(request, [fill(n) for n in range(12, 5, -1)], 1.1)
    actions = take(subject)
    assert ids(actions) == [8, 9, 10, 11, 12]
    assert ledger(actions) == [("repaired", 8, 11)]


def test_a_live_row_is_never_joined_to_a_fetched_one():
    """The joined group of the gap ends where the live row begins, though it looks the same."""
    subject = filler(last=7)
    subject.live(fill(10, price="3"), 0.0)
    subject.page(ask(subject, 1.0), [fill(n, price="3") for n in (8, 9, 10)], 1.0)
    written = [action for action in take(subject) if isinstance(action, Trade)]
    assert [(trade.trade_id, trade.count, trade.qty) for trade in written] == [
        (9, 2, "2"),
        (10, 1, "1"),
    ]


def test_the_last_group_of_a_page_waits_for_the_next_page():
    """An order whose fills lie on two pages becomes one record, and nothing of it comes earlier."""
    subject = filler(last=0)
    subject.live(fill(151, side="sell"), 0.0)
    first = [fill(n, price="1" if n < 90 else "2") for n in range(1, 101)]
    subject.page(ask(subject, 1.0), first, 1.0)
    assert ids(take(subject)) == [89]
    request = ask(subject, 1.0)
    assert request.after == 201
    second = [fill(n, price="2") for n in range(52, 151)] + [fill(151, side="sell")]
    subject.page(request, second, 1.1)
    actions = take(subject)
    assert ids(actions) == [150, 151]
    assert actions[0].count == 61
    assert ledger(actions) == [("repaired", 1, 150)]


def test_a_second_connection_heals_a_gap_without_rest():
    """Rows that the older connection still brings go in before REST is ever asked (64008)."""
    subject = filler(last=7)
    subject.live(fill(10), 0.0)
    subject.live(fill(8), 0.1)
    subject.live(fill(9), 0.2)
    actions = take(subject)
    assert ids(actions) == [8, 9, 10]
    assert ledger(actions) == []
    assert subject.request(5.0) is None


def test_a_row_that_straddles_the_last_id_is_fetched_instead():
    """Ids 6 to 9 in one row, 7 on disk: ids 8 and 9 come from REST, the row itself is not used."""
    subject = filler(last=7)
    subject.live(replace(fill(9, qty="4"), count=4), 0.0)
    subject.page(ask(subject, 1.0), [fill(n, price="3") for n in range(5, 11)], 1.0)
    actions = take(subject)
    written = [action for action in actions if isinstance(action, Trade)]
    assert [(trade.trade_id, trade.count) for trade in written] == [(9, 2)]
    subject.live(fill(10), 2.0)
    assert ids(take(subject)) == [10]


def test_a_late_row_never_overtakes_the_group_that_waits():
    """Ids 99 and 100 wait for the next page when the row of 101 comes: REST brings that one too."""
    subject = filler(last=0)
    subject.live(fill(201), 0.0)
    first = [fill(n, price="1" if n < 99 else "2") for n in range(1, 101)]
    subject.page(ask(subject, 1.0), first, 1.0)
    subject.live(fill(101, price="2"), 1.1)
    assert ids(take(subject)) == [98]
    second = [fill(n, price="2" if n < 102 else "") for n in range(101, 202)]
    subject.page(ask(subject, 1.2), second[:100], 1.2)
    actions = take(subject)
    assert ids(actions) == [101, *range(102, 202)]
    assert actions[0].count == 3


def test_ids_that_the_socket_never_brought_are_fetched_up_to_the_newest():
    """Nothing live shows a gap; the newest id of the exchange does, and its rows are joined."""
    subject = filler(last=7)
    subject.missed(7, 0.0)
    assert subject.filling is None
    subject.missed(10, 0.0)
    subject.page(ask(subject, 1.0), [fill(n, price="3") for n in range(5, 11)], 1.0)
    actions = take(subject)
    assert ids(actions) == [10]
    assert ledger(actions) == [("repaired", 8, 10)]


def test_an_empty_answer_does_not_lead_astray():
    """Two false empty pages send the search upwards; it comes back to the oldest missing id."""
    exchange = Exchange([fill(n, ts=BASE_MS + n) for n in range(1, 500)])
    subject = filler(last=7)
    subject.live(fill(499, ts=BASE_MS + 499), 0.0)
    for now in (1.0, 2.0):
        subject.page(ask(subject, now), [], now)
    assert ids(exchange.settle(subject, until=60.0, begin=3.0)) == list(range(8, 500))


def test_an_answer_that_trails_is_no_proof_of_an_id_hole():
    """REST that ends below the gap is asked again; nothing is settled meanwhile."""
    subject = filler(last=7)
    subject.live(fill(10), 0.0)
    for now in (1.0, 5.0, 9.0):
        subject.page(ask(subject, now), [fill(6), fill(7)], now)
        assert ledger(take(subject)) == []
    subject.page(ask(subject, 13.0), [fill(7), fill(8), fill(9)], 13.0)
    assert ids(take(subject)) == [8, 9, 10]


def test_an_id_hole_is_settled_before_the_line_behind_it():
    """The exchange answers beyond the ids without having them, twice, two seconds apart."""
    subject = filler(last=7)
    subject.live(fill(11), 0.0)
    rows = [fill(7), fill(8), fill(11)]
    subject.page(ask(subject, 1.0), rows, 1.0)
    assert ledger(take(subject)) == []
    subject.page(ask(subject, 3.5), rows, 3.5)
    actions = take(subject)
    kinds = [action.trade_id if isinstance(action, Trade) else action.status for action in actions]
    assert kinds == [8, "repaired", "id_hole", 11]
    assert ledger(actions) == [("repaired", 8, 8), ("id_hole", 9, 10)]


def test_a_wide_id_hole_is_searched_upwards_and_then_halved():
    """A hole wider than a page is proven by a page that shows both of its edges."""
    exchange = Exchange([fill(n, ts=BASE_MS + n) for n in (*range(1, 50), *range(1050, 1200))])
    subject = filler(last=20, last_ts=BASE_MS)
    subject.live(fill(1300, ts=BASE_MS + 60_000), 0.0)
    exchange.fills.append(fill(1300, ts=BASE_MS + 60_000))
    actions = exchange.settle(subject, until=60.0)
    assert ("id_hole", 50, 1049) in ledger(actions)
    assert ("id_hole", 1200, 1299) in ledger(actions)
    assert ids(actions) == [*range(21, 50), *range(1050, 1200), 1300]
    assert exchange.asked < 40


def test_rest_failing_leaves_the_gap_open_and_live_rows_go_on():
    """After the patience the ledger says `open`, and the waiting rows are written."""
    subject = filler(last=7, patience=30.0)
    subject.live(fill(10), 0.0)
    now = 0.0
    while subject.filling and now < 60.0:
        now += 0.5
        if request := subject.request(now):
            subject.failed(request, now)
    actions = take(subject)
    assert ledger(actions) == [("open", 8, 9)]
    assert ids(actions) == [10]
    assert now == pytest.approx(30.0, abs=3.0)


def test_what_the_exchange_no_longer_serves_is_unrecoverable():
    """A stop longer than three months: the older part is given up, the rest is fetched."""
    late = BASE_MS + 100 * DAY_MS
    exchange = Exchange([fill(n, ts=late + n) for n in range(5000, 5100)])
    subject = filler(last=20, last_ts=BASE_MS)
    subject.live(fill(5099, ts=late + 5099), 0.0)
    actions = exchange.settle(subject, until=60.0)
    assert ledger(actions) == [("unrecoverable", 21, 4999), ("repaired", 5000, 5098)]
    assert ids(actions) == list(range(5000, 5100))


def test_a_full_buffer_drops_rows_and_fetches_them_the_same_way():
    """Rows beyond the buffer's size are not lost: REST brings them after the buffer is written."""
    fills = [fill(n, ts=BASE_MS + n) for n in range(1, 40)]
    exchange = Exchange(fills)
    subject = filler(last=1, rows=5)
    for row in fills[10:]:
        subject.live(row, 0.0)
    assert subject.waiting == 5
    assert subject.dropped == 24
    assert ids(exchange.settle(subject, until=30.0)) == list(range(2, 40))


def test_a_row_with_a_wild_id_does_not_silence_the_stream():
    """One damaged id far above the others is dropped once REST and later rows contradict it."""
    fills = [fill(n, ts=BASE_MS + n) for n in range(1, 60)]
    exchange = Exchange(fills[:20])
    subject = filler(last=20)
    subject.live(fill(999_999_999), 0.0)
    actions, now = [], 0.0
    for row in fills[20:]:
        now += 1.0
        exchange.fills.append(row)
        subject.live(row, now)
        actions += exchange.settle(subject, until=now, begin=now)
    assert ids(actions + exchange.settle(subject, until=now + 20.0, begin=now)) == [*range(21, 60)]
    assert subject.bogus >= 1


def test_unreadable_rows_are_not_called_an_id_hole():
    """Ids whose REST row could not be parsed exist: they are lost to us, and the ledger says so."""
    subject = filler(last=7)
    subject.live(fill(10, ts=BASE_MS + 60_000), 0.0)
    rows = [fill(7), fill(8), fill(10)]
    subject.page(ask(subject, 1.0), rows, 1.0, unreadable=1)
    assert ledger(take(subject)) == [("repaired", 8, 8), ("unrecoverable", 9, 9)]


@dataclass
class Exchange:
    """What history-trades answers, with faults from a seed; ``lag`` newest fills are not seen."""

    fills: list[Trade]
    random: Random = field(default_factory=Random)
    faults: float = 0.0
    asked: int = 0
    previous: list[Trade] = field(default_factory=list)

    def page(self, after: int, *, visible: int | None = None) -> list[Trade] | None:
        self.asked += 1
        served = self.fills[:visible]
        rows = [row for row in served if row.trade_id < after][-100:]
        if self.random.random() < self.faults:
            return self.random.choice([None, [], self.previous])
        self.previous = rows
        return rows

    def answer(
        self, subject: GapFiller, request: PageRequest, now: float, visible: int | None
    ) -> None:
        rows = self.page(request.after, visible=visible)
        if rows is None:
            subject.failed(request, now)
        else:
            subject.page(request, self.random.sample(rows, len(rows)), now)

    def settle(self, subject, *, until, begin=0.0):
        """Let REST answer until the gap is filled or the time is over."""
        actions, now = take(subject), begin
        while subject.filling and now <= until:
            if request := subject.request(now):
                self.answer(subject, request, now, None)
                actions += take(subject)
            else:
                now += 0.25
        return actions + take(subject)


def market(random, size):
    """Fills of a small market: orders of one to 130 fills, id holes here and there."""
    fills: list[Trade] = []
    trade_id, ts = 100, BASE_MS
    while len(fills) < size:
        ts += random.choice([0, 1, 50, 3000])
        if random.random() < 0.05:
            trade_id += random.choice([1, 2, 150, 700])
        side, price = random.choice(["buy", "sell"]), random.choice(["1", "1.5", "2"])
        for _ in range(random.choice([1, 1, 1, 2, 5, 130])):
            trade_id += 1
            fills.append(fill(trade_id, ts=ts, side=side, price=price, qty=random.choice("12")))
    return fills


def restart(written, buffer_rows):
    """A filler that goes on from what is on disk."""
    last = written[-1] if written else None
    last_id, ts = (last.trade_id, last.ts) if last else (None, 0)
    return filler(last_id, rows=buffer_rows, patience=1e9, last_ts=ts)


@settings(max_examples=often(50, 150))
@given(seed=st.integers(0, 2**32), loss=st.sampled_from([0.0, 0.02, 0.3, 0.9]))
def test_every_record_is_written_once_in_order(seed, loss):  # noqa: C901 - a whole scenario
    """Losses, duplicates, reordering, REST faults and lag, and restarts: the file is the same."""
    random = Random(seed)
    fills = market(random, random.choice([50, 400, 1500]))
    records = list(join_fills(fills))
    exchange = Exchange(fills, random, faults=random.choice([0.0, 0.2]))
    buffer_rows = random.choice([3, 1000])
    subject, now = restart([], buffer_rows), 0.0
    written: list[Trade] = []
    notes: list[GapDetected | GapSettled] = []

    def write():
        for action in take(subject):
            if isinstance(action, Trade):
                written.append(action)
            else:
                notes.append(action)

    stream = [record for record in records[1:-1] if random.random() >= loss]
    if random.random() < 0.3:  # neighbours change places now and then
        for index in range(0, len(stream) - 1, 7):
            stream[index], stream[index + 1] = stream[index + 1], stream[index]
    stream = [records[0], *stream, records[-1]]  # both ends arrive: they bound what is wanted
    for record in stream:
        now += random.choice([0.0, 0.01, 0.6])
        for _ in range(1 + (random.random() < 0.05)):
            subject.live(record, now)
        if (request := subject.request(now)) is not None:
            seen = sum(1 for row in fills if row.trade_id <= record.trade_id)
            exchange.answer(subject, request, now, max(1, seen - random.choice([0, 3, 200])))
        write()
        if random.random() < 0.01:
            subject = restart(written, buffer_rows)
    for _ in range(20_000):
        if subject.filling is None:
            if written == records:
                break
            subject.live(records[-1], now)
        now += 0.25
        if (request := subject.request(now)) is not None:
            exchange.answer(subject, request, now, None)
        write()
    assert written == records
    assert_holes_are_settled(written, notes)


def assert_holes_are_settled(written, notes):
    """Each jump of ids is covered by `id_hole`, judged by the newest line that covers an id."""
    status = {}
    for note in notes:
        if isinstance(note, GapSettled):
            for trade_id in range(note.from_id, note.to_id + 1):
                status[trade_id] = note.status
    jumps = [range(earlier.trade_id + 1, later.first_id) for earlier, later in pairwise(written)]
    missing = {trade_id for jump in jumps for trade_id in jump}
    assert all(status.get(trade_id) == "id_hole" for trade_id in missing)
    assert {trade_id for trade_id, found in status.items() if found == "id_hole"} == missing
