"""The clock of a local exchange, at a moment of the test's choice, for questions of now."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import orjson
import pytest

from ravequant.signals.clock import CLOCK_VARIABLE


class ExchangeClock:
    """The address of a clock, and the time that it tells."""

    def __init__(self) -> None:
        self.now_ms = 0
        clock = self

        class Answer(BaseHTTPRequestHandler):
            """Answers every request with the time."""

            def do_GET(self) -> None:
                """Answer as OKX's public/time does."""
                body = orjson.dumps({"code": "0", "data": [{"ts": str(clock.now_ms)}]})
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server.server_address[1]}"


@contextmanager
def exchange_clock() -> Iterator[ExchangeClock]:
    """Serve a clock that the programs take for theirs."""
    clock = ExchangeClock()
    thread = Thread(target=clock.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(CLOCK_VARIABLE, clock.url)
            yield clock
    finally:
        clock.server.shutdown()
        clock.server.server_close()
        thread.join()
