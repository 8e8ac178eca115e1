"""The program: how long an answer takes, and whether the lab's files are whole."""

import json

import pytest

from Edge_Lab import edge_lab
from Edge_Lab.trial_ledger import ChainedLog


def answer(capsys, *words):
    """Return exit code and output of a command."""
    code = edge_lab.main(list(words))
    return code, capsys.readouterr().out


def test_power_says_how_long_it_takes(capsys):
    """The worked spread of 1.25 bps: each edge, never below 30 days."""
    code, text = answer(capsys, "power", "--spread", "1.25")
    assert code == 0
    assert text.splitlines()[0] == "spread of a day 1.25 bps; at least 200 fills too"
    assert [line.split() for line in text.splitlines()[2:]] == [
        ["0.25", "197", "270"], ["0.5", "50", "64"], ["1", "30", "20"], ["2", "30", "20"],
    ]  # fmt: skip
    code, text = answer(capsys, "power", "--json")
    assert json.loads(text)[2] == {"edge_bps": 1.0, "test_days": 30, "forward_days": 20}


@pytest.mark.parametrize("spread", ["0", "-1", "nan", "many", "1001"])
def test_a_spread_that_is_none_is_refused(capsys, spread):
    """A word, nothing, less than nothing: exit code 2 with what was expected."""
    with pytest.raises(SystemExit) as ended:
        edge_lab.main(["power", f"--spread={spread}"])
    assert ended.value.code == 2
    assert f"{spread!r} is not a spread in bps from 0.001 to 1000" in capsys.readouterr().err


def test_check_verifies_the_ledger(capsys, caplog, tmp_path):
    """No ledger: code 3. A whole one: its lines. A changed one: code 1 and the line."""
    words = ("check", "--vault", str(tmp_path))
    assert answer(capsys, *words)[0] == 3
    log = ChainedLog(tmp_path / "lab" / "ledger.jsonl")
    log.append([{"a": 1}, {"a": 2}])
    assert answer(capsys, *words) == (0, "lab/ledger.jsonl: 2 lines, the chain is whole\n")
    assert json.loads(answer(capsys, *words, "--json")[1]) == {"lab/ledger.jsonl": 2}
    log.path.write_bytes(log.path.read_bytes().replace(b'"a":2', b'"a":3'))
    code = edge_lab.main(list(words))
    assert (code, "breaks at line 2" in capsys.readouterr().err) == (1, True)
