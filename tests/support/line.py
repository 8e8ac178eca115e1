"""A line between a browser and a server that a test can cut: a SOCKS proxy of this computer."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_NO_LOGIN, _CONNECT, _NAME, _IPV4 = 0, 1, 3, 1
_FAILED = b"\x05\x01\x00\x01" + bytes(6)
_DONE = b"\x05\x00\x00\x01" + bytes(6)


class CutLine:
    """Hands each connection on, but for the time in which it is cut.

    ``sockets``: how many connections it has handed on.
    """

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._open: set[socket.socket] = set()
        self._cut = False
        self.sockets = 0

    @property
    def proxy(self) -> dict[str, str]:
        """The proxy of a browser's context."""
        return {"server": f"socks5://127.0.0.1:{self._listener.getsockname()[1]}"}

    def cut(self) -> None:
        """End all connections, and take no other."""
        self._cut = True
        for one in list(self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def join(self) -> None:
        """Hand connections on again."""
        self._cut = False

    def serve(self) -> None:
        """Take connections until the listener is closed."""
        while True:
            try:
                asked, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._hand_on, args=(asked,), daemon=True).start()

    def _hand_on(self, asked: socket.socket) -> None:
        with asked, suppress(OSError), self._asked_for(asked) as server:
            self.sockets += 1
            back = threading.Thread(target=self._copy, args=(server, asked), daemon=True)
            back.start()
            self._copy(asked, server)
            back.join()

    @contextmanager
    def _asked_for(self, asked: socket.socket) -> Iterator[socket.socket]:
        asked.recv(asked.recv(2)[1])  # the ways to log in
        asked.sendall(bytes((5, _NO_LOGIN)))
        _, command, _, kind = asked.recv(4)
        length = 4 if kind == _IPV4 else asked.recv(1)[0]
        host = asked.recv(length)
        (port,) = struct.unpack("!H", asked.recv(2))
        if self._cut or command != _CONNECT or kind not in (_IPV4, _NAME):
            asked.sendall(_FAILED)
            raise OSError
        name = socket.inet_ntoa(host) if kind == _IPV4 else host.decode("ascii")
        with socket.create_connection((name, port), 10) as server:
            server.settimeout(None)
            self._open |= {asked, server}
            asked.sendall(_DONE)
            try:
                yield server
            finally:
                self._open -= {asked, server}

    def _copy(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while block := source.recv(1 << 16):
                target.sendall(block)
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


@contextmanager
def cut_line() -> Iterator[CutLine]:
    """Serve a line; its connections end with the block."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made = CutLine(listener)
        threading.Thread(target=made.serve, daemon=True).start()
        try:
            yield made
        finally:
            made.cut()
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
