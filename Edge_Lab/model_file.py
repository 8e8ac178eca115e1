"""The file of a fitted model: canonical JSON with its own checksum; reading executes nothing. Pure.

Decimals stand as text. A checksum finds damage and not malice, so each value is held against its
form too: no content of the file can do more than be refused.
"""

import hashlib
import math
import re
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import orjson

from Edge_Lab.calibration import Calibration, ReliabilityBlock
from Edge_Lab.inference import Floats
from Edge_Lab.predictor import FACTS, INPUTS, FadeModel, LogisticModel, number_of
from Edge_Lab.trial_ledger import canonical_json
from ravequant import times
from ravequant.errors import UsageError, VaultError, shown
from ravequant.records import check_inst_id

VERSION: Final = 1
LARGEST: Final = 1_000_000  # bytes of a file
_LARGEST_NUMBER: Final = 1e30
_ID = re.compile(r"[0-9a-f]{12}")
_SCORES: Final = ("brier", "base_brier", "miscalibration", "discrimination", "uncertainty")
_FIT: Final = "fit the model again: edge_lab.py predict fit"


def written(model: FadeModel, code: str) -> bytes:
    """Return the file of a model; ``code`` is the version of the lab."""
    body = {
        "version": VERSION,
        "code": code,
        "config_id": model.config_id,
        "data_id": model.data_id,
        "instruments": list(model.instruments),
        "days": model.days,
        "fills": model.fills,
        "wins": model.wins,
        "from_utc": times.iso(model.from_ms),
        "until_utc": times.iso(model.until_ms),
        "names": list(INPUTS),
        "means": _texts(model.logistic.means),
        "sds": _texts(model.logistic.sds),
        "coefficients": _texts(model.logistic.coefficients),
        "intercept": _text(model.logistic.intercept),
        "low": _texts(model.low),
        "high": _texts(model.high),
        "tested": None if model.tested is None else _score_row(model.tested),
        "boosting_brier": _text(model.boosting_brier),
    }
    return f"{canonical_json(body | {'sha': _sha(body)})}\n".encode()


def read_model(data: bytes, name: str) -> FadeModel:
    """Return the model of a file. VaultError, with the file's ``name``, for anything else."""
    if len(data) > LARGEST:
        raise VaultError(
            f"{name}: has {len(data):,} bytes, a model has at most {LARGEST:,}; {_FIT}"
        )
    try:
        body = orjson.loads(data)
        if (body["version"], body["names"]) != (VERSION, list(INPUTS)):
            raise VaultError(f"{name}: is a model of another version; {_FIT}")
        if body.pop("sha") != _sha(body):
            raise VaultError(f"{name}: was changed after it was written; {_FIT}")
        return _model_of(body)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise VaultError(f"{name}: is no model of a fade: {shown(error)}; {_FIT}") from error


def _model_of(body: Mapping[str, Any]) -> FadeModel:
    """Return the model of a row. ValueError, TypeError, LookupError or AttributeError."""
    days, fills, wins = (_count(body[name]) for name in ("days", "fills", "wins"))
    if not (days and 0 < wins < fills):
        raise ValueError(f"{wins} wins of {fills} fills on {days} days")
    means, sds, coefficients = (
        _columns(body[name], len(INPUTS)) for name in ("means", "sds", "coefficients")
    )
    if np.isnan(np.stack([means, sds, coefficients])).any() or (sds < 0).any():
        raise ValueError("a mean, deviation or coefficient is none")
    low, high = (_columns(body[name], len(FACTS)) for name in ("low", "high"))
    tested, boosting = body["tested"], body["boosting_brier"]
    return FadeModel(
        config_id=_id(body["config_id"]),
        data_id=_id(body["data_id"]),
        instruments=tuple(map(_instrument, body["instruments"])),
        days=days,
        fills=fills,
        wins=wins,
        from_ms=times.parse_iso(body["from_utc"]),
        until_ms=times.parse_iso(body["until_utc"]),
        logistic=LogisticModel(means, sds, coefficients, _number(body["intercept"])),
        low=low,
        high=high,
        tested=None if tested is None else _score_of(tested),
        boosting_brier=None if boosting is None else _number(boosting),
    )


def _score_row(tested: Calibration) -> dict[str, Any]:
    return {
        "outcomes": tested.outcomes,
        "days": tested.days,
        "p": _text(tested.p),
        **{name: _text(getattr(tested, name)) for name in _SCORES},
        "reliability": [
            [_text(said), _text(came), outcomes] for said, came, outcomes in tested.reliability
        ],
    }


def _score_of(row: Mapping[str, Any]) -> Calibration:
    return Calibration(
        outcomes=_count(row["outcomes"]),
        days=_count(row["days"]),
        p=None if row["p"] is None else _number(row["p"]),
        **{name: _number(row[name]) for name in _SCORES},
        reliability=tuple(
            ReliabilityBlock(_number(said), _number(came), _count(outcomes))
            for said, came, outcomes in row["reliability"]
        ),
    )


def _sha(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical_json(body).encode()).hexdigest()


def _text(value: float | None) -> str | None:
    return None if value is None or math.isnan(value) else repr(float(value))


def _texts(values: Floats) -> list[str | None]:
    return [_text(value) for value in values.tolist()]


def _columns(values: Any, length: int) -> Floats:
    """Return a list of the file; NaN for null."""
    if not isinstance(values, list) or len(values) != length:
        raise ValueError(f"{shown(values)} are not {length} numbers")
    found = [math.nan if value is None else _number(value) for value in values]
    return np.array(found, dtype=np.float64)


def _number(value: Any) -> float:
    found = number_of(value)
    if abs(found) > _LARGEST_NUMBER:
        raise ValueError(f"{shown(value)} is larger than any number of a model")
    return found


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{shown(value)} is no count")
    return value


def _id(value: str) -> str:
    if not _ID.fullmatch(value):
        raise ValueError(f"{shown(value)} is no id of 12 hex digits")
    return value


def _instrument(value: str) -> str:
    try:
        return check_inst_id(value)
    except UsageError as error:
        raise ValueError(str(error)) from None
