"""Lines that are late for their minute, found by a process that reads each line once."""

from itertools import accumulate

import pytest

from ravequant import times
from ravequant.contract import Contract
from ravequant.records import Trade, TradeEncoder
from ravequant.signals import late_lines as module
from ravequant.signals.late_lines import OpenMinutes, late_lines
from ravequant.vault.line_file import LineFile

START = times.parse_iso("2025-12-14T21:00:00Z")
LINE = TradeEncoder("BTC-USDT-SWAP", Contract("0.01", "1", "linear")).line


def rows(*seconds, first_id=1):
    trades = (
        Trade(START + round(1_000 * second), number, "buy", "101", "1")
        for number, second in enumerate(seconds, first_id)
    )
    return b"".join(map(LINE, trades))


@pytest.fixture
def path(tmp_path, monkeypatch):
    """Return a file of an hour, a trade each second, that is looked at in portions of ten."""
    monkeypatch.setattr(module, "_BATCH", 10)
    found = tmp_path / "2025-12-14.jsonl"
    found.write_bytes(rows(*range(3_000)))
    return found


def found(path, border_s=4_000, start=0):
    with LineFile(path) as file:
        size = file.size
        lines = [line for _, line in late_lines(file, start, OpenMinutes(START + border_s * 1_000))]
    return [size, *((times.parse_iso(line[18:42].decode()) - START) // 1_000 for line in lines)]


def read_from(monkeypatch, path, **how):
    """Return the byte from which a second reading reads lines."""
    begun = []
    forward = LineFile.forward

    def noted(self, start):
        begun.append(start)
        return forward(self, start)

    monkeypatch.setattr(LineFile, "forward", noted)
    found(path, **how)
    return begun[0]


def test_lines_that_were_passed_over_are_not_read_again(path, monkeypatch):
    """The next answer begins behind them, and so does that of a minute later."""
    size = path.stat().st_size
    assert found(path) == [size]
    with path.open("ab") as file:
        file.write(rows(3_000, 2_900, first_id=4_000))
    assert read_from(monkeypatch, path, start=size // 2) == size
    assert found(path)[1:] == [2_900]


def test_a_late_line_is_found_again_and_again(path):
    """It is never passed over: each answer that looks as far back has it."""
    path.write_bytes(rows(*range(300), 100, *range(300, 600)))
    assert found(path)[1:] == found(path)[1:] == found(path, 4_001)[1:] == [100]


def test_a_file_that_was_cut_and_written_on_is_read_anew(path):
    """Other lines stand now where those stood that were passed over."""
    found(path)
    path.write_bytes(rows(*range(200), 60, *range(200, 3_100)))
    assert found(path)[1:] == [60]


def test_a_file_in_the_place_of_another_is_read_anew(path):
    """A repair makes a new one, which may have the same length and the same last line."""
    found(path)
    stamps = [times.iso(START + second * 1_000).encode() for second in (1_500, 100)]
    new = path.with_name("new")
    new.write_bytes(path.read_bytes().replace(*stamps))
    new.replace(path)
    assert found(path)[1:] == [100]


def test_an_earlier_begin_or_border_reads_anew(path):
    """What was passed over from a later place on says nothing of the lines before it."""
    path.write_bytes(rows(0, 70, 10, *range(71, 1_000)))
    behind = len(rows(0, 70, 10))
    assert found(path, start=behind)[1:] == []
    assert found(path)[1:] == [10]
    assert found(path, 500, start=behind)[1:] == list(range(500, 1_000))


def test_the_largest_time_must_be_met(path):
    """A reading that begins behind it has one more minute open."""
    lines = [rows(second, first_id=1_000 + n) for n, second in enumerate((0, 70, *[64] * 40, 59))]
    path.write_bytes(b"".join(lines))
    assert found(path)[1:] == [59]
    for start in accumulate(map(len, lines[:12])):
        again = found(path, start=start)
        kept = dict(module._passed)
        module._passed.clear()
        assert found(path, start=start) == again
        module._passed.update(kept)
    assert again[1:] == []
