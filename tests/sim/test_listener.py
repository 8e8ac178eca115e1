"""The port of the local exchange: HTTP requests over kept connections, WebSockets, garbage."""

import asyncio

import pytest

from ravequant.errors import UsageError
from ravequant.sim.faults import Fault
from ravequant.sim.listener import listen
from ravequant.sim.rest import HttpAnswer


class Handler:
    """Answers every GET with its path and query."""

    def __init__(self):
        self.refusing = False
        self.fault = None
        self.welcomed = []

    def refuses(self):
        return self.refusing

    def get(self, path, query):
        return HttpAnswer(200, f"{path} {sorted(query.items())}".encode()), self.fault

    async def welcome(self, path, head, reader, writer):  # noqa: ARG002 - the listener's own names
        self.welcomed.append((path, head.endswith(b"\r\n\r\n")))


def talk(sent, handler=None):
    """Send bytes, return all that comes until the connection ends; None for a reset."""

    async def scene():
        server = await listen(handler or Handler(), "127.0.0.1", 0)
        async with asyncio.timeout(20), server:
            port = server.sockets[0].getsockname()[1]
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(sent)
            try:
                return await reader.read()
            except ConnectionError:
                return None
            finally:
                writer.close()

    return asyncio.run(scene())


def test_requests_share_a_connection_until_the_client_closes_it():
    """Keep-alive is the default; ``Connection: close`` ends it after the answer."""
    found = talk(
        b"GET /a?x=1 HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nConnection: Close\r\n\r\n"
    )
    assert found is not None
    first, second = found.split(b"HTTP/1.1 200 OK\r\n")[1:]
    assert first.endswith(b"Connection: keep-alive\r\n\r\n/a [('x', '1')]")
    assert second.endswith(b"Content-Length: 5\r\nConnection: close\r\n\r\n/b []")


def test_other_methods_are_refused_in_the_exchanges_form():
    """405, and the connection ends."""
    found = talk(b"POST /a HTTP/1.1\r\n\r\n")
    assert found is not None
    assert found.startswith(b"HTTP/1.1 405 Method Not Allowed\r\n")
    assert found.endswith(b'{"code":"50115","msg":"Invalid request method","data":[]}')


@pytest.mark.parametrize("refusing", [False, True])
def test_garbage_and_outages_break_the_connection(refusing):
    """Nothing is answered."""
    handler = Handler()
    handler.refusing = refusing
    sent = b"GET / HTTP/1.1\r\n\r\n" if refusing else b"hello\r\n\r\n"
    assert talk(sent, handler) in (None, b"")


def test_a_websocket_is_handed_on_with_its_head():
    """The handler does the rest."""
    handler = Handler()
    talk(b"GET /ws/v5/public HTTP/1.1\r\nUpgrade: WebSocket\r\n\r\n", handler)
    assert handler.welcomed == [("/ws/v5/public", True)]


def test_a_timeout_ends_without_an_answer_and_a_slow_answer_comes():
    """Both after their delay."""
    handler = Handler()
    handler.fault = Fault("rest-timeout", delay_ms=10)
    request = b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n"
    assert talk(request, handler) in (None, b"")
    handler.fault = Fault("rest-slow", delay_ms=10)
    assert talk(request, handler).endswith(b"/ []")


def test_a_port_that_is_taken_is_named():
    """With the remedy."""

    async def scene():
        server = await listen(Handler(), "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(UsageError, match=f"--port {port} cannot be served: .*--port 0"):
                await listen(Handler(), "127.0.0.1", port)

    asyncio.run(scene())
