"""The folder of a demo: emptied at its start, and with the default settings."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ravequant.errors import LockedError, UsageError
from ravequant.settings import SETTINGS_VARIABLE
from ravequant.vault.os_lock import OsLock
from ravequant.vault.paths import DEMO_MARKER

LOCK: Final = ".demo.lock"


@contextmanager
def emptied(root: Path) -> Iterator[Path]:
    """Yield ``root``, empty and for this demo alone.

    UsageError unless it is new, empty or a demo's; LockedError while another demo works in it.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        if any(root.iterdir()) and not (root / DEMO_MARKER).exists():
            raise UsageError(
                f"{root} holds data that no demo made: name another folder with --vault"
            )
        (root / DEMO_MARKER).touch()
    except OSError as error:
        raise UsageError(
            f"{root} cannot be used: {error.strerror}; name another folder with --vault"
        ) from None
    lock = OsLock(root / LOCK)
    if not lock.acquire():
        raise LockedError(f"another demo works in {root}: wait for it, or use --vault")
    try:
        for path in root.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name not in (DEMO_MARKER, LOCK):
                path.unlink()
        yield root
    finally:
        lock.release()


def use_default_settings(root: Path) -> None:
    """Make this program and those it starts use the defaults in place of `ravequant.toml`."""
    empty = root / "settings.toml"
    empty.touch()
    os.environ[SETTINGS_VARIABLE] = str(empty)
