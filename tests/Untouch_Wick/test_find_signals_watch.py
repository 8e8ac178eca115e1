"""The watch of find_signals: it asks again and again, and bears a slip in the settings."""

import os
import subprocess
import sys
from functools import partial
from subprocess import PIPE

import pytest

from ravequant.vault.paths import CHECKOUT
from tests.support.notes_market import AT, BTC, Market, command, record

SCRIPT = CHECKOUT / "Untouch_Wick" / "find_signals.py"


def test_who_reads_only_the_head_is_served(notes):
    """`| head`: the reader of stdout goes away, and that is no failure."""
    words = [sys.executable, str(SCRIPT), "--vault", str(notes.root), "--instId", BTC, "--at", AT]
    with subprocess.Popen([*words, "--watch", "0.05"], stdout=PIPE, stderr=PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr is not None
        said = process.stderr.read().splitlines()  # its news, if it came so far
        assert (process.wait(), [line for line in said if b" SIGNAL SHORT " not in line]) == (0, [])


def test_watch_asks_again_and_records(vault):
    """A program on its own: it goes on until it is ended, and keeps what it saw."""
    record(vault, Market())
    path = vault.derived("signals", BTC) / "signals.jsonl"
    arguments = ["--vault", str(vault.root), "--instId", BTC, "--at", AT, "--watch", "0.05"]
    with subprocess.Popen(
        [sys.executable, str(SCRIPT), *arguments], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        heads = 0
        for line in process.stdout:
            heads += line.startswith("age at 21:35 UTC")
            if heads == 3:
                break
        process.kill()
    assert len(path.read_bytes().splitlines()) == 1


def test_a_watch_outlives_a_slip_in_the_settings(vault, tmp_path):
    """It goes on with the last good ones and says once which key is wrong; at the start it ends."""
    record(vault, Market())
    path = tmp_path / "ravequant.toml"
    path.write_text('[signals]\nstop_bps = "1"\n', encoding="utf-8")
    arguments = ["--vault", str(vault.root), "--instId", BTC, "--at", AT, "--watch", "0.05"]
    program = partial(
        subprocess.Popen, [sys.executable, str(SCRIPT), *arguments], stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, env={**os.environ, "RAVEQUANT_SETTINGS": str(path)},
    )  # fmt: skip
    with program() as process:
        assert process.stdout is not None
        heads = 0
        for line in process.stdout:
            heads += line.startswith("age at 21:35 UTC")
            if heads == 1:
                path.write_text("[signals]\nstop_bps = 1\n", encoding="utf-8")
            if heads == 5:
                break
        process.kill()
        assert heads == 5
        assert process.stderr is not None
        assert process.stderr.read().count("signals.stop_bps") == 1
    with program() as process:
        assert "signals.stop_bps" in process.communicate()[1]
    assert process.returncode == 2


def test_a_watch_needs_a_pause(notes, capsys):
    """No seconds are no pause: refused as a usage error."""
    with pytest.raises(SystemExit) as caught:
        command(notes, capsys, "--watch", "0")
    assert caught.value.code == 2
    assert (
        "argument --watch: '0': expected more than 0 and at most 86400 seconds"
        in capsys.readouterr().err
    )
