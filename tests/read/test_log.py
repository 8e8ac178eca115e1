"""Tests of ravequant.read.log: where a span begins, bytes read for it, files that change."""

import gzip
import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ravequant import times
from ravequant.errors import VaultError
from ravequant.read import log
from ravequant.read.log import MOST_LATE_MS, LogSpan
from ravequant.vault.line_file import record_time
from ravequant.vault.tail import Block, Tail

DAY = "2025-12-14"
START = times.day_start_ms(DAY)


def line(ms: int) -> bytes:
    return json.dumps({"timestamp_utc": times.iso(START + ms)}).encode() + b"\n"


def spanned(files, since: int, **options) -> LogSpan:
    return LogSpan(lambda: iter(files), record_time, START + since, **options)


def content(span: LogSpan) -> list[bytes]:
    return [part for block in span.blocks() for part in block.data.splitlines(keepends=True)]


@given(
    st.lists(st.integers(-MOST_LATE_MS, 0), min_size=1, max_size=300),
    st.integers(-1_000_000, 4_000_000),
    st.sampled_from([".jsonl", ".jsonl.gz"]),
)
def test_nothing_of_the_span_stands_before_its_beginning(tmp_path_factory, delays, since, suffix):
    """However late lines are, up to the limit: all that is left out is earlier than the span."""
    path = tmp_path_factory.mktemp("log") / f"{DAY}{suffix}"
    moments = [max(0, 10_000 * at + delay) for at, delay in enumerate(delays)]
    lines = [line(moment) for moment in moments]
    data = b"".join(lines)
    path.write_bytes(gzip.compress(data) if suffix.endswith("gz") else data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log, "_PROBE", 256)
        span = spanned([(DAY, path)], since)
        met = content(span)
    left_out = lines[: len(lines) - len(met)]
    assert lines == left_out + met
    assert all(moment < since for moment in moments[: len(left_out)])
    before = span.before.splitlines(keepends=True)
    behind = len(left_out) - len(before)
    assert before == left_out[behind:]
    newest = max(moments[behind : len(left_out)], default=None)
    assert span.before_ms == (None if newest is None else START + newest)


def test_a_large_file_is_sought(tmp_path):
    """Of 20,000 lines a few probes are read, and those of the span."""
    path = tmp_path / f"{DAY}.jsonl"
    path.write_bytes(b"".join(line(4_000 * at) for at in range(20_000)))
    span = spanned([(DAY, path)], 60_000_000)
    assert 20_000 - len(content(span)) > 12_000


def test_the_line_before_a_file_is_that_of_the_day_before(tmp_path):
    """At the start of a day the newest line of the earlier file is known."""
    earlier, later = tmp_path / "2025-12-13.jsonl", tmp_path / f"{DAY}.jsonl"
    earlier.write_bytes(line(-2_000) + line(-1_000))
    later.write_bytes(line(5))
    files = [("2025-12-13", earlier), (DAY, later)]
    known = earlier.read_bytes(), START - 1_000
    span = spanned(files, 0)
    assert content(span) == [line(5)]
    assert (span.before, span.before_ms) == known
    packed = earlier.with_suffix(".jsonl.gz")
    packed.write_bytes(gzip.compress(earlier.read_bytes()))
    files[0] = ("2025-12-13", packed)
    for wanted in (False, True):
        span = spanned(files, 0, unpack_before=wanted)
        assert content(span) == [line(5)]
        assert (span.before, span.before_ms) == (known if wanted else (b"", None))


def test_lines_that_come_later_are_read_from_there(tmp_path):
    """A second look gives the new lines alone, from the next file too."""
    path, later = tmp_path / f"{DAY}.jsonl", tmp_path / "2025-12-15.jsonl"
    files = [(DAY, path)]
    path.write_bytes(line(1))
    span = spanned(files, 0)
    assert content(span) == [line(1)]
    with path.open("ab") as out:
        out.write(line(2))
    later.write_bytes(line(3))
    files.append(("2025-12-15", later))
    assert content(span) == [line(2), line(3)]
    assert content(span) == []


def test_no_file_stays_open_while_a_block_is_in_use(tmp_path, monkeypatch):
    """With ``let_go`` the file can be deleted on every system between two blocks."""
    path = tmp_path / f"{DAY}.jsonl"
    path.write_bytes(line(1) * 100_000)
    opened, true = list[Tail](), Tail.blocks

    def counted(tail: Tail) -> Iterator[Block]:
        opened.append(tail)
        return true(tail)

    monkeypatch.setattr(Tail, "blocks", counted)
    held = spanned([(DAY, path)], 0)
    for _ in held.blocks():
        pass
    assert len(opened) == 1
    free = spanned([(DAY, path)], 0)
    assert len(list(free.blocks(let_go=True))) == len(opened) - 2 > 1


def test_a_file_that_vanishes_each_time_is_named(tmp_path):
    """A listing whose file is never there ends with its name."""
    with pytest.raises(VaultError, match=rf"{DAY}\.jsonl vanishes while it is being opened"):
        spanned([(DAY, tmp_path / f"{DAY}.jsonl")], 0)
