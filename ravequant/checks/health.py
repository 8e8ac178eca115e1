"""The health of a recording in a few rows: recorders, calculators, disk, as doctor words them."""

from collections.abc import Iterator, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Final

from ravequant import settings, times
from ravequant.checks import disk, programs, records
from ravequant.checks.check import Check, made
from ravequant.errors import UsageError
from ravequant.settings import Settings
from ravequant.vault.paths import Vault, default_root
from ravequant.vault.retention.forecast import Forecast

_LEVELS: Final = ("FAIL", "WARN", "PASS")  # the worst first
_SURVEYED_MS: Final = 10 * times.MINUTE_MS  # the size of every file is read so often


def health(vault: Vault, inst_ids: Sequence[str], now_ms: int) -> list[dict[str, Any]]:
    """Return a row for each recorder, the calculators and the disk; ``now_ms`` is the wall clock.

    Each row has ``name``, ``level`` (PASS, WARN or FAIL), ``words`` and ``remedy``. The files of
    the vault are measured once in ten minutes; its free space is that of now.
    """
    here = vault.root == default_root()
    return [
        {"name": row.name, "level": row.level, "words": row.text, "remedy": row.remedy}
        for check in _rows(vault, inst_ids, now_ms)
        for row in (check if here else check.naming(vault),)
    ]


def _rows(vault: Vault, inst_ids: Sequence[str], now: int) -> Iterator[Check]:
    yield from made("exporters", partial(programs.exporters, vault, now))
    yield from made("calculators", partial(_calculators, vault, inst_ids, now))
    yield from made("disk", partial(_disk, vault, now))


def _calculators(vault: Vault, inst_ids: Sequence[str], now: int) -> Check:
    """Return the worst check of run_all and of the calculators of these instruments."""
    under = list(programs.run_all(vault, now))
    found = [check for name in inst_ids for check in records.calculators(vault, name, now)]
    well = Check("calculators", "PASS", f"{len(found)} up to date")
    bad = [check for check in found if check.level != "PASS"]
    return min([*under, *bad, well], key=lambda check: _LEVELS.index(check.level))


def _disk(vault: Vault, now: int) -> Check:
    return disk.of_forecast(vault, _surveyed(vault.root, vault.exchange, now // _SURVEYED_MS))


@lru_cache(maxsize=4)
def _surveyed(root: Path, exchange: str, span: int) -> Forecast:
    try:
        chosen = settings.load()
    except UsageError:
        chosen = Settings()
    return disk.expected(Vault(root, exchange), chosen, span * _SURVEYED_MS)
