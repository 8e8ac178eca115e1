"""The exchanges whose markets are recorded: a folder each; the modules here serve all of them."""

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Final

from ravequant.errors import UsageError

if TYPE_CHECKING:
    from ravequant.exchanges.archive.base import Archive
    from ravequant.exchanges.archive.book_days import ArchivedBooks
    from ravequant.exchanges.archive.publisher import Publisher
    from ravequant.exchanges.base import Exchange
    from ravequant.exchanges.context_feeds import ContextFeeds

# The module of each exchange, loaded when it is asked for: each brings libraries of its own.
_MODULES: Final = {"okx": "ravequant.exchanges.okx.exchange"}
NAMES: Final = tuple(_MODULES)
_CONTEXT: Final = {"okx": "ravequant.exchanges.okx.context_rows"}
_ARCHIVES: Final = {"okx": "ravequant.exchanges.okx.archive"}  # of those that publish files


def load(name: str) -> "Exchange":
    """Return an exchange by its name, one of ``NAMES``."""
    exchange: Exchange = import_module(_MODULES[name]).EXCHANGE
    return exchange


def load_context(name: str) -> "ContextFeeds":
    """Return the context feeds of an exchange. Raises UsageError if it has none."""
    if name not in _CONTEXT:
        raise UsageError(f"{name} has no context feeds that can be recorded")
    feeds: ContextFeeds = import_module(_CONTEXT[name]).FEEDS
    return feeds


def load_archive(name: str) -> "Archive":
    """Return the form of the trades, candles and funding that an exchange publishes.

    Raises UsageError, as the two below, for an exchange that publishes no files.
    """
    archive: Archive = _published(name, "forms").ARCHIVE
    return archive


def load_archived_books(name: str) -> "ArchivedBooks":
    """Return the form of the books that an exchange publishes."""
    books: ArchivedBooks = _published(name, "book_messages").BOOKS
    return books


def load_publisher(name: str) -> "Publisher":
    """Return how an exchange lists the files that it publishes."""
    publisher: Publisher = _published(name, "published_files").PUBLISHER
    return publisher


def _published(name: str, module: str) -> ModuleType:
    if name not in _ARCHIVES:
        raise UsageError(f"{name} publishes no files that can be imported; record it")
    return import_module(f"{_ARCHIVES[name]}.{module}")
