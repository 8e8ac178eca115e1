"""The self test: chains, days that are kept, and the file that a verdict reads."""

import json

import numpy as np
import pytest

from Edge_Lab import golden_examples, self_test
from Edge_Lab.lab_bounds import Bound
from Edge_Lab.lab_paths import LAB_VERSION, LabPaths
from Edge_Lab.model_studies import MarketDays
from Edge_Lab.model_trials import FAMILIES, FREE
from Edge_Lab.trial_ledger import ChainedLog
from ravequant.errors import VaultError
from ravequant.exact import SIZE_ONE

BTC = "BTC-USDT-SWAP"


def test_each_chain_is_verified(vault):
    """Ledger, registrations and the paper of each instrument; a break names its file."""
    assert self_test.chains(vault) == {}
    paths = LabPaths(vault)
    for path, lines in ((paths.ledger, 2), (paths.registered, 1), (paths.paper(BTC), 3)):
        ChainedLog(path).append([{"a": "word"}] * lines)
    assert list(self_test.chains(vault).values()) == [2, 1, 3]
    assert list(self_test.chains(vault))[2].endswith(f"{BTC}/paper.jsonl")
    paper = paths.paper(BTC)
    paper.write_bytes(paper.read_bytes().replace(b"word", b"work", 1))
    with pytest.raises(VaultError, match="the chain breaks at line 1"):
        self_test.chains(vault)


def test_a_broken_example_breaks_the_lab(monkeypatch):
    """Its sentence is what was seen."""
    monkeypatch.setattr(golden_examples, "failures", lambda: ["clock: 1, expected 2"])
    monkeypatch.setattr(self_test, "QUICK_TRADES", 100)
    monkeypatch.setattr(self_test, "simulated", made_up)
    bound = self_test.quick_bounds()[0]
    assert (bound.seen, bound.holds) == ("clock: 1, expected 2", False)


def made_up(market, number, exits):
    """Return a day in place of a simulated one: its number, and a fill with that result."""
    shape = len(FAMILIES), 3, 8, 2
    real = np.zeros((1, *shape), dtype=np.int64)
    real[:, :, :, 2] = 1, number + exits.taker_bps // SIZE_ONE
    counts = np.ones((1, len(FAMILIES), 2), dtype=np.int64)
    moves = np.array([[[3, number, 9]] * 3], dtype=np.int64)
    return MarketDays(
        real, real, real[:, 0, 0], np.zeros((1, len(FAMILIES), 8), np.int64), counts, moves
    )


@pytest.fixture
def blocks_of_two(monkeypatch):
    """Keep two days in a file, made in this process."""

    class AtOnce:
        def __init__(self, _width):
            self.made = []

        def submit(self, work, *arguments):
            self.made.append(arguments)
            value = work(*arguments)
            return type("Done", (), {"result": staticmethod(lambda: value)})

        def close(self):
            made.append(self.made)

    made: list[object] = []
    monkeypatch.setattr(self_test, "BLOCK", 2)
    monkeypatch.setattr(self_test, "simulated", made_up)
    monkeypatch.setattr("ravequant.processes.worker_pool.Processes", AtOnce)
    return made


def test_days_are_simulated_once(blocks_of_two, tmp_path):
    """Blocks that are there are read; a damaged one, or one of another engine, is made again."""
    made = blocks_of_two
    first = self_test.kept_days(tmp_path, "M2", 3)
    assert made.pop() == [("M2", 0, 2), ("M2", 2, 2)]
    assert first.number == 3
    again = self_test.kept_days(tmp_path, "M2", 4)
    assert made.pop() == []
    assert all((ours[:3] == theirs).all() for ours, theirs in zip(again, first, strict=True))
    whole = self_test.block_of_days("M2", 2, 1)
    assert all((one == kept[2:3]).all() for one, kept in zip(whole, again, strict=True))
    for damage in (b"", b"PK\x03\x04 nothing", {"real": np.zeros(1)}, whole._asdict()):
        path = sorted(tmp_path.glob("*.npz"))[1]
        if isinstance(damage, dict):
            np.savez(path, **damage)
        else:
            path.write_bytes(damage)
        self_test.kept_days(tmp_path, "M2", 4)
        assert made.pop() == [("M2", 2, 2)]


def test_another_engine_has_other_days(blocks_of_two, tmp_path, monkeypatch):
    """The name of a file holds what day 0 came to."""
    self_test.kept_days(tmp_path, "M2", 2)
    monkeypatch.setitem(self_test._RULES, "M2", FREE)
    self_test.kept_days(tmp_path, "M2", 2)
    assert len(list(tmp_path.glob("M2-*.npz"))) == 2


def test_too_few_days_are_refused(tmp_path):
    """A study and its forward test draw 90."""
    with pytest.raises(ValueError, match="89 days, expected 90 or more"):
        next(self_test.slow_bounds(tmp_path, 89))


def test_all_bounds_are_tried(monkeypatch, tmp_path):
    """Each kind of bound once, at a small size."""
    few = self_test.block_of_days("M2", 0, 2).chosen(np.arange(90) % 2)
    monkeypatch.setattr(self_test, "kept_days", lambda *_: few)
    monkeypatch.setattr(self_test, "RUIN_TRADES", 50)
    monkeypatch.setattr(self_test, "SIZE_STUDIES", 1)
    names = [bound.name.partition(",")[0] for bound in self_test.slow_bounds(tmp_path, 90, 2)]
    assert names == [
        "Ruin", "Ruin", "Ruin", "Ruin", "Identity", "Identity", "Identity",
        "Delta on M2", "Size on M2", "Size on M2", "Delta on M3", "Size on M3", "Size on M3",
        "Verdict", "Planted", "Words on M2", "Words on M3",
    ]  # fmt: skip


HOLDS = Bound("a", "b", "c", "d", holds=True)
FAILS = Bound("e", "f", "g", "h", holds=False)


def test_the_result_is_kept_for_the_verdict(vault):
    """Version of the lab, whether it passed, and the names of the bounds that failed."""
    self_test.write_result(vault, [HOLDS, FAILS], None, 0)
    row = json.loads(LabPaths(vault).self_test.read_bytes())
    assert row.pop("bounds")[1] == {
        "name": "e", "sample": "f", "seen": "g", "limit": "h", "holds": False, "slow": False,
    }  # fmt: skip
    assert row == {
        "version": 1,
        "code": LAB_VERSION,
        "made_utc": "1970-01-01T00:00:00.000Z",
        "passed": False,
        "failed": ["e"],
    }
    assert self_test.write_result(vault, [HOLDS], None, 0)["passed"]


def test_a_quick_test_leaves_a_slow_bound_failed(vault):
    """It stands until all bounds are tried again, or the lab is another version."""
    self_test.write_result(vault, [HOLDS], [FAILS], 0)
    for _ in range(2):
        row = self_test.write_result(vault, [HOLDS], None, 0)
        assert (row["passed"], row["failed"]) == (False, ["e"])
        assert [bound["slow"] for bound in row["bounds"]] == [False, True]
    assert self_test.write_result(vault, [HOLDS], [FAILS._replace(holds=True)], 0)["passed"]
    path = LabPaths(vault).self_test
    self_test.write_result(vault, [HOLDS], [FAILS], 0)
    path.write_text(json.dumps(json.loads(path.read_bytes()) | {"code": "other"}), encoding="utf-8")
    assert self_test.write_result(vault, [HOLDS], None, 0)["passed"]


@pytest.mark.parametrize("text", ["", "[]", "{", '{"bounds":3}', '{"bounds":[3]}'])
def test_a_damaged_result_is_written_anew(vault, text):
    """Nothing of it is kept."""
    path = LabPaths(vault).self_test
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    assert self_test.write_result(vault, [HOLDS], None, 0)["passed"]
