"""The watch of find_signals: it asks again and again, and bears a slip in the settings."""

import json
import os
import subprocess
import sys
from functools import partial
from subprocess import PIPE

import pytest

from ravequant.vault.paths import CHECKOUT
from tests.support.exchange_clock import exchange_clock
from tests.support.notes_market import AT, BTC, A, Market, command, record

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


def watched(vault, *options):
    """Run a watch, a program on its own, until it has answered three times, and kill it."""
    arguments = ["--vault", str(vault.root), "--instId", BTC, "--no-refresh", "--watch", "0.05"]
    with subprocess.Popen(
        [sys.executable, str(SCRIPT), *arguments, *options], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        heads = 0
        for line in process.stdout:
            heads += line.startswith("age at 21:35:")
            if heads == 3:
                break
        process.kill()


def recorded(vault, name):
    """Return the lines that a watch has written."""
    path = vault.derived("signals", BTC) / name
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_watch_asks_again_and_records(vault):
    """It goes on until it is ended, and keeps what it saw, once, with the time; and each round."""
    record(vault, Market())
    with exchange_clock() as clock:
        clock.now_ms = A + 7_000
        watched(vault)
        rounds = recorded(vault, "asked.jsonl")
        (row,) = recorded(vault, "signals.jsonl")
        clock.now_ms += 1_000
        watched(vault)  # another one
    assert recorded(vault, "signals.jsonl") == [row]
    asked = {name: row[name] for name in ("query", "min_score", "query_id")}
    assert (row["as_of_utc"], row["detected_utc"]) == (AT, "2025-12-14T21:35:07.000Z")
    assert (asked["query"]["age_max"], asked["min_score"]) == (40, 0)
    assert len(rounds) >= 2
    first = {"as_of_utc": AT, "detected_utc": row["detected_utc"], "signals": [row["event_id"]]}
    assert all(line == first | asked for line in rounds)
    later = recorded(vault, "asked.jsonl")[len(rounds) :]
    assert later[-1] == first | asked | {"detected_utc": "2025-12-14T21:35:08.000Z"}


def test_a_watch_over_the_past_records_nothing(vault):
    """What it shows is of no time at which anybody saw it."""
    record(vault, Market())
    watched(vault, "--at", "2025-12-14T21:35:07.000Z")
    assert recorded(vault, "signals.jsonl") == recorded(vault, "asked.jsonl") == []


def test_a_watch_over_the_past_says_so_in_its_log(notes):
    """Nobody takes the line of a signal of then for one of now."""
    words = ["--vault", str(notes.root), "--instId", BTC, "--at", AT, "--watch", "0.05"]
    with subprocess.Popen([sys.executable, str(SCRIPT), *words], stdout=PIPE, stderr=PIPE) as made:
        assert made.stderr is not None
        line = next(line for line in made.stderr if b" SIGNAL SHORT " in line)
        made.kill()
    assert line.rstrip().endswith(f"; as of --at {AT}, not now".encode())


def test_a_watch_without_recorders_notes_no_round(vault):
    """It could show no entry, so that its silence says nothing of the market."""
    record(vault, Market())
    (vault.root / "state" / "health").mkdir(parents=True, exist_ok=True)
    beat = {"heartbeat_utc": AT, "stopped": True}
    for name in ("trades_exporter", "l2_exporter"):
        vault.health(name).write_text(json.dumps(beat), encoding="utf-8")
    with exchange_clock() as clock:
        clock.now_ms = A + 7_000
        watched(vault)
    assert recorded(vault, "signals.jsonl") == recorded(vault, "asked.jsonl") == []


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
