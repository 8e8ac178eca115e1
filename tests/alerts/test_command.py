"""The command that is run for each alert."""

import json
import sys

import pytest

from ravequant.alerts.command import Command
from ravequant.alerts.webhook import WEBHOOK_VARIABLE
from ravequant.errors import UsageError
from tests.support.alert_cases import SECRET

GOOD = f"https://discord.com/api/webhooks/123456789012345678/{SECRET}"
PYTHON = f'"{sys.executable}"'  # its path may have spaces


def test_the_command_gets_the_signal(tmp_path, monkeypatch):
    """As JSON on its stdin, one run an alert, in order, without a shell and without the webhook."""
    monkeypatch.setenv(WEBHOOK_VARIABLE, GOOD)
    out, script = tmp_path / "out file", tmp_path / "a script.py"
    script.write_text(
        "import os, sys\n"
        f"text = sys.stdin.read() + str({WEBHOOK_VARIABLE!r} in os.environ) + sys.argv[1]\n"
        "open(sys.argv[2], 'a').write(text + chr(10))\nprint('not for our stdout')\n",
        encoding="utf-8",
    )
    command = Command(f'{PYTHON} "{script}" "$HOME;|" "{out}"')
    for number in range(3):
        command.run({"number": number, "text": "x" * 100_000})
    command.finish(30)
    lines = out.read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["number"] for line in lines[::2]] == [0, 1, 2]
    assert set(lines[1::2]) == {"False$HOME;|"}


def test_a_command_that_fails_or_hangs(caplog):
    """It is said, ended if it must be, and the next alert has its turn."""
    command = Command(f'{PYTHON} -c "import time; time.sleep(60)"', limit_s=0.3)
    command.run({})
    command.finish(30)
    assert "ran for more than 0.3 s and was ended" in caplog.text
    command = Command(f'{PYTHON} -c "import sys; sys.exit(3)"')
    command.run({})
    command.finish(30)
    assert "ended with exit code 3" in caplog.text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "there is no program ''"),
        ("no-such-program-here x", "there is no program 'no-such-program-here' to start"),
        ("python 'open", "No closing quotation"),
    ],
)
def test_a_command_that_cannot_be(words, said):
    """Refused at the start."""
    with pytest.raises(UsageError) as caught:
        Command(words)
    assert said in str(caught.value)
