"""Two made-up days of published books, their import, and what it leaves."""

import gzip
from pathlib import Path
from typing import Any

import orjson

from L2_Bot import import_books
from ravequant import times
from ravequant.vault.paths import Vault, book_files
from tests.support import book_archives
from tests.support.book_archives import BTC, steady

DAY, NEXT = "2025-01-30", "2025-01-31"
START = times.day_start_ms(DAY)
HOUR = times.HOUR_MS


def two_days(folder: Path) -> Path:
    """Write the files of two days: three minutes of the first, one of the next."""
    book_archives.write(folder, DAY, book_archives.lines(first_day()))
    next_day = steady(START + times.DAY_MS, START + times.DAY_MS + times.MINUTE_MS, first=900)
    book_archives.write(folder, NEXT, book_archives.lines(next_day))
    return folder


def first_day() -> list[Any]:
    """Return two minutes up to 01:01, then the last minute of the day."""
    end = START + times.DAY_MS
    return [
        *steady(START + HOUR - times.MINUTE_MS, START + HOUR + times.MINUTE_MS),
        *steady(end - times.MINUTE_MS, end, first=500),
    ]


def run(vault: Vault, folder: Path, *words: str) -> int:
    return import_books.main(
        ["--vault", str(vault.root), "--dir", str(folder), "--instId", BTC, *words]
    )


def content(vault: Vault) -> dict[str, bytes]:
    """Return the lines of every hour on disk, by its key."""
    files = book_files(vault.snapshots(BTC))
    return {
        key: gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        for key, path in files
    }


def everything(vault: Vault) -> dict[str, bytes]:
    """Return every file of a vault but torn tails, locks and the times of provenance."""
    found = {}
    for path in sorted(vault.root.rglob("*")):
        name = path.relative_to(vault.root).as_posix()
        if path.is_file() and path.suffix != ".torn" and not name.startswith("state/locks"):
            data = path.read_bytes()
            if name.startswith("meta/okx/imports"):
                rows = [orjson.loads(line) for line in data.splitlines()]
                data = orjson.dumps([row | {"imported_utc": ""} for row in rows])
            found[name] = data
    return found
