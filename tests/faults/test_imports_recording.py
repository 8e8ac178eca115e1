"""C8: run_all.py records from the exchange in a box while import_trades.py brings days before."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from ravequant import catalog, times
from ravequant.records import Trade, parse_trade
from ravequant.settings import SETTINGS_VARIABLE
from ravequant.vault.gap_ledger import GapLedger, read_generation, status_ranges
from ravequant.vault.imports import under_way
from ravequant.vault.line_file import open_lines
from ravequant.vault.paths import CHECKOUT, Vault, day_files
from tests.scripts.test_run_all import (
    CALCULATORS,
    LIMIT_S,
    beat,
    copied,
    finished,
    logged,
    metrics,
    raw_bytes,
    records,
    running,
    start,
)
from tests.support.import_market import BTC, FILLS, WHOLE, archive, label_of, of_days
from tests.support.trades_box import exchange, wait_for

IMPORTER = CHECKOUT / "Trades_Bot" / "import_trades.py"
OF_TRADES = {program.name for program in catalog.TRADE_CALCULATORS}
ANEW = "raw data were repaired or imported behind the newest record"


@pytest.fixture
def box(tmp_path) -> Iterator[dict[str, str]]:
    """An exchange in a box that is open now, and the environment of programs that find it."""
    options = ("--history", "20m", "--rows-per-second", "2", "--start", "now", "--instId", BTC)
    with exchange(tmp_path / "box", *options, "--rest-limit-factor", "20") as where:
        chosen = tmp_path / "ravequant.toml"
        chosen.write_text(
            f'instruments = ["{BTC}"]\n[okx]\nws_url = "{where[1]}"\nrest_url = "{where[3]}"\n',
            encoding="utf-8",
        )
        yield {**os.environ, SETTINGS_VARIABLE: str(chosen)}


def lines(vault: Vault) -> list[bytes]:
    """Return the whole lines of all days; the last one may be half written."""
    found = bytearray()
    for _, path in day_files(vault.trades(BTC)):
        with open_lines(path) as stream:
            found += stream.read()
    return bytes(found[: found.rfind(b"\n") + 1]).splitlines()


def trades(vault: Vault) -> list[Trade]:
    return [parse_trade(line, BTC)[0] for line in lines(vault)]


def days_before(folder: Path, first: Trade) -> tuple[Path, int, list[str]]:
    """Publish three whole days up to the day before yesterday, whose ids end below ``first``.

    Returns the folder, the newest id of those days, and the days.
    """
    newest = times.day_start_ms(times.day(first.ts)) - 2 * times.DAY_MS
    late = newest - times.day_start_ms(WHOLE[-1])
    low = first.first_id - 1 - FILLS[-1].trade_id
    moved = [replace(fill, ts=fill.ts + late, trade_id=fill.trade_id + low) for fill in FILLS]
    days = [times.day(times.day_start_ms(day) + late) for day in WHOLE]
    labels = sorted({label_of(fill) for fill in moved})
    return archive(folder, labels, moved), of_days(*WHOLE)[-1].trade_id + low, days


def imports(vault: Vault, folder: Path, env: dict[str, str]) -> dict[str, Any]:
    """Run the program beside run_all; return the facts that it prints."""
    words = [
        sys.executable,
        str(IMPORTER),
        "--vault",
        str(vault.root),
        "--dir",
        str(folder),
        "--json",
    ]
    done = subprocess.run(words, env=env, capture_output=True, check=False, timeout=LIMIT_S)
    assert done.returncode == 0, done.stderr.decode()
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts


def words_of(vault: Vault, name: str) -> str:
    """Return all that a calculator has logged."""
    path = vault.root / "logs" / f"{name}.{BTC}.log"
    return path.read_text(encoding="utf-8") if path.exists() else ""


def met_the_hole(vault: Vault, name: str) -> bool:
    """Return True if a calculator has finished a run over imported and recorded days."""
    text = (vault.root / "logs" / f"{name}.{BTC}.out").read_text(encoding="utf-8")
    return any(not line.endswith(", 0 holes)") for line in text.splitlines())


def oldest_rows(vault: Vault) -> str:
    """Return the oldest minute of VWAP."""
    path = vault.derived("vwap", BTC) / "vwap_1m.jsonl"
    with path.open("rb") as file:
        text: str = json.loads(file.readline())["timestamp_utc"]
    return text


def test_days_before_come_while_run_all_records(tmp_path, vault, box, faults):
    """Recording goes on, nothing is lost; each calculator announces one rebuild and finishes."""
    if not faults.long:
        pytest.skip("a minute: with --faults")
    fact = faults.row("C8", "import beside run_all that records")
    with running(vault, box, "--every", "1s", "--backfill", "10m") as program:
        wait_for(lambda: raw_bytes(vault) > 10_000 and metrics(vault) >= CALCULATORS, program)
        before, recorder = lines(vault), beat(vault, "trades_exporter")["pid"]
        folder, newest, days = days_before(tmp_path / "archive", trades(vault)[0])
        facts = imports(vault, folder, box)
        assert (facts["days"], facts["missing"]) == (days, 0)
        then = raw_bytes(vault)
        wait_for(lambda: all(met_the_hole(vault, name) for name in OF_TRADES), program)
        wait_for(lambda: oldest_rows(vault)[:10] == days[0], program)
        wait_for(lambda: raw_bytes(vault) > then, program)
        assert beat(vault, "trades_exporter")["pid"] == recorder
        program.terminate()
        program.communicate(timeout=LIMIT_S)
    wait_for(lambda: beat(vault, "trades_exporter").get("stopped"))
    code, _, errors = finished(start(vault, box, "--once"))
    assert code == 0, errors
    assert not under_way.is_noted(vault, BTC)
    assert read_generation(vault.generation(BTC)) == 1
    nothing_is_lost(vault, before, newest)
    assert {words_of(vault, name).count(ANEW) for name in OF_TRADES} == {1}
    assert "FAILED" not in logged(vault)
    whole = copied(vault, Vault(tmp_path / "whole"))
    assert finished(start(whole, box, "--once"))[0] == 0
    derived = {name: data for name, data in records(vault).items() if "signals" not in name}
    assert records(whole) == derived
    fact.times += 1


def nothing_is_lost(vault: Vault, before: list[bytes], newest: int) -> None:
    """Each id once; the imported days whole, the recorded lines as they were, no id between."""
    found = trades(vault)
    imported = [one for one in found if one.trade_id <= newest]
    assert [(t.side, t.price, t.qty, t.count) for t in imported] == [
        (t.side, t.price, t.qty, t.count) for t in of_days(*WHOLE)
    ]
    assert lines(vault)[len(imported) :][: len(before)] == before
    assert len(found) > len(imported) + len(before)
    jumps = [
        (a.trade_id + 1, b.first_id - 1) for a, b in pairwise(found) if a.trade_id + 1 != b.first_id
    ]
    assert jumps == [(newest + 1, found[len(imported)].first_id - 1)]
    entries = GapLedger(vault.gap_ledger(BTC), BTC).entries()
    for one in status_ranges(entries, found[0].first_id, found[-1].trade_id):
        assert one.status in {None, "repaired"} or (one.from_id, one.to_id) in jumps
