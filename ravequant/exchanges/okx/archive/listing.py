"""The listing of OKX's archive: which files there are of a stream, an instrument and its labels.

Every label asked for is either found in an answer or named as absent: where an answer lacks some,
as the newest part of a long answer does, these are asked for again by themselves. A name or an
address in an answer is believed only if it has the form asked for.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from ravequant import times
from ravequant.errors import FeedError, UsageError, shown
from ravequant.exchanges.archive.published import Published, PublishedFile
from ravequant.exchanges.okx.archive.names import (
    ALL_SWAPS,
    ArchiveName,
    Stream,
    parse_name,
    start_ms,
)
from ravequant.exchanges.okx.rest import OkxRest
from ravequant.exchanges.url import check_url

FILE_HOSTS: Final = frozenset({"static.okx.com"})
LABELS_A_CALL: Final = 10  # days or months; eleven are refused
MODULES: Final[Mapping[Stream, int]] = {
    "trades": 1,
    "candles": 2,
    "funding": 3,
    "books": 4,
    "books_deep": 5,
}
_MOST_MB: Final = Decimal(1 << 20)  # a larger hint is no size of a file


class OkxListing:
    """The listing of one REST address, 2.5 s between two calls; a failed call raises FeedError."""

    def __init__(self, rest_url: str, *, attempts: int = 5, limit_factor: float = 1.0) -> None:
        self._rest = OkxRest(rest_url, attempts=attempts, limit_factor=limit_factor)
        local = check_url(rest_url, "https", "http")
        self._port = urlsplit(rest_url).port if local else None  # of an exchange on this machine

    def close(self) -> None:
        """End waits and refuse further calls; callable from any thread."""
        self._rest.close()

    def files(self, stream: Stream, inst_id: str, labels: Iterable[str]) -> Published:
        """Return the files of labels, all of them days or all of them months.

        Funding has files of an instrument's month, and of all swaps' day (``ALL_SWAPS``).
        """
        wanted = sorted(set(labels))
        _check(stream, inst_id, wanted)
        found: dict[str, PublishedFile] = {}
        for part in _parts(wanted):
            found |= self._ask(stream, inst_id, part)
            lacking = [label for label in part if label not in found]
            if 0 < len(lacking) < len(part):
                for rest in _runs(lacking):
                    found |= self._ask(stream, inst_id, rest)
        return Published(
            tuple(found[label] for label in wanted if label in found),
            tuple(label for label in wanted if label not in found),
        )

    def _ask(self, stream: Stream, inst_id: str, part: Sequence[str]) -> dict[str, PublishedFile]:
        """Return the files of at most ten labels by their label."""
        rows = self._rest.market_data_history(query(stream, inst_id, part[0], part[-1]))
        files = {}
        for row in _group_details(rows):
            file = self._file(row, stream, inst_id)
            if file.label in part:
                files[file.label] = file
        return files

    def _file(self, row: Any, stream: Stream, inst_id: str) -> PublishedFile:
        name = row.get("filename") if isinstance(row, dict) else None
        known = parse_name(name) if isinstance(name, str) else None
        if known is None or (known.stream, known.inst_id) != (stream, inst_id):
            raise FeedError(
                f"listing of {stream} of {inst_id}: filename {shown(name)}: expected a bare name "
                f"like {ArchiveName(stream, inst_id, '2025-01-31').file}; nothing was fetched, "
                "report it if it stays so"
            )
        return PublishedFile(
            known.file, stream, inst_id, known.label, self._url(row.get("url"), known), _size(row)
        )

    def _url(self, url: Any, known: ArchiveName) -> str:
        """Return the address of a file; FeedError if it is not one of the exchange's files."""
        text = url if isinstance(url, str) else ""
        try:
            parts = urlsplit(text)
            ours = self._is_ours(parts)
        except ValueError:
            parts, ours = urlsplit(""), False
        plain = text.isascii() and text.isprintable() and " " not in text and "@" not in text
        if ours and plain and parts.path.endswith(f"/{known.file}") and "/.." not in parts.path:
            return text
        hosts = " or ".join(sorted(FILE_HOSTS)) if self._port is None else f"127.0.0.1:{self._port}"
        raise FeedError(
            f"listing of {known.file}: url {shown(url)}: expected https://{hosts}/…/{known.file}; "
            "nothing was fetched, report it if it stays so"
        )

    def _is_ours(self, parts: SplitResult) -> bool:
        """Return True for a host of the exchange's files; ValueError for an impossible port."""
        if self._port is None:
            known = parts.scheme == "https" and parts.hostname in FILE_HOSTS
            return known and parts.port in (None, 443)
        local = parts.hostname in ("127.0.0.1", "::1", "localhost")
        return local and parts.port == self._port and parts.scheme == "http"


def query(stream: Stream, inst_id: str, first: str, last: str) -> dict[str, str]:
    """Return the query for the labels from ``first`` to ``last``, both included.

    Only the dates of ``begin`` and ``end`` count, in the stream's own zone; each is the first
    moment of a label there, which is 16:00 UTC of the day before for files of UTC+8.
    """
    every = inst_id == ALL_SWAPS
    return {
        "module": str(MODULES[stream]),
        "instType": "SWAP",
        "instFamilyList": "ANY" if every else inst_id.removesuffix("-SWAP"),
        "dateAggrType": "daily" if len(first) == len("2025-01-31") else "monthly",
        "begin": str(start_ms(stream, first)),
        "end": str(start_ms(stream, last)),
    }


def _check(stream: Stream, inst_id: str, labels: Sequence[str]) -> None:
    wrong = [label for label in labels if _named(stream, inst_id, label) is None]
    if wrong or len({len(label) for label in labels}) > 1:
        raise UsageError(
            f"labels {shown(wrong or labels)} of {stream} of {inst_id}: expected days like "
            "2025-01-31 or months like 2025-01, and of books days"
        )


def _named(stream: Stream, inst_id: str, label: str) -> ArchiveName | None:
    return parse_name(ArchiveName(stream, inst_id, label).file)


def _parts(labels: Sequence[str]) -> Iterable[list[str]]:
    """Yield labels in parts, each for a single call: at most ten days or months from its first.

    Gaps count: a call asks for a span.
    """
    part: list[str] = []
    for label in labels:
        if part and _number(label) - _number(part[0]) >= LABELS_A_CALL:
            yield part
            part = []
        part.append(label)
    if part:
        yield part


def _runs(labels: Sequence[str]) -> Iterable[list[str]]:
    """Yield labels in runs of neighbours."""
    run: list[str] = []
    for label in labels:
        if run and _number(label) != _number(run[-1]) + 1:
            yield run
            run = []
        run.append(label)
    if run:
        yield run


def _number(label: str) -> int:
    """Return the number of a day or a month, neighbours being one apart."""
    if len(label) == len("2025-01-31"):
        return times.day_start_ms(label) // times.DAY_MS
    year, month = label.split("-")
    return int(year) * 12 + int(month)


def _group_details(rows: Sequence[Any]) -> Iterable[Any]:
    """Yield the rows of files of an answer; FeedError if it has another shape."""
    for row in rows:
        details = row.get("details") if isinstance(row, dict) else None
        for detail in details if isinstance(details, list) else (None,):
            files = detail.get("groupDetails") if isinstance(detail, dict) else None
            if not isinstance(files, list):
                raise FeedError(
                    f"listing: {shown(row)}: expected details with groupDetails; "
                    "try again, and report it if it stays so"
                )
            yield from files


def _size(row: Mapping[str, Any]) -> int:
    """Return the bytes of a size in MB, which is text and rounded; 0 where it says nothing."""
    try:
        size = Decimal(str(row.get("sizeMB"))[:20])
    except InvalidOperation:
        return 0
    if not size.is_finite() or not 0 < size < _MOST_MB:
        return 0
    return int(size * (1 << 20))
