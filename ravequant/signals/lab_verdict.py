"""The newest verdict of the edge lab, and those before it (SPEC 11.8): ``lab/verdict.json``.

``lab/verdicts.jsonl`` has a line for each verdict that was made, so that an answer of the past is
shown with the verdict of its time. Files are hostile until they are parsed.
"""

import logging
from collections.abc import Mapping
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, Final

import orjson

from ravequant import times
from ravequant.errors import UsageError, VaultError, shown
from ravequant.records import check_inst_id
from ravequant.signals.proof import WORDS, LabVerdict
from ravequant.vault.append_log import AppendLog
from ravequant.vault.atomic import disk_error, replace_file
from ravequant.vault.line_file import lines_backward
from ravequant.vault.lock import writer_lock
from ravequant.vault.paths import StrPath, Vault

VERSION: Final = 1
REMEDY: Final = "python Edge_Lab/edge_lab.py verdict"
_MOST_BYTES: Final = 1 << 20
_MOST_LINES: Final = 10_000  # of the verdicts before it: one a day for 27 years
_MOST_TEXT: Final = {"short": 200, "what_to_do": 400, "query_id": 12}  # characters
_MOST_INSTRUMENTS: Final = 1_000
_KEPT: Final = ("made_utc", "word", "short", "what_to_do", "instruments", "query_id")
_WRONG: Final = (ValueError, KeyError, TypeError, UsageError)  # of a row that is none
_log = logging.getLogger("lab_verdict")


def verdict_file(vault: Vault) -> Path:
    """Return the file of the newest verdict."""
    return vault.root / "lab" / "verdict.json"


def verdict_history(vault: Vault) -> Path:
    """Return the file of all verdicts that were made, each on a line."""
    return vault.root / "lab" / "verdicts.jsonl"


def read_verdict(vault: Vault) -> LabVerdict | None:
    """Return the newest verdict; None without one, or, after one warning, if it is damaged.

    The file is read once for as long as it does not change.
    """
    path = verdict_file(vault)
    try:
        status = path.stat()
    except OSError:  # a file that cannot be looked at is none of the lab's
        return None
    return _told(path, status.st_ino, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=8)
def _told(path: Path, *_content: int) -> LabVerdict | None:
    try:
        return load_verdict(path)
    except VaultError as error:
        _log.warning("%s", error)
        return None


def load_verdict(path: StrPath) -> LabVerdict:
    """Return the verdict of a file. VaultError names the file, the expectation and the remedy."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES)  # of a larger file, which is not ours: no JSON
    except OSError as error:
        raise disk_error(path, "read", error) from error
    try:
        row = orjson.loads(data)
        if row["version"] != VERSION:
            raise ValueError(f"version {shown(row['version'])}, expected {VERSION}")
        return _verdict_of(row)
    except _WRONG as error:
        raise VaultError(
            f"{path}: is no verdict of the lab: {_reason(error)}; expected its JSON object of "
            f"version {VERSION}; the answers say `not tested`; {REMEDY}"
        ) from None


def verdict_by(vault: Vault, ms: int) -> LabVerdict | None:
    """Return the newest verdict that was made by a time (Unix ms), None if there was none."""
    newest = read_verdict(vault)
    if newest is not None and (newest.made_ms or 0) <= ms:
        return newest
    return next((one for one in _before(vault) if (one.made_ms or 0) <= ms), None)


def verdict_of(vault: Vault, ms: int) -> LabVerdict | None:
    """Return the verdict that was made at a time (Unix ms); if it is gone, None and a warning."""
    newest = read_verdict(vault)
    if newest is not None and newest.made_ms == ms:
        return newest
    found = next((one for one in _before(vault) if one.made_ms == ms), None)
    if found is None:
        _log.warning(
            "%s: the verdict of %s is not among its lines; that answer may have had another size",
            verdict_history(vault),
            times.iso(ms),
        )
    return found


def _before(vault: Vault) -> list[LabVerdict]:
    """Return the verdicts of the history, the newest first; damaged lines are passed over."""
    path, found = verdict_history(vault), list[LabVerdict]()
    if not path.is_file():
        return found
    for line in islice(lines_backward(path), _MOST_LINES):
        try:
            found.append(_verdict_of(orjson.loads(line)))
        except _WRONG:
            continue
    return found


def _verdict_of(row: Any) -> LabVerdict:
    """Return the verdict of its JSON. Raises one of _WRONG if it is none."""
    word = row["word"]
    if not isinstance(word, str) or word not in WORDS:
        raise ValueError(f"word {shown(word)} is none of {', '.join(sorted(WORDS))}")
    names = row["instruments"]
    if not isinstance(names, list) or len(names) > _MOST_INSTRUMENTS:
        raise ValueError("expected a list of instruments")
    return LabVerdict(
        word,
        _text(row, "short"),
        times.parse_iso(row["made_utc"]),
        _text(row, "what_to_do"),
        tuple(check_inst_id(name) for name in names),
        _text(row, "query_id") if "query_id" in row else "",
    )


def _reason(error: Exception) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row[name]
    if not isinstance(value, str) or len(value) > _MOST_TEXT[name]:
        raise ValueError(f"{name}: expected a text of at most {_MOST_TEXT[name]} characters")
    if not (value.isascii() and value.isprintable()):
        raise ValueError(f"{name}: expected printable ASCII")
    return value


def write_verdict(vault: Vault, row: Mapping[str, Any]) -> None:
    """Write a verdict, and before it its line among all that were made.

    ``row``: the whole object of ``lab/verdict.json``. Raises VaultError, also for a row that a
    reader would refuse, and LockedError while another process writes one.
    """
    try:
        _verdict_of(row)
    except _WRONG as error:
        raise VaultError(f"{verdict_file(vault)}: is not written: {_reason(error)}") from None
    line = orjson.dumps({name: row[name] for name in _KEPT if name in row}) + b"\n"
    path = verdict_history(vault)
    with writer_lock(vault, "verdict", "ALL-INSTRUMENTS"), AppendLog(path) as log:
        log.append(line)
        log.sync()
        replace_file(verdict_file(vault), orjson.dumps({"version": VERSION, **row}))
