"""GET requests to one address: paced by path, bounded in size and time, repeated where it may help.

Blocking; a program with an event loop calls it from a thread. The caller reads the answers.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, TypeVar

from urllib3.exceptions import HTTPError

from ravequant.errors import FeedError
from ravequant.exchanges.base import RefusedError
from ravequant.exchanges.lean_http import requests
from ravequant.exchanges.url import USER_AGENT, check_url
from ravequant.records import RecordError

SAFETY: Final = 0.9  # of a limit
_BURST: Final = 1
_TIMEOUTS_S: Final = (5.0, 10.0)  # to connect, between two bytes
_WHOLE_ANSWER_S: Final = 20.0
_MOST_BYTES: Final = 16 << 20  # all swaps' metadata is about 1 MB
_log = logging.getLogger(__name__)
R = TypeVar("R")


class PassingError(FeedError):
    """A failure that may be over in a moment: the request is repeated after ``wait_s`` or more."""

    wait_s: float = 0.0


class HttpReply(NamedTuple):
    """The answer to a GET; ``where`` is the address that was asked, without its query."""

    where: str
    status: int
    body: bytes
    headers: Mapping[str, str]


class TokenBucket:
    """Paces the requests of one path; safe to use from several threads."""

    def __init__(self, per_second: float, burst: int, clock: Callable[[], float]) -> None:
        self._step = 1 / per_second
        self._burst = burst
        self._clock = clock
        self._next = clock()
        self._lock = threading.Lock()

    def reserve(self) -> float:
        """Reserve the next request; return the seconds to wait for it."""
        with self._lock:
            now = self._clock()
            self._next = max(self._next, now - self._burst * self._step) + self._step
            return max(0.0, self._next - now)


class PacedHttp:
    """A client of one address; ``close`` ends its waits, from any thread.

    ``per_second`` holds the limit of each pace, ``setting`` the settings that name the address.
    """

    def __init__(
        self,
        url: str,
        per_second: Mapping[str, float],
        setting: str,
        *,
        attempts: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.url = url.rstrip("/")
        self._setting, self._attempts = setting, attempts
        self._closed = threading.Event()
        self._buckets = {
            pace: TokenBucket(rate * SAFETY, _BURST, clock) for pace, rate in per_second.items()
        }
        self._http = requests.Session()
        self._http.headers["User-Agent"] = USER_AGENT
        self._http.trust_env = not check_url(url, "https", "http")

    def close(self) -> None:
        """End waits and refuse further requests."""
        self._closed.set()
        self._http.close()

    def ask(
        self,
        path: str,
        query: Mapping[str, str],
        read: Callable[[HttpReply], R],
        *,
        pace: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> R:
        """Return the result of ``read`` on the answer; its PassingError repeats the request.

        ``pace`` is the path unless it is given. Raises FeedError once all attempts have failed.
        """
        for attempt in range(1, self._attempts + 1):
            self._pause(self._buckets[pace or path].reserve())
            try:
                return read(self._get(path, query, headers))
            except PassingError as error:
                if attempt == self._attempts:
                    raise FeedError(f"{error} (asked {attempt} times)") from None
                wait = random.uniform(0.1, min(8.0, 0.5 * 2**attempt))  # noqa: S311 - jitter
                wait = max(wait, error.wait_s)
                _log.info("%s; attempt %d in %.1f s", error, attempt + 1, wait)
                self._pause(wait)
        raise AssertionError

    def _pause(self, seconds: float) -> None:
        if self._closed.wait(seconds):
            raise FeedError(f"{self.url}: the client was closed")

    def _get(
        self, path: str, query: Mapping[str, str], headers: Mapping[str, str] | None
    ) -> HttpReply:
        where = f"{self.url}{path}"
        try:
            with self._http.get(
                where,
                params=dict(query),
                headers=headers,
                timeout=_TIMEOUTS_S,
                stream=True,
                allow_redirects=False,
            ) as response:
                if response.is_redirect or response.is_permanent_redirect:
                    raise RefusedError(
                        f"{where}: redirected to {response.headers.get('Location')!r:.100}; "
                        f"expected an answer. Set {self._setting} to the right address",
                        "redirect",
                    )
                body = _bounded(response, where)
        except (requests.RequestException, HTTPError) as error:
            raise PassingError(f"{where}: {type(error).__name__}: {_reason(error):.200}") from None
        return HttpReply(where, response.status_code, body, response.headers)


def sound_rows(path: str, rows: list[Any], read: Callable[[Any], R]) -> list[R]:
    """Return the rows that can be read; the others are logged."""
    found, faults = [], []
    for row in rows:
        try:
            found.append(read(row))
        except RecordError as error:
            faults.append(str(error))
    if faults:
        _log.warning("%s: %d rows rejected: %s", path, len(faults), faults[0])
    return found


def _reason(error: Exception) -> str:
    """Return the innermost reason of a library's error, without the texts wrapped around it."""
    inner: Any = error.args[0] if error.args else None
    while isinstance(reason := getattr(inner, "reason", None), Exception):
        inner = reason
    said = str(error if inner is None else inner)
    return said.partition("): ")[2] or said  # behind the name of the connection


def _bounded(response: requests.Response, where: str) -> bytes:
    body, began = bytearray(), time.monotonic()
    # read1 returns the bytes that have come: with read(65536) a slow answer escaped both limits
    while block := response.raw.read1(1 << 16, decode_content=True):
        body += block
        if len(body) > _MOST_BYTES:
            raise PassingError(f"{where}: the answer is longer than {_MOST_BYTES} bytes")
        if time.monotonic() - began > _WHOLE_ANSWER_S:
            raise PassingError(f"{where}: the answer took longer than {_WHOLE_ANSWER_S:g} s")
    return bytes(body)
