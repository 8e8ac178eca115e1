"""The preflight of run_all.py: what must hold before it makes sense to start."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from ravequant.errors import FeedError
from ravequant.exchanges.okx.rest import Rest
from ravequant.vault.paths import CHECKOUT, Vault
from scripts.supervision import tasks

LEAST_FREE: Final = 2 * 10**9  # bytes: some hours of two instruments
_GB: Final = 10**9
_PROBE: Final = ".preflight"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one look found; the text of a bad one holds the remedy."""

    name: str
    good: bool
    text: str


def local(vault: Vault, least_free: int = LEAST_FREE) -> Iterator[Finding]:
    """Yield what this computer says: the programs, the vault, its disk."""
    scripts = [script for _, script in (*tasks.EXPORTERS, *tasks.CALCULATORS)]
    missing = [
        script
        for script in (*scripts, tasks.RETENTION, tasks.SIGNALS)
        if not (CHECKOUT / script).is_file()
    ]
    text = f"{', '.join(missing)} not found in {CHECKOUT}; get a whole checkout"
    yield Finding("programs", not missing, text if missing else f"all in {CHECKOUT}")
    refused = _refusal(vault)
    text = f"{vault.root} cannot be written: {refused}; allow it, or name another with --vault"
    yield Finding("vault", refused is None, str(vault.root) if refused is None else text)
    if refused is None:
        free = shutil.disk_usage(vault.root).free
        text = f"{free / _GB:.1f} GB free"
        more = f", expected {least_free / _GB:g} or more; free space, or use a larger disk"
        yield Finding("disk", free >= least_free, text if free >= least_free else text + more)


def exchange(rest_url: str, inst_ids: Sequence[str]) -> Iterator[Finding]:
    """Yield what the exchange says to each instrument."""
    rest = Rest(rest_url, attempts=1)
    try:
        for inst_id in inst_ids:
            try:
                row = rest.instrument(inst_id)
            except FeedError as error:
                yield Finding(f"exchange, {inst_id}", good=False, text=str(error))
            else:
                text = f"{rest_url} lists it as {row.get('state', 'unknown')}"
                yield Finding(f"exchange, {inst_id}", good=True, text=text)
    finally:
        rest.close()


def _refusal(vault: Vault) -> OSError | None:
    probe = vault.root / f"{_PROBE}.{os.getpid()}"
    try:
        vault.root.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"x")
    except OSError as error:
        return error
    finally:
        with suppress(OSError):
            probe.unlink()
    return None
