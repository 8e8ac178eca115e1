"""The program: how long an answer takes."""

import json

import pytest

from Edge_Lab import edge_lab


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


def test_the_forward_test_is_registered_and_looked_at(capsys, tmp_path):
    """Code 3 before it was; then its day 0, and how it stands."""
    words = ("forward", "--vault", str(tmp_path), "--instId", "BTC-USDT-SWAP")
    assert answer(capsys, *words)[0] == 3
    code, text = answer(capsys, *words, "--begin")
    assert (code, text.startswith("registered ")) == (0, True)
    code, text = answer(capsys, *words)
    assert code == 0
    assert text.startswith("forward test of BTC-USDT-SWAP, day 0 since ")
    assert "no trial yet: run find_signals.py --watch 30" in text
