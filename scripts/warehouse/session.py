"""One question at a time: a fresh, locked database with the views as the vault is now."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ravequant.errors import NoDataError, UsageError, VaultError
from ravequant.vault.paths import Vault
from scripts.warehouse import duck, output
from scripts.warehouse.schema import TABLES
from scripts.warehouse.views import Files, create, files_of

if TYPE_CHECKING:
    import duckdb

_MISSING: Final = re.compile(r"Table with name (\w+) does not exist")
_EXPLAINS: Final = re.compile(r"\s*EXPLAIN\s+(ANALYZE\s+)?(SELECT|FROM|WITH)\b", re.IGNORECASE)
_SECOND_TRY: Final = 2  # a file may be packed or deleted between listing and reading it


class RefusedError(UsageError):
    """A question that duckdb cannot answer, in its own words; they may be several lines."""


@dataclass(frozen=True, slots=True)
class Session:
    """Whom to ask: a vault, its Parquet files, some instruments, and how to show the answer."""

    vault: Vault
    target: Path
    inst_ids: Sequence[str]
    spill: Path
    form: str
    most: int

    def ask(self, question: str) -> int:
        """Answer one question on stdout; return what ``show`` returns.

        Raises RefusedError, NoDataError for a view without data, VaultError for unreadable files.
        """
        failure: Exception | None = None
        for _ in range(_SECOND_TRY):
            database = duck.open_database(self.spill)
            try:
                return self._answer(database, question)
            except duck.require().IOException as error:
                failure = error
            finally:
                database.close()
        raise VaultError(duck.said(failure or OSError(), " "))

    def _answer(self, database: "duckdb.DuckDBPyConnection", question: str) -> int:
        engine = duck.require()
        try:
            _only_reads(engine, database, question)
            wanted = [name for name in TABLES if _speaks_of(question, name)]
            self._views(database, wanted)
            folders = [
                self.vault.root / "raw",
                self.vault.root / "derived",
                self.target,
                self.spill,
            ]
            duck.lock(database, folders)
            return output.show(duck.run(database, question), self.form, self.most)
        except engine.IOException:
            raise
        except engine.CatalogException as error:
            raise self._missing(error) or RefusedError(duck.said(error)) from error
        except engine.OutOfMemoryException as error:
            raise VaultError(duck.said(error, " ")) from error
        except (engine.Error, ValueError, OverflowError) as error:  # the last two: no Python value
            raise RefusedError(duck.said(error)) from error
        except RuntimeError:  # what duckdb makes of Ctrl-C
            raise KeyboardInterrupt from None

    def _views(self, database: "duckdb.DuckDBPyConnection", wanted: Sequence[str]) -> None:
        """Make the views that are wanted and have anything."""
        for name in wanted:
            if files := self.files(name):
                create(database, TABLES[name], files)

    def files(self, name: str) -> Files:
        """Return what a view reads now."""
        return files_of(self.vault, self.target, TABLES[name], self.inst_ids, self.spill)

    def _missing(self, error: Exception) -> NoDataError | None:
        """Return what to say of a view that has no data yet."""
        found = _MISSING.search(str(error))
        table = TABLES.get(found[1].lower()) if found else None
        if table is None:
            return None
        return NoDataError(
            f"no {table.name} of {', '.join(self.inst_ids)} in {self.vault.root}; start "
            f"{table.made_by}, or name another vault with --vault"
        )

    def describe(self) -> list[list[str]]:
        """Return each view, how many files it reads, and what makes it if it has none."""
        found = []
        for name, table in TABLES.items():
            files = self.files(name)
            note = "" if files else f"no data: {table.made_by}"
            found.append([name, str(len(files.parquet)), str(len(files.lines)), note])
        return found


def _speaks_of(question: str, name: str) -> bool:
    return re.search(rf"(?<!\w){name}(?!\w)", question, re.IGNORECASE) is not None


def _only_reads(engine: Any, database: "duckdb.DuckDBPyConnection", question: str) -> None:
    """Refuse anything but one question: nothing is written, attached, loaded or set."""
    if not question.isprintable() and re.search("[\0\ud800-\udfff]", question):
        raise RefusedError("the question holds characters that are no text; type it as UTF-8")
    statements = database.extract_statements(question)
    if not statements:
        raise RefusedError('no question; expected one like "SELECT count(*) FROM trades"')
    only = statements[0].type
    kinds = engine.StatementType
    reads = only == kinds.SELECT or (only == kinds.EXPLAIN and _EXPLAINS.match(question))
    if len(statements) > 1 or not reads:
        met = " and ".join(str(one.type).rpartition(".")[2] for one in statements[:3])
        raise RefusedError(
            f"{met} is not one question; only a single SELECT (or WITH, FROM, DESCRIBE, SUMMARIZE, "
            "EXPLAIN) is answered, and nothing is changed"
        )
