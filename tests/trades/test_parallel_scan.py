"""Reading ahead: other processes may read large files; nobody can tell from what is written."""

import gzip
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

from ravequant import times
from ravequant.contract import Contract
from ravequant.records import Trade, TradeEncoder
from ravequant.trades import parallel_scan
from ravequant.trades.bar_reader import BarReader
from ravequant.vault import tail
from ravequant.vault.paths import CHECKOUT, Vault, day_files
from tests.support.trade_streams import BTC, START
from VWAP import vwap_calculator

WHALE = 10**55
SPAN = 32 << 10
LINES = 4_000


def market(*, odd: bool) -> list[bytes]:
    """Return trade lines; odd ones are garbage, repeated, late, ahead, or leave a hole."""
    chance = random.Random(7)
    encoder = TradeEncoder(BTC, Contract("0.01", "1", "linear"))
    ts, trade_id = START, 1_000
    lines: list[bytes] = []
    for number in range(LINES):
        ts += chance.randrange(400)
        trade_id += 1
        if odd and number % 500 == 499:
            lines.append(chance.choice([b"{}\n", lines[-1], b"\xff\n"]))
            trade_id += chance.choice([0, 3])
        moment = ts - 90_000 if odd and number % 700 == 699 else ts
        ahead = odd and number % 900 == 899
        if ahead or (odd and number % 1_100 == 1_099):  # of the latter only the date tells
            moment += 70 * 365 * times.DAY_MS
        price = f"{101_000 + chance.randrange(500)}.5"
        lines.append(encoder.line(Trade(moment, trade_id, "buy", price, "2", 1, ahead=ahead)))
    return lines


def record(vault: Vault, lines: list[bytes]) -> None:
    """Write raw lines, good or bad, into the file of their day."""
    folder = vault.trades(BTC)
    folder.mkdir(parents=True)
    (folder / f"{times.day(START)}.jsonl").write_bytes(b"".join(lines))


@pytest.fixture
def small_spans(monkeypatch):
    """Make files large that are not."""
    monkeypatch.setattr(tail, "SPAN_BYTES", SPAN)
    monkeypatch.setattr(tail, "SPANS_FROM", 2 * SPAN)


def pieces_of(vault: Vault) -> list[tail.Block | tail.Span]:
    """Return what the tail hands out of the raw trades."""
    return list(tail.Tail(lambda: day_files(vault.trades(BTC)), None, 0).pieces())


def spans_of(vault: Vault) -> list[tail.Span]:
    """Return the spans among it."""
    return [piece for piece in pieces_of(vault) if isinstance(piece, tail.Span)]


def calculate(vault: Vault) -> tuple[bytes, bytes]:
    """Run the VWAP calculator; return output and state."""
    assert vwap_calculator.main(["--vault", str(vault.root), "--instId", BTC]) == 0
    output = vault.derived("vwap", BTC) / "vwap_1m.jsonl"
    return output.read_bytes(), vault.state("vwap", BTC).read_bytes()


@pytest.mark.usefixtures("small_spans")
def test_spans_cover_a_large_file_whole_lines_each_but_for_its_end(tmp_path):
    """Every byte comes once, in order; the cursor behind a span is the one that blocks lead to."""
    vault = Vault(tmp_path)
    record(vault, market(odd=True))
    (path,) = vault.trades(BTC).iterdir()
    whole, pieces = path.read_bytes(), pieces_of(vault)
    spans = spans_of(vault)
    assert len(spans) > 10
    assert pieces[: len(spans)] == spans
    assert spans[0].offset == 0
    assert all(earlier.after == later.before for earlier, later in pairwise(spans))
    assert all(whole[span.end - 1 : span.end] == b"\n" for span in spans)
    assert spans[-1].end == pieces[len(spans)].offset
    rest = [piece for piece in pieces if isinstance(piece, tail.Block)]
    assert pieces[len(spans) :] == rest
    assert whole[spans[-1].end :] == b"".join(block.data for block in rest)
    for span in spans:
        reading = tail.Tail(lambda: day_files(vault.trades(BTC)), span.before, 0, 4_000)
        blocks = list(reading.again(span))
        assert b"".join(block.data for block in blocks) == whole[span.offset : span.end]
        list(reading.blocks())
        after = tail.Tail(lambda: day_files(vault.trades(BTC)), span.after, 0)
        list(after.blocks())
        assert after.cursor() == reading.cursor()


@pytest.mark.usefixtures("small_spans")
def test_a_span_read_elsewhere_closes_the_same_bars(tmp_path):
    """What a process hands back makes the reader say and hold what it would have by itself."""
    vault = Vault(tmp_path)
    record(vault, [*market(odd=False)[:3_000], b"garbage\n", *market(odd=False)[3_000:]])
    whole = next(vault.trades(BTC).iterdir()).read_bytes()
    bad: dict[str, list[int]] = {"alone": [], "ahead": []}
    here = BarReader(BTC, WHALE, lambda *_: True, lambda at, _: bad["alone"].append(at))
    there = BarReader(BTC, WHALE, lambda *_: True, lambda at, _: bad["ahead"].append(at))
    for span in spans_of(vault):
        found = parallel_scan.read_span(BTC, WHALE, span.path, span.offset, span.end)
        assert found is not None
        assert found.add_to(there) == here.read(whole[span.offset : span.end])
        assert there.state() == here.state()
    assert there.counts() == here.counts()
    assert bad["ahead"] == bad["alone"] != []


def test_a_span_out_of_order_is_left_to_the_one_who_reads_in_order(tmp_path):
    """Repeated ids or times that go back are decided line by line, by the asker alone."""
    vault = Vault(tmp_path)
    record(vault, market(odd=True))
    (path,) = vault.trades(BTC).iterdir()
    assert parallel_scan.read_span(BTC, WHALE, path, 0, path.stat().st_size) is None


def test_a_span_that_repeats_what_was_read_changes_nothing(tmp_path):
    """A part whose ids were passed already is refused whole, and the reader stays as it was."""
    vault = Vault(tmp_path)
    record(vault, market(odd=False))
    (path,) = vault.trades(BTC).iterdir()
    reader = BarReader(BTC, WHALE, lambda *_: True, lambda *_: None)
    reader.read(path.read_bytes())
    before = reader.state(), reader.counts()
    found = parallel_scan.read_span(BTC, WHALE, path, 0, path.stat().st_size)
    assert found is not None
    assert found.add_to(reader) is None
    assert (reader.state(), reader.counts()) == before


@pytest.mark.parametrize("odd", [False, True])
def test_a_calculator_writes_the_same_with_other_processes(tmp_path, monkeypatch, odd):
    """Output and state do not tell who has read the spans, in order or not."""
    lines = market(odd=odd)
    alone, helped = Vault(tmp_path / "alone"), Vault(tmp_path / "helped")
    for vault in (alone, helped):
        record(vault, lines)
    expected = calculate(alone)
    monkeypatch.setattr(tail, "SPAN_BYTES", SPAN)
    monkeypatch.setattr(tail, "SPANS_FROM", 2 * SPAN)
    assert calculate(helped) == expected


@pytest.mark.usefixtures("small_spans")
def test_a_file_packed_meanwhile_is_read_all_the_same(tmp_path):
    """The spans of a file that retention has compressed are read from the packed one."""
    vault = Vault(tmp_path)
    record(vault, market(odd=False))
    (path,) = vault.trades(BTC).iterdir()
    whole = path.read_bytes()
    reading = tail.Tail(lambda: day_files(vault.trades(BTC)), None, 0)
    pieces = list(reading.pieces())
    path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(whole))
    path.unlink()
    results = list(parallel_scan.read_ahead(BTC, WHALE, iter(pieces), 2))
    assert [piece for piece, _ in results] == pieces
    assert all(found is None for _, found in results)
    span = next(piece for piece in pieces if isinstance(piece, tail.Span))
    assert b"".join(b.data for b in reading.again(span)) == whole[span.offset : span.end]


@pytest.mark.usefixtures("small_spans")
def test_a_process_that_dies_costs_time_only(tmp_path, caplog):
    """What was under way comes back unread, in its place; all the rest is there."""
    vault = Vault(tmp_path)
    record(vault, market(odd=False))
    pieces = pieces_of(vault)

    def killing():
        for number, piece in enumerate(pieces):
            yield piece
            if number == 2:
                for process in multiprocessing.active_children():
                    process.kill()

    got = list(parallel_scan.read_ahead(BTC, WHALE, killing(), 2))
    assert [piece for piece, _ in got] == pieces
    unread = [piece for piece, found in got[:-1] if found is None]
    assert 0 < len(unread) < len(pieces) - 1
    assert "this part is read without it" in caplog.text


@pytest.mark.skipif(sys.platform == "win32", reason="looks processes up in /proc")
def test_the_processes_end_with_the_asker(tmp_path):
    """A killed calculator leaves none of them behind."""
    vault = Vault(tmp_path)
    record(vault, market(odd=False))
    script = tmp_path / "asker.py"
    script.write_text(
        "import sys, time, multiprocessing\n"
        "from tests.trades import test_parallel_scan as t\n"
        "if __name__ == '__main__':\n"
        f"    t.tail.SPAN_BYTES, t.tail.SPANS_FROM = {SPAN}, {2 * SPAN}\n"
        f"    pieces = t.pieces_of(t.Vault(t.Path({str(tmp_path)!r})))\n"
        "    results = t.parallel_scan.read_ahead(t.BTC, t.WHALE, iter(pieces), 2)\n"
        "    next(results)\n"
        "    print(*(p.pid for p in multiprocessing.active_children()), flush=True)\n"
        "    time.sleep(60)\n",
        encoding="utf-8",
    )
    environment = dict(os.environ, PYTHONPATH=str(CHECKOUT))
    with subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, env=environment
    ) as asker:
        assert asker.stdout is not None
        readers = [int(text) for text in asker.stdout.readline().split()]
        asker.send_signal(signal.SIGKILL)
    assert len(readers) == 2
    waited_until = time.monotonic() + 20
    while any(_lives(reader) for reader in readers) and time.monotonic() < waited_until:
        time.sleep(0.05)
    assert not any(_lives(reader) for reader in readers)


def _lives(process: int) -> bool:
    status = Path(f"/proc/{process}/stat")
    return status.exists() and status.read_text("ascii").split()[2] != "Z"
