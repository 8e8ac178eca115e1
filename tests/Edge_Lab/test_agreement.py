"""Live signals against the backtest's: same, shifted, alone, different, and what is left out."""

from dataclasses import replace

import pytest

from Edge_Lab.agreement import AgreementCheck, WatchedDays, compare, outcome_of
from Edge_Lab.live_trials import LiveTrial
from Edge_Lab.verdict import Agreement
from ravequant import exact, times
from tests.support.made_trials import BTC, day_lines

DAY = "2025-12-14"
PRICE = exact.PRICE_PLACES


class QuietMarket:
    """Trades that reach the prices in ``hit``, and a query whose plan is that of ``plan``."""

    def __init__(self, hit=(), plan=None):
        self.hit = {exact.units(text, PRICE) for text in hit}
        self.plan, self.spans = plan, []

    def reached(self, price, start_ms, end_ms, *, rising):
        """Note the span that was asked for; a SHORT's tip lies above and its target below."""
        self.spans.append((start_ms, end_ms))
        assert rising == (price == exact.units(LINE["entry"], PRICE))
        return price in self.hit

    def plan_at(self, event_id, minute):
        """Return the plan of the test."""
        assert event_id == LINE["event_id"]
        assert abs(minute - MINUTE) in {1, 2}
        return self.plan


def past(**changed):
    """Return a line of the backtest: a SHORT that was filled, in the family base alone."""
    lines = day_lines(DAY, trials=40)
    line = next(line for line in lines if line["queue"] is not None)
    return line | {"families": ["base"]} | changed


LINE = past()
MINUTE = times.parse_iso(LINE["A_utc"]) // times.MINUTE_MS
SEEN = MINUTE * times.MINUTE_MS + 7_000
LIVE = LiveTrial(
    LINE["event_id"], MINUTE, SEEN, ("base",), MINUTE - 20, MINUTE - 21, -1,
    exact.units(LINE["entry"], PRICE), exact.units(LINE["stop"], PRICE),
    exact.units(LINE["target"], PRICE), in_contact=False,
)  # fmt: skip
TARGET, STOP = exact.units(LINE["target"], PRICE), exact.units(LINE["stop"], PRICE)
PLAN = LIVE.tip, STOP, TARGET
COVERED = {MINUTE + n: SEEN + n * times.MINUTE_MS for n in range(-5, 30)}
OUTCOME = {(LIVE.event_id, MINUTE): outcome_of(LINE)}


def words(live=LIVE, line=LINE, covered=COVERED, market=None, **other):
    """Return what became of the pair of a live trial and a line."""
    lives, lines = ([] if one is None else [one] for one in (live, line))
    watched = WatchedDays(lives, lines, {DAY}, covered, other.pop("outcomes", OUTCOME))
    found = compare(watched, market or QuietMarket())
    ((word, pairs),) = found.pairs.items()
    assert pairs == [(LINE["event_id"], "base")]
    return word, found.agreement


def test_the_same_trial():
    """The minute, the plan and the outcome are equal."""
    assert words() == ("same", Agreement(1, 0, 0))


@pytest.mark.parametrize("model", ["touch", "queue", "through"])
def test_an_outcome_must_be_equal_to_the_last_digit(model):
    """Of each model."""
    changed = outcome_of(LINE)
    changed[model] = dict(LINE["queue"], net_bps="-7.0001")
    outcomes = {(LIVE.event_id, MINUTE): changed}
    assert words(outcomes=outcomes) == ("same", Agreement(1, 0, 1))
    assert words(outcomes={}) == ("same", Agreement(1, 0, 0))  # X has not passed


@pytest.mark.parametrize("minutes", [-2, -1, 1, 2])
def test_a_shifted_trial(minutes):
    """Up to two minutes, with the plan that the query has at that minute."""
    moved = replace(LIVE, minute=MINUTE + minutes, target=TARGET - 1)
    plan = (LIVE.tip, STOP, TARGET - 1)
    assert words(moved, market=QuietMarket(plan=plan)) == ("shifted", Agreement(1, 0, 0))
    assert words(moved, market=QuietMarket(plan=PLAN)) == ("differs", Agreement(1, 1, 0))
    assert words(moved, market=QuietMarket()) == ("differs", Agreement(1, 1, 0))


def test_a_trial_minutes_later_differs():
    """The watch had asked at the backtest's minute, and did not see it."""
    moved = replace(LIVE, minute=MINUTE + 3)
    assert words(moved, market=QuietMarket(plan=PLAN)) == ("differs", Agreement(1, 1, 0))


def test_a_watch_that_began_later_is_no_difference():
    """At the backtest's minute nobody asked."""
    covered = {minute: seen for minute, seen in COVERED.items() if minute > MINUTE + 2}
    assert words(replace(LIVE, minute=MINUTE + 3), covered=covered) == ("unasked", Agreement(0, 0))


@pytest.mark.parametrize("name", ["tip", "stop", "target"])
def test_another_plan_differs(name):
    """By a single unit of price."""
    other = replace(LIVE, **{name: getattr(LIVE, name) + 1})
    assert words(other) == ("differs", Agreement(1, 1, 0))


def test_a_target_that_was_reached_meanwhile_is_no_difference():
    """The live answer looks at the trades since A, the backtest at none."""
    other, market = replace(LIVE, target=None), QuietMarket(hit=[LINE["target"]])
    assert words(other, market=market) == ("reached", Agreement(0, 0))
    assert market.spans == [(MINUTE * times.MINUTE_MS, SEEN)]
    stopped = replace(other, stop=STOP + 1)
    assert words(stopped, market=market) == ("differs", Agreement(1, 1, 0))


def test_one_side_alone():
    """Where the watch had asked; nothing can be said of other minutes."""
    assert words(line=None) == ("only_live", Agreement(1, 1, 0))
    assert words(live=None) == ("only_backtest", Agreement(1, 1, 0))
    assert words(line=None, covered={}) == words(live=None, covered={}) == (
        "unasked", Agreement(0, 0),
    )  # fmt: skip


def test_a_level_that_was_gone_when_the_watch_asked():
    """Missed in the backtest, reached by a trade before the first answer, or in contact there."""
    gone = ("reached", Agreement(0, 0))
    assert words(live=None, line=past(status="missed")) == gone
    market = QuietMarket(hit=[LINE["entry"]])
    assert words(live=None, market=market) == gone
    assert market.spans == [(MINUTE * times.MINUTE_MS, SEEN)]
    assert words(replace(LIVE, in_contact=True, stop=None, target=None)) == gone


def at_midnight(line_minute, live_minute):
    """Return the words of a pair whose minutes are counted from the midnight after DAY."""
    midnight = times.day_start_ms(DAY) // times.MINUTE_MS + times.DAY_MINUTES
    a_utc, minute = times.iso_minute(midnight + line_minute), midnight + live_minute
    seen = {midnight + n: (midnight + n) * times.MINUTE_MS + 7_000 for n in range(-5, 5)}
    live = replace(LIVE, minute=minute, detected_ms=seen[minute])
    lines = [past(A_utc=a_utc)] if line_minute < 0 else []
    watched = WatchedDays([live], lines, {DAY}, seen, {})
    return list(compare(watched, MidnightMarket()).pairs)


class MidnightMarket(QuietMarket):
    """A query whose plan is always that of the line."""

    def plan_at(self, event_id, minute):
        """Return the plan."""
        assert (event_id, minute > 0) == (LINE["event_id"], True)
        return PLAN


@pytest.mark.parametrize(
    ("minutes", "words_of"),
    [
        ((-1, 0), ["shifted"]), ((-2, 3), ["differs"]), ((-1, -1), ["same"]),
        ((0, -1), []), ((0, -2), []), ((2, -3), ["only_live"]),
    ],
)  # fmt: skip
def test_the_next_day_is_not_judged_yet(minutes, words_of):
    """A signal of 23:59 that was shown at 00:00 is the same; one alone at 23:59 waits."""
    assert at_midnight(*minutes) == words_of


def test_trials_that_are_not_decided_yet_wait():
    """An open line, and a day that was not judged."""
    for watched in (
        WatchedDays([LIVE], [past(status="open")], {DAY}, COVERED, {}),
        WatchedDays([LIVE], [], {"2025-12-15"}, COVERED, {}),
    ):
        assert compare(watched, QuietMarket()) == AgreementCheck()


def test_each_registered_family_is_a_pair():
    """Other families are not compared."""
    live = replace(LIVE, families=("base", "VERY_HIGH"))
    line = past(families=["base", "conviction=MAX", "cvd"])
    found = compare(WatchedDays([live], [line], {DAY}, COVERED, OUTCOME), QuietMarket())
    assert {word: [family for _, family in pairs] for word, pairs in found.pairs.items()} == {
        "same": ["base"], "only_live": ["VERY_HIGH"], "only_backtest": ["conviction=MAX"],
    }  # fmt: skip


def test_instruments_are_added():
    """Pairs and unequal outcomes."""
    one = compare(WatchedDays([LIVE], [LINE], {DAY}, COVERED, OUTCOME), QuietMarket())
    other = compare(
        WatchedDays([LIVE], [LINE], {DAY}, COVERED, {(LIVE.event_id, MINUTE): {}}), QuietMarket()
    )
    one.add(other)
    assert one.agreement == Agreement(2, 0, 1)
    assert one.unequal == [LIVE.event_id]
    assert BTC in one.unequal[0]
