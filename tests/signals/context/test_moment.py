"""How far the streams of a context are read, and which age is too much."""

from dataclasses import replace

from ravequant import times
from ravequant.signals.context.moment import ContextMoment
from ravequant.signals.seen import LAGGING, Instant, Lagging, Seen
from tests.support.made_signals import LIMITS, A, set_up

MS = A * times.MINUTE_MS


def test_a_stream_is_read_to_the_minute_or_as_far_as_it_was(vault):
    """An answer to the instant says which streams were behind."""
    state = set_up()
    assert ContextMoment.of(vault, state, LIMITS).end_ms("book_flow") == MS
    reach: dict[Lagging, int] = {"book_flow": MS - 60_000, "cvd": MS + 60_000}
    state = replace(state, instant=Instant(MS + 9_000, Seen(reach=reach)))
    moment = ContextMoment.of(vault, state, LIMITS)
    ends = {name: moment.end_ms(name) for name in LAGGING}
    assert ends == dict.fromkeys(LAGGING, MS) | {"book_flow": MS - 60_000}
    assert (moment.asked_ms, moment.book_ms) == (MS + 9_000, MS - 1_000)
    assert ContextMoment.of(vault, replace(state, book=None), LIMITS).book_ms is None


def test_an_age_counts_from_the_end_of_a_minute(vault):
    """By the limit of the stream whose rows are alike."""
    state = replace(set_up(), instant=Instant(MS + 60_000, Seen()))
    moment = ContextMoment.of(vault, state, LIMITS)
    assert [moment.is_stale("volume", A - n) for n in (1, 3, 4)] == [False, False, True]
