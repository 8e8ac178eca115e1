"""B2: kept minutes of days that hold hostile lines, of recordings and of the model market.

What the calculators make of kept minutes is what they make of the raw lines, byte for byte.
"""

import gzip
import random
import shutil
from pathlib import Path

import orjson

from ravequant import times
from ravequant.records import TradeEncoder
from ravequant.sim.market import ModelMarket
from ravequant.vault.instruments import parse_instrument
from ravequant.vault.paths import Vault, day_files
from scripts.batch.jobs import BARS
from tests.faults.test_hostile_lines import LINES
from tests.support import book_lines, recordings
from tests.support.kept_days import LINEAR, fresh, made, put, run, stream
from tests.support.recordings import Recording
from tests.support.trade_streams import BTC


def compared(vault: Vault, root: Path, inst_id: str = BTC) -> int:
    """Compare every calculator with and without kept minutes; return the days that are kept."""
    wanted = fresh(vault, root, inst_id=inst_id)
    counts = []
    for _ in range(2):  # the first of them keeps the minutes
        for metric in BARS:
            counts.append(run(vault, metric, inst_id=inst_id).counts)
            assert made(vault, metric, inst_id) == wanted[metric]
    assert counts == counts[:1] * len(counts)
    shutil.rmtree(root)
    return len(list(vault.minutes(inst_id).glob("*")))


def sprinkle(vault: Vault, chance: random.Random, most: int) -> int:
    """Put hostile lines into each day file, many of them next to midnight; return how many."""
    odd = [line for name, line in LINES.items() if "megabyte" not in name or chance.random() < 0.1]
    number = 0
    for _, path in day_files(vault.trades(BTC)):
        lines = path.read_bytes().splitlines(keepends=True)
        for line in chance.sample(odd, min(most, len(odd))):
            edge = chance.randrange(min(4, len(lines) + 1))
            at = chance.choice((edge, len(lines) - edge, chance.randrange(len(lines) + 1)))
            lines.insert(at, line)
            number += 1
        path.write_bytes(b"".join(lines))
    return number


def test_hostile_lines_in_kept_days(tmp_path, faults):
    """The whole corpus, over midnights whose other lines are late, ahead, missing and repeated."""
    fact = faults.row("B2", "kept minutes of days that hold hostile lines")
    kept = 0
    for number in range(faults.count(2, 60)):
        vault = Vault(tmp_path / f"any-{number}")
        put(vault, stream(faults.random.randrange(1 << 30), days=3, count=120))
        fact.times += sprinkle(vault, faults.random, faults.random.choice((3, 20, len(LINES))))
        for key, path in list(day_files(vault.trades(BTC)))[:-1]:
            if faults.random.random() < 0.5:
                (path.parent / f"{key}.jsonl.gz").write_bytes(gzip.compress(path.read_bytes(), 1))
                path.unlink()
        kept += compared(vault, tmp_path / "fresh")
        shutil.rmtree(vault.root)
    assert kept


def test_each_hostile_line_at_midnight(tmp_path, faults):
    """Before, at and behind the line that closes the last minute of a day."""
    fact = faults.row("B2", "kept minutes with each hostile line at midnight")
    good = stream(5, days=2, count=40, odd=False)
    cases = [(name, at) for name in sorted(LINES) for at in range(-3, 4)]
    for name, at in cases if faults.long else faults.random.sample(cases, 4):
        vault = Vault(tmp_path / "vault")
        put(vault, good)
        first, second, *_ = (path for _, path in day_files(vault.trades(BTC)))
        path = first if at < 0 else second
        lines = path.read_bytes().splitlines(keepends=True)
        lines.insert(len(lines) + at + 1 if at < 0 else at, LINES[name])
        path.write_bytes(b"".join(lines))
        compared(vault, tmp_path / "fresh")
        shutil.rmtree(vault.root)
        fact.times += 1


def later(line: bytes, days: int) -> bytes:
    """Return a recorded line so many days later, in the spelling of the exporter."""
    row = orjson.loads(line)
    moment = times.parse_iso(row["timestamp_utc"]) + days * times.DAY_MS
    row |= {
        "timestamp_utc": times.iso(moment),
        "trade_id": str(int(row["trade_id"]) + days * 10**9),
    }
    return orjson.dumps(row) + b"\n"


@recordings.each(*recordings.EVERY)
def test_recordings(tmp_path, recording: Recording, faults):
    """As they are, and on later days again, so that each of their days is finished."""
    fact = faults.row("B2", "kept minutes of recordings")
    vault, inst_id = Vault(tmp_path / "vault"), recording.inst_id
    lines = recording.lines()
    if not faults.long and len(recording.days) == 1:
        lines = lines[-3_000:]
    span = len(recording.days)
    book_lines.put_metadata(vault, inst_id, LINEAR)
    vault.trades(inst_id).mkdir(parents=True)
    first = [line for line in lines[:2_000] if _date(line) == _date(lines[0])]
    again = [later(line, span * more) for more in (1, 2, 3) for line in first]
    for line in [*lines, *again]:
        with (vault.trades(inst_id) / f"{_date(line)}.jsonl").open("ab") as file:
            file.write(line)
    kept = compared(vault, tmp_path / "fresh", inst_id)
    assert kept
    fact.times += kept


def _date(line: bytes) -> str:
    return str(orjson.loads(line)["timestamp_utc"])[:10]


def test_the_model_market(tmp_path, faults):
    """Over midnights, its rows as they come: some are older than those before them."""
    fact = faults.row("B2", "kept minutes of the model market")
    hours, rate = (60, 1.0) if faults.long else (5, 0.2)
    vault = Vault(tmp_path / "vault")
    midnight = times.day_start_ms("2025-12-14")
    market = ModelMarket(11, (BTC,), start_ms=midnight - 2 * times.HOUR_MS, rows_per_second=rate)
    encoder = TradeEncoder(BTC, parse_instrument(market.instruments[BTC]).contract)
    end = midnight + (hours - 2) * times.HOUR_MS
    put(vault, [encoder.line(trade) for _, trade in market.trades(end)])
    fact.times += compared(vault, tmp_path / "fresh")
    assert fact.times
