"""Answers one question: a fresh, locked database with the views as the vault is now."""

import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ravequant.errors import NoDataError, UsageError, VaultError
from ravequant.vault.paths import Vault
from scripts.warehouse import duck
from scripts.warehouse.schema import TABLES, mean_places
from scripts.warehouse.views import create, files_of

if TYPE_CHECKING:
    import duckdb

_MISSING: Final = re.compile(r"Table with name (\w+) does not exist")
_EXPLAINS: Final = re.compile(r"\s*EXPLAIN\s+(ANALYZE\s+)?(SELECT|FROM|WITH)\b", re.IGNORECASE)
_TRIES: Final = 2  # a file may be packed or deleted between listing and reading it

Show = Callable[["duckdb.DuckDBPyConnection"], bool]


class RefusedQueryError(UsageError):
    """A question that duckdb cannot answer, in its own words, of one line or several."""


@dataclass(frozen=True, slots=True)
class QuerySession:
    """A vault, its Parquet files and the instruments of which questions are asked."""

    vault: Vault
    target: Path
    inst_ids: Sequence[str]
    spill: Path  # a folder for data that do not fit into memory

    def ask(self, question: str, show: Show) -> bool:
        """Answer one question by ``show``; return its result.

        Raises RefusedQueryError, NoDataError for a view without data, VaultError for unreadable
        files.
        """
        failure: Exception | None = None
        for _ in range(_TRIES):
            database = duck.open_database(self.spill)
            try:
                return self._answer(database, question, show)
            except duck.require().IOException as error:
                failure = error
            finally:
                database.close()
        raise VaultError(duck.said(failure or OSError(), " "))

    def _answer(self, database: "duckdb.DuckDBPyConnection", question: str, show: Show) -> bool:
        engine = duck.require()
        try:
            _only_reads(engine, database, question)
            self._create_views(database, question)
            raw, derived = self.vault.root / "raw", self.vault.root / "derived"
            duck.lock(database, [raw, derived, self.target, self.spill])
            return show(duck.run(database, question))
        except engine.IOException:
            raise
        except engine.CatalogException as error:
            raise self._missing(error) or _unknown(error) from error
        except engine.OutOfMemoryException as error:
            raise VaultError(duck.said(error, " ")) from error
        except (engine.Error, ValueError, OverflowError) as error:  # the last two: no Python value
            raise RefusedQueryError(duck.said(error)) from error
        except RuntimeError:  # duckdb's answer to Ctrl-C
            raise KeyboardInterrupt from None

    def _create_views(self, database: "duckdb.DuckDBPyConnection", question: str) -> None:
        """Create the views that the question names and that have any rows."""
        places = mean_places(self.vault, self.inst_ids)
        for name, narrow in TABLES.items():
            table = narrow.wide(places)
            if re.search(rf"(?<!\w){name}(?!\w)", question, re.IGNORECASE) and (
                files := files_of(self.vault, self.target, table, self.inst_ids)
            ):
                create(database, table, files)

    def _missing(self, error: Exception) -> NoDataError | None:
        """Return the error for a view that has no data yet; None for a name that is no view."""
        found = _MISSING.search(str(error))
        table = TABLES.get(found[1].lower()) if found else None
        if table is None:
            return None
        return NoDataError(
            f"no {table.name} of {', '.join(self.inst_ids)} in {self.vault.root}; start "
            f"{table.made_by}, or name another vault with --vault"
        )


def _unknown(error: Exception) -> RefusedQueryError:
    """Return the error for a name that is no view, with the view that was probably meant."""
    found = _MISSING.search(str(error))
    if found is None:
        return RefusedQueryError(duck.said(error))
    near = difflib.get_close_matches(found[1].lower(), TABLES, 1, 0.5)
    hint = f"; did you mean {near[0]}?" if near else "."
    return RefusedQueryError(
        f"There is no table {found[1]}{hint} The tables are {', '.join(TABLES)}."
    )


def _only_reads(engine: Any, database: "duckdb.DuckDBPyConnection", question: str) -> None:
    """Refuse anything but one question: nothing is written, attached, loaded or set."""
    if not question.isprintable() and re.search("[\0\ud800-\udfff]", question):
        raise RefusedQueryError("the question holds characters that are no text; type it as UTF-8")
    statements = database.extract_statements(question)
    if not statements:
        raise RefusedQueryError('no question; expected one like "SELECT count(*) FROM trades"')
    only = statements[0].type
    kinds = engine.StatementType
    reads = only == kinds.SELECT or (only == kinds.EXPLAIN and _EXPLAINS.match(question))
    if len(statements) > 1 or not reads:
        met = " and ".join(str(one.type).rpartition(".")[2] for one in statements[:3])
        raise RefusedQueryError(
            f"{met} is not one question; only a single SELECT (or WITH, FROM, DESCRIBE, SUMMARIZE, "
            "EXPLAIN) is answered, and nothing is changed"
        )
