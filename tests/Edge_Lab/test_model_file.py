"""The model file: read as it was written, and anything else refused with its name."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest

from Edge_Lab.calibration import ReliabilityBlock
from Edge_Lab.model_file import LARGEST, read_model, written
from Edge_Lab.predictor import FACTS, INPUTS, chance
from Edge_Lab.trial_ledger import canonical_json
from ravequant.errors import VaultError
from tests.Edge_Lab.test_predictor import FACTS_NOW, GOOD, model_of

TESTED = replace(
    GOOD, reliability=(ReliabilityBlock(0.25, 1 / 3, 600), ReliabilityBlock(0.5, 1, 3))
)
DATA = written(model_of(tested=TESTED, boosting_brier=0.23), "1")
REMEDY = "; fit the model again: edge_lab.py predict fit"


def changed(**values):
    """Return the file with other values and the checksum that fits them."""
    body = json.loads(DATA) | values
    del body["sha"]
    sha = hashlib.sha256(canonical_json(body).encode()).hexdigest()
    return canonical_json(body | {"sha": sha}).encode()


def refused(data):
    """Return the message about a file without its name and remedy."""
    with pytest.raises(VaultError) as caught:
        read_model(data, "model.json")
    message = str(caught.value)
    assert message.startswith("model.json: ")
    assert message.endswith(REMEDY)
    return message.removeprefix("model.json: ").removesuffix(REMEDY)


def test_a_model_comes_back_as_it_was():
    """Every number to its last bit, so the chance too; the file is canonical."""
    found = read_model(DATA, "model.json")
    assert written(found, "1") == DATA == changed() + b"\n"
    assert found.tested == TESTED
    assert chance(found, FACTS_NOW) == chance(model_of(), FACTS_NOW)


def test_a_model_without_a_test_and_with_facts_never_known():
    """Null stands for no test, no comparison, and the ends of a fact that was never known."""
    ends = np.full(len(FACTS), np.nan)
    data = written(model_of(tested=None, low=ends, high=ends), "1")
    found = read_model(data, "model.json")
    assert (found.tested, found.boosting_brier) == (None, None)
    assert np.isnan(found.low).all()


def test_damage_is_found_by_the_checksum():
    """One digit of one coefficient."""
    assert refused(DATA.replace(b'"0.5"', b'"0.6"', 1)) == "was changed after it was written"


@pytest.mark.parametrize(
    "values", [{"version": 2}, {"names": list(INPUTS[:-1])}], ids=["version", "names"]
)
def test_another_version_is_refused(values):
    """Another form of the file, or other facts."""
    assert refused(changed(**values)) == "is a model of another version"


@pytest.mark.parametrize(
    "values",
    [
        {"means": ["0"] * 3},
        {"means": [None] * len(INPUTS)},
        {"sds": ["-1"] * len(INPUTS)},
        {"coefficients": ["inf"] * len(INPUTS)},
        {"coefficients": ["1e99"] * len(INPUTS)},
        {"intercept": "nan"},
        {"wins": 0},
        {"wins": 1_600},
        {"days": True},
        {"fills": "1600"},
        {"config_id": "\x1b[31m"},
        {"data_id": None},
        {"instruments": ["../../x"]},
        {"instruments": 7},
        {"until_utc": "now"},
        {"tested": {}},
        {"tested": [1]},
    ],
    ids=str,
)
def test_a_hostile_model_is_refused(values):
    """A checksum that fits proves nothing: each value has its form."""
    assert refused(changed(**values)).startswith("is no model of a fade: ")


@pytest.mark.parametrize("data", [b"", b"[]", b"7", b"{}", b"\xff", b"[" * 5_000, b"null"])
def test_what_is_no_model_is_refused(data):
    """No JSON, no object, too deep."""
    assert refused(data).startswith("is no model of a fade: ")
    assert refused(b" " * (LARGEST + 1)) == "has 1,000,001 bytes, a model has at most 1,000,000"
