"""The demo: real programs, from its first line to its last, and what Ctrl-C leaves."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ravequant.vault.paths import Vault

# demo.py without the set-up (tests/test_environment.py): a test must not install anything
DEMO = """
import sys
from scripts import demo, demo_steps
sys.exit(demo_steps.run(demo.parser().parse_args()))
"""
INSTRUMENTS = ("BTC-USDT-SWAP", "ETH-USDT-SWAP")


def start(vault: Path, *options: str) -> subprocess.Popen[str]:
    """Start the demo in a vault of its own, from a folder that is not the checkout."""
    return subprocess.Popen(
        [sys.executable, "-c", DEMO, "--vault", str(vault), *options],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8",
        cwd=vault.parent, env={**os.environ, "PYTHONUTF8": "1"},
    )  # fmt: skip


@pytest.mark.slow
def test_the_demo_shows_rows_and_leaves_files(tmp_path):
    """All steps work, both instruments are in the table, and the files are where it says."""
    root = tmp_path / "a vault"
    with start(root, "--seconds", "20") as demo:
        shown, errors = demo.communicate(timeout=120)
    assert demo.returncode == 0, errors
    assert "20 times those of OKX" in shown
    vault = Vault(root)
    for inst_id in INSTRUMENTS:
        rows = (vault.derived("vwap", inst_id) / "vwap_1m.jsonl").read_bytes().splitlines()
        assert len(rows) >= 290
        assert shown.count(inst_id) >= 4
    assert str(vault.trades(INSTRUMENTS[0])) in shown
    assert "\x1b" not in shown  # no colours where nobody sees them


def test_a_step_that_fails_is_named(tmp_path):
    """Without rows the exit code is 1, and the program's last words are shown."""
    root = tmp_path / "vault"
    with start(root, "--seconds", "0.1") as demo:
        shown, errors = demo.communicate(timeout=60)
    assert demo.returncode == 1
    log = root / "logs" / "trades_exporter.log"
    assert errors.startswith(
        "demo: FAILED: Trades_Bot/trades_exporter.py wrote no trade of BTC-USDT-SWAP. "
        f"Its last words ({log}):\n"
    )
    assert "steps worked" not in shown
    assert programs_with(str(tmp_path)) == []


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="a signal to one process is POSIX")
def test_ctrl_c_ends_all_programs(tmp_path):
    """Interrupted in the middle, the demo ends with 130 and nothing of it runs on."""
    root = tmp_path / "vault"
    with start(root, "--seconds", "60") as demo:
        deadline = time.monotonic() + 60
        while not (root / "logs" / "trades_exporter.log").exists():
            assert demo.poll() is None, demo.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        demo.send_signal(signal.SIGINT)
        _, errors = demo.communicate(timeout=30)
    assert (demo.returncode, errors) == (130, "demo: interrupted; all its programs have ended\n")
    assert programs_with(str(root)) == []


def programs_with(argument: str) -> list[str]:
    """Return the command lines that run now and hold ``argument``."""
    if os.name == "nt":
        return []
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    return [line for line in listed.stdout.splitlines() if argument in line]


def test_data_that_no_demo_made_is_left_alone(tmp_path):
    """A folder with somebody's data is refused before anything is touched."""
    vault = tmp_path / "vault"
    vault.mkdir()
    (vault / "mine.jsonl").write_text("{}\n", encoding="utf-8")
    with start(vault) as demo:
        _, errors = demo.communicate(timeout=60)
    assert demo.returncode == 1
    assert errors == (
        f"demo: FAILED: {vault} holds data that no demo made: name another folder with --vault\n"
    )
    assert [path.name for path in vault.iterdir()] == ["mine.jsonl"]
