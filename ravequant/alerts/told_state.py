"""Reads back what was told before; a damaged file is set aside, and the watch goes on."""

import logging
from pathlib import Path
from typing import Final

import orjson

from ravequant.alerts.policy import AlertBook
from ravequant.errors import shown
from ravequant.vault.atomic import disk_error, move_over

_MOST_BYTES: Final = 1 << 22
_log = logging.getLogger("find_signals")


def restore(book: AlertBook, path: Path) -> None:
    """Let ``book`` go on where the last watch ended; VaultError if the system cannot read it.

    After a damaged file the signals that stand now are told once more, within the hour's budget.
    """
    try:
        data = _start_of(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise disk_error(path, "read", error) from error
    try:
        book.restore(orjson.loads(data))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        aside = path.with_name(f"{path.name}.damaged")
        _log.warning(
            "%s is damaged: %s; it was set aside as %s, and signals that stand now may be told "
            "once more", path, shown(error), aside.name,
        )  # fmt: skip
        try:
            move_over(path, aside)
        except OSError as refused:
            raise disk_error(path, "set aside", refused) from refused


def _start_of(path: Path) -> bytes:
    """Return a file; of one that is too large to be ours so much that it cannot be read."""
    with path.open("rb") as file:
        return file.read(_MOST_BYTES)
