"""The day series of evaluations on disk: ``lab/series/{config_id}.{data_id}.jsonl``.

The first line names the configuration, the inputs, the days, and the checksum of the rest; each
other line has the values of a family under a model. A value is written as the shortest text that
gives the same float again.
"""

import json
import math
import zlib
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from Edge_Lab.inference import Estimate, Floats
from Edge_Lab.lab_paths import LabPaths
from ravequant.errors import VaultError
from ravequant.vault.atomic import disk_error, replace_file
from ravequant.vault.paths import Vault

VERSION: Final = 1
_FIELDS: Final = ("net", "delta")


class SeriesKey(NamedTuple):
    """The name of a file of series: its configuration and its inputs."""

    config_id: str
    data_id: str


class TrialSeries(NamedTuple):
    """x_d of an evaluation; NaN on a day without a fill."""

    family: str
    model: str
    days: tuple[str, ...]  # UTC, ascending
    net: Floats
    delta: Floats


def values_of(found: Estimate | None, days: int) -> Floats:
    """Return x_d of an estimate for each of the days that it was made of."""
    values = np.full(days, np.nan)
    if found is not None:
        values[found.days] = found.series()
    return values


def write_series(vault: Vault, key: SeriesKey, made: Sequence[TrialSeries]) -> None:
    """Add series to their file: those of other families and models in it stay."""
    try:
        before = read_series(vault, key)
    except VaultError:  # it is derived, so a damaged file is made again
        before = []
    rows = {(found.family, found.model): found for found in (*before, *made)}
    body = b"".join(_line(rows[name]) for name in sorted(rows))
    head = {
        "version": VERSION,
        **key._asdict(),
        "days": list(made[0].days),
        "crc32": zlib.crc32(body),
    }
    replace_file(LabPaths(vault).series(*key), json.dumps(head).encode() + b"\n" + body)


def read_series(vault: Vault, key: SeriesKey) -> list[TrialSeries]:
    """Return the series of a configuration and its inputs, none without a file.

    Raises VaultError for a file that is damaged, or is of another name.
    """
    path = LabPaths(vault).series(*key)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise disk_error(path, "read", error) from error
    try:
        return list(_parsed(data, key))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise VaultError(
            f"{path}: is no file of series: {error!r}; expected one of {key.config_id} and "
            f"{key.data_id} with its checksum; delete it, then run edge_lab.py backtest"
        ) from error


def _line(found: TrialSeries) -> bytes:
    values = {
        name: [None if math.isnan(x) else x for x in getattr(found, name).tolist()]
        for name in _FIELDS
    }
    row = {"family": found.family, "model": found.model, **values}
    return json.dumps(row, separators=(",", ":")).encode() + b"\n"


def _parsed(data: bytes, key: SeriesKey) -> Iterable[TrialSeries]:
    line, _, body = data.partition(b"\n")
    head: dict[str, Any] = json.loads(line)
    days = head.pop("days")
    expected = {"version": VERSION, **key._asdict(), "crc32": zlib.crc32(body)}
    if head != expected:
        raise ValueError(f"found {head}")
    if not all(isinstance(day, str) for day in days) or sorted(days) != days:
        raise ValueError("its days do not ascend")
    for written in body.splitlines():
        row = json.loads(written)
        net, delta = (
            np.array([np.nan if x is None else float(x) for x in row[name]]) for name in _FIELDS
        )
        if not len(net) == len(delta) == len(days):
            raise ValueError(f"{len(net)} and {len(delta)} values of {len(days)} days")
        yield TrialSeries(row["family"], row["model"], tuple(days), net, delta)
