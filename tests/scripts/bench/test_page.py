"""Tests of scripts.bench.page: how long an append takes to the message and to the screen."""

from scripts.bench.page import Delay, _delays


def test_the_first_message_with_the_price_counts():
    """And the first painting that has it; an append that is in none yet has no delay."""
    messages = [(1_000.0, 4, 880), (1_500.0, 5, 1_400), (2_100.0, 7, 2_050)]
    painted = [(1_030.0, 4), (1_600.0, 6)]
    appended = [(890.0, 870), (1_010.0, 1_000), (1_410.0, 1_400), (2_060.0, 2_050), (3e3, 2_990)]
    assert list(_delays(messages, painted, appended)) == [
        Delay(110.0, 140.0), Delay(490.0, 590.0), Delay(90.0, 190.0),
    ]  # fmt: skip
