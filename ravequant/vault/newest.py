"""The newest raw record of a vault that is not ahead of its exchange's time (SPEC section 3).

Its time is the only one, beside the clock, by which a vault is judged fresh or old. A file that
cannot be read is passed over: a time from an older file never makes data look fresher than they
are.
"""

import logging
from itertools import chain
from typing import Final

from ravequant import catalog
from ravequant.catalog import DataSet
from ravequant.errors import VaultError
from ravequant.vault import paths
from ravequant.vault.line_file import newest_time_in
from ravequant.vault.paths import Vault

RAW: Final = (catalog.TRADES, catalog.BOOK, catalog.DEEP)
_log = logging.getLogger(__name__)


def newest_record(vault: Vault, data_set: DataSet, inst_id: str) -> int | None:
    """Return the time (Unix ms) of the newest record of a raw stream; None without any.

    Records that are ahead do not count.
    """
    for key, path in data_set.files(vault, inst_id, newest_first=True):
        try:
            found = newest_time_in(path, key)
        except VaultError as error:
            _log.warning("its newest record is looked for in an older file: %s", error)
            continue
        if found is not None:
            return found
    return None


def newest_of_all(vault: Vault) -> int | None:
    """Return the time (Unix ms) of the newest record of every raw stream and instrument."""
    places = [vault.trades, vault.snapshots, vault.deep_snapshots]
    names = sorted(set(chain.from_iterable(map(paths.instruments, places))))
    found = (newest_record(vault, data_set, name) for name in names for data_set in RAW)
    return max((moment for moment in found if moment is not None), default=None)
