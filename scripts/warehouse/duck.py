"""A duckdb connection that can harm nothing: no network, no settings, no files but those named."""

import importlib.util
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Final

from ravequant.errors import RaveQuantError
from scripts.warehouse.row_sql import path_text, worth_macros
from scripts.warehouse.schema import macros

if TYPE_CHECKING:
    import duckdb

MEMORY: Final = "1GB"  # data that do not fit go to the temporary folder
_LOOK_S: Final = 0.1  # Windows delivers Ctrl-C only between two waits
_SIGNS: Final = {code: f"\\x{code:02x}" for code in (*range(10), *range(11, 32), *range(127, 160))}


def require() -> Any:
    """Return the module duckdb; RaveQuantError with the words that install it if it is missing."""
    if importlib.util.find_spec("duckdb") is None:
        raise RaveQuantError(
            f"duckdb is not installed for {sys.executable}; install what the SQL commands need "
            f'with: "{sys.executable}" -m pip install -e ".[sql]", in the folder of RaveQuant'
        )
    import duckdb  # noqa: PLC0415 - an extra

    return duckdb


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Yield a folder for data that do not fit into memory; it is deleted when the work ends."""
    with TemporaryDirectory(prefix="ravequant_sql_", ignore_cleanup_errors=True) as folder:
        yield Path(folder).resolve()


def open_database(spill: Path) -> "duckdb.DuckDBPyConnection":
    """Return an empty database in memory that knows the exact casts and fetches no extension."""
    config = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "memory_limit": MEMORY,
        "python_enable_replacements": "false",  # no variable of this program is a table
        "temp_directory": str(spill / "duckdb"),
    }
    database: duckdb.DuckDBPyConnection = require().connect(":memory:", config=config)
    for statement in ("SET TimeZone = 'UTC'", *macros(), *worth_macros()):
        database.execute(statement)
    return database


def run(database: "duckdb.DuckDBPyConnection", statement: str) -> "duckdb.DuckDBPyConnection":
    """Execute a statement so that Ctrl-C ends it at once: duckdb alone may not look for minutes."""
    failures: list[BaseException] = []
    over = Event()

    def execute() -> None:
        try:
            database.execute(statement)
        except BaseException as error:  # noqa: BLE001 - raised below, in the caller's thread
            failures.append(error)
        finally:
            over.set()

    Thread(target=execute, daemon=True).start()
    try:
        while not over.wait(_LOOK_S):
            pass
    except KeyboardInterrupt:
        database.interrupt()
        over.wait()
        raise
    if failures:
        raise failures[0]
    return database


def lock(database: "duckdb.DuckDBPyConnection", folders: Sequence[Path]) -> None:
    """Restrict the database to reading below ``folders``, for good."""
    allowed = ", ".join(map(path_text, folders))
    database.execute(f"SET allowed_directories = [{allowed}]")
    database.execute("SET enable_external_access = false")
    database.execute("SET lock_configuration = true")


def said(error: Exception, line_end: str = "\n") -> str:
    """Return the text of an error of duckdb, with control characters made visible."""
    return re.sub(r"\n+", line_end, str(error)).translate(_SIGNS)
