"""The worked examples: all are met, and each mutation of a rule fails one."""

import math

import numpy as np

from Edge_Lab import fills, golden_examples, inference, trials
from Edge_Lab.fills import touches_hole
from Edge_Lab.golden_examples import EXAMPLES, failures
from Edge_Lab.inference import DaySums, Estimate
from ravequant import times


def failed():
    """Return the names of the examples that are not met."""
    return [sentence.partition(":")[0] for sentence in failures()]


def test_every_example_is_met():
    """And each has a name of its own."""
    assert failures() == []
    assert len({example.name for example in EXAMPLES}) == len(EXAMPLES)


def test_an_order_that_rests_from_a_is_caught(monkeypatch):
    """T0 = A: nobody has the answer at A."""
    honest = fills.order_clock

    def at_once(tape, minute, birth, **options):
        clock = honest(tape, minute, birth, **options)
        return None if clock is None else clock._replace(active=minute * times.MINUTE_MS)

    monkeypatch.setattr(fills, "order_clock", at_once)
    assert failed() == ["clock of an order"]


def test_a_lead_without_bins_is_caught(monkeypatch):
    """Slippage past a level grows with distance: fills and placebos are compared by bins."""
    honest = inference.delta

    def one_bin(real, fake):
        joined = [
            DaySums(sums.fills.sum(axis=1, keepdims=True), sums.total.sum(axis=1, keepdims=True))
            for sums in (real, fake)
        ]
        return honest(*joined)

    monkeypatch.setattr(inference, "delta", one_bin)
    assert failed() == ["lead over fake levels"]


def test_a_t_per_trade_is_caught(monkeypatch):
    """The days are the sample and not the fills."""

    def per_trade(self):
        squares = float(np.square(self.influence).sum()) * len(self.influence)
        return math.sqrt(squares / self.fills)

    monkeypatch.setattr(Estimate, "se", property(per_trade))
    assert failed() == ["lead over fake levels", "net of days"]


def test_an_exclusion_by_the_own_life_is_caught(monkeypatch):
    """A hole after the exit counts like one before it: the window is fixed before the outcome."""

    def until_the_exit(holes, first, horizon):
        return touches_hole(holes, first, horizon - 69 * times.MINUTE_MS)

    monkeypatch.setattr(trials, "touches_hole", until_the_exit)
    assert failed() == ["hole before and after the horizon"]


def test_a_rule_that_raises_is_a_failure(monkeypatch):
    """With the error in place of the result."""
    broken = replace_first(golden_examples.EXAMPLES)
    monkeypatch.setattr(golden_examples, "EXAMPLES", broken)
    (sentence,) = failures()
    assert sentence.startswith("clock of an order: ZeroDivisionError('")


def replace_first(examples):
    """Return the examples with a first that divides by nothing."""
    return (examples[0]._replace(made=lambda: str(1 // 0)), *examples[1:])
