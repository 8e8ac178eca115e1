"""The ledger of trials: each evaluation on a line, chained, on disk before its number is shown.

    sha = SHA-256(prev + line without prev and sha)        the first prev is 64 zeros

A line that is changed, moved or taken out from between others breaks the chain. Settings and
inputs are named by the first 12 hex digits of SHA-256 over their canonical JSON.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, get_args

from ravequant.errors import LockedError, VaultError
from ravequant.vault import setting_id as naming
from ravequant.vault.append_log import AppendLog
from ravequant.vault.atomic import make_folder
from ravequant.vault.line_file import is_there, lines_forward
from ravequant.vault.os_lock import OsLock
from ravequant.vault.paths import StrPath

Role = Literal["explore", "train", "oos", "verdict", "forward", "self_test"]
GENESIS: Final = "0" * 64
canonical_json, setting_id = naming.canonical_json, naming.setting_id
_TAIL = re.compile(rb',"prev":"([0-9a-f]{64})","sha":"([0-9a-f]{64})"\}\n')
_TAIL_LENGTH: Final = len(b',"prev":"","sha":""}\n') + 128
_WAIT_S: Final = 10.0


class DayInput(NamedTuple):
    """A file that a day's result stands on."""

    name: str  # from the vault's root
    crc32: int  # of the whole dated file, or of a growing file's rows of that date
    length: int | None = None  # of a dated file, in bytes; None for a growing file


def data_id(inputs: Iterable[DayInput]) -> str:
    """Return the name of all inputs of a day, in any order."""
    return setting_id({found.name: [found.crc32, found.length] for found in inputs})


# --- the chain -----------------------------------------------------------------------------------


class Link(NamedTuple):
    """The newest line of a chain: its number, 0 before the first, and its sha."""

    number: int = 0
    sha: str = GENESIS


_START: Final = Link()


def chained(body: Mapping[str, Any], before: Link) -> tuple[bytes, Link]:
    """Return the next line, its number ``n`` first and newline included, and the link that it is.

    Raises ValueError for a binary float and for a field of the chain itself.
    """
    naming.refuse_floats(body)
    if taken := {"n", "prev", "sha"} & body.keys():
        raise ValueError(f"the chain itself writes {', '.join(sorted(taken))}")
    numbered = {"n": before.number + 1, **body}
    text = json.dumps(numbered, separators=(",", ":"), ensure_ascii=False)
    sha = hashlib.sha256((before.sha + text).encode()).hexdigest()
    line = f'{text[:-1]},"prev":"{before.sha}","sha":"{sha}"}}\n'
    return line.encode(), Link(before.number + 1, sha)


def verified(
    lines: Iterable[bytes], name: str, before: Link = _START
) -> Iterator[tuple[Any, Link]]:
    """Yield each line as an object, with its link. VaultError at the first that does not fit.

    ``name`` is that of the file, for the message.
    """
    for line in lines:
        tail = _TAIL.fullmatch(line[-_TAIL_LENGTH:])
        body = line[:-_TAIL_LENGTH] + b"}"
        sha = hashlib.sha256(before.sha.encode() + body).hexdigest()
        if tail is None or (tail[1].decode(), tail[2].decode()) != (before.sha, sha):
            raise _broken(name, before.number + 1, before.sha, tail)
        try:
            row = json.loads(line)
        except ValueError as error:
            raise VaultError(f"{name}: line {before.number + 1} is no JSON: {error}") from error
        before = Link(before.number + 1, sha)
        if not isinstance(row, dict) or row.get("n") != before.number:
            raise VaultError(f"{name}: line {before.number} does not say n {before.number}")
        yield row, before


def _broken(name: str, number: int, prev: str, tail: "re.Match[bytes] | None") -> VaultError:
    found = "no prev and sha at its end" if tail is None else f"prev {tail[1][:8].decode()}…"
    return VaultError(
        f"{name}: the chain breaks at line {number}: found {found}, expected prev {prev[:8]}… and "
        "the sha of the line; it was changed by hand or a line is gone: put a copy back, or move "
        "the file away and begin a new one, whose count of trials begins anew"
    )


class ChainedLog:
    """An append-only file of chained lines: ``ledger.jsonl``, ``paper.jsonl``.

    Several programs may append. Each time it is opened under a lock, a torn tail is cut off and
    kept in ``{name}.torn``, and the lines that others wrote since are verified.
    """

    def __init__(self, path: StrPath) -> None:
        self.path = Path(path)
        self.torn_bytes = 0
        self._read = 0  # bytes that were verified
        self._newest = _START

    def rows(self) -> Iterator[Any]:
        """Yield the verified lines. VaultError at the first that does not fit."""
        if is_there(self.path):
            for row, _ in verified(lines_forward(self.path), str(self.path)):
                yield row

    def append(self, bodies: Sequence[Mapping[str, Any]]) -> Link:
        """Append lines and sync them; return the newest link. After a VaultError none is there."""
        with _only_writer(self.path), AppendLog(self.path) as log:
            self.torn_bytes += log.torn_bytes
            self._catch_up(log.length)
            lines, newest = [], self._newest
            for body in bodies:
                line, newest = chained(body, newest)
                lines.append(line)
            if lines:
                log.append(b"".join(lines))
                log.sync()
            self._read, self._newest = log.length, newest
        return newest

    def _catch_up(self, length: int) -> None:
        """Verify the lines after those that were verified before."""
        if length < self._read:
            raise VaultError(
                f"{self.path}: has {length} bytes, {self._read} were there a moment ago; it was "
                "cut by another program: put a copy back"
            )
        with self.path.open("rb") as file:
            file.seek(self._read)
            new = file.read(length - self._read).splitlines(keepends=True)
        links = [link for _, link in verified(new, str(self.path), self._newest)]
        self._read, self._newest = length, links[-1] if links else self._newest


@contextmanager
def _only_writer(path: Path) -> Iterator[None]:
    """Hold the lock of a file that several programs append to. LockedError after 10 s."""
    make_folder(path.parent)
    lock = OsLock(path.with_name(f"{path.name}.lock"))
    if not lock.acquire(_WAIT_S):
        raise LockedError(
            f"{path}: another program has appended to it for {_WAIT_S:g} s, expected a moment; end "
            "the program that hangs there"
        )
    try:
        yield
    finally:
        lock.release()


# --- the ledger ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One look at results, as a line of the ledger; decimals in bps as text."""

    made_utc: str
    role: Role
    config_id: str
    data_id: str
    code: str  # version of the lab
    family: str
    model: str
    instruments: tuple[str, ...]
    days: tuple[str, str]  # first and last UTC day, both included
    fills: int
    missed: int
    gap: int
    net: str | None
    delta: str | None
    se: str | None

    def __post_init__(self) -> None:
        if self.role not in get_args(Role) or self.days[0] > self.days[1]:
            raise ValueError(f"{self.role} over {self.days} is no evaluation")

    @property
    def trial(self) -> tuple[str, str, str, tuple[str, ...]]:
        """Two evaluations that share this are one trial, days aside."""
        return self.config_id, self.family, self.model, tuple(sorted(self.instruments))


def evaluations(log: ChainedLog) -> Iterator[Evaluation]:
    """Yield the evaluations of a ledger. VaultError for a line that is none."""
    names = [field.name for field in fields(Evaluation)]
    for row in log.rows():
        try:
            values = {name: row[name] for name in names}
            lists = {name: tuple(values[name]) for name in ("instruments", "days")}
            yield Evaluation(**values | lists)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise VaultError(
                f"{log.path}: line {row['n']} is no evaluation: {error!r}; expected the fields "
                f"{', '.join(names)}"
            ) from error


def record(log: ChainedLog, made: Sequence[Evaluation]) -> Link:
    """Write evaluations and sync them; only then may their numbers be shown."""
    return log.append([asdict(found) for found in made])


def trials(
    made: Iterable[Evaluation], first_day: str, last_day: str
) -> set[tuple[str, str, str, tuple[str, ...]]]:
    """Return the distinct trials whose days overlap those of a verdict.

    A repetition is no further trial, nor is a self test, whose days are those of a model market.
    """
    return {
        found.trial
        for found in made
        if found.role != "self_test"
        if found.days[0] <= last_day and found.days[1] >= first_day
    }
