"""The program as it is started: from the vault to the channel, and what it refuses."""

import json
import os
import signal
import subprocess
import sys

import orjson
import pytest

from ravequant import settings
from ravequant.alerts.webhook import WEBHOOK_VARIABLE
from ravequant.settings import Alerts as AlertSettings
from ravequant.settings import Settings
from ravequant.vault.paths import CHECKOUT, Vault
from tests.support.alert_cases import SECRET, hook
from tests.support.notes_market import AT, BTC, Market, command, record

SCRIPT = CHECKOUT / "Untouch_Wick" / "find_signals.py"
PYTHON = f'"{sys.executable}"'  # its path may have spaces


@pytest.fixture
def there(monkeypatch):
    """Run a webhook, and have the environment name it."""
    with hook() as found:
        monkeypatch.setenv(WEBHOOK_VARIABLE, found.url)
        yield found


GOOD = f"https://discord.com/api/webhooks/123456789012345678/{SECRET}"


@pytest.mark.parametrize(
    "address",
    ["", SECRET, f"{GOOD}\n"],
)
def test_an_address_that_cannot_be(vault, monkeypatch, capsys, address):
    """Refused at the start with exit code 2, and shown nowhere."""
    monkeypatch.setattr(
        settings, "load", lambda: Settings(alerts=AlertSettings(discord_webhook=address))
    )
    monkeypatch.delenv(WEBHOOK_VARIABLE, raising=False)
    code, out, err = command(vault, capsys, "--watch", "1", "--discord", "--no-refresh")
    assert (code, out) == (2, "")
    assert SECRET not in err
    assert "copy it again" in err if address else "no Discord webhook is set" in err


@pytest.mark.parametrize("option", [["--discord"], ["--bell"], ["--exec", "true"]])
def test_alerts_need_a_watch(vault, capsys, option):
    """New is new since the round before."""
    code, _, err = command(vault, capsys, *option)
    assert code == 2
    assert "add --watch 30" in err


def watching(vault, there, *options, log="debug"):
    """Start the program."""
    arguments = ["--vault", str(vault.root), "--instId", BTC, "--at", AT, "--log-level", log]
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), *arguments, "--watch", "0.1", *options],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8",
        env={**os.environ, WEBHOOK_VARIABLE: there.url},
    )  # fmt: skip


def posted(vault):
    """Return when the messages of the last hour were accepted, as the vault remembers it."""
    path = vault.alerts()
    return path.exists() and json.loads(path.read_bytes())["sent"]


def test_from_the_vault_to_the_channel(vault, there, tmp_path):
    """A program on its own: one post, one run of the command, and none after a kill and a start."""
    record(vault, Market())
    got = tmp_path / "got"
    script = tmp_path / "keep.py"
    script.write_text(f"import sys; open({str(got)!r}, 'a').write(sys.stdin.read())", "utf-8")
    there.answers = [(429, {}, b'{"retry_after":0.2}')]
    said = []
    for _ in range(2):
        options = ["--discord", "--bell", "--exec", f'{PYTHON} "{script}"']
        process = watching(vault, there, *options)
        assert process.stdout is not None
        for number, _line in enumerate(process.stdout):
            if number > 40 and posted(vault) and got.exists():
                break
        process.kill()
        said += process.communicate()
    assert there.titles == [f"{BTC} SHORT 101250 MAX (x3, not tested)"]
    line = f"INFO find_signals: SIGNAL SHORT {BTC} at 101250: MAX (x3, not tested), score 100, "
    assert [err.count(line) for err in said[1::2]] == [1, 1]  # in its log, once each start
    (row,) = map(orjson.loads, got.read_bytes().splitlines())
    assert (row["alert"], row["score"], row["event_id"].split("|")[0]) == ("new", 100, BTC)
    assert (row["size"], row["size_shown"], row["verdict"]) == (3, 3, "not tested")
    assert SECRET not in "".join(said)
    assert not any(SECRET.encode() in path.read_bytes() for path in vault.root.rglob("*")
                   if path.is_file())  # fmt: skip


def test_min_score_is_for_alerts_too(vault, there):
    """What is not shown is not posted."""
    record(vault, Market())
    process = watching(vault, there, "--discord", "--min-score", "101", log="info")
    assert process.stdout is not None
    for number, _line in enumerate(process.stdout):
        if number > 12:
            break
    process.kill()
    process.communicate()
    assert there.asked == []


def test_a_missing_address_is_said_without_a_start(vault, there):
    """Exit code 2, before anything is written."""
    there.url = "https://discord.com/" + SECRET
    process = watching(vault, there, "--discord")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, SECRET in err) == (2, "", False)
    assert WEBHOOK_VARIABLE in err
    assert not vault.root.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signal")
def test_a_watch_that_is_ended_says_nothing_more(tmp_path):
    """After a SIGTERM, as `timeout` sends it: no word of the interpreter, the code of Ctrl-C.

    From the second round on it has processes of its own.
    """
    vault = Vault(tmp_path / "vault")
    record(vault, Market())
    arguments = ["--vault", str(vault.root), "--instId", BTC, "--watch", "0.1", "--json"]
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), *arguments, "--log-level", "error"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8",
    )  # fmt: skip
    assert process.stdout is not None
    for _ in range(3):
        assert process.stdout.readline().startswith("{")
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate()
    assert process.returncode == 130
    assert "resource_tracker" not in errors
    assert "Traceback" not in errors
