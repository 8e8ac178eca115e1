"""A digest of a program's code, by which a running program is held to the code on disk.

A heartbeat carries the digest of the program's start. After an update of the checkout the digest
on disk is another, until the program is started again.
"""

from functools import cache
from pathlib import Path
from typing import Final

from ravequant.catalog import PROGRAMS
from ravequant.vault.paths import CHECKOUT, StrPath

_SCRIPTS: Final = {program.name: program.script for program in PROGRAMS}
_LIBRARY: Final = "ravequant"
_SIGNS: Final = 16


def code_on_disk(component: str, checkout: StrPath = CHECKOUT) -> str | None:
    """Return the digest of the library and of the program's folder; None for no such program."""
    checkout = Path(checkout)
    script = _SCRIPTS.get(component)
    if script is None:
        return None
    from hashlib import sha256  # noqa: PLC0415 - loads OpenSSL, and few programs write heartbeats

    found = sha256()
    try:
        for folder in (_LIBRARY, script.partition("/")[0]):
            for path in sorted((checkout / folder).rglob("*.py")):
                found.update(path.relative_to(checkout).as_posix().encode() + b"\0")
                found.update(path.read_bytes())
    except OSError:  # an update is under way
        return None
    return found.hexdigest()[:_SIGNS]


@cache
def code_at_start(component: str) -> str | None:
    """Return the digest as it was at the first call in this process."""
    return code_on_disk(component)
