"""Serves the dashboard's chart by itself, under the policy of its page: for tests and measurements.

The page gives scripts of a test or a benchmark ``chart``, ``painted`` and ``pixel``.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from ravequant.vault.paths import CHECKOUT

STATIC: Final = CHECKOUT / "Dashboard" / "static"
PAGE: Final = Path(__file__).with_name("chart_alone")
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
KINDS: Final = {
    ".css": "text/css",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
}


@contextmanager
def chart_address() -> Iterator[str]:
    """Serve the chart on a free port of this computer; yields its address, ``http://host:port``."""
    files = {"/": PAGE / "index.html"}
    files |= {f"/{path.name}": path for path in PAGE.iterdir()}
    scripts = (path for kind in ("*.js", "*.mjs") for path in STATIC.rglob(kind))
    files |= {f"/static/{path.relative_to(STATIC).as_posix()}": path for path in scripts}

    class Files(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            file = files.get(self.path.partition("?")[0])
            body = b"" if file is None else file.read_bytes()
            self.send_response(404 if file is None else 200)
            self.send_header("Content-Type", KINDS[file.suffix] if file else "text/plain")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Content-Security-Policy", POLICY)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Files) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
