"""One WebSocket connection of the local exchange: text in, frames out in batches, ways to end."""

import asyncio
import os
import socket
import struct
from collections.abc import AsyncIterator
from typing import Final

from websockets.exceptions import ProtocolError
from websockets.extensions.permessage_deflate import enable_server_permessage_deflate
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol

_REQUEST_BYTES: Final = 65_536  # a longer subscribe is answered with close 1009
_READ_BYTES: Final = 65_536


class Socket:
    """A connection after its handshake; ``send`` only collects, ``flush`` writes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        extensions = enable_server_permessage_deflate(None)  # where the client offers it
        self._protocol = ServerProtocol(extensions=extensions, max_size=_REQUEST_BYTES)
        self._reader = reader
        self._writer = writer
        self._out: list[bytes] = []
        self._half_open = False
        self.waiting_bytes = 0  # collected, not yet written
        self.heard_s = asyncio.get_running_loop().time()  # newest frame, either way

    def accept(self, head: bytes) -> bool:
        """Answer the opening handshake; return True if the connection is open."""
        self._protocol.receive_data(head)
        for request in self._protocol.events_received():
            if isinstance(request, Request):
                self._protocol.send_response(self._protocol.accept(request))
        self._write_protocol()
        return self.open

    @property
    def open(self) -> bool:
        """Return True if frames can still be sent."""
        alive = self._protocol.state is State.OPEN and not self._writer.is_closing()
        return alive and not self._half_open

    @property
    def unread_bytes(self) -> int:
        """Return the bytes that the client has not taken yet."""
        return self._writer.transport.get_write_buffer_size()

    def send(self, payload: bytes) -> bool:
        """Collect one text frame; return False if the connection is gone."""
        if not self.open:
            return False
        extensions = self._protocol.extensions
        if extensions:
            wire = Frame(Opcode.TEXT, payload).serialize(mask=False, extensions=extensions)
        else:
            wire = _text_head(len(payload)) + payload
        self._out.append(wire)
        self.waiting_bytes += len(wire)
        return True

    def flush(self) -> None:
        """Write all collected frames in one piece."""
        if self._out and not self._writer.is_closing():
            self._writer.write(b"".join(self._out))
            self.heard_s = asyncio.get_running_loop().time()
        self._out.clear()
        self.waiting_bytes = 0

    async def drain(self) -> None:
        """Wait until the client has taken nearly everything, or is gone."""
        try:
            await self._writer.drain()
        except ConnectionError:
            self._writer.close()

    async def texts(self) -> AsyncIterator[str]:
        """Yield the client's messages until the connection ends, however it ends."""
        parts: list[bytes] = []
        while data := await self._read():
            self._protocol.receive_data(data)
            for frame in self._protocol.events_received():
                if not isinstance(frame, Frame) or frame.opcode not in (Opcode.TEXT, Opcode.CONT):
                    continue
                parts.append(bytes(frame.data))
                if frame.fin:
                    text = b"".join(parts).decode(errors="replace")
                    parts.clear()
                    self.heard_s = asyncio.get_running_loop().time()
                    yield text
            self._write_protocol()
        self._writer.close()

    async def _read(self) -> bytes:
        try:
            data = await self._reader.read(_READ_BYTES)
            while data and self._half_open:
                data = await self._reader.read(_READ_BYTES)
        except ConnectionError:
            return b""
        return data

    def close(self, code: int, reason: str = "") -> None:
        """End the connection with a close frame."""
        if self.open:
            self.flush()
            self._protocol.send_close(code, reason)
            self._write_protocol()
            loop = asyncio.get_running_loop()
            loop.call_later(2, self._writer.close)  # whether or not the client answers

    def drop(self) -> None:
        """End the connection without a close frame, once all collected frames are written."""
        self.flush()
        self._writer.close()

    def reset(self) -> None:
        """Break the connection at once; frames on their way may be lost."""
        reset(self._writer)

    def fall_silent(self) -> None:
        """Leave the connection half open: nothing is sent or heard any more."""
        self.flush()
        self._half_open = True

    def _write_protocol(self) -> None:
        """Write the protocol's own answers: handshake, pongs, close frames."""
        if self._half_open:
            return
        try:
            answers = self._protocol.data_to_send()
        except ProtocolError:
            answers = [b""]
        if answers:
            self.flush()
        for answer in answers:
            if answer and not self._writer.is_closing():
                self._writer.write(answer)
            elif not answer:  # the protocol's sign for the end of the stream
                self._writer.close()


def _text_head(length: int) -> bytes:
    """Return the head of an unmasked text frame in one piece (RFC 6455, section 5.2)."""
    if length < 126:
        return bytes((0x81, length))
    if length < 65_536:
        return struct.pack("!BBH", 0x81, 126, length)
    return struct.pack("!BBQ", 0x81, 127, length)


def reset(writer: asyncio.StreamWriter) -> None:
    """Break a TCP connection with a reset."""
    raw = writer.get_extra_info("socket")
    if raw is not None and raw.fileno() >= 0:  # else it is broken already
        linger = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()
