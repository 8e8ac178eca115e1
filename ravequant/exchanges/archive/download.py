"""Fetches published files, one at a time: resumed by ETag and size, checked by MD5 and length.

404 means that there is no such file. 403 and 429 mean too many requests: wait a minute, then two,
four and so on. Cut transfers and errors of the server are tried again from the byte reached. No
redirect is followed.
"""

import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, Protocol

import requests
from urllib3.exceptions import HTTPError

from ravequant.errors import FeedError, VaultError, shown
from ravequant.exchanges.archive.partial import (
    PartialFile,
    bare_name,
    fetched_names,
    noted,
    remove,
)
from ravequant.exchanges.archive.published import PublishedFile
from ravequant.exchanges.archive.publisher import DayFiles
from ravequant.exchanges.url import USER_AGENT, check_url
from ravequant.vault.atomic import disk_error, make_folder
from ravequant.vault.paths import StrPath

_TIMEOUTS_S: Final = (10.0, 60.0)  # to connect, between two bytes
_REFUSED_S: Final = 60.0  # the first wait after 403 and 429; each further one doubles
_MOST_REFUSALS: Final = 6
_MOST_FAILURES: Final = 6  # in a row, without a new byte
_MOST_FAILURE_S: Final = 60.0
_MOST_BYTES: Final = 8 << 30
_ROOM: Final = 64 << 20  # bytes of the disk that stay free
_BLOCK: Final = 1 << 18


class Fetched(NamedTuple):
    """A whole file on this disk."""

    path: Path
    size: int
    etag: str  # as the exchange sent it; empty if the file was there before


class Watcher(Protocol):
    """Learns how far a transfer is."""

    def begins(self, name: str, size: int, have: int) -> None:
        """A transfer begins or goes on: bytes of the file, and those that are there."""

    def receives(self, size: int) -> None:
        """More bytes came."""

    def ends(self, name: str) -> None:
        """The file is whole."""

    def waits(self, name: str, reason: str, seconds: float) -> None:
        """The transfer waits."""


class _PauseError(Exception):
    """The request may work later; ``refused``: the host asked for fewer requests."""

    def __init__(self, reason: str, *, refused: bool = False) -> None:
        super().__init__(reason)
        self.refused = refused


class Fetcher:
    """Fetches files into a folder. Raises FeedError for the exchange, VaultError for the disk."""

    def __init__(
        self,
        folder: StrPath,
        *,
        watcher: Watcher | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.folder = Path(folder)
        self._watcher = watcher
        self._pause = pause
        self._absent: set[str] = set()
        self._http = requests.Session()
        self._http.headers.update({"User-Agent": USER_AGENT, "Accept-Encoding": "identity"})
        try:
            make_folder(self.folder)
        except OSError as error:
            raise disk_error(self.folder, "made", error) from error

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def fetch(self, file: PublishedFile) -> Fetched | None:
        """Return the whole file, fetched if it is not there; None if the exchange has none."""
        path = self.folder / bare_name(file.name)
        self._http.trust_env = not check_url(file.url, "https", "http")
        if file.url in self._absent:
            return None
        if not path.is_file() and not self._fetch(file, path):
            self._absent.add(file.url)
            return None
        etag, _ = noted(path)
        return Fetched(path, path.stat().st_size, etag)

    def _fetch(self, file: PublishedFile, path: Path) -> bool:
        """Fetch until it is whole; return False if there is no such file."""
        part = PartialFile(path)
        refusals = failures = mismatches = 0
        while True:
            reached = part.length
            try:
                if not part.whole and not self._attempt(file, part):
                    remove(path)
                    return False
                if part.finish():
                    self._say("ends", file.name)
                    return True
                mismatches += 1
                if mismatches > 1:
                    raise FeedError(_mismatch(file))
            except _PauseError as error:
                failures = 0 if part.length > reached else failures
                refusals, failures = refusals + error.refused, failures + (not error.refused)
                seconds = self._patience(file, error, refusals, failures)
                self._say("waits", file.name, str(error), seconds)
                self._pause(seconds)

    def _patience(
        self, file: PublishedFile, error: _PauseError, refusals: int, failures: int
    ) -> float:
        """Return the seconds to wait before the next attempt; FeedError after too many."""
        if refusals >= _MOST_REFUSALS or failures >= _MOST_FAILURES:
            raise FeedError(
                f"{file.url}: {error} ({refusals + failures} times); run again later: it goes on "
                "from the byte reached"
            )
        if error.refused:
            return float(_REFUSED_S * 2 ** (refusals - 1))
        return float(min(_MOST_FAILURE_S, 2**failures))

    def _attempt(self, file: PublishedFile, part: PartialFile) -> bool:
        """Receive the lacking bytes; False if there is no such file. _PauseError if it was cut."""
        headers = {"Range": f"bytes={part.length}-", "If-Range": f'"{part.etag}"'}
        resumed = part.length > 0 and part.etag != ""
        try:
            with self._http.get(
                file.url,
                headers=headers if resumed else {},
                timeout=_TIMEOUTS_S,
                stream=True,
                allow_redirects=False,
            ) as answer:
                if answer.status_code == requests.codes.not_found:
                    return False
                self._believe(file, answer, part)
                self._say("begins", file.name, part.size, part.length)
                while block := answer.raw.read1(_BLOCK, decode_content=False):
                    part.append(block)
                    self._say("receives", len(block))
        except (requests.RequestException, HTTPError) as error:
            raise _PauseError(f"{type(error).__name__} at byte {part.length}") from None
        if not part.whole:
            raise _PauseError(f"cut at byte {part.length} of {part.size}")
        return True

    def _believe(self, file: PublishedFile, answer: requests.Response, part: PartialFile) -> None:
        """Check status and headers; the part is begun anew where its bytes are of no use."""
        status = answer.status_code
        if status in (requests.codes.too_many, requests.codes.forbidden):
            raise _PauseError(f"HTTP {status}", refused=True)
        if status >= 500:
            raise _PauseError(f"HTTP {status}")
        if status == requests.codes.partial:
            if _continues(answer.headers, part):
                return
            part.begin("", 0)
            raise _PauseError("HTTP 206 of another version, begun anew")
        if status == requests.codes.requested_range_not_satisfiable:
            part.begin("", 0)
            raise _PauseError("HTTP 416, begun anew")
        if status != requests.codes.ok:
            raise FeedError(_unexpected(file, answer))
        part.begin(_etag(answer.headers), self._size(file, answer.headers))

    def _size(self, file: PublishedFile, headers: Mapping[str, str]) -> int:
        """Return the size that is said; FeedError if it is none, VaultError if the disk is full."""
        text, packing = headers.get("Content-Length", ""), headers.get("Content-Encoding", "")
        if not (text.isascii() and text.isdigit() and 0 < int(text) <= _MOST_BYTES) or packing:
            raise FeedError(
                f"{file.url}: Content-Length {shown(text)}, Content-Encoding {shown(packing)}: "
                f"expected 1 to {_MOST_BYTES} bytes as they are; try again later"
            )
        size = int(text)
        free = shutil.disk_usage(self.folder).free
        if free < size + _ROOM:
            raise VaultError(
                f"{self.folder}: {free >> 20} MB free, {(size + _ROOM) >> 20} MB needed for "
                f"{file.name}; free space on its disk, or name a folder on another one"
            )
        return size

    def _say(self, what: str, *facts: object) -> None:
        if self._watcher is not None:
            getattr(self._watcher, what)(*facts)

    def keep_only(self, names: Iterable[str]) -> None:
        """Delete every file that was fetched here, or in part, but these."""
        for name in fetched_names(self.folder) - set(names):
            remove(self.folder / name)


def _continues(headers: Mapping[str, str], part: PartialFile) -> bool:
    """Return True if an answer has the rest of the bytes of the same version."""
    span = f"bytes {part.length}-{part.size - 1}/{part.size}"
    same = _etag(headers).lower() == part.etag.lower()
    return same and headers.get("Content-Range", "") == span


def _etag(headers: Mapping[str, str]) -> str:
    """Return the ETag without its quotes; empty if it is weak or absent: nothing to resume by."""
    text = headers.get("ETag", "").strip()
    return text[1:-1] if len(text) > 2 and text[0] == text[-1] == '"' and text.isascii() else ""


def _mismatch(file: PublishedFile) -> str:
    return (
        f"{file.url}: its MD5 is not its ETag, twice; nothing was kept, run again later, and "
        "report it if it stays so"
    )


def _unexpected(file: PublishedFile, answer: requests.Response) -> str:
    where = answer.headers.get("Location")
    leads = f", leads to {shown(where)}" if where else ""
    return (
        f"{file.url}: HTTP {answer.status_code}{leads}: expected 200 from that host itself; fetch "
        "the file with a browser and use --dir, and report it if it stays so"
    )


# -- the days of an import


@dataclass(frozen=True, slots=True)
class FetchedDay:
    """The files of a UTC day that are on this disk, and those that the exchange does not have."""

    day: str
    fetched: tuple[Fetched, ...]
    absent: tuple[PublishedFile, ...]  # listed, and 404
    unlisted: tuple[tuple[str, str], ...] = ()  # (stream, label)


def fetch_days(
    fetcher: Fetcher, days: Iterable[DayFiles], *, keep: bool = False
) -> Iterator[FetchedDay]:
    """Yield each day with its files; when the next is asked for, files it does not need go.

    So no more is on disk than a day needs: two files of trades, or a book. Files are deleted only
    once the day that they were yielded for is done with; an import that stops in between finds
    them again. ``keep``: nothing is deleted.
    """
    for day in days:
        if not keep:
            fetcher.keep_only(file.name for file in day.files)
        found = [(file, fetcher.fetch(file)) for file in day.files]
        yield FetchedDay(
            day.day,
            tuple(fetched for _, fetched in found if fetched is not None),
            tuple(file for file, fetched in found if fetched is None),
            day.absent,
        )
    if not keep:
        fetcher.keep_only(())
