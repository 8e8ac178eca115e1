"""Digests of judged days on disk, believed only for their file of trials; they may be deleted.

The first line is a JSON key, the rest the integers of the digest, compressed.
"""

import json
import logging
import zlib
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, Final, NamedTuple

import numpy as np

from Edge_Lab.fills import MODELS
from Edge_Lab.lab_paths import LabPaths
from Edge_Lab.placebo import KINDS, SETS
from Edge_Lab.trial_digest import (
    BINS,
    COUNTS,
    FillColumns,
    Integers,
    TrialDigest,
    TrialSums,
    digest,
)
from Edge_Lab.trial_files import TrialsEntry, needed_trials
from ravequant.errors import VaultError
from ravequant.vault.atomic import replace_file
from ravequant.vault.paths import Vault

VERSION: Final = 1
_WORD: Final = 8  # bytes of an integer
_log = logging.getLogger(__name__)


class TrialsName(NamedTuple):
    """Of which instrument, execution and UTC day trials are."""

    inst_id: str
    exec_id: str
    day: str


def day_digest(
    vault: Vault, name: TrialsName, entry: TrialsEntry, groups: Sequence[str]
) -> TrialDigest:
    """Return the digest of a day's trials, from its file or else from the lines.

    ``entry`` is that of the day's note. Raises VaultError for damaged trials.
    """
    path = LabPaths(vault).digest(*name)
    key = {
        "version": VERSION,
        "trials": [entry.length, entry.crc32],
        "groups": zlib.crc32("\n".join(groups).encode()),
    }
    try:
        return unpacked(path.read_bytes(), key, groups)
    except FileNotFoundError:
        pass
    except (OSError, ValueError, KeyError, TypeError, zlib.error) as error:
        _log.debug("%s: is made again: %r", path, error)
    lines = needed_trials(vault, *name)
    try:
        found = digest(lines, groups)
    except (KeyError, ValueError, TypeError, IndexError) as error:
        raise VaultError(
            f"{LabPaths(vault).trials(*name)}: a line is no trial: {error!r}; judge the day again: "
            "edge_lab.py judge --again"
        ) from error
    replace_file(path, packed(found, key), durable=False)
    return found


def packed(found: TrialDigest, key: dict[str, Any]) -> bytes:
    """Return a digest as the content of its file."""
    sums, columns = found.sums, found.fills
    member = np.packbits(found.member, axis=1)
    member = np.pad(member, ((0, 0), (0, -member.shape[1] % _WORD)))
    of_fills = (getattr(columns, field.name) for field in fields(columns))
    bits = np.ascontiguousarray(member).view("<i8")
    first = (sums.counts, sums.signals, sums.real, sums.fake, bits)
    parts = (*first, found.start_ms, found.horizon_ms, *of_fills, found.sets)
    body = zlib.compress(b"".join(part.astype("<i8").tobytes() for part in parts), 1)
    sizes = {"rows": len(found.start_ms), "fills": len(columns.row), "crc32": zlib.crc32(body)}
    return json.dumps(key | sizes).encode() + b"\n" + body


def unpacked(data: bytes, key: dict[str, Any], groups: Sequence[str]) -> TrialDigest:
    """Return the digest in the content of its file. ValueError if it has another key."""
    line, _, body = data.partition(b"\n")
    found = json.loads(line)
    rows, fills = found.pop("rows"), found.pop("fills")
    if found != key | {"crc32": zlib.crc32(body)}:
        raise ValueError("another key")
    values = np.frombuffer(zlib.decompress(body), dtype="<i8").astype(np.int64)
    number, columns = len(groups), len(fields(FillColumns))
    words = -(-number // (8 * _WORD))
    shapes: tuple[tuple[int, ...], ...] = (
        (number, len(COUNTS)), (number, BINS), (number, len(MODELS), BINS, 2),
        (number, len(KINDS), len(MODELS), BINS, 2), (rows, words), (rows,), (rows,),
        (columns, fills), (SETS, 2),
    )  # fmt: skip
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    if len(values) != ends[-1]:
        raise ValueError(f"{len(values)} numbers, expected {ends[-1]}")
    parts: list[Integers] = [
        part.reshape(shape) for part, shape in zip(np.split(values, ends[:-1]), shapes, strict=True)
    ]
    bits = parts[4].astype("<i8").view(np.uint8).reshape(rows, words * _WORD)
    member = np.unpackbits(bits, axis=1, count=number).astype(np.bool_)
    return TrialDigest(
        TrialSums(tuple(groups), *parts[:4]),
        member,
        parts[5],
        parts[6],
        FillColumns(*parts[7]),
        parts[8],
    )
