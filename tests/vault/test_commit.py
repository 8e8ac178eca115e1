"""What a state file says of the output is checked before anything is done with it."""

import pytest

from ravequant.vault.commit import Mark, restore_mark

GOOD = {"file": "vwap_1m.jsonl", "length": 5, "crc32": 7}


def test_a_mark_comes_back():
    """The newest file, its length and its end; no file before the first line."""
    assert restore_mark({"output": GOOD}) == Mark("vwap_1m.jsonl", 5, 7)
    assert restore_mark({"output": {"file": "", "length": 0, "crc32": 0}}) == Mark("", 0, 0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"file": "../x.jsonl"}, {"file": "/etc/x.jsonl"}, {"file": ".."}, {"file": "a/b.jsonl"},
        {"file": 5}, {"file": None}, {"length": -1}, {"length": "5"}, {"length": True},
        {"crc32": 1.5}, {"crc32": None}, {"more": 1},
    ],
)  # fmt: skip
def test_a_mark_that_is_none_is_refused(wrong):
    """Wrong types, and names that lead out of the folder of the output."""
    with pytest.raises((TypeError, ValueError)):
        restore_mark({"output": {**GOOD, **wrong}})
