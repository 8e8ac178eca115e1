"""The instruments that a vault holds, for a question about one that it does not hold."""

from functools import partial
from itertools import chain

from ravequant import catalog
from ravequant.errors import NoDataError
from ravequant.vault import paths
from ravequant.vault.paths import Vault


def instruments(vault: Vault) -> list[str]:
    """Return the instruments of which a vault holds any raw or derived data."""
    raw = [paths.instruments(vault.trades), paths.instruments(vault.snapshots)]
    metrics = (program.name for program in catalog.CALCULATORS)
    derived = [paths.instruments(partial(vault.derived, metric)) for metric in metrics]
    return sorted(set(chain.from_iterable([*raw, *derived])))


def check_recorded(vault: Vault, inst_id: str) -> None:
    """Raise NoDataError if a vault holds other instruments, and nothing of ``inst_id``."""
    held = instruments(vault)
    if not held or inst_id in held:
        return
    asset = inst_id.partition("-")[0]
    near = [name for name in held if name.partition("-")[0] == asset]
    raise NoDataError(
        f"no data of {inst_id} in {vault.root}, which holds {', '.join(held)}; "
        + (f"type --instId {near[0]}" if near else "start its exporters, or name one of these")
    )
