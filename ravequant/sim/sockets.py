"""One WebSocket connection of the local exchange: text in, frames out in batches, ways to end."""

import asyncio
import os
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import suppress

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

_CLOSE_WITHIN_S = 2  # then the connection ends, whether or not the client has answered


class Connection(ServerConnection):
    """The library's connection, which can also stop hearing."""

    deaf = False

    def data_received(self, data: bytes) -> None:
        """Take in bytes of the client."""
        if not self.deaf:
            super().data_received(data)


class Socket:
    """A connection after its handshake; ``send`` only collects, ``flush`` writes."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.waiting_bytes = 0  # collected, not yet written
        self.heard_s = connection.loop.time()  # newest frame, either way

    @property
    def open(self) -> bool:
        """Return True if frames can still be sent."""
        connection = self._connection
        alive = connection.state is State.OPEN and not connection.transport.is_closing()
        return alive and not connection.deaf

    @property
    def unread_bytes(self) -> int:
        """Return the bytes that the client has not taken yet."""
        return self._connection.transport.get_write_buffer_size()

    def send(self, payload: bytes) -> bool:
        """Collect one text frame; return False if the connection is gone."""
        if not self.open:
            return False
        self._connection.protocol.send_text(payload)
        self.waiting_bytes += len(payload)
        return True

    def flush(self) -> None:
        """Write all collected frames in one piece."""
        if self.waiting_bytes and self.open:
            self._connection.transport.write(b"".join(self._connection.protocol.data_to_send()))
            self.heard_s = self._connection.loop.time()
        self.waiting_bytes = 0

    async def drain(self) -> None:
        """Wait until the client has taken nearly everything, or is gone."""
        with suppress(ConnectionError):
            await self._connection.drain()

    async def texts(self) -> AsyncIterator[str]:
        """Yield the client's messages until the connection ends, however it ends."""
        with suppress(ConnectionClosed):
            while True:
                text = await self._connection.recv(decode=True)
                self.heard_s = self._connection.loop.time()
                yield text

    def close(self, code: int, reason: str = "") -> None:
        """End the connection with a close frame."""
        if self.open:
            self.flush()
            self._connection.protocol.send_close(code, reason)
            self._connection.send_data()
            self._connection.loop.call_later(_CLOSE_WITHIN_S, self._connection.transport.close)

    def drop(self) -> None:
        """End the connection without a close frame, once all collected frames are written."""
        self.flush()
        self._connection.transport.close()

    def reset(self) -> None:
        """Break the connection at once; frames on their way may be lost."""
        reset(self._connection.transport)

    def fall_silent(self) -> None:
        """Leave the connection half open: nothing is sent or heard any more."""
        self.flush()
        self._connection.deaf = True


def reset(transport: asyncio.WriteTransport) -> None:
    """Break a TCP connection with a reset."""
    raw = transport.get_extra_info("socket")
    if raw is not None and raw.fileno() >= 0:  # else it is broken already
        linger = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    transport.abort()
