"""Shows the newest lines of any file of the vault: `tail` and `type`, the same on every system."""

if __name__ == "__main__":
    exec(__import__("pathlib").Path(__file__, "../../scripts/begin.py").resolve().read_bytes())

import argparse
import os
import re
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from difflib import get_close_matches
from functools import partial
from itertools import islice
from pathlib import Path
from shutil import get_terminal_size
from typing import Any, BinaryIO, Final

import orjson

from ravequant import cli, times
from ravequant.catalog import ACTIVE_WICKS, BOOK, BTC_TRANSFERS, CALCULATORS, DATA_SETS, METADATA
from ravequant.errors import DONE, NoDataError, UsageError
from ravequant.vault.line_file import (
    LineFile,
    lines_forward,
    open_lines,
    reading,
    whole_length,
    whole_lines,
)
from ravequant.vault.newest import RAW
from ravequant.vault.paths import CHECKOUT, Vault, instruments
from ravequant.vault.tail import Listing

PROGRAM: Final = "peek"
_AGAIN_S: Final = 0.25

HEALTH, LOG = "health", "log"  # whose names are those of programs
DATED: Final = {
    "l2" if data is BOOK else data.name: data.files for data in DATA_SETS.values() if data.dated
}
GROWING: Final = {data.name: data.place for data in DATA_SETS.values() if data.kind == "log"}
REPLACED: Final = {data.name: data.place for data in (METADATA, ACTIVE_WICKS)} | {
    HEALTH: Vault.health
}
WITH_STATE: Final = {
    data.name: data.stream
    for data in DATA_SETS.values()
    if data.maker in CALCULATORS and data.kind != "document"
}
WHAT: Final = (*DATED, *GROWING, *REPLACED, LOG)


class DatedLines:
    """The whole lines of dated files, or of a file that grows, and those appended later."""

    def __init__(self, files: Listing) -> None:
        self._files = files
        self._key, self._offset = "", 0  # after the newest line shown
        self._line = b""  # the newest line shown
        self._file: int | None = None  # the inode of its file

    def newest(self, count: int | None) -> Iterator[bytes]:
        """Yield the newest ``count`` lines of all files (None: all lines), oldest first."""
        listing = list(self._files())
        if count is None:
            for key, path in listing:
                self._begin(key)
                yield from self._whole(path)
            return
        found: list[bytes] = []
        for key, path in reversed(listing):
            lines, offset = _last_lines(path, count - len(found))
            if not self._key:
                self._begin(key)
                self._offset, self._line = offset, lines[-1] if lines else b""
            found[:0] = lines
            if len(found) == count:
                break
        yield from found

    def more(self) -> Iterator[bytes]:
        """Yield the lines appended since, in this file and in later files."""
        while True:
            listing = dict(self._files())
            later = min((key for key in listing if key > self._key), default=None)
            path = listing.get(self._key)
            if path is not None and path.suffix != ".gz":  # else it was complete, and compressed
                yield from self._plain(path)
            if later is None:
                return
            self._begin(later)

    def _begin(self, key: str) -> None:
        self._key, self._offset, self._line, self._file = key, 0, b"", None

    def _whole(self, path: Path) -> Iterator[bytes]:
        if path.suffix != ".gz":
            yield from self._plain(path)
            return
        for line in lines_forward(path):
            self._pass(line)
            yield line

    def _plain(self, path: Path) -> Iterator[bytes]:
        with reading(path):
            try:
                stream = open_lines(path)
            except FileNotFoundError:
                return  # it is being replaced or packed: the next call finds the new form
            with stream:
                self._go_to_place(stream)
                for line in whole_lines(stream):
                    self._pass(line)
                    yield line

    def _pass(self, line: bytes) -> None:
        self._offset, self._line = self._offset + len(line), line

    def _go_to_place(self, stream: BinaryIO) -> None:
        """Seek to the end of the newest line shown, which a repair may have moved.

        If the line is gone, a new file, such as a log begun anew, is shown from its start; of a
        file that was cut back only later lines are shown.
        """
        found = os.fstat(stream.fileno())
        another = self._file not in (None, found.st_ino)
        self._file = found.st_ino
        stream.seek(self._offset - len(self._line))
        there = found.st_size >= self._offset and stream.read(len(self._line)) == self._line
        if there and (self._line or not another):
            return
        place = _behind(stream, self._line)
        if place is None:
            self._line, place = b"", 0 if another else whole_length(stream)
        self._offset = stream.seek(place)


class ReplacedFile:
    """The content of a small file that is replaced as a whole."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._shown = b""

    def newest(self, _: int | None) -> Iterator[bytes]:
        """Yield the content."""
        return self.more()

    def more(self) -> Iterator[bytes]:
        """Yield the content if it has changed."""
        data = b""
        with reading(self._path), suppress(FileNotFoundError):
            data = self._path.read_bytes()
        if data and data != self._shown:
            self._shown = data
            yield data if data.endswith(b"\n") else data + b"\n"


def _behind(stream: BinaryIO, line: bytes) -> int | None:
    """Return the offset after the last line equal to ``line``; None if there is none."""
    place, found = stream.seek(0), None
    for other in whole_lines(stream):
        place += len(other)
        found = place if other == line else found
    return found


def _last_lines(path: Path, count: int) -> tuple[list[bytes], int]:
    """Return the last ``count`` whole lines, and the offset of their end in a plain file."""
    if path.suffix == ".gz":
        lines = list(deque(lines_forward(path), count))
        return lines, sum(map(len, lines))
    with LineFile(path) as file:
        newest = list(islice(file.backward(file.size), count))
    return [line + b"\n" for line in reversed(newest)], file.size


def parser() -> argparse.ArgumentParser:
    """Return the options of the command."""
    made = cli.parser(PROGRAM, __doc__ or "")
    made.add_argument("what", nargs="?", metavar="WHAT", help=", ".join(WHAT))
    made.add_argument(
        "name", nargs="?", metavar="NAME", help="the instrument; with health and log the program"
    )
    text = "how many lines; 0: all (default: 10)"
    made.add_argument("-n", type=int, default=10, metavar="N", help=text)
    text = "go on with what is appended, until Ctrl-C"
    made.add_argument("-f", "--follow", action="store_true", help=text)
    text = "what the calculator has committed, in place of its output"
    made.add_argument("--state", action="store_true", help=text)
    text = "whole lines on a terminal too, where they are cut to its width"
    made.add_argument("-w", "--wide", action="store_true", help=text)
    text = "one day or hour: 2025-12-14, 2025-12-14/21"
    made.add_argument("--file", type=_key, metavar="KEY", help=text)
    return made


def _key(text: str) -> str:
    """Return the name of a day or an hour as its file has it."""
    with suppress(ValueError):
        times.parse_day(text[:10])
        if re.fullmatch(r"(/([01][0-9]|2[0-3]))?", text[10:]):
            return text
    raise argparse.ArgumentTypeError(f"{text!r} is not like 2025-12-14 or 2025-12-14/21")


def refuse_nonsense(args: argparse.Namespace, vault: Vault) -> None:
    """Raise UsageError for options that cannot be, with the names that can."""
    if args.what not in WHAT:
        met = "name what to show" if args.what is None else f"{args.what!r} is nothing to show"
        near = get_close_matches((args.what or "").lower(), WHAT, 1)
        meant = f"did you mean {near[0]}? It" if near else "it"
        raise UsageError(f"{met}; {meant} is one of {', '.join(WHAT)}")
    if args.name is None:
        names = names_of(args.what, vault)
        text = f"here {', '.join(names)}" if names else f"there is none in {vault.root} yet"
        kind = "program" if args.what in (HEALTH, LOG) else "instrument"
        raise UsageError(f"name the {kind} behind {args.what}; {text}")
    if args.n < 0:
        raise UsageError(f"-n {args.n} is below 0; give a number of lines, 0 for all")
    if args.state and args.what not in WITH_STATE:
        raise UsageError(f"--state: {args.what} has none; choose one of {', '.join(WITH_STATE)}")
    if args.file and (args.state or args.what not in DATED):
        raise UsageError(f"--file: only {', '.join(DATED)} have one file a day or hour")


def names_of(what: str, vault: Vault) -> list[str]:
    """Return the names that a vault has something of."""
    if what == LOG:
        found = [*vault.root.glob("logs/*.log"), *CHECKOUT.glob("*/*.log")]
        return sorted({path.stem for path in found})
    if what == HEALTH:
        return sorted(path.stem for path in vault.health("any").parent.glob("*.json"))
    return sorted(
        {name for data in (*RAW, BTC_TRANSFERS) for name in instruments(partial(data.place, vault))}
    )


def looking_at(args: argparse.Namespace, vault: Vault) -> DatedLines | ReplacedFile:
    """Return the lines asked for; NoDataError if there are none yet, UsageError for a bad name."""
    what, name = args.what, args.name
    if args.state:
        return ReplacedFile(_found(vault.state(WITH_STATE[what], name), vault, what))
    if what in REPLACED:
        if not _plain_name(name):
            raise UsageError(f"{name!r} is no name of a program or instrument")
        return ReplacedFile(_found(REPLACED[what](vault, name), vault, what))
    if what == LOG:
        return _grown(_log_of(vault, name))
    if what in GROWING:
        return _grown(_found(GROWING[what](vault, name), vault, what))

    def files() -> Iterator[tuple[str, Path]]:
        listing = DATED[what](vault, name)
        return (item for item in listing if args.file in (None, item[0]))

    if next(files(), None) is None:
        wanted = f" of {args.file}" if args.file else ""
        raise NoDataError(
            f"no {what} of {name}{wanted} in {vault.root}; {_REMEDY}{_others(what, vault)}"
        )
    return DatedLines(files)


_REMEDY: Final = "start what writes it, or name another vault with --vault"


def _grown(path: Path) -> DatedLines:
    return DatedLines(lambda: iter([(path.name, path)]))


def _plain_name(name: str) -> bool:
    return name.translate({ord(sign): None for sign in "-_."}).isalnum()


def _found(path: Path, vault: Vault, what: str) -> Path:
    if not path.exists():
        place = path.relative_to(vault.root).as_posix()
        raise NoDataError(f"no {place} in {vault.root}; {_REMEDY}{_others(what, vault)}")
    return path


def _others(what: str, vault: Vault) -> str:
    names = names_of(what, vault)
    return f"; the vault has {', '.join(names)}" if names else ""


def _log_of(vault: Vault, program: str) -> Path:
    """Return the log that run_all keeps in the vault, or the log in the program's folder."""
    if _plain_name(program):
        name = f"{program}.log"
        for path in (vault.root / "logs" / name, *sorted(CHECKOUT.glob(f"*/{name}"))):
            if path.exists():
                return path
    raise NoDataError(
        f"no log of {program} in {vault.root / 'logs'}, nor beside a program of {CHECKOUT}"
        f"{_others(LOG, vault)}"
    )


def body(args: argparse.Namespace) -> int:
    """Show the lines; with ``-f`` follow the file."""
    vault = cli.vault_of(args)
    refuse_nonsense(args, vault)
    lines = looking_at(args, vault)
    form: Callable[[str], str] = str
    if sys.stdout.isatty() and not args.wide and args.what != LOG:
        form = _readable if isinstance(lines, ReplacedFile) else _cut
    _show(lines.newest(args.n or None), form)
    while args.follow:
        time.sleep(_AGAIN_S)
        _show(lines.more(), form)
    return DONE


def _show(lines: Iterator[bytes], form: Callable[[str], str]) -> None:
    for line in lines:
        sys.stdout.write(form(line.decode("utf-8", "backslashreplace")))
    sys.stdout.flush()


def _cut(line: str) -> str:
    """Return a line that fits the terminal; `…` stands for the rest."""
    width = get_terminal_size().columns
    whole = line.rstrip("\n")
    return line if len(whole) <= width else f"{whole[: width - 1]}…\n"


def _readable(document: str) -> str:
    """Return a JSON document as lines: a key each, and below it a line for each object in it."""
    try:
        row = orjson.loads(document)
    except orjson.JSONDecodeError:
        return document
    return "".join(map(_cut, _lines_of(row))) if isinstance(row, dict) else document


def _lines_of(row: dict[str, Any], indent: str = "") -> Iterator[str]:
    for key, value in row.items():
        if isinstance(value, dict) and any(isinstance(inner, dict) for inner in value.values()):
            yield f"{indent}{key}\n"
            yield from _lines_of(value, indent + "  ")
        elif isinstance(value, dict):
            inner = ", ".join(f"{name} {_plain(one)}" for name, one in value.items())
            yield f"{indent}{key}: {inner}\n"
        else:
            yield f"{indent}{key}: {_plain(value)}\n"


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def main(argv: Sequence[str] | None = None) -> int:
    """Show lines; return the exit code."""
    return cli.run(parser(), body, argv)


if __name__ == "__main__":
    sys.exit(main())
