"""Tests of ravequant.trades.bar_reader: few lines one by one, many in columns, the same bars."""

import subprocess
import sys

import pytest

from ravequant.contract import Contract
from ravequant.records import Rejected, Trade, TradeEncoder
from ravequant.trades.bar_reader import FEW_BYTES, BarReader, end_of
from ravequant.trades.parallel_scan import collect
from ravequant.trades.scanner import Scanner
from ravequant.vault.paths import CHECKOUT

INST_ID = "BTC-USDT-SWAP"
START = 29_429_134 * 60_000
WHALE = 10**55
LINE = TradeEncoder(INST_ID, Contract("0.01", "1", "linear")).line
LINES = [
    LINE(Trade(START + at * 1_000, 10 + 2 * at, "buy", f"{100 + at}", "1")) for at in range(300)
]


def reader(met: list[tuple[int, str]] | None = None, few: int = FEW_BYTES) -> BarReader:
    rejected = [] if met is None else met
    return BarReader(INST_ID, WHALE, lambda *_: True, lambda *bad: rejected.append(bad), few)


@pytest.mark.parametrize("few", [0, len(LINES[0]) * 100, FEW_BYTES])
def test_both_ways_close_the_same_minutes(few):
    """Also where a run goes from one way to the other."""
    made, plain = reader(few=few), reader()
    blocks = [b"".join(LINES[at : at + 50]) for at in range(0, 300, 50)]
    assert [made.read(block) for block in blocks] == [plain.read(block) for block in blocks]
    assert made.state() == plain.state()
    assert made.counts() == plain.counts()
    assert made.counts() == {"lines": 300, "rejected": 0, "trades": 300, "duplicates": 0,
                             "late_trades": 0, "ahead": 0, "holes": 299}  # fmt: skip


@pytest.mark.parametrize("few", [0, FEW_BYTES])
@pytest.mark.parametrize("cut", [0, 30, 70, 150])
def test_with_squares_the_state_loses_no_sum(few, cut):
    """The bars that close later are those of one reading; without, their squares are unknown."""
    whole = reader().read(b"".join(LINES)).bars
    for squares in (True, False):
        first, second = (
            BarReader(INST_ID, WHALE, lambda *_: True, print, few, squares=True) for _ in range(2)
        )
        bars = first.read(b"".join(LINES[:cut])).bars
        state = first.state() if squares else first.builder.state()
        assert ("squares" in state) is squares
        second.restore(state)
        assert second.state() == state  # in its form: an earlier state is not made a newer one
        bars += second.read(b"".join(LINES[cut:])).bars
        assert (bars == whole) is (squares or not cut)
        assert [bar._replace(square_notional=0) for bar in bars] == [
            bar._replace(square_notional=0) for bar in whole
        ]


@pytest.mark.parametrize("few", [0, FEW_BYTES])
def test_rejected_lines_are_named_by_their_place(few):
    """Offset in the block and reason; the lines around them count."""
    met: list[tuple[int, str]] = []
    made = reader(met, few)
    made.read(LINES[0] + b"{}\n" + LINES[1] + b"x\n")
    assert [offset for offset, _ in met] == [len(LINES[0]), len(LINES[0] + LINES[1]) + 3]
    assert met[0][1].startswith("missing timestamp_utc, exchange")
    assert (made.lines, made.rejected, made.builder.records) == (4, 2, 2)


@pytest.mark.parametrize("few", [0, FEW_BYTES])
def test_a_block_ends_where_a_line_does(few):
    """An error of the caller, not of the data; an empty block closes nothing."""
    made = reader(few=few)
    with pytest.raises(ValueError, match="cut it after a newline"):
        made.read(LINES[0][:-1])
    assert made.read(b"") == type(made.read(b""))(through=-1)


def test_lines_read_elsewhere_are_taken_if_they_follow():
    """The same bars as reading them here; None, and nothing counted, if they come before."""
    first, second = b"".join(LINES[:150]), b"".join(LINES[150:]) + b"{}\n"
    met: list[tuple[int, str]] = []
    made, plain = reader(met), reader()
    span = collect(Scanner(INST_ID), WHALE, 70, [(70, second)])
    early = collect(Scanner(INST_ID), WHALE, 0, [(0, first)])
    assert span is not None
    assert early is not None
    made.read(first)
    wanted = [plain.read(first), plain.read(second)][1]
    assert span.add_to(made) == wanted
    assert (made.state(), made.counts()) == (plain.state(), plain.counts())
    assert [offset for offset, _ in met] == [len(second) - 3]
    counts = made.counts()
    assert early.add_to(made) is None
    assert made.counts() == counts


def test_a_span_with_a_record_ahead_is_read_in_order():
    """By its field or by its date, also where it is the last of the span."""
    years = 70 * 365 * 86_400_000
    end = end_of("2025-12-14.jsonl")
    for ahead, by_ms in ((False, years), (True, years), (True, 3_600_000)):
        last = LINE(Trade(START + by_ms, 9_999, "buy", "100", "1", ahead=ahead))
        assert collect(Scanner(INST_ID), WHALE, 0, [(0, LINES[0] + last)], end) is None
        assert collect(Scanner(INST_ID), WHALE, 0, [(0, LINES[0]), (280, last)], end) is None
    assert collect(Scanner(INST_ID), WHALE, 0, [(0, LINES[0])], end) is not None


def test_a_span_of_bad_lines_alone_is_counted():
    """It closes nothing new and changes no state."""
    made = reader()
    made.read(b"".join(LINES))
    state = made.state()
    closed = made.absorb(None, 1, [Rejected(0, "bad")])
    assert closed is not None
    assert (closed.bars, closed.through) == ([], made.builder.through)
    assert (made.state(), made.rejected) == (state, 1)


def test_a_few_lines_need_no_numpy(tmp_path):
    """A run of some minutes is over before numpy would be loaded."""
    path = tmp_path / "lines"
    path.write_bytes(b"".join(LINES))
    code = (
        "import pathlib, sys; from ravequant.trades.bar_reader import BarReader; "
        f"reader = BarReader({INST_ID!r}, 1, lambda *_: True, print); "
        f"reader.read(pathlib.Path({str(path)!r}).read_bytes()); "
        "print(reader.builder.records, 'numpy' in sys.modules)"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=CHECKOUT)
    assert done.stdout == "300 False\n"
