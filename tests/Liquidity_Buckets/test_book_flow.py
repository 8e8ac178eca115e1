"""Book flow: the same as worked out the long way, in one run and in many, and never too early."""

import gzip
import os
import random
import shutil
import subprocess
import sys
from fractions import Fraction

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from Liquidity_Buckets import l2_bucketizer
from ravequant.vault.paths import CHECKOUT, Vault
from tests.support import book_lines, recordings
from tests.support.bucket_markets import first_difference, markets
from tests.support.bucket_oracle import Rules
from tests.support.crashes import Stopped, steps
from tests.support.examples import often
from tests.support.flow_markets import compute, leave, takers, trade
from tests.support.flow_oracle import flow
from tests.support.flow_vault import BTC, START, filled, outputs, pressed, run, states


@settings(max_examples=often(8, 500), deadline=None, suppress_health_check=list(HealthCheck))
@given(markets(), st.integers(0, 2**32))
def test_any_market_gives_the_oracles_records_however_it_is_cut(tmp_path_factory, market, seed):
    """Books with and without deep ones, gaps, lag, holes and late trades; every field, each cut.

    The state at the end is the same, too, with the place of the trades that are still needed.
    """
    snapshots, deeps, rules = market
    chance = random.Random(seed)
    trades = takers(snapshots, chance)
    if not trades:
        return
    folder, block = tmp_path_factory.mktemp("tape"), chance.choice((700, 4_096, 1 << 18))
    left = leave(snapshots, deeps, trades, rules, folder / "whole", block_bytes=block)
    found = left[0]
    wanted = flow(snapshots, deeps, trades, rules)
    assert len(found) == len(wanted)
    assert first_difference(found, wanted) is None
    count = chance.randint(1, 4)
    cuts = [
        sorted(chance.randint(0, len(rows)) for _ in range(count)) for rows in (snapshots, trades)
    ]
    pairs = list(zip(*cuts, strict=True))
    again = leave(snapshots, deeps, trades, rules, folder / "cut", pairs, block_bytes=700)
    assert again == left


def test_what_is_out_is_never_taken_back(tmp_path):
    """The records of a vault that ends earlier begin those of the whole: nothing is early."""
    snapshots, trades = pressed(90, 11)
    rules = Rules()
    whole = compute(snapshots, [], trades, rules, tmp_path / "whole")
    assert len({row["timestamp_utc"] for row in whole}) > 2
    lengths = set()
    for number, end in enumerate(range(20, len(trades), len(trades) // 6)):
        newest = trades[end - 1]["timestamp_utc"]
        books = [row for row in snapshots if row["timestamp_utc"] <= newest]
        part = compute(books, [], trades[:end], rules, tmp_path / str(number))
        assert part == whole[: len(part)]
        lengths.add(len(part))
    assert len(lengths) > 2


def test_trades_that_come_late_change_nothing(tmp_path):
    """The trade exporter lags minutes behind the books, or the books behind the trades."""
    snapshots, trades = pressed(60, 5)
    rules = Rules()
    whole = leave(snapshots, [], trades, rules, tmp_path / "whole")
    ends = (len(snapshots), len(trades))
    for number, cut in enumerate(((ends[0], 0), (0, ends[1]), (ends[0] // 2, 3), (7, ends[1]))):
        assert leave(snapshots, [], trades, rules, tmp_path / str(number), [cut]) == whole
    assert any(row["kind"] == "wall" for row in whole[0])


def test_takers_before_a_wall_came_into_view_are_not_forgotten(tmp_path):
    """The book moves towards a wall that an old deep snapshot shows: its interval begins there."""

    def side(first: int, step: int) -> list[list[str]]:
        return [[str(first + n * step), "5", "0", "1"] for n in range(3)]

    def at(seconds: float) -> int:
        return START + round(seconds * 1_000)

    def deep(moment: float, qty: str) -> dict[str, object]:
        asks = [["100300", "5", "1"], ["104979", qty, "1"], ["106000", "5", "1"]]
        return book_lines.deep(at(moment + 0.5), at(moment), [["90000", "5", "1"]], asks)

    mids = [99_600] * 11 + [100_100] * 4
    snapshots = [
        book_lines.snapshot(at(2 * n), side(mid - 10, -10), side(mid + 10, 10))
        for n, mid in enumerate(mids)
    ]
    deeps = [deep(0, "10000"), deep(24, "6000")]
    trades = [trade(at(n), 10 + n, "buy", "99610", "1") for n in range(-1, 90)]
    trades[6] |= {"price": "104979", "qty_contracts": "4000"}
    snapshots.append(book_lines.snapshot(at(70), side(99_590, -10), side(99_610, 10)))
    rules, cut = Rules(depth_levels=3), [(11, 40)]
    found = compute(snapshots, deeps, trades, rules, tmp_path, cut, block_bytes=700)
    assert first_difference(found, flow(snapshots, deeps, trades, rules)) is None
    walls = [row for row in found if row["kind"] == "wall"]
    assert [(row["filled"], row["pulled"]) for row in walls] == [("4000", "0")]


@recordings.each(*recordings.BOOKS)
def test_the_recordings_give_the_oracles_records(recording, tmp_path):
    """Recorded books and trades of a real market: every field, in one run and in many."""
    count = often(20, 400)
    snapshots = list(book_lines.recorded(recording.book_file))[:count]
    begin, end = snapshots[0]["timestamp_utc"], snapshots[-1]["timestamp_utc"]
    rows = (orjson.loads(line) for line in recording.lines())
    trades = [row for row in rows if begin[:16] <= row["timestamp_utc"][:16] <= end[:16]]
    if not trades:
        pytest.skip("this recording has no trades beside its books")
    eth = recording.inst_id.startswith("ETH")
    rules = Rules(wall=Fraction(500_000 if eth else 1_000_000), ct_val=Fraction(recording.ct_val))
    deeps = book_lines.deepened(snapshots, seed=7)
    folder = tmp_path / "whole"
    left = found, _ = leave(snapshots, deeps, trades, rules, folder)
    assert first_difference(found, flow(snapshots, deeps, trades, rules)) is None
    half = (len(snapshots) // 2, len(trades) // 3)
    assert leave(snapshots, deeps, trades, rules, tmp_path / "cut", [half]) == left


# -- as a program


def test_one_run_brings_both_up_to_date(vault, capsys):
    """Buckets and flow, a line of each on stdout; the buckets are those of the bucketizer alone."""
    filled(vault)
    assert run(vault) == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.partition(" ")[0] for line in said] == ["liquidity_buckets", "book_flow"]
    found = outputs(vault)
    shutil.rmtree(vault.root / "derived")
    shutil.rmtree(vault.root / "state")
    assert l2_bucketizer.main(["--vault", str(vault.root), "--instId", BTC]) == 0
    alone = outputs(vault)
    assert found.items() > alone.items()
    assert len(found) == 2


def test_a_run_that_dies_anywhere_is_repeated(vault, tmp_path):
    """Before any step towards the disk, of either output; the next run gives the same bytes."""
    filled(vault)
    pristine = tmp_path / "pristine"
    shutil.copytree(vault.root, pristine)
    with steps(10**9) as taken:
        assert run(vault) == 0
    wanted = outputs(vault)
    for at in random.Random(1).sample(range(1, len(taken) + 1), often(4, len(taken))):
        shutil.rmtree(vault.root)
        shutil.copytree(pristine, vault.root)
        with pytest.raises(Stopped), steps(at):
            run(vault)
        assert run(vault) == 0
        assert outputs(vault) == wanted, f"stopped before step {at}"


def test_a_process_that_is_killed_is_repeated(vault):
    """A real process, a real SIGKILL, once in the middle."""
    filled(vault)
    words = ["--vault", str(vault.root), "--instId", BTC, "--log-level", "error"]
    command = [sys.executable, "-m", "tests.support.crashes", "9", "Liquidity_Buckets.book_flow"]
    died = subprocess.run(
        [*command, *words], cwd=CHECKOUT, capture_output=True, check=False,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
    )  # fmt: skip
    assert died.returncode in (-9, 137), died.stderr
    assert run(vault) == 0
    found = outputs(vault)
    assert run(vault, "--rebuild") == 0
    assert outputs(vault) == found


def test_new_trades_alone_bring_new_records(vault):
    """The books came first; once their trades are there, a run without a new book ends the minute.

    The bytes are those of a run over all of it.
    """
    whole = filled(Vault(vault.root.with_name("whole")))
    assert run(whole) == 0
    filled(vault)
    path = vault.trades(BTC) / "2025-12-14.jsonl"
    data = path.read_bytes()
    lines = data.splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:5]))
    assert run(vault) == 0
    early = outputs(vault)
    with path.open("ab") as file:
        file.write(b"".join(lines[5:]))
    assert run(vault) == 0
    assert outputs(vault) == outputs(whole) != early
    assert states(vault) == states(whole)


def test_repaired_trades_are_counted_again(vault):
    """A hole made a minute unknown; once it is filled everything is computed anew."""
    filled(vault)
    path = vault.trades(BTC) / "2025-12-14.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:10] + lines[14:]))
    assert run(vault) == 0
    holed = outputs(vault)
    path.write_bytes(b"".join(lines))
    generation = vault.generation(BTC)
    generation.parent.mkdir(parents=True, exist_ok=True)
    generation.write_bytes(b'{"generation":1}')
    assert run(vault) == 0
    repaired = outputs(vault)
    shutil.rmtree(vault.root / "derived")
    shutil.rmtree(vault.root / "state")
    assert run(vault) == 0
    assert repaired == outputs(vault) != holed


def test_deleted_book_hours_leave_their_records(vault):
    """Raw books are deleted by age: a later run goes on, a rebuild keeps the older rows."""
    filled(vault)
    assert run(vault) == 0
    before = outputs(vault)
    for path in vault.snapshots(BTC).glob("*/*.jsonl"):
        with gzip.open(f"{path}.gz", "wb") as packed:
            packed.write(path.read_bytes())
        path.unlink()
    assert run(vault) == 0
    assert outputs(vault) == before


def test_the_lines_of_the_page(vault):
    """Each kind of record, with its fields in their order."""
    filled(vault)
    assert run(vault) == 0
    rows = [
        orjson.loads(line)
        for name, data in outputs(vault).items()
        if name.startswith("book_flow")
        for line in data.splitlines()
    ]
    page = (CHECKOUT / "SPEC.md").read_text(encoding="utf-8")
    section = page.partition("\n## 16.")[2].partition("\n## ")[0]
    examples = [orjson.loads(line) for line in section.splitlines() if line.startswith("{")]
    assert {row["kind"] for row in examples} == {"flow", "wall"}
    for kind in ("flow", "wall"):
        (shown,) = {tuple(row) for row in examples if row["kind"] == kind}
        assert {tuple(row) for row in rows if row["kind"] == kind} == {shown}
    assert {"filled", "pulled", "mixed", None} & {row.get("end") for row in rows}
