"""The benchmark: each case gives its table, all contenders the same bars, what lacks is said."""

import json
import subprocess
import sys
from functools import partial
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from ravequant import times
from ravequant.errors import RaveQuantError
from ravequant.sim.market import START_MS
from ravequant.vault import tail
from ravequant.vault.paths import CHECKOUT, Vault, day_files
from scripts import benchmark
from scripts.bench import bars, cases, increment, market
from scripts.bench import runs as runs_module
from scripts.bench.contenders import CONTENDERS
from scripts.bench.state import State

BTC = market.BTC
TINY = ("--rounds", "1", "--lines", "3000", "--days", "1", "--rate", "0.02", "--snapshots", "3")
extras = pytest.mark.skipif(
    find_spec("duckdb") is None or find_spec("polars") is None,
    reason="the extra [bench] is not installed",
)
linux = pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="reads /proc")


def measured(case, *words):
    """Return what a case says to programs."""
    command = [sys.executable, "scripts/benchmark.py", "--case", case, *TINY, *words, "--json"]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["machine"]["cores"] >= 1
    assert result["machine"]["versions"]["numpy"]
    return {row["name"]: row for row in result["cases"][case]["results"]}


@extras
def test_all_contenders_give_the_same_bars():
    """It ends with a figure for each, which it does only if all bars are equal."""
    rows = measured("bars")
    assert list(rows) == list(CONTENDERS)
    assert all(row["lines_per_s"] > 0 for row in rows.values())
    assert rows["ravequant, 1 process"]["one_is"] == 1


@extras
def test_rows_out_of_order_change_no_bar(tmp_path):
    """The bars are equal as well where rows are older than the row before."""
    path = tmp_path / "trades.jsonl"
    market.write_trades(path, 20_000, 1, swapped=True)
    moments = [tail.line_time(line) or 0 for line in path.read_bytes().splitlines()]
    assert moments != sorted(moments)
    some = list(CONTENDERS.values())[:3]
    assert len({tuple(map(text, run(path))) for run, text in some}) == 1


def test_each_calculator_is_measured_from_nothing():
    """Beside each stands the scan alone; what it takes is a multiple of that."""
    rows = measured("cold")
    assert list(rows) == ["scan alone, 1", "vwap, 1", "cvd, 1", "volume, 1", "wicks, 1"]
    assert rows["scan alone, 1"]["times_scan"] == 1
    assert rows["vwap, 1"]["lines"] > 1_000


@linux
@pytest.mark.slow
def test_the_next_minutes_say_what_was_read(monkeypatch, tmp_path):
    """Each calculator reads what is new and its state; the query reads too."""
    monkeypatch.setattr(increment, "BOOKS_MS", times.MINUTE_MS)
    args = benchmark.parser().parse_args(TINY)
    table = increment.run(benchmark.asked_of(args, "next", tmp_path))
    rows = {row["name"]: row for row in table.rows}
    for name in ("vwap", "cvd", "volume", "wicks", "liquidity_buckets"):
        assert 0 < rows[name]["new_bytes"] <= rows[name]["read_bytes"], name
        assert rows[name]["peak_mb"] > rows["python -c pass"]["peak_mb"]
    assert rows["find_signals"]["read_bytes"] > 0
    assert rows["vwap"]["above_new"] == rows["vwap"]["read_bytes"] - rows["vwap"]["new_bytes"]


def test_books_are_measured_beside_orjson():
    """With and without deep snapshots."""
    rows = measured("books")
    assert rows["orjson decode alone"]["times_orjson"] == 1
    assert rows["bucketizer, whole, deep"]["snapshots_per_s"] > 0


@linux
def test_the_exporter_is_measured_at_full_speed_and_at_a_pace():
    """Every trade is in the file, and of each its delay is known."""
    rows = measured("exporter", "--seconds", "1")
    fast, paced = rows.values()
    assert fast["trades"] > 10_000
    assert fast["trades_per_s"] > 0
    assert 0 < paced["p50_ms"] <= paced["p99_ms"]


@linux
def test_many_instruments_are_measured_together():
    """Both exporters, and their sum."""
    rows = measured("instruments", "--seconds", "1", "--instruments", "3")
    assert list(rows) == ["trades_exporter", "l2_exporter", "both"]
    assert rows["both"]["peak_mb"] == pytest.approx(
        rows["trades_exporter"]["peak_mb"] + rows["l2_exporter"]["peak_mb"]
    )


@pytest.fixture
def quick(monkeypatch):
    """Let case bars be a table that is there at once."""
    column = runs_module.Column("seconds", "ms", "{:,.0f}", 1e3)
    rows: list[dict[str, Any]] = [{"name": "ours", "seconds": 0.5}, {"name": "theirs"}]

    def run(asked):
        return runs_module.Table("bars: a case", (column,), column, rows, [f"{asked.lines}"])

    case = cases.Case("bars", run)
    monkeypatch.setitem(cases.CASES, "bars", case)


def test_the_table_says_on_what_it_stands(quick, capsys):
    """Processor, cores, versions, rounds; then the rows, and ``-`` for what is not known."""
    assert benchmark.main(["--case", "bars"]) == 0
    said = capsys.readouterr().out
    assert "cores, load" in said
    assert "numpy 2" in said
    assert "Medians of 5 rounds, in turns; a small set" in said
    assert "         ms\nours    500\ntheirs    -\n500000\n" in said.replace("  ms", "  ms")


def test_full_takes_the_sizes_that_matter(quick, capsys):
    """Eight million lines, unless told otherwise."""
    assert benchmark.main(["--case", "bars", "--full"]) == 0
    assert "\n8000000\n" in capsys.readouterr().out
    assert benchmark.main(["--case", "bars", "--full", "--lines", "7"]) == 0
    assert "\n7\n" in capsys.readouterr().out


def test_a_chart_is_drawn_or_its_lack_is_said(quick, capsys, tmp_path):
    """With matplotlib a picture; without it one line that says how to get it, before all else."""
    path = tmp_path / "figures.png"
    if find_spec("matplotlib") is None:
        assert benchmark.main(["--case", "bars", "--chart", str(path)]) == 2
        assert "--chart needs matplotlib, which is not installed" in capsys.readouterr().err
        return
    assert benchmark.main(["--case", "bars", "--chart", str(path)]) == 0
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--case", "bars,fast"), 2, "unknown fast: expected some of bars, cold, next"),
        (("--days", "0"), 2, "'0': expected numbers above 0"),
        (("--rounds", "0"), 2, "--rounds 0: expected a number above 0"),
        (("--rate", "-1"), 2, "--rate -1: expected a number above 0"),
        (("--vault", "nowhere"), 3, "--vault nowhere: no such folder"),
        (("--chart", "nowhere/a.png"), 2, "its folder is not there"),
    ],
)
def test_what_cannot_be_is_refused(words, code, said, capsys):
    """By name, before anything is measured."""
    try:
        assert benchmark.main(words) == code
    except SystemExit as end:
        assert end.code == code  # noqa: PT017 - argparse ends by itself
    assert said in capsys.readouterr().err


def test_missing_engines_are_named_with_the_remedy(monkeypatch, capsys):
    """Exit code 2 and one line that says how to install them."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert benchmark.main([]) == 2
    remedy = "duckdb and polars not installed: python -m pip install -e '.[bench]'"
    assert remedy in capsys.readouterr().err


def test_different_bars_are_an_error():
    """A fast wrong answer is no result."""
    runs = {name: [{"seconds": 1.0, "digest": name}] for name in CONTENDERS}
    with pytest.raises(RaveQuantError, match="the bars differ"):
        bars.rows(runs, 1)


def test_runs_take_turns():
    """Each once, then each again."""
    order = list[str]()

    def note(name):
        order.append(name)
        return {"at": len(order)}

    runs = runs_module.in_turns(2, {name: partial(note, name) for name in "ab"})
    assert order == list("abab")
    assert runs_module.median(runs["a"], "at") == 2
    assert runs_module.largest(runs["b"], "at") == 4
    assert runs_module.median(runs["a"], "unknown") is None


def test_the_market_is_the_same_for_the_same_seed(tmp_path):
    """The file can be made again; its times never go back."""
    paths = [tmp_path / name for name in ("a", "b", "c")]
    for path, seed in zip(paths, (7, 7, 8), strict=True):
        market.write_trades(path, 3_000, seed)
    first, second, third = (path.read_bytes() for path in paths)
    assert first == second != third
    moments = [tail.line_time(line) or 0 for line in first.splitlines()]
    assert len(moments) == 3_000
    assert moments == sorted(moments)


@pytest.fixture(scope="module")
def days(tmp_path_factory):
    """Return a vault of two days and a quarter of an hour."""
    vault = Vault(tmp_path_factory.mktemp("days"))
    more = 15 * times.MINUTE_MS
    market.write_days(vault, [BTC], 2, rate=0.02, seed=1, more_ms=more)
    return vault


def test_repeated_days_go_on_without_a_hole(days):
    """Ids and dates follow each other, so that a calculator meets no gap."""
    files = [path for _, path in day_files(days.trades(BTC))]
    assert [path.stem for path in files] == ["2025-12-12", "2025-12-13", "2025-12-14"]
    rows = [json.loads(line) for path in files for line in path.read_bytes().splitlines()]
    assert all(
        int(later["trade_id"]) - int(later["count"]) == int(row["trade_id"])
        for row, later in pairwise(rows)
    )
    assert all(row["timestamp_utc"][:10] in {path.stem for path in files} for row in rows)


def test_a_cut_and_what_follows_make_the_whole(days, tmp_path):
    """Up to a moment, then on from it: byte for byte what was there; the source is only read."""
    vault, until = Vault(tmp_path / "cut"), START_MS - 15 * times.MINUTE_MS

    def files():
        return day_files(days.trades(BTC))

    whole = [path.read_bytes() for _, path in files()]
    market.take_span(files, vault.root, days.root, until - times.DAY_MS, until)
    begun = [path.read_bytes() for _, path in day_files(vault.trades(BTC))]
    assert begun[0] == whole[0]
    assert whole[1].startswith(begun[1])
    added = market.add_span(files, vault.root, days.root, until, START_MS)
    assert [path.read_bytes() for _, path in day_files(vault.trades(BTC))] == whole[:2]
    assert 0 < added == len(whole[1]) - len(begun[1])
    assert [path.read_bytes() for _, path in files()] == whole


def test_a_state_is_brought_back(tmp_path):
    """What was appended is cut off, what was replaced is as before, what is new is gone."""
    rows, state = tmp_path / "derived/rows.jsonl", tmp_path / "state/vwap.state.json"
    for path in (rows, state):
        path.parent.mkdir()
        path.write_text("before\n")
    kept = State.of(tmp_path)
    rows.write_text("before\nafter\n")
    state.write_text("after")
    (tmp_path / "state/new.lock").write_text("")
    kept.restore()
    assert rows.read_text() == state.read_text() == "before\n"
    assert not (tmp_path / "state/new.lock").exists()
