"""The exchanges whose markets are recorded: a folder each; the modules here serve all of them."""

from importlib import import_module
from typing import Final

from ravequant.exchanges.base import Exchange

# The module of each exchange, loaded when it is asked for: each brings libraries of its own.
_MODULES: Final = {"okx": "ravequant.exchanges.okx.exchange"}
NAMES: Final = tuple(_MODULES)


def load(name: str) -> Exchange:
    """Return an exchange by its name, one of ``NAMES``."""
    exchange: Exchange = import_module(_MODULES[name]).EXCHANGE
    return exchange
