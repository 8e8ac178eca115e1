"""Sets all data of an instrument aside, so that another stream of it can begin.

They go to ``set_aside/{INSTID}.{N}/`` of the vault, at the same places below it: a vault of its
own, which every reader opens with ``--vault``.
"""

from contextlib import ExitStack
from pathlib import Path
from typing import Final

from ravequant import catalog
from ravequant.errors import NoDataError
from ravequant.records import check_inst_id
from ravequant.vault import trade_repair
from ravequant.vault.atomic import disk_error, fsync_folder, make_folder, move_over
from ravequant.vault.lock import writer_lock
from ravequant.vault.paths import Vault

_PLACES: Final = (  # state and output first: raw data alone are a vault that can be computed again
    "parquet/*/instId={inst_id}",
    "state/import/books/{inst_id}",
    "state/import/{inst_id}",
    "state/import/{inst_id}.json",
    "state/*/{exchange}/perps/{inst_id}.*",
    "derived/*/{exchange}/perps/{inst_id}",
    "meta/{exchange}/*/{inst_id}.*",
    "meta/{exchange}/coverage/*/{inst_id}.*",
    "raw/{exchange}/*/{inst_id}",
    "raw/{exchange}/*/{inst_id}.jsonl",
)
_UNDER_WAY: Final = "UNDER_WAY"  # a file that is there until all has been moved


def set_aside(vault: Vault, inst_id: str) -> Path:
    """Move an instrument's data; return their new root. One that was broken off is finished.

    Raises NoDataError if there are none, LockedError if a program writes them, VaultError if the
    disk refuses.
    """
    check_inst_id(inst_id)
    streams = dict.fromkeys(data.stream for data in catalog.DATA_SETS.values())
    with ExitStack() as held:
        for stream in (*streams, trade_repair.METRIC, catalog.IMPORT_BOOKS.name):
            held.enter_context(writer_lock(vault, stream, inst_id))
        found = _found(vault, inst_id)
        if not found:
            raise NoDataError(f"{vault.root} holds nothing of {inst_id}; name another vault")
        target = _target(vault, inst_id)
        try:
            make_folder(target)
            (target / _UNDER_WAY).touch()
            for path in found:
                place = target / path.relative_to(vault.root)
                make_folder(place.parent)
                move_over(path, place)
                fsync_folder(path.parent)
            (target / _UNDER_WAY).unlink()
        except OSError as error:
            raise disk_error(target, "filled", error) from error
    return target


def _found(vault: Vault, inst_id: str) -> list[Path]:
    names = {"inst_id": inst_id, "exchange": vault.exchange}
    return [path for place in _PLACES for path in sorted(vault.root.glob(place.format(**names)))]


def _target(vault: Vault, inst_id: str) -> Path:
    """Return the folder that was not filled to its end, or a new one."""
    folder, number = vault.root / "set_aside", 1
    while (path := folder / f"{inst_id}.{number}").exists():
        if (path / _UNDER_WAY).exists():
            return path
        number += 1
    return path
