"""The command `check`: chains and bounds on a page, and the exit code of a broken lab."""

import json

import pytest

from Edge_Lab import edge_lab, self_test
from Edge_Lab.lab_bounds import Bound
from Edge_Lab.lab_paths import LabPaths
from Edge_Lab.trial_ledger import ChainedLog

GOOD = Bound("Size on M2", "9 studies", "1.0 %", "≤ 5.8 %", holds=True)
BAD = GOOD._replace(name="Verdict", holds=False)


@pytest.fixture
def _bounds(monkeypatch):
    """Stand in for the bounds, whose own tests run them."""
    monkeypatch.setattr(self_test, "quick_bounds", lambda: [GOOD])
    monkeypatch.setattr(self_test, "slow_bounds", lambda *_: iter([BAD]))


def answer(capsys, vault, *words):
    """Return exit code and output of the command."""
    code = edge_lab.main(["check", "--vault", str(vault.root), *words])
    return code, capsys.readouterr().out


@pytest.mark.usefixtures("_bounds")
def test_a_lab_that_holds(capsys, vault):
    """Each chain and each bound in a line; without a chain the bounds alone."""
    line = "holds  Size on M2: 1.0 % (≤ 5.8 %; 9 studies)\nthe lab holds its bounds\n"
    assert answer(capsys, vault) == (0, line)
    ChainedLog(LabPaths(vault).ledger).append([{"a": 1}, {"a": 2}])
    whole = "lab/ledger.jsonl: 2 lines, the chain is whole\n"
    assert answer(capsys, vault) == (0, whole + line)
    row = json.loads(answer(capsys, vault, "--json")[1])
    assert (row["chains"], row["passed"]) == ({"lab/ledger.jsonl": 2}, True)
    assert json.loads(LabPaths(vault).self_test.read_bytes())["passed"]


@pytest.mark.usefixtures("_bounds")
def test_a_broken_lab(capsys, vault):
    """Code 1, the bound by name, and the file that a verdict reads."""
    code, text = answer(capsys, vault, "--slow", "--days", "90", "--studies", "4")
    assert code == 1
    assert text.splitlines()[1:] == [
        "FAILS  Verdict: 1.0 % (≤ 5.8 %; 9 studies)",
        "the lab is broken: Verdict; do not read any of its numbers",
    ]
    assert json.loads(LabPaths(vault).self_test.read_bytes())["failed"] == ["Verdict"]
    assert answer(capsys, vault) == (1, text)  # a quick test shows the slow bound that failed


@pytest.mark.usefixtures("_bounds")
def test_a_broken_chain(capsys, vault):
    """Code 1 and its line, before any bound."""
    log = ChainedLog(LabPaths(vault).ledger)
    log.append([{"a": 1}, {"a": 2}])
    log.path.write_bytes(log.path.read_bytes().replace(b'"a":2', b'"a":3'))
    code = edge_lab.main(["check", "--vault", str(vault.root)])
    assert (code, "breaks at line 2" in capsys.readouterr().err) == (1, True)


@pytest.mark.usefixtures("_bounds")
@pytest.mark.parametrize(
    "words", [("--days", "0"), ("--days", "89"), ("--days", "10001"), ("--studies", "0")]
)
def test_a_sample_that_is_none_is_refused(capsys, vault, words):
    """Code 2 with what was expected."""
    code = edge_lab.main(["check", "--slow", "--vault", str(vault.root), *words])
    assert code == 2
    assert "expected 90 to 10,000 days and a study or more" in capsys.readouterr().err
