"""Coverage: spans between mark prices on a connection that listens; all else is a gap."""

import pytest

from Context_Bot.coverage import OPEN, SILENT_MS, Coverage, CoverageSpan, read_span, reason_of

START = 1_765_747_200_000


def test_a_span_begins_with_the_first_mark_behind_the_subscription():
    """A mark price before the answer covers nothing."""
    made = Coverage()
    assert made.marked(START, 1) == []
    made.subscribed(1)
    assert made.marked(START + 200, 1) == [CoverageSpan(START + 200, None, OPEN)]
    assert made.marked(START + 400, 1) == []


def test_a_span_ends_with_the_last_mark_before_the_break():
    """Not with the time of the break: nobody knows what was sent in between."""
    made = Coverage()
    made.subscribed(1)
    made.marked(START, 1)
    made.marked(START + 5_000, 1)
    assert made.lost(1, "closed") == [CoverageSpan(START, START + 5_000, "closed")]
    assert made.lost(1, "closed") == []
    assert made.stopped() == []


def test_silence_of_the_mark_price_is_a_break_without_a_lost_connection():
    """More than 20 s between two of them: the exchange says something each ten."""
    made = Coverage()
    made.subscribed(1)
    made.marked(START, 1)
    assert made.marked(START + SILENT_MS, 1) == []
    late = START + 2 * SILENT_MS + 1
    assert made.marked(late, 1) == [
        CoverageSpan(START, START + SILENT_MS, "silent"),
        CoverageSpan(late, None, OPEN),
    ]


def test_a_second_connection_takes_over_without_a_break():
    """The first one may end once the second listens."""
    made = Coverage()
    made.subscribed(1)
    made.marked(START, 1)
    made.subscribed(2)
    made.marked(START + 200, 2)
    assert made.lost(1, "closed") == []
    assert made.marked(START + 400, 2) == []
    assert made.stopped() == [CoverageSpan(START, START + 400, "stop")]


def test_marks_of_a_connection_that_does_not_listen_open_nothing():
    """Its subscription to the liquidations was not answered."""
    made = Coverage()
    made.subscribed(1)
    made.marked(START, 1)
    made.lost(1, "error")
    assert made.marked(START + 200, 2) == []


@pytest.mark.parametrize(
    "span",
    [CoverageSpan(START, None, OPEN), CoverageSpan(START, START + 10, "stop")],
)
def test_a_span_comes_back_from_its_line(span):
    """Its times in UTC, its end null while it lasts."""
    assert read_span(span.line()) == span
    assert span.line().startswith(b'{"from_utc":"2025-12-14T21:20:00.000Z","to_utc":')


def test_the_end_of_a_connection_in_a_word():
    """As it stands in the line."""
    assert reason_of("no pong within 5 s") == "silent"
    assert reason_of("mark-price of BTC-USDT-SWAP stays silent") == "silent"
    assert reason_of("no close frame received or sent") == "error"
    assert reason_of("received 1000 (OK); then sent 1000 (OK)") == "closed"
