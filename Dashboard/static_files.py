"""The files of the page: read once at the start, found by name in a map, never by a path."""

import hashlib
from pathlib import Path
from typing import Final, NamedTuple

from starlette.datastructures import Headers
from starlette.responses import Response

from ravequant.vault.paths import StrPath

FOLDER: Final = Path(__file__).resolve().parent / "static"
PAGE: Final = "index.html"
_KINDS: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
_TEXTS: Final = ("LICENSE", "NOTICE")
_NAMED: Final = (b"page.css", b"main.js")
_FOR_EVER: Final = "public, max-age=31536000, immutable"


class StaticFile(NamedTuple):
    """A file of the page."""

    content: bytes
    kind: str
    etag: str


class StaticFiles:
    """All files of the page by their names below ``static/``, with ``/`` between folders."""

    def __init__(self, folder: StrPath = FOLDER) -> None:
        root = Path(folder)
        self._files = {
            path.relative_to(root).as_posix(): _read(path)
            for path in sorted(root.rglob("*"))
            if path.is_file() and (path.suffix in _KINDS or path.name in _TEXTS)
        }
        whole = hashlib.sha256()
        for name, file in self._files.items():
            whole.update(f"{name} {file.etag}\n".encode())
        self.page_hash = whole.hexdigest()[:16]
        if PAGE in self._files:
            self._files[PAGE] = _versioned(self._files[PAGE], self.page_hash)

    def answer(self, name: str, headers: Headers, version: str = "") -> Response | None:
        """Return the answer to a request for a file; None if there is no such file.

        A file that is asked for by the hash of the page may be kept for ever; any other is asked
        for again each time, and comes only if it has changed.
        """
        file = self._files.get(name)
        if file is None:
            return None
        kept = _FOR_EVER if version == self.page_hash else "no-cache"
        given = {"ETag": file.etag, "Cache-Control": kept}
        if file.etag in headers.get("if-none-match", ""):
            return Response(status_code=304, headers=given)
        return Response(file.content, media_type=file.kind, headers=given)


def _read(path: Path) -> StaticFile:
    return _file(path.read_bytes(), _KINDS.get(path.suffix, "text/plain; charset=utf-8"))


def _versioned(page: StaticFile, page_hash: str) -> StaticFile:
    """Return the page with its hash behind the files that it names; modules name no hash."""
    content = page.content
    for name in _NAMED:
        content = content.replace(
            b'"/static/%s"' % name, b'"/static/%s?v=%s"' % (name, page_hash.encode())
        )
    return _file(content, page.kind)


def _file(content: bytes, kind: str) -> StaticFile:
    return StaticFile(content, kind, f'"{hashlib.sha256(content).hexdigest()[:20]}"')
