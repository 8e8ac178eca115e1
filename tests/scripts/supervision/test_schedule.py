"""The plan of run_all.py: what is due when, how often, and what follows from an end."""

from dataclasses import replace

import pytest

from scripts.supervision.schedule import Plan, Task, backoff

RECORDER = Task("recorder", "a.py")
VWAP = Task("vwap", "b.py", every_s=300, limit_s=60)
CVD = Task("cvd", "c.py", every_s=300, limit_s=60)
WICKS = Task("wicks", "d.py", every_s=300, limit_s=60)


def run(plan: Plan, now: float) -> list[str]:
    """Start what is due and return its names."""
    found = [task.name for task in plan.due(now)]
    for name in found:
        plan.started(name, now)
    return found


def test_everything_is_due_at_the_start_as_far_as_cores_allow():
    """Kept programs start whatever runs; of the others only so many side by side."""
    plan = Plan([VWAP, CVD, WICKS, RECORDER], at_once=2)
    assert run(plan, 0) == ["vwap", "cvd", "recorder"]
    assert run(plan, 1) == []
    plan.ended("vwap", 0, 2)
    assert run(plan, 2) == ["wicks"]


def test_a_task_comes_again_every_so_often_from_start_to_start():
    """How long a run took moves nothing."""
    plan = Plan([VWAP], at_once=1)
    run(plan, 0)
    plan.ended("vwap", 0, 40)
    assert run(plan, 299) == []
    assert run(plan, 300) == ["vwap"]


def test_waiting_for_a_core_moves_no_turn():
    """One that had to wait keeps its time, so that all of them never drift."""
    plan = Plan([VWAP, CVD], at_once=1)
    run(plan, 0)
    plan.ended("vwap", 0, 40)
    assert run(plan, 40) == ["cvd"]
    plan.ended("cvd", 0, 41)
    run(plan, 300)
    plan.ended("vwap", 0, 301)
    assert run(plan, 301) == ["cvd"]


def test_runs_that_were_missed_are_not_caught_up_one_by_one():
    """A run that took three turns is followed by one run, then by the ordinary turn."""
    plan = Plan([VWAP], at_once=1)
    run(plan, 0)
    plan.ended("vwap", 0, 1_000)
    assert run(plan, 1_000) == ["vwap"]
    plan.ended("vwap", 0, 1_001)
    assert run(plan, 1_199) == []
    assert run(plan, 1_200) == ["vwap"]


def test_a_task_never_runs_twice_at_a_time():
    """What still runs is not due, however long ago its turn was."""
    plan = Plan([VWAP], at_once=4)
    run(plan, 0)
    assert run(plan, 10_000) == []
    assert [task.name for task in plan.overdue(61)] == ["vwap"]
    assert plan.overdue(60) == []


def test_who_waits_longest_comes_first():
    """A cap on what runs side by side starves nobody."""
    plan = Plan([VWAP, CVD], at_once=1)
    order = []
    for turn in range(6):
        order += run(plan, turn * 300)
        plan.ended(order[-1], 0, turn * 300)
    assert order == ["vwap", "cvd"] * 3


def test_a_failure_changes_nothing_for_the_others():
    """One that fails comes again at its own turn; failures in a row are counted."""
    plan = Plan([VWAP, CVD], at_once=2)
    for turn in range(3):
        assert run(plan, turn * 300) == ["vwap", "cvd"]
        assert plan.ended("vwap", 1, turn * 300 + 1).failures == turn + 1
        assert plan.ended("cvd", 0, turn * 300 + 1).failures == 0
    run(plan, 900)
    assert plan.ended("vwap", 0, 901).failures == 0


def test_without_data_it_asks_again_sooner():
    """The exporters have just begun: half a minute later there may be something."""
    keeper = Task("l2_retention", "e.py", every_s=300)
    plan = Plan([replace(VWAP, calculates=True), keeper], at_once=2)
    run(plan, 0)
    for name in ("vwap", "l2_retention"):
        assert plan.ended(name, 3, 1).failures == 0
    assert run(plan, 29) == []
    assert run(plan, 30) == ["vwap"]


def test_a_quiet_task_waits_until_nothing_else_runs():
    """Calculators that are due go before it; a kept program does not count."""
    plan = Plan([VWAP, RECORDER, Task("seal", "s.py", every_s=600, quiet=True)], at_once=4)
    assert run(plan, 0) == ["vwap", "recorder"]
    assert run(plan, 1) == []
    plan.ended("vwap", 0, 2)
    assert run(plan, 2) == ["seal"]


def test_what_has_no_input_is_not_started_and_keeps_step():
    """Its input is looked for every 5 s; afterwards it runs in one round with the others."""
    there = False
    waits = replace(CVD, ready=lambda: there)
    plan = Plan([VWAP, waits], at_once=1)
    assert run(plan, 0) == ["vwap"]
    plan.ended("vwap", 0, 1)
    assert run(plan, 1) == []
    there = True
    assert run(plan, 4.9) == []
    assert run(plan, 5) == ["cvd"]
    plan.ended("cvd", 0, 6)
    assert run(plan, 299) == []
    assert run(plan, 300) == ["vwap"]
    plan.ended("vwap", 0, 301)
    assert run(plan, 301) == ["cvd"]


def test_a_single_round_looks_for_no_input():
    """A scheduler of one's own is told by the calculators themselves that there is no data."""
    plan = Plan([replace(VWAP, ready=lambda: False)], at_once=1, once=True)
    assert run(plan, 0) == ["vwap"]


def test_the_first_run_has_more_options():
    """Until it has run: one that was refused the lock has not."""
    plan = Plan([replace(VWAP, options=("--a",), first_options=("--rebuild",))], at_once=1)
    options = []
    for now, code in ((0, 4), (2, 1), (300, 0)):
        (task,) = plan.due(now)
        options.append(task.options)
        plan.started("vwap", now)
        plan.ended("vwap", code, now)
    assert options == [("--a", "--rebuild"), ("--a", "--rebuild"), ("--a",)]


def test_a_round_is_over_when_no_calculator_runs_is_due_or_comes_right_back():
    """Programs of another kind do not count; one that waits for a lock does."""
    keeper = Task("l2_retention", "e.py", every_s=300)
    plan = Plan([replace(VWAP, calculates=True), replace(CVD, calculates=True), keeper], at_once=1)
    assert not plan.resting(0)
    assert run(plan, 0) == ["vwap"]
    plan.ended("vwap", 4, 1)
    assert run(plan, 1) == ["cvd"]
    plan.ended("cvd", 0, 2)
    assert not plan.resting(2)  # the lock of vwap is tried again at 3
    assert run(plan, 2) == ["l2_retention"]
    plan.ended("l2_retention", 0, 3)
    assert run(plan, 3) == ["vwap"]
    plan.ended("vwap", 0, 4)
    assert plan.resting(4)
    assert not plan.resting(300)


def test_while_another_one_is_at_it_it_comes_back_in_a_moment():
    """A few times; then it is left alone until its next turn."""
    plan = Plan([VWAP], at_once=1)
    now = 0.0
    for _ in range(10):
        assert run(plan, now) == ["vwap"]
        plan.ended("vwap", 4, now)
        assert run(plan, now + 1.9) == []
        now += 2
    run(plan, now)
    plan.ended("vwap", 4, now)
    assert run(plan, now + 250) == []


@pytest.mark.parametrize("code", [0, 1, 2, 4])
def test_a_kept_program_starts_again_after_a_wait_that_grows(code):
    """1, 2, 4 … 60 s, whatever its exit code said."""
    plan = Plan([RECORDER], at_once=1)
    now, waits = 0.0, []
    for _ in range(9):
        assert run(plan, now) == ["recorder"]
        now += 0.5
        waits.append(plan.ended("recorder", code, now).next_at - now)
        now += waits[-1]
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_the_first_options_of_a_kept_program_are_for_its_first_start():
    """A server that has opened a browser does not open another one when it is started again."""
    plan = Plan([replace(RECORDER, options=("a",), first_options=("--open",))], at_once=1)
    (first,) = plan.due(0)
    plan.started("recorder", 0)
    plan.ended("recorder", 1, 1)
    (again,) = plan.due(2)
    assert (first.options, again.options) == (("a", "--open"), ("a",))


def test_a_program_that_ran_well_starts_again_soon():
    """After ten seconds of work the earlier failures are forgotten: each second costs books."""
    plan = Plan([RECORDER], at_once=1)
    for now in (0, 10, 30, 60):
        run(plan, now)
        plan.ended("recorder", 1, now + 1)
    run(plan, 100)
    assert plan.ended("recorder", -9, 110).next_at == 111


def test_the_wait_has_an_end():
    """A program that never comes up is tried once a minute, for ever."""
    assert backoff(1) == 1
    assert backoff(10**6) == 60


@pytest.mark.parametrize(
    ("codes", "outcome"), [((0, 0), 0), ((0, 3), 3), ((3, 1), 1), ((2, 0), 1), ((0, 130), 1)]
)
def test_a_single_round_ends_and_says_how(codes, outcome):
    """Each runs once; the exit code is that of the worst, and a failure is 1."""
    plan = Plan([VWAP, CVD], at_once=2, once=True)
    assert not plan.finished
    run(plan, 0)
    for name, code in zip(("vwap", "cvd"), codes, strict=True):
        assert not plan.finished
        plan.ended(name, code, 1)
    assert plan.finished
    assert run(plan, 10**9) == []
    assert plan.outcome == outcome
