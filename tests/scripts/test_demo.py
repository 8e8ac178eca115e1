"""The demo: real programs, from its first line to its last, and what Ctrl-C leaves."""

import argparse
import io
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from ravequant.catalog import BOOK, VWAP
from ravequant.vault.line_file import lines_forward
from ravequant.vault.paths import CHECKOUT, Vault
from scripts import demo, run_all
from scripts.showcase import steps
from scripts.showcase.steps import Demo, DemoError
from scripts.supervision.supervisor import Supervisor
from scripts.supervision.tasks import free_port
from tests.scripts.test_run_all_screen import answered

# demo.py without the set-up (tests/scripts/test_environment.py): a test must not install anything
DEMO = """
import sys
from scripts import demo
from scripts.showcase import steps
sys.exit(steps.run(demo.options()))
"""
UNKNOWN = "steps.INSTRUMENTS = ('NONE-USDT-SWAP',)\nsys.exit"
INSTRUMENTS = ("BTC-USDT-SWAP", "ETH-USDT-SWAP")
FAST = ("--seconds", "8", "--speed", "25")  # the market of the ordinary demo in less time


def start(vault: Path, *options: str, program: str = DEMO) -> subprocess.Popen[str]:
    """Start the demo in a vault of its own, from a folder that is not the checkout."""
    return subprocess.Popen(
        [sys.executable, "-c", program, "--vault", str(vault), *options],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8",
        cwd=vault.parent, env={**os.environ, "PYTHONUTF8": "1", "COLUMNS": "80"},
    )  # fmt: skip


@pytest.mark.slow
def test_the_demo_shows_rows_and_leaves_files(tmp_path, monkeypatch):
    """All steps work, what it shows is whole, the planted set-up is found; without it, code 1."""
    root = tmp_path / "a vault"
    (tmp_path / "ravequant.toml").write_text('[signals.wall_notional]\nBTC = "90000000"\n')
    monkeypatch.setenv("RAVEQUANT_SETTINGS", str(tmp_path / "ravequant.toml"))  # not the demo's
    with start(root, *FAST) as process:
        shown, errors = process.communicate(timeout=120)
    monkeypatch.delenv("RAVEQUANT_SETTINGS")
    assert process.returncode == 0, errors
    assert "20 times those of OKX" in shown
    assert shown.index("4/6 minutes\n") < shown.index("newest minutes (UTC)")
    assert shown.index("6/6 signals\n") < shown.index("fade ") < shown.index("the planted set-up")
    assert "the planted set-up was found: BTC-USDT-SWAP SHORT" in shown
    assert "7 of 7 confluences, score 100" in shown
    assert shown.count(": walls of ") == shown.count("200-500 bps") == 2
    assert "young_wall" in shown  # explained
    assert shown.count(" poor ends: ") == shown.count(" VWAP since 00:00: ") == len(INSTRUMENTS)
    for line in signal_of_the_readme():
        assert line in shown
    assert not {"\x1b", "\N{HORIZONTAL ELLIPSIS}"} & set(shown)  # no colours unseen, nothing cut
    vault = Vault(root)
    for inst_id in INSTRUMENTS:
        for name in ("vwap/{}/vwap_1m", "cvd/{}/cvd_1m", "volume/{}/volume_1m"):
            path = root / "derived" / f"{name.format(f'okx/perps/{inst_id}')}.jsonl"
            assert len(path.read_bytes().splitlines()) >= 290
        assert shown.count(inst_id) >= 6
    assert str(vault.trades(INSTRUMENTS[0])) in shown
    assert (root / "logs" / "trades_exporter.log").exists()  # not the person's own log
    again = steps_of(root)
    steps.show_signals(again)
    shutil.rmtree(vault.derived("liquidity_buckets", INSTRUMENTS[0]))
    with pytest.raises(DemoError, match="expected the planted one among them"):
        steps.show_signals(again)


def signal_of_the_readme() -> list[str]:
    """Return the lines of the signal that the root README shows, but for the place's own time."""
    text = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    block = next(found for found in text.split("```") if "\nage at " in found)
    return [line for line in block.split("\n") if line and "local" not in line]


def steps_of(root: Path) -> Demo:
    """Return what the steps work on, for a vault that a demo has left."""
    return demo_in(Vault(root))


def demo_in(vault: Vault) -> Demo:
    """Return a demo in a vault, for a part of its steps."""
    return Demo(
        argparse.Namespace(history=0), Console(file=io.StringIO()), vault, Supervisor(vault)
    )


def test_a_market_too_short_for_the_set_up_is_refused(capsys):
    """What cannot hold the planted set-up is a usage error that says how much is needed."""
    with pytest.raises(SystemExit) as ended:
        demo.options(["--seconds", "10", "--speed", "10"])
    assert ended.value.code == 2
    assert capsys.readouterr().err.endswith(
        "demo.py: error: --seconds x --speed is 100 s of market, expected at least 185: the "
        "set-up that the demo plants and finds takes so long\n"
    )


@pytest.mark.parametrize("given", [["--seconds", "0"], ["--speed", "-1"], ["--speed", "nan"]])
def test_numbers_that_are_none_are_refused(given):
    """A market without a length or a pace is a usage error."""
    with pytest.raises(SystemExit) as ended:
        demo.options(given)
    assert ended.value.code == 2


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="a signal to one process is POSIX")
def test_ctrl_c_ends_all_programs(tmp_path):
    """Interrupted in the middle, the demo ends with 130 and nothing of it runs on."""
    root = tmp_path / "vault"
    with start(root, "--seconds", "60") as process:
        deadline = time.monotonic() + 60
        while not (root / "logs" / "trades_exporter.log").exists():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (130, "demo: interrupted; all its programs have ended\n")
    assert programs_with(str(root)) == []


# a younger market with fewer books than that of the demo, so that it is there sooner
SCREEN = """
import sys
from scripts import demo, run_all
from scripts.supervision import tasks
tasks.BOOKS, tasks._HISTORY_MS = "2m", 80 * 60_000
sys.exit(run_all.main(demo.screen_options(demo.options())))
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="a signal to one process is POSIX")
def test_the_screen_shows_an_open_market_until_ctrl_c(tmp_path):
    """Its past is there at once, trades and books; then both go on, and all end together."""
    root, port = tmp_path / "vault", free_port()
    options = ("--dashboard", "--no-open", "--dashboard-port", str(port))
    vault = Vault(root)
    with start(root, *options, program=SCREEN) as process:
        deadline = time.monotonic() + 90
        while not (minutes_of(vault) > 55 and answered(f"http://127.0.0.1:{port}/api/v1/status")):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    assert f"the screen: http://127.0.0.1:{port}/, in about a minute" in errors
    (_, hours), *_ = BOOK.files(vault, INSTRUMENTS[0])
    assert b'"seqId":-1' in next(lines_forward(hours))  # of before the recorder
    assert programs_with(str(root)) == []


def minutes_of(vault: Vault) -> int:
    """Return how many minutes of the first instrument have a VWAP."""
    found = list(VWAP.files(vault, INSTRUMENTS[0]))
    return sum(1 for _ in lines_forward(found[0][1])) if found else 0


def test_the_screen_of_a_demo_is_that_of_run_all():
    """A market of five hours, calculators each minute, a browser unless it is not wanted."""
    found = demo.screen_options(demo.options(["--dashboard", "--vault", "x"]))
    args = run_all.parser().parse_args(found)
    assert (args.demo, args.dashboard, args.open, args.dashboard_port) == (True, True, True, 8766)
    assert (args.backfill, args.every) == ("5h", 60_000)
    quiet = demo.screen_options(demo.options(["--dashboard", "--no-open"]))
    assert "--open" not in quiet


def programs_with(argument: str) -> list[str]:
    """Return the command lines that run now and hold ``argument``."""
    if os.name == "nt":
        return []
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    return [line for line in listed.stdout.splitlines() if argument in line]
