"""A recorded day for an import: segments that cover each byte once, whatever the lines are."""

import pytest

from ravequant import times
from ravequant.contract import Contract
from ravequant.errors import VaultError
from ravequant.records import Trade, TradeEncoder
from ravequant.trades import recorded_day
from ravequant.trades.recorded_day import first_id_in, last_id_in, read_recorded
from ravequant.vault.compress import pack

BTC = "BTC-USDT-SWAP"
START = times.day_start_ms("2025-12-14")
ENCODER = TradeEncoder(BTC, Contract("0.01", "1", "linear"))


def line(an_id: int, count: int = 1) -> bytes:
    return ENCODER.line(Trade(START + an_id, an_id, "buy", "100", "1", count))


def spans(day) -> list[tuple[int, int]]:
    return [(one.first_id, one.last_id) for one in day.segments]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "2025-12-14.jsonl"


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("block", [700, 1 << 21])
def test_segments_end_where_ids_lack(path, packed, block, monkeypatch):
    """Their bytes are the whole file, in blocks of any size."""
    monkeypatch.setattr(recorded_day, "_BLOCK", block)
    lines = [line(n) for n in (1, 2, 3)] + [line(7, 2), line(8), line(20)]
    path.write_bytes(b"".join(lines))
    if packed:
        pack(path)
        path = path.with_name(path.name + ".gz")
    day = read_recorded(path, BTC)
    assert spans(day) == [(1, 3), (6, 8), (20, 20)]
    sizes = [sum(map(len, part)) for part in (lines[:3], lines[3:5], lines[5:])]
    assert [one.end - one.start for one in day.segments] == sizes
    assert (day.segments[0].start, day.segments[-1].end) == (0, sum(sizes))
    assert (day.length, day.content.length) == (sum(sizes), sum(sizes))


def test_bad_lines_and_repeated_ids_go_with_the_line_before(path):
    """They stay where they stand, and count for no id; a torn line is behind all segments."""
    parts = [b"junk\n", line(1), line(1), b"{}\n", line(2), b"x\n", line(9), b"y\n", b"torn"]
    path.write_bytes(b"".join(parts))
    day = read_recorded(path, BTC)
    assert spans(day) == [(1, 2), (9, 9)]
    cut = sum(map(len, parts[:6]))
    assert [(one.start, one.end) for one in day.segments] == [(0, cut), (cut, day.length)]
    assert day.length == sum(map(len, parts[:-1]))


def test_ids_up_to_those_of_the_days_before_are_repeated(path):
    """A line that is not above them is no record of the day."""
    path.write_bytes(line(5) + line(6, 3))
    assert spans(read_recorded(path, BTC, after=5)) == [(6, 6)]


def test_imported_lines_give_way(path):
    """The spans that an earlier import put in are left out, byte for byte."""
    lines = {n: line(n) for n in range(1, 400)}
    path.write_bytes(b"".join(lines.values()))
    imported = [(3, 3), (50, 120), (300, 399)]
    day = read_recorded(path, BTC, imported=imported)
    assert spans(day) == [(1, 2), (4, 49), (121, 299)]
    data = path.read_bytes()
    kept = b"".join(data[one.start : one.end] for one in day.segments)
    gone = {n for first, last in imported for n in range(first, last + 1)}
    assert kept == b"".join(text for n, text in lines.items() if n not in gone)


def test_a_file_without_a_trade_is_refused(path):
    """It is no day of this instrument."""
    path.write_bytes(b"junk\n")
    with pytest.raises(VaultError, match="no line of it is a trade"):
        read_recorded(path, BTC)


def test_first_and_last_ids(path):
    """Of valid lines; None without any."""
    path.write_bytes(b"junk\n" + line(7, 3) + line(9) + b"junk\n")
    assert (first_id_in(path, BTC), last_id_in(path, BTC)) == (5, 9)
    path.write_bytes(b"junk\n")
    assert (first_id_in(path, BTC), last_id_in(path, BTC)) == (None, None)
