"""Surveys a vault: its dated files, how far they have been read, and the free disk space."""

import logging
import os
import shutil
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import orjson

from ravequant import catalog, times
from ravequant.errors import VaultError
from ravequant.vault import commit, compress
from ravequant.vault.imports import provenance
from ravequant.vault.newest import newest_of_all
from ravequant.vault.paths import Vault, instruments
from ravequant.vault.retention.plan import (
    BOOKS,
    BUCKETS,
    COMPUTED,
    DEEP,
    FLOW,
    FOOTPRINT,
    TRADES,
    DatedFile,
    ImportedHour,
    Series,
    Survey,
)

METRIC: Final = catalog.L2_BUCKETIZER.name  # the calculator that reads the book hours
_SAMPLE: Final = 1 << 20
_USUAL_SHARE: Final = 0.1  # of a series whose files cannot be read
_log = logging.getLogger(__name__)


def survey(vault: Vault) -> Survey:
    """Survey the vault; the size of each of its files is read once."""
    names = set().union(*(instruments(folder_of(vault, stream)) for stream in _STREAMS))
    series = tuple(found for inst_id in sorted(names) for found in _series(vault, inst_id))
    total = sum(_sizes(vault.root))
    free = shutil.disk_usage(vault.root).free if vault.root.is_dir() else 0
    return Survey(series, total, free)


def age_moment(vault: Vault, clock_ms: int) -> int | None:
    """Return the time (Unix ms) to which ages count; None if no raw record says how late it is.

    A clock that runs ahead makes no file old: it counts up to an hour after the newest record.
    """
    newest = newest_of_all(vault)
    return None if newest is None else min(clock_ms, newest + times.HOUR_MS)


def folder_of(vault: Vault, stream: str) -> Callable[[str], Path]:
    """Return the function that gives the folder of a stream by instrument."""
    return partial(_STREAMS[stream].place, vault)


_STREAMS: Final = {
    BOOKS: catalog.BOOK,
    DEEP: catalog.DEEP,
    TRADES: catalog.TRADES,
    BUCKETS: catalog.BUCKETS,
    FLOW: catalog.BOOK_FLOW,
    FOOTPRINT: catalog.FOOTPRINT,
    **{data.name: data for data in (*catalog.CONTEXT, catalog.BTC_TRANSFERS)},
}


def writer_of(stream: str) -> str:
    """Return the name of the lock of a stream's writer."""
    return _STREAMS[stream].stream


def plain_form(vault: Vault, file: DatedFile) -> Path:
    """Return the path of the plain form of a file."""
    return folder_of(vault, file.stream)(file.inst_id) / f"{file.key}.jsonl"


def committed_day(vault: Vault, inst_id: str, stream: str = BUCKETS) -> str | None:
    """Return the output day in the calculator's state: None without a state, "" if unreadable."""
    facts = _facts(vault, inst_id, _STREAMS[stream].stream)
    try:
        return None if facts is None else str(facts["output"]["file"])[:10]
    except (KeyError, TypeError):
        return ""


def _series(vault: Vault, inst_id: str) -> Iterator[Series]:
    readers = [_facts(vault, inst_id, name) for name in (METRIC, catalog.BOOK_FLOW_MAKER.name)]
    for stream, data in _STREAMS.items():
        files = tuple(_dated(stream, inst_id, data.files(vault, inst_id)))
        if files:
            yield Series(
                stream,
                inst_id,
                files,
                open_from=committed_day(vault, inst_id, stream) if stream in COMPUTED else None,
                read_to=_read_by_all(readers, stream),
                packed_share=_share(data.place(vault, inst_id), files),
                imported=imported_hours(
                    vault, inst_id, stream, files, _read_to(readers[0], stream)
                ),
                unjudged=_unjudged(vault, inst_id, files) if stream == BOOKS else frozenset(),
            )


_IMPORTED: Final = {BOOKS: "books", DEEP: "books_deep"}  # streams, as the provenance has them


def imported_hours(
    vault: Vault, inst_id: str, stream: str, files: Iterable[DatedFile], read_to: str | None
) -> Mapping[str, ImportedHour]:
    """Return the imported hours of a stream by key, each with the reason why it is kept."""
    if stream not in _IMPORTED:
        return {}
    try:
        days = provenance.newest(vault, inst_id, _IMPORTED[stream])
        buckets = provenance.newest(vault, inst_id, BUCKETS) if days else {}
    except VaultError as error:
        _log.warning("%s; until then no book hour is deleted", error)
        return {file.key: ImportedHour(0, "its provenance cannot be read") for file in files}
    read = {key for key, _ in catalog.BUCKETS.files(vault, inst_id)} if days else set()
    passed = {day for day in days if read_to is not None and day < read_to[:10] and day in read}
    found: dict[str, ImportedHour] = {}
    for name, day in days.items():
        waits_for = ""
        if day.keep:
            waits_for = "pinned by --keep"
        elif name not in buckets and name not in passed:
            waits_for = "its day has no buckets yet"
        elif not judged(vault, inst_id, name):
            waits_for = "the lab has not judged its day"
        hour = ImportedHour(day.imported_ms, waits_for)
        found |= {f"{name}/{number}": hour for number in day.hours}
    return found


def judged(vault: Vault, inst_id: str, day: str) -> bool:
    """Return True if the lab has judged a day and none of its trials waits for later trades.

    Then its note says so; a note that cannot be read says nothing.
    """
    try:
        trials = orjson.loads(vault.judged(inst_id, day).read_bytes())["trials"]
        return not any(entry["open"] for entry in trials.values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _unjudged(vault: Vault, inst_id: str, files: Iterable[DatedFile]) -> frozenset[str]:
    """Return the days whose books the lab still needs, for that day or for the day before."""
    traded = {key for key, _ in catalog.TRADES.files(vault, inst_id)}
    days = {file.key[:10] for file in files if file.key[:10] in traded}
    waiting = {day for day in days if not judged(vault, inst_id, day)}
    after = {times.day(times.day_start_ms(day) + times.DAY_MS) for day in waiting}
    return frozenset(waiting | after & days)


def _dated(stream: str, inst_id: str, listing: Iterable[tuple[str, Path]]) -> Iterator[DatedFile]:
    for key, path in listing:
        plain = path.with_suffix("") if path.suffix == ".gz" else path
        yield DatedFile(stream, inst_id, key, _size(plain), _size(compress.packed_form(plain)))


def _read_by_all(readers: Iterable[dict[str, Any] | None], stream: str) -> str | None:
    """Return how far those have come that have ever run; the bucketizer counts even if not."""
    bucketizer, *others = readers
    found = [_read_to(facts, stream) for facts in (bucketizer, *filter(None, others))]
    return None if None in found else min(filter(None, found))


def _read_to(facts: dict[str, Any] | None, stream: str) -> str | None:
    try:
        cursor = (facts or {}).get({BOOKS: "cursor", DEEP: "beside"}.get(stream, ""))
        return str(cursor["file"]) if cursor else None
    except (KeyError, TypeError):
        return None


def _facts(vault: Vault, inst_id: str, metric: str) -> dict[str, Any] | None:
    try:
        return commit.read_state(vault.state(metric, inst_id), metric, inst_id)
    except VaultError as error:
        _log.warning("%s; until then nothing counts as read", error)
        return {}


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _sizes(root: Path) -> Iterator[int]:
    for folder, _, names in os.walk(root):
        yield from (_size(Path(folder, name)) or 0 for name in names)


def _share(folder: Path, files: tuple[DatedFile, ...]) -> float:
    """Return packed size / plain size: of the newest ``.gz``, else of the start of a plain file."""
    newest = max(files, key=lambda file: (bool(file.packed), file.key))
    plain = folder / f"{newest.key}.jsonl"
    try:
        if newest.packed:
            small, whole = newest.packed, _unpacked_length(compress.packed_form(plain))
        else:
            with plain.open("rb") as stream:
                sample = stream.read(_SAMPLE)
            small, whole = len(zlib.compress(sample)), len(sample)
    except OSError:
        return _USUAL_SHARE
    return min(1.0, small / whole) if whole else _USUAL_SHARE


def _unpacked_length(packed: Path) -> int:
    """Return the uncompressed length that the last bytes of a ``.gz`` give (modulo 2**32)."""
    with packed.open("rb") as stream:
        stream.seek(-4, os.SEEK_END)
        return int.from_bytes(stream.read(4), "little")
