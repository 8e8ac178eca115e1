"""A disk that fails to order: at its n-th step it kills, refuses, takes half, or forgets.

A step is a write, fsync, rename, truncation, deletion or new folder below one folder. This stands
at our own file layer: the vault reaches the disk through the ``os`` functions replaced here, and
through nothing else. ``faulty`` fails this process; ``python -m tests.faults.disk ORDER MODULE
ARGUMENT…`` runs a program's ``main`` on such a disk and, where asked to, kills it for real.

==========  ==========================================================================
kill        the process is gone before the step; what was written stays
torn        the process is gone in the middle of a write, or right behind another step
power       gone before the step, and so is everything that no fsync had reached
power-nul   the same, but what no fsync had reached of a file reads as NULs
full        from the step on nothing more fits (ENOSPC), half of a write perhaps
eio         the step fails (EIO), a write after half of it
rofs        from the step on nothing may be changed (EROFS)
short       from the step on a write takes seven bytes at most
fsync       from the step on an fsync fails (EIO) and what it should have saved turns to NULs
==========  ==========================================================================
"""

# ruff: noqa: PTH110, PTH112, PTH113, PTH120 - this stands where paths are text: below pathlib

import errno
import importlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, NoReturn

import pytest

from tests.support.crashes import Stopped, kill, stop

KILLS: Final = ("kill", "torn", "power", "power-nul")
REFUSALS: Final = ("full", "eio", "rofs", "fsync")
_WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_SHORT: Final = 7
_REAL: Final = {
    name: getattr(os, name)
    for name in ("open", "close", "write", "fsync", "ftruncate", "replace", "unlink", "mkdir")
}


@dataclass(frozen=True, slots=True)
class Order:
    """What is to fail: ``at`` counts steps from 1, 0 never; ``times`` refusals, 0 for ever."""

    root: str  # of the vault: what lies elsewhere is no concern of this disk
    fault: str = "kill"
    at: int = 0
    times: int = 0
    unsynced: dict[str, int] = field(default_factory=dict)  # file: how much of it is on disk
    note: str = ""  # gets the names of the steps taken, as JSON
    pauses: dict[str, float] = field(default_factory=dict)  # module:name of a pause, its length


class Disk:
    """The ``os`` functions as this disk offers them."""

    def __init__(self, order: Order, end: Callable[[], NoReturn]) -> None:
        self.order = order
        self.taken: list[str] = []
        self.dead = False
        self._end = end
        self._root = os.path.realpath(order.root)
        self._files: dict[int, str] = {}  # open handle: path
        self._synced = {os.path.realpath(k): v for k, v in order.unsynced.items()}
        self._cut: dict[str, bytes] = {}  # what a truncation took that no fsync has reached
        self._names: list[tuple[str, Callable[[], None]]] = []  # folder, how to undo a new name
        self._halved = False
        self._failed_fsyncs = 0

    # -- what each fault does at a step

    def _step(
        self, name: str, path: str, act: Callable[[], Any], half: Callable[[], Any] | None = None
    ) -> Any:
        if not self._mine(path):
            return act()
        if self.dead:
            if "locks" in Path(path).parts:  # so that this process can go on
                return act()
            raise Stopped
        self.taken.append(name)
        if self.order.fault == "fsync":
            return self._fsync(name, path, act)
        over = len(self.taken) - self.order.at
        if not self.order.at or over < 0 or (self.order.times and over >= self.order.times):
            return act()
        if self.order.fault in KILLS:
            return self._die(act, half)
        return self._refuse(name, path, act, half)

    def _die(self, act: Callable[[], Any], half: Callable[[], Any] | None) -> NoReturn:
        if self.order.fault == "torn":
            (half or act)()
        if self.order.fault.startswith("power"):
            self._forget(nuls=self.order.fault == "power-nul")
        self.dead = True
        self._end()

    def _refuse(
        self, name: str, path: str, act: Callable[[], Any], half: Callable[[], Any] | None
    ) -> Any:
        fault = self.order.fault
        if fault == "short" or (fault == "full" and name not in ("write", "mkdir")):
            return half() if half and fault == "short" else act()
        if half and fault == "full" and not self._halved:
            self._halved = True  # what fits is taken, what follows is refused
            return half()
        self._halved = False
        if half and fault == "eio":
            half()
        number = {"full": errno.ENOSPC, "eio": errno.EIO, "rofs": errno.EROFS}[fault]
        raise OSError(number, os.strerror(number), path)

    def _fsync(self, name: str, path: str, act: Callable[[], Any]) -> Any:
        due = self.order.at and len(self.taken) >= self.order.at
        if name != "fsync" or not due or self._failed_fsyncs >= (self.order.times or 10**9):
            return act()
        self._failed_fsyncs += 1
        self._spoil(path, nuls=True)
        raise OSError(errno.EIO, os.strerror(errno.EIO), path)

    # -- what a power cut takes

    def _forget(self, *, nuls: bool) -> None:
        for path in [*self._synced]:
            self._spoil(path, nuls=nuls)
        for _, undo in reversed(self._names):
            undo()

    def _spoil(self, path: str, *, nuls: bool) -> None:
        kept = self._synced.get(path)
        if kept is None or not os.path.isfile(path):
            return
        data = Path(path).read_bytes()
        lost = self._cut.get(path, b"" if not nuls else bytes(max(0, len(data) - kept)))
        if data[:kept] + lost != data:
            Path(path).write_bytes(data[:kept] + lost)

    def _mine(self, path: str) -> bool:
        return path == self._root or path.startswith(self._root + os.sep)

    # -- the functions

    def open(self, path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
        name = os.path.realpath(path)
        if self._mine(name) and flags & _WRITING:
            self._may_open(name)
        fresh = not os.path.exists(name)
        handle: int = _REAL["open"](path, flags, *args, **kwargs)
        self._files[handle] = name
        if self._mine(name) and flags & _WRITING:
            if fresh:
                self._names.append((os.path.dirname(name), lambda: _remove(name)))
            size = 0 if flags & os.O_TRUNC else os.fstat(handle).st_size
            self._synced.setdefault(name, size)
            self._synced[name] = min(self._synced[name], size)
        return handle

    def _may_open(self, name: str) -> None:
        over = len(self.taken) + 1 - self.order.at
        due = over >= 0 and (not self.order.times or over < self.order.times)
        if self.order.fault == "rofs" and self.order.at and due:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), name)

    def close(self, handle: int) -> None:
        self._files.pop(handle, None)
        _REAL["close"](handle)

    def write(self, handle: int, data: Any) -> int:
        half = min(_SHORT, len(data)) if self.order.fault == "short" else len(data) // 2
        part = (lambda: _REAL["write"](handle, data[:half])) if half else None
        written: int = self._step(
            "write", self._files.get(handle, ""), lambda: _REAL["write"](handle, data), part
        )
        return written

    def fsync(self, handle: int) -> None:
        path = self._files.get(handle, "")

        def act() -> None:
            _REAL["fsync"](handle)
            self._names[:] = [one for one in self._names if one[0] != path]
            self._cut.pop(path, None)
            if os.path.isfile(path):
                self._synced[path] = os.fstat(handle).st_size

        self._step("fsync", path, act)

    def ftruncate(self, handle: int, length: int) -> None:
        path = self._files.get(handle, "")

        def act() -> None:
            if length < self._synced.get(path, 0):
                kept = Path(path).read_bytes()[: self._synced[path]]
                self._cut[path] = kept[length:] + self._cut.get(path, b"")
                self._synced[path] = length
            _REAL["ftruncate"](handle, length)

        self._step("ftruncate", path, act)

    def replace(self, source: Any, target: Any, **kwargs: Any) -> None:
        old, new = os.path.realpath(source), os.path.realpath(target)

        def act() -> None:
            before = Path(new).read_bytes() if os.path.exists(new) else None
            _REAL["replace"](source, target, **kwargs)
            self._synced[new] = self._synced.pop(old, self._synced.get(new, 0))
            self._names.append((os.path.dirname(new), lambda: _undo_replace(old, new, before)))

        self._step("replace", new, act)

    def unlink(self, path: Any, **kwargs: Any) -> None:
        name = os.path.realpath(path)

        def act() -> None:
            before = Path(name).read_bytes() if os.path.isfile(name) else None
            _REAL["unlink"](path, **kwargs)
            if before is not None:
                self._names.append((os.path.dirname(name), lambda: _restore(name, before)))

        self._step("unlink", name, act)

    def mkdir(self, path: Any, *args: Any, **kwargs: Any) -> None:
        act = lambda: _REAL["mkdir"](path, *args, **kwargs)  # noqa: E731 - as above
        self._step("mkdir", os.path.realpath(path), act)


def _remove(path: str) -> None:
    if os.path.exists(path):
        _REAL["unlink"](path)


def _make_folder(path: str) -> None:
    if not os.path.isdir(path):
        _make_folder(os.path.dirname(path))
        _REAL["mkdir"](path)


def _restore(path: str, data: bytes) -> None:
    _make_folder(os.path.dirname(path))
    Path(path).write_bytes(data)


def _undo_replace(old: str, new: str, before: bytes | None) -> None:
    if os.path.exists(new):
        _REAL["replace"](new, old)
    if before is not None:
        Path(new).write_bytes(before)


@contextmanager
def faulty(order: Order, end: Callable[[], NoReturn] = stop) -> Iterator[list[str]]:
    """Run what is inside on a disk that fails; yields the steps it takes."""
    disk = Disk(order, end)
    with pytest.MonkeyPatch.context() as patch:
        for name in _REAL:
            patch.setattr(os, name, getattr(disk, name))
        for place, seconds in order.pauses.items():
            module, _, name = place.partition(":")
            patch.setattr(importlib.import_module(module), name, seconds)
        yield disk.taken


def command(order: Order, module: str, *argv: Any) -> list[str]:
    """Return the command that runs ``module`` on such a disk, in a process of its own."""
    given = json.dumps(asdict(order))
    return [sys.executable, "-m", "tests.faults.disk", given, module, *map(str, argv)]


def main() -> int:
    """Run ``MODULE.main(ARGUMENT…)`` on the disk that ORDER (JSON) describes."""
    given, module, *argv = sys.argv[1:]
    order = Order(**json.loads(given))
    program = importlib.import_module(module)
    with faulty(order, kill) as taken:
        outcome: int = program.main(argv)
    if order.note:
        Path(order.note).write_text(json.dumps(taken), encoding="utf-8")
    return outcome


if __name__ == "__main__":
    sys.exit(main())
