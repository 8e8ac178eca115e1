"""Trials of a watch: the first line of an event and family, seen in time, of the right question."""

import pytest

from Edge_Lab.live_trials import LiveRecord, LiveTrial, covered, live_trials
from ravequant import exact, times
from ravequant.signals.candidates import Query
from ravequant.signals.serialize import as_json
from ravequant.signals.signal_log import AskedQuestion
from tests.support.made_signals import LIMITS, A, hidden, only, set_up

START = A * times.MINUTE_MS
ASKED = AskedQuestion.of(START + 7_300, Query(), LIMITS, 0)


def line(name="a", after_ms=7_300, **changed):
    """Return a recorded line of a signal, as of A."""
    signal = only(set_up(the_wick=hidden(event_id=name)))
    fields = ASKED._replace(detected_ms=START + after_ms).fields()
    return as_json(signal, LIMITS, {}) | fields | changed


def found(*rows, since_ms=START):
    """Return the trials of these rows."""
    return live_trials(rows, ASKED.query_id, since_ms)


def test_a_line_is_a_trial():
    """With its plan, its times, and the registered families that it is in."""
    (trial,) = found(line()).trials
    price = exact.PRICE_PLACES
    assert trial == LiveTrial(
        event_id="a", minute=A, detected_ms=START + 7_300,
        families=("base", "VERY_HIGH", "conviction=MAX"), birth=A - 32, candle_start=A - 33,
        side=-1, tip=exact.units("101250", price), stop=exact.units("101260.2", price),
        target=exact.units("101058", price), in_contact=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("after_ms", "trials", "late", "undated"),
    [(0, 1, 0, 0), (120_000, 1, 0, 0), (120_001, 0, 1, 0), (-1, 0, 0, 1), (9**9, 0, 1, 0)],
)
def test_a_signal_counts_if_it_was_seen_in_time(after_ms, trials, late, undated):
    """Up to two minutes after its minute; a time before it is one of a clock that was wrong."""
    record = found(line(after_ms=after_ms))
    assert (len(record.trials), record.late, record.undated) == (trials, late, undated)


def test_a_late_event_stays_late():
    """Its next line is not the first, however soon it was seen."""
    record = found(line(after_ms=130_000), line(after_ms=5_000))
    assert record == LiveRecord(late=1)


def test_an_event_is_one_trial_in_a_family():
    """A later line is one in the families that it enters then."""
    weak = {"strength": "HIGH", "conviction_uncapped": "HIGH"}
    rows = [line(**weak), line(strength="HIGH"), line(), line("b", **weak)]
    families = [(trial.event_id, trial.families) for trial in found(*rows).trials]
    assert families == [
        ("a", ("base",)), ("a", ("conviction=MAX",)), ("a", ("VERY_HIGH",)), ("b", ("base",)),
    ]  # fmt: skip


def test_a_wick_of_an_earlier_group_is_no_trial_again():
    """It was traded under the name of the strongest."""
    twins = [{"event_id": "a"}, {"event_id": "b"}]
    assert len(found(line("a", wicks=twins), line("b")).trials) == 1


def test_the_conviction_is_that_without_the_cap():
    """As the families of the backtest have it."""
    (trial,) = found(line(conviction="WATCH", capped_by="book")).trials
    assert "conviction=MAX" in trial.families


def test_lines_of_earlier_versions_are_undated():
    """They carry no time, and nobody knows what was asked."""
    old = {name: value for name, value in line().items() if name not in ASKED.fields()}
    assert found(old, old) == LiveRecord(undated=1)


@pytest.mark.parametrize("other", [{"query_id": "0123456789ab"}, {"min_score": 60}])
def test_other_questions_do_not_count(other):
    """A watch of its own that leaves out levels, or asks for others, hides no trial."""
    record = found(line(**other), line(), line("b", **other))
    assert (len(record.trials), record.otherwise) == (1, 2)


def test_what_was_seen_before_the_beginning_is_no_trial():
    """Nor is it when it changes later."""
    rows = [line(), line(as_of_utc=times.iso_minute(A + 1))]
    assert found(*rows, since_ms=START + 1) == LiveRecord()


def test_an_event_in_contact_has_no_plan():
    """It is a trial that was missed."""
    (trial,) = found(line(entry=None, stop=None, target=None)).trials
    assert (trial.in_contact, trial.stop, trial.target) == (True, None, None)


@pytest.mark.parametrize(
    "broken",
    [
        None, [], 7, {}, line(as_of_utc="soon"), line(direction="UP"), line(wicks=None),
        line(wick_price="-1x"), line(timeframe="2m"), line(detected_utc=5), line(stop=[]),
    ],
)  # fmt: skip
def test_what_is_no_signal_is_counted(broken):
    """And stops none of the others."""
    record = found(line("b"), broken, line())
    assert (len(record.trials), record.damaged) == (2, 1)


def test_minutes_that_a_watch_answered():
    """By the first answer that came in time; of other questions and wrong clocks none."""

    def asked(minute, after_ms, **changed):
        at = (A + minute) * times.MINUTE_MS
        fields = ASKED._replace(detected_ms=at + after_ms).fields()
        return {"as_of_utc": times.iso(at), "signals": [], **fields} | changed

    rows = [
        asked(-1, 7_000), asked(0, 7_000), asked(0, 37_000), asked(1, 120_001), asked(2, -1),
        asked(3, 9_000, min_score=1), asked(4, 9_000, query_id="x"), None, {}, asked(5, 120_000),
    ]  # fmt: skip
    assert covered(rows, ASKED.query_id, START) == {
        A: START + 7_000, A + 5: START + 5 * times.MINUTE_MS + 120_000,
    }  # fmt: skip
