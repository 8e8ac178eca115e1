"""The candidates of a day, each at the first minute of its families and filters."""

from dataclasses import FrozenInstanceError

import pytest

from Edge_Lab.day_candidates import CandidatesOfDay, DayCandidate


def test_a_candidate_is_a_record():
    """Nothing of a candidate changes after its minute."""
    candidate = DayCandidate(
        "BTC-USDT-SWAP", "e", 29_430_000, 40, 29_429_968, 29_429_967, -1, 5, 6, 5, None,
        last=4, in_contact=False, tips=(5,), families=("base",), filters=("20-40 10 500",),
        wicks=("e",), facts={"age": 32},
    )  # fmt: skip
    with pytest.raises(FrozenInstanceError):
        candidate.minute = 1  # type: ignore[misc]
    assert CandidatesOfDay((candidate,), 0).candidates[0].target is None
