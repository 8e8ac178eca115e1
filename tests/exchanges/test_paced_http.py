"""Paced requests against a real HTTP server: their rate, their bounds, and when they end."""

import threading
import time
from contextlib import suppress
from socketserver import StreamRequestHandler, ThreadingTCPServer

import pytest

from ravequant.errors import FeedError
from ravequant.exchanges import paced_http
from ravequant.exchanges.paced_http import (
    HttpReply,
    PacedHttp,
    PassingError,
    TokenBucket,
    sound_rows,
)
from ravequant.records import RecordError
from tests.support.scripted_http import Script, serving

PATH = "/a"


def client(url, attempts=1) -> PacedHttp:
    return PacedHttp(url, {PATH: 1_000.0}, "okx.rest_url", attempts=attempts)


def body(reply: HttpReply) -> bytes:
    return reply.body


def test_the_bucket_never_exceeds_the_rate():
    """However requests come, any two seconds hold at most burst + 2 s x rate of them."""
    now = 100.0
    bucket = TokenBucket(10.0, 4, lambda: now)
    sent: list[float] = []
    for _ in range(100):
        wait = bucket.reserve()
        now += wait + 0.013 * (len(sent) % 3)
        sent.append(now)
    for start in sent:
        assert sum(start <= moment < start + 2.0 for moment in sent) <= 24
    assert sent[-1] - sent[0] >= 9.0


def test_an_endless_answer_is_cut(monkeypatch):
    """An answer beyond the bound is refused, however often it is asked for."""
    monkeypatch.setattr(paced_http, "_MOST_BYTES", 1000)
    monkeypatch.setattr("random.uniform", lambda low, _high: low / 100)
    script = Script([(200, {}, b"x" * 2000)])
    with serving(script) as url, pytest.raises(FeedError, match="longer than 1000 bytes"):
        client(url, 2).ask(PATH, {}, body)
    assert len(script.requests) == 2


@pytest.mark.parametrize("head", ["Content-Length: 1000", "Transfer-Encoding: chunked"])
def test_an_answer_that_drips_is_given_up(monkeypatch, head):
    """Bytes that keep coming, one by one, hold nobody up: the whole answer has its time."""
    monkeypatch.setattr(paced_http, "_WHOLE_ANSWER_S", 0.2)

    class Drip(StreamRequestHandler):
        def handle(self):
            self.rfile.readline()
            self.wfile.write(f"HTTP/1.1 200 OK\r\n{head}\r\n\r\n".encode())
            with suppress(OSError):
                for _ in range(40):
                    self.wfile.write(b"x" if "Length" in head else b"1\r\nx\r\n")
                    time.sleep(0.05)

    with ThreadingTCPServer(("127.0.0.1", 0), Drip) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        with pytest.raises(FeedError, match=r"the answer took longer than 0\.2 s"):
            client(f"http://127.0.0.1:{port}").ask(PATH, {}, body)
        server.shutdown()


def test_it_waits_as_long_as_the_answer_asks(monkeypatch):
    """At least so long, and another thread can end the wait."""
    monkeypatch.setattr("random.uniform", lambda low, _high: low / 100)

    def read(reply: HttpReply) -> bytes:
        if reply.status != 200:
            passing = PassingError("later")
            passing.wait_s = float(reply.headers["Retry-After"])
            raise passing
        return reply.body

    script = Script([(429, {"Retry-After": "0.3"}, b""), (200, {}, b"well")])
    with serving(script) as url:
        began = time.monotonic()
        assert client(url, 2).ask(PATH, {"b": "c"}, read, headers={"X": "y"}) == b"well"
        assert time.monotonic() - began >= 0.3
        assert script.requests == [(PATH, {"b": "c"})] * 2
        assert [found["X"] for found in script.headers] == ["y"] * 2
        script.answers = [(429, {"Retry-After": "60"}, b"")]
        made = client(url, 2)
        threading.Timer(0.2, made.close).start()
        with pytest.raises(FeedError, match="the client was closed"):
            made.ask(PATH, {}, read)
        assert time.monotonic() - began < 20


def test_rows_that_cannot_be_read_are_left_out(caplog):
    """They are counted in the log, with the reason of the first."""

    def read(row: int) -> int:
        if row < 0:
            raise RecordError(f"{row} is below zero")
        return row

    assert sound_rows(PATH, [1, -2, 3, -4], read) == [1, 3]
    assert caplog.messages == ["/a: 2 rows rejected: -2 is below zero"]
