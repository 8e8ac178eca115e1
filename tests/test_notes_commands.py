"""Every command line of the user's notes, as typed there, in a checkout of its own.

The prefix of the user's computer stands for that checkout. What only Windows has is done by its
twin elsewhere: a `.bat` by the program that it starts, `type` and `dir` by a look at the file.
Both exporters listen to an exchange in a box that `ravequant.toml` names, and are ended by Ctrl-C
once they have recorded enough.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ravequant.vault.paths import CHECKOUT, Vault, book_files, day_files
from ravequant.vault.tail import newest_time
from tests.support.trades_box import exchange, wait_for

NOTES = CHECKOUT.parent / "shared" / "notes"
HOME = "C:\\Users\\M.R Bear\\Documents\\RaveQuant"
BTC = "BTC-USDT-SWAP"
RECORDED_S = 1.0  # that an exporter records before Ctrl-C, at the speed of the market
MARKETS = {  # note -> when its market begins (the days of the files it looks at), and its speed
    "l2_exporter.txt": ("2023-12-14T15:10:00.000Z", 60),
    "infrastructure.txt": ("2025-12-14T20:00:00.000Z", 240),
    "liquidity_buckets.txt": ("2025-12-14T20:00:00.000Z", 60),
    "volume_analyzer.txt": ("2025-12-14T20:00:00.000Z", 240),
}
PARTS = (
    "Trades_Bot", "L2_Bot", "VWAP", "CVD", "Volume_Analyzer", "Untouch_Wick", "Liquidity_Buckets",
    "ravequant", "scripts", "Rave_Quant_Vault",
)  # fmt: skip

# name of the note -> its command lines in their order, as they stand there
# ruff: noqa: E501
COMMANDS = {
    "l2_exporter.txt": r"""
cd "C:\Users\M.R Bear\Documents\RaveQuant\L2_Bot"
python l2_exporter.py
start_l2.bat
python l2_retention.py
type "C:\Users\M.R Bear\Documents\RaveQuant\L2_Bot\l2_exporter.log"
dir "C:\Users\M.R Bear\Documents\RaveQuant\Rave_Quant_Vault\raw\okx\l2_perps\BTC-USDT-SWAP"
type "C:\Users\M.R Bear\Documents\RaveQuant\Rave_Quant_Vault\raw\okx\l2_perps\BTC-USDT-SWAP\2023-12-14\15.jsonl"
""",
    "infrastructure.txt": r"""
cd C:\Users\M.R Bear\Documents\RaveQuant\Trades_Bot
python trades_exporter.py  # Should be running 24/7
cd C:\Users\M.R Bear\Documents\RaveQuant\VWAP
run_vwap.bat
cd C:\Users\M.R Bear\Documents\RaveQuant\Untouch_Wick
run_wicks.bat
python find_signals.py --instId BTC-USDT-SWAP
python find_signals.py --instId ETH-USDT-SWAP
cd VWAP && run_vwap.bat
cd Untouch_Wick && run_wicks.bat
python find_signals.py --instId BTC-USDT-SWAP
""",
    "liquidity_buckets.txt": r"""
cd C:\Users\M.R Bear\Documents\RaveQuant\Liquidity_Buckets
run_buckets.bat
python l2_bucketizer.py --instId BTC-USDT-SWAP --since 240m
python l2_bucketizer.py --instId ETH-USDT-SWAP --since 240m
tail -n 3 C:\Users\M.R Bear\Documents\RaveQuant\Rave_Quant_Vault\derived\liquidity_buckets\okx\perps\BTC-USDT-SWAP\2025-12-14.jsonl
type C:\Users\M.R Bear\Documents\RaveQuant\Rave_Quant_Vault\state\liquidity_buckets\okx\perps\BTC-USDT-SWAP.state.json
cd L2_Bot
python l2_exporter.py
cd Liquidity_Buckets
run_buckets.bat
""",
    "volume_analyzer.txt": r"""
cd C:\Users\M.R Bear\Documents\RaveQuant\Volume_Analyzer
run_volume.bat
python volume_analyzer.py --instId BTC-USDT-SWAP
python volume_analyzer.py --instId ETH-USDT-SWAP
cd Trades_Bot
python trades_exporter.py
cd Volume_Analyzer
run_volume.bat
tail -n 5 C:\Users\M.R Bear\Documents\RaveQuant\Rave_Quant_Vault\derived\volume\okx\perps\BTC-USDT-SWAP\volume_1m.jsonl
type C:\Users\M.R Bear\Documents\RaveQuant\Rave_Quant_Vault\state\volume\okx\perps\BTC-USDT-SWAP.state.json
""",
}  # fmt: skip
# what runs since the morning, where a note looks at its records before it starts it itself
BEFORE = {
    "liquidity_buckets.txt": "cd L2_Bot && python l2_exporter.py",
    "volume_analyzer.txt": "cd Trades_Bot && python trades_exporter.py",
}

CALL = """
signals = find_hidden_signals(
    age_min=20,
    age_max=40,
    timeframe='1m',
    min_touched_surrounding=10
)
"""

# a line of a note that asks for something to be typed, wherever it stands
TYPED = re.compile(
    r"(?:python3?|py|pip|git|cd|tail|type|dir|cat|ls|Get-Content|schtasks|crontab) |[\w.]+\.bat\b"
)
FENCED = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Shell:
    """Somebody who types one line after the other, and the checkout in which that is done."""

    def __init__(self, home: Path) -> None:
        self.home = self.folder = home
        self.vault = Vault(home / "Rave_Quant_Vault")
        self.market = ExitStack()
        self.span_ms = 0  # of market time that an exporter records
        # of the environment only what a plain terminal has: no settings and no vault are named
        kept = {key: text for key, text in os.environ.items() if not key.startswith("RAVEQUANT_")}
        path = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", "")])
        self.env = kept | {"PATH": path, "PYTHONPATH": str(home)}

    def open_market(self, start: str, speed: int) -> None:
        """Let the exchange be at a moment; the settings lead there."""
        folder = self.home.parent / "exchange"
        folder.mkdir()
        self.span_ms = round(RECORDED_S * 1000 * speed)
        options = (
            "--start", start, "--history", "1m", "--speed", str(speed), "--rows-per-second", "2",
            "--rest-limit-factor", "10", "--wait-for-clients", "0",
        )  # fmt: skip
        found = self.market.enter_context(exchange(folder, *options))
        text = f'[okx]\nws_url = "{found[1]}"\nrest_url = "{found[3]}"\n'
        (self.home / "ravequant.toml").write_text(text, encoding="utf-8")

    def type(self, line: str) -> str:
        """Do what a line says and return what it shows."""
        shown = ""
        for part in line.partition("  #")[0].split("&&"):
            shown = self._do(part.strip())
        return shown

    def _do(self, line: str) -> str:
        command, _, rest = line.partition(" ")
        if command == "cd":
            self.folder = self._folder(rest)
            return ""
        if command in ("tail", "type", "dir"):
            return self._look(command, rest)
        words = self._twin(line) if command.endswith(".bat") else line.split()
        name = next(word for word in words if word.endswith(".py"))
        return self._record(words) if name in RECORDED else self._run(words)

    def _path(self, typed: str) -> Path:
        """Return the place that a path of the user's computer stands for."""
        plain = typed.strip('"').replace(HOME, str(self.home))
        return self.folder / plain.replace("\\", "/")

    def _folder(self, typed: str) -> Path:
        places = [self._path(typed), self.home / typed]  # from where one is, or from the checkout
        return next(place for place in places if place.is_dir())

    def _look(self, command: str, rest: str) -> str:
        options, _, typed = rest.rpartition(HOME) if '"' not in rest else ("", "", rest)
        path = self._path(HOME + typed if not typed.startswith('"') else typed)
        if command == "dir":
            return "\n".join(sorted(one.name for one in path.iterdir()))
        if command == "tail" and os.name != "nt":
            return self._run(["tail", *options.split(), str(path)])
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        return "".join(lines[-int(options.split()[1]) :] if command == "tail" else lines)

    def _twin(self, line: str) -> list[str]:
        """Return what a .bat starts, with the Python that a terminal finds; on Windows itself."""
        bat = self.folder / line
        if os.name == "nt":
            return ["cmd", "/c", str(bat)]
        (started,) = re.findall(r"^%RUN% (\S+\.py) %\*\r?$", bat.read_text("ascii"), re.MULTILINE)
        return ["python", started]

    def _start(self, words: list[str]) -> subprocess.Popen[str]:
        return subprocess.Popen(
            words, cwd=self.folder, env=self.env, text=True, encoding="utf-8",
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def _run(self, words: list[str]) -> str:
        process = self._start(words)
        shown, _ = process.communicate(timeout=60)
        assert process.returncode == 0, f"{words}: exit code {process.returncode}\n{shown}"
        return shown

    def _record(self, words: list[str]) -> str:
        """Run an exporter until it has recorded a while, then press Ctrl-C."""
        newest = RECORDED[next(word for word in words if word.endswith(".py"))]
        before, process = newest(self.vault), self._start(words)
        try:
            wait_for(lambda: newest(self.vault) > before, process)
            first = newest(self.vault)
            wait_for(lambda: newest(self.vault) > first + self.span_ms, process)
            process.send_signal(signal.SIGINT)
            shown, _ = process.communicate(timeout=60)
        except AssertionError as error:
            process.kill()
            raise AssertionError(f"{words}: {error}\n{process.communicate()[0]}") from None
        finally:
            process.kill()
        assert process.returncode == 0, f"{words}: exit code {process.returncode}\n{shown}"
        return shown


RECORDED: dict[str, Callable[[Vault], int]] = {  # the time of the newest record, 0: none
    "trades_exporter.py": lambda vault: newest_time(lambda: day_files(vault.trades(BTC))) or 0,
    "l2_exporter.py": lambda vault: newest_time(lambda: book_files(vault.snapshots(BTC))) or 0,
}


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """Return a shell in a fresh checkout, in a folder whose name has a blank as the user's."""
    home = tmp_path / "M.R Bear" / "RaveQuant"
    skipped = shutil.ignore_patterns("__pycache__", "*.log", "*.jsonl")
    for name in PARTS:
        shutil.copytree(CHECKOUT / name, home / name, ignore=skipped)
    shutil.copy(CHECKOUT / "pyproject.toml", home)  # the sign of a checkout
    made = Shell(home)
    with made.market:
        yield made


def lines_of(note: str) -> list[str]:
    return COMMANDS[note].strip().splitlines()


def check(line: str, shown: str) -> None:
    """Fail unless a line shows the output that its note promises."""
    if line.startswith("tail -n "):
        rows = [json.loads(row) for row in shown.splitlines()]
        assert len(rows) == int(line.split()[2])
        assert {row["instId"] for row in rows} == {BTC}
    elif line.startswith("dir "):
        assert "2023-12-14" in shown.split()
    elif line.startswith("type ") and line.rstrip('"').endswith(".jsonl"):
        assert len([json.loads(row) for row in shown.splitlines()]) > 3
    elif line.startswith("type ") and line.endswith(".json"):
        assert isinstance(json.loads(shown), dict)
    elif line.startswith("type "):
        assert "snapshots written" in shown
    elif "find_signals.py" in line:
        assert line.rpartition(" ")[2] in shown


@pytest.mark.parametrize("note", COMMANDS)
@pytest.mark.skipif(os.name == "nt", reason="no test can press Ctrl-C in one window there")
def test_every_command_line_of_the_notes_works_as_typed(shell, note):
    """From top to bottom: exit code 0, and what is looked at is there."""
    shell.open_market(*MARKETS[note])
    shell.type(BEFORE.get(note, "cd ."))
    shell.folder = shell.home
    for line in lines_of(note):
        check(line, shell.type(line))


@pytest.mark.skipif(os.name == "nt", reason="no test can press Ctrl-C in one window there")
def test_the_call_of_the_notes_works_as_typed(shell):
    """From Python, where the program is: the signals are a list; stderr says what is not recorded."""
    shell.open_market(*MARKETS["infrastructure.txt"])
    shell.type(BEFORE["volume_analyzer.txt"])
    code = f"from find_signals import find_hidden_signals{CALL}print(type(signals).__name__)"
    shell.folder = shell.home / "Untouch_Wick"
    *warnings, answer = shell._run(["python", "-c", code]).splitlines()
    assert answer == "list"
    assert all(": NOT RECORDING trades: trades_exporter has ended" in line for line in warnings)


@pytest.mark.skipif(not NOTES.is_dir(), reason=f"no notes at {NOTES}")
def test_the_list_is_that_of_the_notes():
    """Each listed line stands in its note, and no command line of a note is missing."""
    assert {path.name for path in NOTES.iterdir()} == set(COMMANDS)
    for note in COMMANDS:
        text = (NOTES / note).read_text(encoding="utf-8")
        fenced = [
            line.strip()
            for block in FENCED.findall(text)
            for line in block.splitlines()
            if line.strip() and not line.startswith("#")
        ]
        assert lines_of(note) == fenced
        elsewhere = FENCED.sub("", text).splitlines()
        assert [line for line in elsewhere if TYPED.match(line.strip())] == []
    assert CALL in (NOTES / "infrastructure.txt").read_text(encoding="utf-8")
