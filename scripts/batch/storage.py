"""The places of a recomputation: a local folder, or a folder in an object storage.

A ``Remote`` has the methods of ``Path`` that reading a vault needs, so a ``Vault`` may stand on
either. Requests and bytes are counted; an error of the storage is an OSError.
"""

import errno
import importlib
import importlib.util
import io
import re
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from os import stat_result
from pathlib import Path
from types import ModuleType
from typing import Any, Final, cast

from ravequant.errors import RaveQuantError, UsageError
from ravequant.vault.paths import Vault

SCHEMES: Final = ("s3", "memory")
LEAST_AT_ONCE: Final = 1 << 20  # bytes of a file's first request
MOST_AT_ONCE: Final = 8 << 20  # of one while it is read through
_LINE: Final = 4_096  # a part ends with the line that crosses its end
_URL = re.compile(r"([a-z][a-z0-9+.-]*)://(.*)", re.DOTALL)
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._=-]*)*/?")
_INSTALL: Final = {
    "fsspec": "fsspec",
    "s3fs": "s3fs",
    "distributed": "dask and distributed",
}


@dataclass(slots=True)
class Traffic:
    """The requests of this process to object storages."""

    requests: int = 0
    received: int = 0  # bytes
    sent: int = 0


TRAFFIC: Final = Traffic()


def require(name: str) -> ModuleType:
    """Return an installed module of the extra, or say how to install it (exit code 1)."""
    if importlib.util.find_spec(name) is None:
        raise RaveQuantError(
            f"{_INSTALL[name]}: not installed for {sys.executable}; install what recomputing needs "
            f'with: "{sys.executable}" -m pip install -e ".[scale]", in the folder of RaveQuant'
        )
    return importlib.import_module(name)


@cache
def _storage(scheme: str) -> Any:
    if scheme == "s3":
        require("s3fs")
    return require("fsspec").filesystem(scheme, use_listings_cache=False)


@dataclass(frozen=True, slots=True, order=True)
class Remote:
    """A file or folder of an object storage; its order is that of the names."""

    url: str  # without a slash at its end
    size: int = -1  # as it was listed; -1: ask
    stamp: str = ""  # changes with the content

    @property
    def name(self) -> str:
        """The last part."""
        return self.url.rpartition("/")[2]

    @property
    def suffix(self) -> str:
        """What follows the last dot of the name, with the dot."""
        return Path(self.name).suffix

    @property
    def parent(self) -> "Remote":
        """The folder it is in."""
        return Remote(self.url.rpartition("/")[0])

    def __truediv__(self, name: object) -> "Remote":
        return Remote(f"{self.url}/{name}")

    def __str__(self) -> str:
        return self.url

    def iterdir(self) -> Iterator["Remote"]:
        """Yield what is in the folder; FileNotFoundError if there is none."""
        for row in _asked(self, "ls", _path(self.url), detail=True):
            name = str(row["name"]).rstrip("/").rpartition("/")[2]
            if name and row["name"].rstrip("/") != _path(self.url):
                yield replace(self / name, size=int(row.get("size") or 0), stamp=_stamp(row))

    def is_dir(self) -> bool:
        """Return True if a file is in it."""
        return bool(_asked(self, "isdir", _path(self.url)))

    def exists(self) -> bool:
        """Return True if the file exists."""
        return bool(_asked(self, "exists", _path(self.url)))

    def stat(self) -> stat_result:
        """Return the size, as a file has it."""
        size = self.size if self.size >= 0 else self._info()["size"]
        return stat_result((stat.S_IFREG | 0o444, 0, 0, 1, 0, 0, int(size), 0, 0, 0))

    def _info(self) -> Any:
        return _asked(self, "info", _path(self.url))

    def open(self, mode: str = "rb", buffering: int = -1) -> io.RawIOBase:
        """Open it for reading."""
        if mode != "rb":
            raise io.UnsupportedOperation(f"{self.url}: mode {mode!r}, expected 'rb'; {buffering}")
        return Ranges(self, self.stat().st_size)

    def read_bytes(self) -> bytes:
        """Return the whole content; FileNotFoundError if it is not there."""
        data = bytes(_asked(self, "cat_file", _path(self.url)))
        TRAFFIC.received += len(data)
        return data

    def read_range(self, start: int, end: int) -> bytes:
        """Return some of the content, in one request."""
        data = bytes(_asked(self, "cat_file", _path(self.url), start=start, end=end))
        TRAFFIC.received += len(data)
        return data

    def write_bytes(self, data: bytes) -> int:
        """Replace the content at once: a reader sees the old or the new one."""
        _asked(self, "pipe_file", _path(self.url), data)
        TRAFFIC.sent += len(data)
        return len(data)

    def put(self, source: Path) -> None:
        """Replace the content by that of a local file, however large."""
        _asked(self, "put_file", str(source), _path(self.url))
        TRAFFIC.sent += source.stat().st_size

    def fetch(self, target: Path) -> None:
        """Copy the content into a local file."""
        target.parent.mkdir(parents=True, exist_ok=True)
        _asked(self, "get_file", _path(self.url), str(target))
        TRAFFIC.received += target.stat().st_size

    def remove(self) -> None:
        """Delete the file, or the folder with all that is in it."""
        _asked(self, "rm", _path(self.url), recursive=True)


Place = Path | Remote


class Ranges(io.RawIOBase):
    """An object, read by ranges: small ones after a seek, larger ones while reading on."""

    def __init__(self, source: Remote, size: int) -> None:
        super().__init__()
        self._source, self._size = source, size
        self._at = self._start = 0
        self._held = b""
        self._wanted = 0  # of the last request
        self._expected = 0

    def expect(self, end: int) -> None:
        """Expect reading on to about ``end``, and not farther."""
        self._expected = min(end + _LINE, self._size)

    def readable(self) -> bool:
        """It can be read."""
        return True

    def seekable(self) -> bool:
        """It can seek."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Stand elsewhere; nothing is asked for yet."""
        start = (0, self._at, self._size)[whence]
        self._at = max(0, start + offset)
        return self._at

    def tell(self) -> int:
        """Return where it stands."""
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fill some of ``buffer``; return how much."""
        wanted = min(len(buffer), self._size - self._at)
        if wanted <= 0:
            return 0
        found = self._held[self._at - self._start :] if self._at >= self._start else b""
        if not found:
            found = self._fetch(wanted)
        found = found[:wanted]
        buffer[: len(found)] = found
        self._at += len(found)
        return len(found)

    def _fetch(self, wanted: int) -> bytes:
        if self._at < self._expected:
            self._wanted = self._expected - self._at
        else:
            reads_on = self._held and self._at == self._start + len(self._held)
            more = 2 * self._wanted if reads_on else LEAST_AT_ONCE
            self._wanted = max(wanted, min(more, MOST_AT_ONCE))
        end = min(self._at + self._wanted, self._size)
        self._start, self._held = self._at, self._source.read_range(self._at, end)
        if len(self._held) != end - self._at:
            raise OSError(errno.EIO, f"{end - self._at} bytes asked, {len(self._held)} received")
        return self._held


def _path(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return rest if scheme == "s3" else f"/{rest}"


def _stamp(row: dict[str, Any]) -> str:
    found = (row.get(name) for name in ("ETag", "LastModified", "created"))
    return str(next(filter(None, found), "")).strip('"')


def _asked(place: Remote, ask: str, *args: Any, **kwargs: Any) -> Any:
    """Ask the storage. Raises OSError with the reason, and never with credentials."""
    TRAFFIC.requests += 1
    try:
        return getattr(_storage(place.url.partition("://")[0]), ask)(*args, **kwargs)
    except (FileNotFoundError, RaveQuantError):
        raise
    except OSError as error:
        raise OSError(error.errno or errno.EIO, error.strerror or _reason(error)) from None
    except Exception as error:  # noqa: BLE001 - each storage has errors of its own
        raise OSError(errno.EIO, _reason(error)) from None


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error)[:200]}"


def place_of(option: str, text: str) -> Place:
    """Return the place that an option names; UsageError if it is none that can be used."""
    match = _URL.fullmatch(text)
    if match is None and "://" not in text and "::" not in text:
        root = Path(text).absolute()
    elif match is not None and match[1] == "file" and match[2].startswith("/"):
        root = Path(match[2].removeprefix("/") if sys.platform == "win32" else match[2])
    else:
        return _remote(option, match)
    if root.exists() and not root.is_dir():
        raise UsageError(f"{option} {root} is a file; expected a folder")
    return root


def _remote(option: str, match: re.Match[str] | None) -> Remote:
    """Return a Remote. Raises UsageError without the address: a password may stand in it."""
    if match is None or match[1] not in SCHEMES:
        met = f"{match[1]}://" if match else "an address of several parts"
        raise UsageError(
            f"{option}: {met} cannot be used; expected a folder, file:///folder, "
            "s3://bucket/folder or memory://name"
        )
    rest = match[2].rstrip("/")
    if not _PLAIN.fullmatch(rest):
        raise UsageError(
            f"{option}: not like {match[1]}://bucket/folder: letters, digits, '.', '_', '-' and "
            "'/' only, no '..'; credentials belong into the environment (AWS_ACCESS_KEY_ID …)"
        )
    _storage(match[1])
    return Remote(f"{match[1]}://{rest}")


def vault_at(place: Place) -> Vault:
    """Return the names of a vault that stands there."""
    return Vault(cast("Path", place))
