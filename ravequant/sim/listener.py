"""The listener of the local exchange: one port that answers HTTP and opens WebSockets."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Protocol
from urllib.parse import parse_qsl, urlsplit

from ravequant.errors import UsageError
from ravequant.sim.faults import Fault
from ravequant.sim.rest import HttpAnswer
from ravequant.sim.sockets import reset

_HEAD_BYTES: Final = 65_536


class ConnectionHandler(Protocol):
    """The exchange, to which the listener passes requests."""

    def refuses(self) -> bool:
        """Return True if connections are refused now."""

    def get(self, path: str, query: Mapping[str, str]) -> tuple[HttpAnswer, Fault | None]:
        """Return the answer to a GET, and the fault that delays it."""

    async def welcome(
        self, path: str, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Serve a WebSocket, from its opening handshake to its end."""


@dataclass(frozen=True, slots=True)
class _RequestHead:
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]  # names in lower case


def _parse_head(head: bytes) -> _RequestHead | None:
    lines = head.decode("latin-1").split("\r\n")
    parts = lines[0].split(" ")
    if len(parts) != 3:
        return None
    url = urlsplit(parts[1])
    pairs = (line.partition(":") for line in lines[1:])
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    return _RequestHead(parts[0], url.path, dict(parse_qsl(url.query)), headers)


class Listener:
    """Reads request heads; a client may send several REST requests over one connection."""

    def __init__(self, handler: ConnectionHandler) -> None:
        self._handler = handler

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one TCP connection to its end."""
        try:
            while await self._request(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the client is gone, or its request is no HTTP
        except asyncio.CancelledError:
            pass  # the exchange ends; else asyncio would log an error
        finally:
            writer.close()

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; return True if the connection stays open for another."""
        if self._handler.refuses():
            reset(writer)
            return False
        raw = await reader.readuntil(b"\r\n\r\n")
        head = _parse_head(raw)
        if self._handler.refuses() or head is None:
            reset(writer)
            return False
        if head.headers.get("upgrade", "").lower() == "websocket":
            await self._handler.welcome(head.path, raw, reader, writer)
            return False
        if head.method != "GET":
            body = b'{"code":"50115","msg":"Invalid request method","data":[]}'
            await _write(writer, HttpAnswer(405, body), stays=False)
            return False
        return await self._get(head, writer)

    async def _get(self, head: _RequestHead, writer: asyncio.StreamWriter) -> bool:
        answer, fault = self._handler.get(head.path, head.query)
        if fault is not None:
            await asyncio.sleep(fault.delay_ms / 1_000)
            if fault.kind == "rest-timeout":
                reset(writer)
                return False
        stays = head.headers.get("connection", "").lower() != "close"
        await _write(writer, answer, stays=stays)
        return stays


async def _write(writer: asyncio.StreamWriter, answer: HttpAnswer, *, stays: bool) -> None:
    head = (
        f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}\r\n"
        f"Content-Type: {answer.content_type}\r\n"
        f"Content-Length: {len(answer.body)}\r\n"
        f"Connection: {'keep-alive' if stays else 'close'}\r\n\r\n"
    )
    writer.write(head.encode("ascii") + answer.body)
    await writer.drain()


async def listen(handler: ConnectionHandler, host: str, port: int) -> asyncio.Server:
    """Listen on a port, 0 for any free port; UsageError if the port cannot be used."""
    try:
        return await asyncio.start_server(Listener(handler).serve, host, port, limit=_HEAD_BYTES)
    except (OSError, OverflowError) as error:
        raise UsageError(
            f"--host {host} --port {port} cannot be served: {error}; --port 0 takes any free port"
        ) from None
