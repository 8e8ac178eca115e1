"""Recorded line files, opened whether they are plain or compressed."""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from ravequant.errors import VaultError


@contextmanager
def open_lines(path: Path) -> Iterator[BinaryIO]:
    """Open a line file, plain or ``.gz``; VaultError that names it if it cannot be read."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
            yield cast("BinaryIO", lines)
    except (OSError, EOFError, zlib.error) as error:
        raise VaultError(f"{path}: cannot be read: {error}; name a whole file") from None
