"""Vaults of a known age, and what readers find in them: for the tests of retention."""

import gzip
from pathlib import Path

from ravequant import times
from ravequant.settings import Retention
from ravequant.vault import commit
from ravequant.vault.paths import Vault, book_files, day_files
from ravequant.vault.retention import plan
from ravequant.vault.retention.plan import DatedFile, Series

BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"
HOUR, DAY = times.HOUR_MS, times.DAY_MS
NOW = times.parse_iso("2025-12-14T21:30:00Z")
RULES = plan.rules_of(Retention())
METRIC = "liquidity_buckets"


def hour(age_hours: int, now: int = NOW) -> str:
    """Return the key of the hour that ended so many whole hours before the running one began."""
    return times.hour(now - (age_hours + 1) * HOUR)


def day(age_days: int, now: int = NOW) -> str:
    """Return the key of the day that ended so many whole days before the running one began."""
    return times.day(now - (age_days + 1) * DAY)


def books(*keys, stream=plan.BOOKS, size=100, **facts):
    """Return a series of plain files of one size."""
    files = tuple(DatedFile(stream, BTC, key, size, None) for key in sorted(keys))
    return Series(stream, BTC, files, **facts)


def write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def line_of(key: str) -> bytes:
    """Return a raw line of the first moment of an hour or day."""
    return b'{"timestamp_utc":"%s"}\n' % times.iso(times.file_start_ms(key)).encode()


def write_judged(vault: Vault, inst_id: str, day: str, waiting: int = 0) -> None:
    """Write the note of a judged day, of whose trials so many wait for later trades."""
    write(vault.judged(inst_id, day), b'{"trials":{"0123456789ab":{"open":%d}}}\n' % waiting)


def fill(vault: Vault, now: int, hours: int = 8 * 24, step: int = 5) -> None:
    """Write book hours, deep hours, trade days and bucket days up to ``now``."""
    for inst_id in (BTC, ETH):
        for age in (*range(-1, hours, step), hours):
            key = hour(age, now)
            line = line_of(key)
            write(vault.snapshots(inst_id) / f"{key}.jsonl", line * 40)
            write(vault.deep_snapshots(inst_id) / f"{key}.jsonl", line * 20)
            write_judged(vault, inst_id, key[:10])
        for age in range(-1, hours // 24):
            line = line_of(day(age, now))
            write(vault.trades(inst_id) / f"{day(age, now)}.jsonl", line * 500)
            write(vault.derived(METRIC, inst_id) / f"{day(age, now)}.jsonl", line * 300)


def read_up_to(vault: Vault, inst_id: str, key: str, output: str) -> None:
    """Commit a calculator's state whose cursors stand in the hour ``key``."""
    facts = {
        "metric": METRIC, "instId": inst_id, "cursor": {"file": key}, "beside": {"file": key},
        "output": {"file": f"{output}.jsonl", "length": 0, "crc32": 0},
    }  # fmt: skip
    commit.write_state(vault.state(METRIC, inst_id), facts)


def lines_of(vault: Vault) -> dict[tuple[str, str, str], bytes]:
    """Return what readers find in every hour and day."""
    found = {}
    for inst_id in (BTC, ETH):
        for name, listing in [
            ("books", book_files(vault.snapshots(inst_id))),
            ("deep", book_files(vault.deep_snapshots(inst_id))),
            ("trades", day_files(vault.trades(inst_id))),
            ("buckets", day_files(vault.derived(METRIC, inst_id))),
        ]:
            for key, path in listing:
                data = path.read_bytes()
                found[name, inst_id, key] = gzip.decompress(data) if path.suffix == ".gz" else data
    return found


def tree(vault: Vault) -> dict[str, bytes]:
    """Return every file but the locks."""
    return {
        str(path.relative_to(vault.root)): path.read_bytes()
        for path in sorted(vault.root.rglob("*"))
        if path.is_file() and "locks" not in path.parts
    }
