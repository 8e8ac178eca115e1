"""Tests of ravequant.pipeline.job: a source says nothing that it does not know."""

from ravequant.pipeline.job import Decoder, Leg, Reject, Sink, Source
from ravequant.vault.tail import Tail


def _no_decoder(_: Reject) -> Decoder[int]:
    raise AssertionError


def test_a_source_has_lines_and_nothing_more_unless_it_says_so():
    """No side input, no files that expire, no other processes, nothing read before."""
    source: Source[int] = Source(lambda: iter(()), _no_decoder)
    assert (source.side_inputs, source.expires, source.archive) == ({}, False, False)
    assert (source.repaired, source.side_news) == (True, None)
    assert (source.read_ahead, source.first_ms, source.legs) == (None, None, None)


def test_a_leg_is_read_unless_its_batch_is_known():
    """A batch of no records is one all the same."""
    tail = Tail(lambda: iter(()), None, 0)
    assert Leg(tail).batch is None
    assert Leg(tail, []).batch == []
    assert Leg(tail).rejected == ()


def test_a_sink_is_ordered_by_the_start_of_its_records():
    """Unless it says that they are ordered by when they became known."""
    sink = Sink("*.jsonl", lambda _: "a.jsonl")
    assert (sink.time_key, sink.known_at_end, sink.publish) == ("timestamp_utc", False, None)
