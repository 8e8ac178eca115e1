"""A file host on this machine, over real sockets: ranges, ETags, and what goes wrong by script."""

import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ravequant.exchanges.archive.published import PublishedFile


@dataclass
class Trouble:
    """How the next request is answered; an empty one is answered well."""

    status: int = 0  # this status and no file
    cut: int = 0  # the connection breaks after so many bytes
    headers: dict[str, str] = field(default_factory=dict)  # in the place of its own
    without: tuple[str, ...] = ()  # headers that are left out
    flip: bool = False  # the first byte is another
    pace: float = 0.0  # seconds between two kilobytes


@dataclass
class FileHost:
    """The files of the host, the troubles to come, and the requests that came."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    troubles: list[Trouble] = field(default_factory=list)
    always: Trouble = field(default_factory=Trouble)
    requests: list[dict[str, str]] = field(default_factory=list)

    def published(self, name: str, stream: str = "trades") -> PublishedFile:
        """Return a file as a listing would name it."""
        label = name.removesuffix(".zip").removesuffix(".tar.gz")[-10:]
        size = len(self.files.get(name, b""))
        return PublishedFile(name, stream, "BTC-USDT-SWAP", label, f"{self.url}/{name}?v=9", size)

    def etag(self, name: str) -> str:
        """Return the ETag of a file."""
        return hashlib.md5(self.files[name], usedforsecurity=False).hexdigest()


@contextmanager
def file_host() -> Iterator[FileHost]:
    """Run a host; yields it."""
    host = FileHost()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            host.requests.append({"path": self.path, **dict(self.headers.items())})
            with suppress(ConnectionError):  # a client that was killed
                answer(self, host, host.troubles.pop(0) if host.troubles else host.always)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        host.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield host
        finally:
            server.shutdown()


def answer(handler: BaseHTTPRequestHandler, host: FileHost, trouble: Trouble) -> None:
    """Answer one request, in trouble or well."""
    name = handler.path.split("?")[0].lstrip("/")
    data = host.files.get(name)
    if trouble.status or data is None:
        send(handler, trouble.status or 404, b"no", trouble)
        return
    etag = f'"{host.etag(name)}"'
    etag = trouble.headers.get("ETag", etag)
    asked = handler.headers.get("Range", "")
    first = int(asked[6:-1]) if asked and handler.headers.get("If-Range", etag) == etag else 0
    status, headers = 200, {"ETag": etag}
    if first:
        status = 206
        headers["Content-Range"] = f"bytes {first}-{len(data) - 1}/{len(data)}"
    body = data[first:]
    if trouble.flip:
        body = bytes([body[0] ^ 1]) + body[1:]
    send(handler, status, body, trouble, headers)


def send(
    handler: BaseHTTPRequestHandler,
    status: int,
    body: bytes,
    trouble: Trouble,
    headers: dict[str, str] | None = None,
) -> None:
    """Send an answer, or a part of it."""
    handler.send_response(status)
    shown = {"Content-Length": str(len(body)), **(headers or {}), **trouble.headers}
    for key, value in shown.items():
        if key not in trouble.without:
            handler.send_header(key, value)
    handler.end_headers()
    body = body[: trouble.cut] if trouble.cut else body
    for start in range(0, len(body), 1_024):
        handler.wfile.write(body[start : start + 1_024])
        time.sleep(trouble.pace)
    if trouble.cut or "Content-Length" in trouble.without:
        handler.close_connection = True
