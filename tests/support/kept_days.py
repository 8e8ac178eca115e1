"""Days of trades over several midnights, and what calculators make of them with kept minutes."""

import gzip
import random
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from ravequant import exact, times
from ravequant.contract import Contract
from ravequant.pipeline import runner
from ravequant.records import Side, Trade, TradeEncoder
from ravequant.settings import Settings
from ravequant.vault.paths import Vault
from scripts.batch.jobs import BARS, CALCULATORS
from tests.support import book_lines
from tests.support.trade_streams import BTC

FIRST = times.parse_iso("2025-12-13T22:00:00Z")
LINEAR = Contract("0.01", "1", "linear")
SIDES: tuple[Side, Side] = ("buy", "sell")
BAD = b'{"no":"trade"}\n'


def stream(
    seed: int, days: int = 4, count: int = 260, *, odd: bool = True, part: float = 1.0
) -> list[bytes]:
    """Return lines over so many midnights; with ``odd`` also late ones, ahead ones, bad ones.

    With ``part`` of the trades each midnight is to be so much nearer, to be as often among them.
    """
    chance = random.Random(seed)
    encoder = TradeEncoder(BTC, LINEAR)
    last_id, price, lines = 5_000, 1_012_500, list[bytes]()
    for day in range(days):
        midnight = (FIRST // times.DAY_MS + 1 + day) * times.DAY_MS
        ts = midnight - int(part * chance.choice((40, 90, 600)) * times.MINUTE_MS)
        for _ in range(count):
            step = chance.choice((0, 100, 4_000, 9_000, 30_000, 61_000))
            ts += step if abs(ts - midnight) > part * 90_000 else min(step, 1_500)
            records = chance.choice((1, 1, 1, 3))
            last_id += records + (chance.choice((0, 0, 40)) if chance.random() < 0.03 else 0)
            price += chance.choice((-7, -1, 0, 0, 1, 6))
            late = odd * chance.choice((0, 0, 0, 0, 3_000, 70_000))
            ahead = odd and chance.random() < 0.01
            moment = ts + 10 * times.DAY_MS if ahead else ts - late
            qty = chance.choice(("45", "0.01", "120000.5"))
            trade = Trade(
                moment, last_id, chance.choice(SIDES), exact.text(price, 1), qty, records,
                ahead=ahead,
            )  # fmt: skip
            lines.append(encoder.line(trade))
            if odd and chance.random() < 0.01:
                lines.append(chance.choice((BAD, lines[-1])))
    return lines


def put(vault: Vault, lines: Iterable[bytes], packed: Iterable[str] = ()) -> None:
    """Write lines to the files of their days, as the exporter does; some of them packed."""
    book_lines.put_metadata(vault, BTC, LINEAR)
    folder = vault.trades(BTC)
    folder.mkdir(parents=True, exist_ok=True)
    days: dict[str, list[bytes]] = {}
    newest = ""
    for line in lines:
        if b'"timestamp_utc"' in line and b'"ahead":true' not in line:
            newest = max(newest, line[18:28].decode())
        days.setdefault(newest or times.day(FIRST), []).append(line)
    for key, its_lines in days.items():
        data = b"".join(its_lines)
        if key in packed:
            (folder / f"{key}.jsonl.gz").write_bytes(gzip.compress(data, 3))
        else:
            (folder / f"{key}.jsonl").write_bytes(data)


def run(
    vault: Vault, metric: str = "volume", *, kept: bool = True, chosen: Settings | None = None,
    rebuild: bool = True, inst_id: str = BTC,
) -> runner.Summary:  # fmt: skip
    """Run a calculator, with kept minutes or without."""
    job = CALCULATORS[metric].job(vault, inst_id, chosen or Settings())
    source = replace(job.source, read_ahead=None)
    job = replace(job, source=source if kept else replace(source, legs=None))
    return runner.run(job, rebuild=rebuild)


def made(vault: Vault, metric: str = "volume", inst_id: str = BTC) -> dict[str, bytes]:
    """Return the outputs of a calculator, and its state."""
    found = [*vault.derived(metric, inst_id).glob("*"), vault.state(metric, inst_id)]
    return {path.name: path.read_bytes() for path in found}


def fresh(
    vault: Vault, root: Path, chosen: Settings | None = None, inst_id: str = BTC,
    metrics: Iterable[str] = BARS,
) -> dict[str, dict[str, bytes]]:  # fmt: skip
    """Return what trade calculators make of the raw lines of a vault, by raw lines alone."""
    other = copied(vault, root)
    for metric in metrics:
        run(other, metric, kept=False, chosen=chosen, inst_id=inst_id)
    return {metric: made(other, metric, inst_id) for metric in metrics}


def copied(vault: Vault, root: Path) -> Vault:
    """Return another vault with the same raw lines and metadata."""
    for path in sorted([*(vault.root / "raw").rglob("*"), *(vault.root / "meta").rglob("*")]):
        if path.is_file():
            target = root / path.relative_to(vault.root)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    return Vault(root)


def kept_files(vault: Vault) -> list[Path]:
    """Return the files of kept minutes, oldest first."""
    return sorted(vault.minutes(BTC).glob("*"))
