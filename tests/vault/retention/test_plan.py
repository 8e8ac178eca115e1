"""What retention decides: ages, what was read, the newest file, the disk budget."""

from hypothesis import given
from hypothesis import strategies as st

from ravequant import times
from ravequant.settings import Retention
from ravequant.vault.retention import plan
from ravequant.vault.retention.plan import DatedFile, Series
from tests.support.aged_vaults import BTC, DAY, HOUR, NOW, RULES, books, day, hour


def due(series, now=NOW):
    """Return what is due, as (kind, key)."""
    return [(action.kind, action.file.key) for action in plan.by_age([series], RULES, now)]


def test_an_hour_is_compressed_after_six_hours_and_deleted_after_five_days():
    """Ages count from the end of the hour that the file is named after, to the millisecond."""
    old = "2025-12-09/21"
    end = times.parse_iso("2025-12-09T22:00:00Z")
    series = books(old, hour(0), read_to=hour(0))
    assert due(series, end + 6 * HOUR) == []
    assert due(series, end + 6 * HOUR + 1) == [("compress", old)]
    assert due(series, end + 5 * DAY) == [("compress", old)]
    assert due(series, end + 5 * DAY + 1) == [("delete", old)]


def test_an_hour_that_no_calculator_has_read_is_kept_ten_days():
    """Read is what stands before the file of the cursor; without a cursor nothing is."""
    keys = [hour(11 * 24), hour(7 * 24), hour(6 * 24), hour(0)]
    everything = [("delete", keys[0]), ("delete", keys[1]), ("delete", keys[2])]
    assert due(books(*keys, read_to=hour(0))) == everything
    assert due(books(*keys, read_to=keys[2])) == [*everything[:2], ("compress", keys[2])]
    assert due(books(*keys)) == [everything[0], ("compress", keys[1]), ("compress", keys[2])]
    reasons = [action.reason for action in plan.by_age([books(*keys)], RULES, NOW)]
    assert reasons == ["older than 10 days, never read", "older than 6 h", "older than 6 h"]


def test_the_newest_file_is_never_touched_however_old():
    """Its writer goes on in it after a pause of any length."""
    assert due(books(hour(30 * 24), read_to=hour(0))) == []
    assert due(books(day(400), stream=plan.TRADES)) == []


def test_the_running_hour_and_what_claims_to_come_after_it_are_left():
    """A file named after the future is nobody's to judge."""
    series = books("2025-12-14/21", "2025-12-20/03", "2026-01-01/00", read_to="2026-01-01/00")
    assert due(series) == []
    assert plan.over_budget([series], RULES, NOW, 10**9) == []


def test_trade_and_bucket_days_are_compressed_after_two_days_and_stay():
    """Their ages count from the end of the day."""
    for stream in (plan.TRADES, plan.BUCKETS):
        keys = [day(400), day(2), day(1), day(0), "2025-12-14"]
        assert due(books(*keys, stream=stream)) == [("compress", keys[0]), ("compress", keys[1])]


def test_the_bucket_day_that_the_state_points_at_is_left():
    """A commit is checked against its plain file; a state that cannot be read protects all."""
    keys = [day(9), day(8), day(7), "2025-12-14"]
    assert due(books(*keys, stream=plan.BUCKETS, open_from=keys[1])) == [("compress", keys[0])]
    assert due(books(*keys, stream=plan.BUCKETS, open_from="")) == []


def test_what_is_compressed_already_is_left_alone():
    """Only where a plain form stands is there something to do."""
    files = (
        DatedFile(plan.BOOKS, BTC, hour(9), None, 10), DatedFile(plan.BOOKS, BTC, hour(8), 100, 10),
        DatedFile(plan.BOOKS, BTC, hour(0), 100, None),
    )  # fmt: skip
    assert due(Series(plan.BOOKS, BTC, files)) == [("compress", hour(8))]


def test_the_budget_takes_the_oldest_hours_first_and_the_unread_ones_last():
    """Never the newest, never a trade day; of what has been read no more than is needed."""
    read = books(hour(30), hour(20), hour(10), hour(0), read_to=hour(10))
    deep = books(hour(25), hour(0), stream=plan.DEEP, read_to=hour(0))
    trades = books(day(9), day(8), stream=plan.TRADES)

    def dropped(excess):
        drops = plan.over_budget([trades, read, deep], RULES, NOW, excess)
        return [(drop.file.stream, drop.file.key, drop.unread) for drop in drops]

    assert dropped(0) == []
    assert dropped(101) == [(plan.BOOKS, hour(30), False), (plan.DEEP, hour(25), False)]
    assert dropped(10**9) == [
        (plan.BOOKS, hour(30), False), (plan.DEEP, hour(25), False), (plan.BOOKS, hour(20), False),
        (plan.BOOKS, hour(10), True),
    ]  # fmt: skip


def test_an_imported_hour_is_kept_from_its_import_on():
    """Five days after the import, however old it is; while it waits for something, for good."""
    old = hour(90 * 24)
    for imported, wanted in (
        (plan.ImportedHour(NOW - 5 * DAY), []),
        (plan.ImportedHour(NOW - 5 * DAY - 1), [("delete", old)]),
        (plan.ImportedHour(NOW - 90 * DAY, "its day has no buckets yet"), []),
    ):
        files = (
            DatedFile(plan.BOOKS, BTC, old, None, 10),
            DatedFile(plan.BOOKS, BTC, hour(0), 10, None),
        )
        series = Series(plan.BOOKS, BTC, files, read_to=hour(0), imported={old: imported})
        assert due(series) == wanted
        drops = plan.over_budget([series], RULES, NOW, 10**9)
        assert [(drop.kind, drop.file.key) for drop in drops] == wanted
    reasons = [
        action.reason
        for action in plan.by_age(
            [Series(plan.BOOKS, BTC, files, imported={old: plan.ImportedHour(0)})], RULES, NOW
        )
    ]
    assert reasons == ["imported more than 5 days ago"]


@given(
    ages=st.sets(st.integers(0, 400), min_size=1, max_size=40),
    read=st.none() | st.integers(0, 400),
    excess=st.integers(-100, 5000),
)
def test_whatever_stands_there_the_promises_hold(ages, read, excess):
    """Newest kept, nothing young deleted, unread ones ten days, the budget met where it can be."""
    read_to = None if read is None else hour(read)
    series = books(*map(hour, ages), read_to=read_to)
    newest = series.files[-1].key
    for action in plan.by_age([series], RULES, NOW):
        age = NOW - action.file.end
        assert action.file.key < newest
        assert age > 6 * HOUR
        if action.kind == plan.DELETE:
            read_already = read_to is not None and action.file.key < read_to
            assert age > (5 if read_already else 10) * DAY
    drops = plan.over_budget([series], RULES, NOW, excess)
    assert newest not in {drop.file.key for drop in drops}
    freed = sum(drop.frees for drop in drops)
    assert freed >= excess or len(drops) == len(ages) - 1
    assert freed < max(0, excess) + 100


def test_settings_change_every_limit():
    """Each number of the rules is a setting."""
    rules = plan.rules_of(Retention(1, 2, 3, 6, 4, 5))
    hours = plan.RetentionRule(HOUR, 2 * DAY, 3 * DAY, 6 * DAY)
    assert rules[plan.BOOKS] == rules[plan.DEEP] == hours
    assert rules[plan.TRADES] == plan.RetentionRule(4 * DAY)
    assert rules[plan.BUCKETS] == plan.RetentionRule(5 * DAY)


def test_books_that_the_lab_has_not_judged_are_kept_longer_and_go_later():
    """As long as those never read; over the budget after those that nobody needs, with a word."""
    old, older = hour(24 * 6), hour(24 * 11)
    series = books(
        old, older, hour(30), hour(0), read_to=hour(0), unjudged=frozenset({old[:10], older[:10]})
    )
    found = plan.by_age([series], RULES, NOW)
    assert [(one.file.key, one.reason, one.unread) for one in found if one.kind == plan.DELETE] == [
        (older, "older than 10 days, never judged", True)
    ]
    taken = plan.over_budget([series], RULES, NOW, 250)
    assert [(one.file.key, one.reason) for one in taken] == [
        (hour(30), "over the disk budget"),
        (older, "over the disk budget, never judged"),
        (old, "over the disk budget, never judged"),
    ]
