"""Finds one snapshot among the hour files: the newest, or the newest at or before a moment."""

import gzip
import io
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, cast

from L2_Bot import book_queries
from L2_Bot.book_queries import Book
from ravequant import times
from ravequant.errors import NoDataError, VaultError
from ravequant.records import RecordError
from ravequant.vault.append_log import newest_lines
from ravequant.vault.atomic import disk_error
from ravequant.vault.hour_log import hour_name
from ravequant.vault.paths import Vault, book_files
from ravequant.vault.tail import line_time, open_lines

_REMEMBERED: Final = 64  # lines before the moment, should the last of them be damaged


def find(vault: Vault, inst_id: str, at: int | None = None) -> Book:
    """Return the newest snapshot of ``inst_id``, or the newest one at or before ``at`` (Unix ms).

    Damaged lines are passed over. Raises NoDataError if there is none.
    """
    files = list(book_files(vault.snapshots(inst_id)))
    for key, path in reversed(files):
        if at is not None and key > hour_name(at):
            continue
        lines = newest_lines(path) if at is None else _before(path, at)
        book = next(_books(lines, inst_id), None)
        if book is not None:
            return book
    if at is None or not files:
        raise NoDataError(
            f"no book snapshot of {inst_id} in {vault.root}; start L2_Bot/l2_exporter.py, or name "
            "another vault with --vault"
        )
    raise NoDataError(
        f"no book snapshot of {inst_id} at or before {times.iso(at)}; the oldest file is "
        f"{files[0][1]}, ask for a later time"
    )


def _books(lines: Iterable[bytes], inst_id: str) -> Iterator[Book]:
    for line in lines:
        try:
            yield book_queries.parse(line, inst_id)
        except RecordError:
            continue


def _before(path: Path, at: int) -> Iterator[bytes]:
    """Yield the last lines up to the moment, newest first."""
    found: deque[bytes] = deque(maxlen=_REMEMBERED)
    try:
        with open_lines(path) as stream:
            for line in io.BufferedReader(cast("io.RawIOBase", stream), 1 << 20):
                moment = line_time(line)
                if moment is not None and moment > at:
                    break
                if moment is not None and line.endswith(b"\n"):
                    found.append(line)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise VaultError(f"{path} is damaged: {error}; restore it from a copy") from None
    except OSError as error:
        raise disk_error(path, "read", error) from error
    yield from reversed(found)
