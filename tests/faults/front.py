"""A door before the exchange that can be shut, broken or, with TLS, show a wrong certificate."""

import socket
import ssl
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

Mode = Literal["open", "refuse", "alert", "wrong certificate"]
_ALERT = b"\x15\x03\x03\x00\x02\x02\x28"  # TLS: handshake failure, fatal


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """Make a certificate for localhost that signs itself; (certificate, key)."""
    crt, key = folder / f"{name}.crt", folder / f"{name}.key"
    words: list[str | Path] = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
    ]
    words += ["-keyout", key, "-out", crt, "-subj", "/CN=localhost"]
    words += ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run([*map(str, words)], check=True, capture_output=True)
    return crt, key


class Front:
    """Listens on a port of its own and hands everything on to the exchange, while it is open."""

    def __init__(
        self,
        url: str,
        good: tuple[Path, Path] | None = None,
        wrong: tuple[Path, Path] | None = None,
    ) -> None:
        self.mode: Mode = "open"
        self.passed = 0  # connections handed on
        self.spoiled = 0  # connections shown something wrong
        self._to = urlsplit(url)
        self._contexts = {True: _context(good), False: _context(wrong)}
        self._pairs: list[socket.socket] = []
        self._door: socket.socket | None = None
        self._ended = False
        self.port = self._open(0)

    @property
    def url(self) -> str:
        """The WebSocket address that leads through the door."""
        scheme = "wss" if self._contexts[True] else "ws"
        return f"{scheme}://localhost:{self.port}{self._to.path}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        self._shut()
        self.cut()

    def set(self, mode: Mode) -> None:
        """Change how connections are met from now on."""
        if mode == "refuse":
            self._shut()
        elif self._door is None:
            self._open(self.port)
        self.mode = mode

    def cut(self) -> None:
        """End every connection handed on."""
        for end in self._pairs:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._pairs.clear()

    def _open(self, port: int) -> int:
        door = socket.create_server(("127.0.0.1", port))
        self._door = door
        threading.Thread(target=self._listen, args=(door,), daemon=True).start()
        return int(door.getsockname()[1])

    def _shut(self) -> None:
        door, self._door = self._door, None
        if door is not None:
            with suppress(OSError):  # wakes the thread that listens
                door.shutdown(socket.SHUT_RDWR)
            door.close()
            time.sleep(0.02)

    def _listen(self, door: socket.socket) -> None:
        while True:
            try:
                client, _ = door.accept()
            except OSError:
                return
            threading.Thread(target=self._meet, args=(client,), daemon=True).start()

    def _meet(self, client: socket.socket) -> None:
        with suppress(OSError):
            if self.mode == "alert":
                self.spoiled += 1
                client.recv(4096)
                client.sendall(_ALERT)
                client.close()
                return
            right = self.mode == "open"
            self.spoiled += not right
            if (context := self._contexts[right]) is not None:
                client = context.wrap_socket(client, server_side=True)
            if not right:
                client.close()
                return
            behind = socket.create_connection((self._to.hostname, self._to.port))
            self._pairs += [client, behind]
            self.passed += 1
            threading.Thread(target=_pump, args=(behind, client), daemon=True).start()
            _pump(client, behind)


def _context(files: tuple[Path, Path] | None) -> ssl.SSLContext | None:
    if files is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    return context


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
