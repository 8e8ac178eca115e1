"""The .bat files a person starts on Windows: form everywhere, a real run where there is a cmd."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from ravequant.vault.paths import CHECKOUT

BAT_FILES = sorted(
    path for folder in CHECKOUT.iterdir() if folder.is_dir() and not folder.name.startswith(".")
    for path in folder.glob("*.bat")
)  # fmt: skip
each_bat = pytest.mark.parametrize("bat", BAT_FILES, ids=lambda path: path.name)


def commands(bat: Path) -> list[str]:
    """Return the lines that do something."""
    lines = (line.strip() for line in bat.read_text(encoding="ascii").splitlines())
    return [line for line in lines if line and not line.lower().startswith(("rem", "::"))]


@each_bat
def test_line_ends_are_those_of_windows(bat):
    """cmd.exe reads labels and blocks safely only with CRLF; the text is plain ASCII."""
    content = bat.read_bytes()
    assert content.endswith(b"\r\n")
    assert content.count(b"\r\n") == content.count(b"\n") == content.count(b"\r")
    assert content.isascii()


@each_bat
def test_starts_in_its_own_folder(bat):
    """A double click and a call from anywhere work alike, on any drive, in a path with blanks."""
    lines = commands(bat)
    assert lines[0] == "@echo off"
    first_start = min(index for index, line in enumerate(lines) if ".py" in line)
    assert 'cd /d "%~dp0"' in lines[:first_start]


@each_bat
def test_takes_the_python_of_the_checkout_else_the_launcher(bat):
    """`.venv` of the checkout, else `py -3`, else the `python` of the Store, which has no `py`."""
    lines = commands(bat)
    first_start = min(index for index, line in enumerate(lines) if ".py" in line)
    venv = r"..\.venv\Scripts\python.exe"
    assert lines[first_start - 3 : first_start] == [
        'set "RUN=py -3"', 'for %%P in (py.exe) do if "%%~$PATH:P"=="" set "RUN=python"',
        f'if exist "{venv}" set "RUN={venv}"',
    ]  # fmt: skip
    assert all(line.startswith("%RUN% ") for line in lines if re.search(r"\.py\b", line))
    assert (bat.parent.parent / "pyproject.toml").is_file()  # one folder below the checkout


@each_bat
def test_waits_only_after_a_failed_double_click(bat):
    """The window stays open if it was opened for this file alone, and the program failed.

    No other program is asked, such as a `find` that is not Windows' own; nor is text from outside
    expanded before the line is taken apart, where its quotes and ampersands would count.
    """
    *_, kept, enabled, waits, _ = commands(bat)
    assert kept.lower().startswith('set "outcome=')
    assert enabled == "setlocal EnableDelayedExpansion"
    double_clicked = 'if not "!CMDCMDLINE:%~nx0=!"=="!CMDCMDLINE!"'
    assert waits == f'if not "%OUTCOME%"=="0" {double_clicked} pause'


@each_bat
def test_paths_are_quoted(bat):
    """Whatever is expanded from a path stands in quotes."""
    for command in commands(bat):
        for path in re.finditer(r"%~\w+|[%!]CMDCMDLINE", command):
            assert command[: path.start()].count('"') % 2 == 1, command


@each_bat
def test_starts_a_program_of_its_folder_with_the_arguments(bat):
    """It starts a script that stands beside it and hands on what it was given."""
    started = [line for line in commands(bat) if re.search(r"\.py\b", line)]
    assert started, f"{bat} starts nothing"
    for line in started:
        script = re.search(r'"?([\w./\\-]+\.py)"?', line)
        assert script is not None
        assert (bat.parent / script[1].replace("\\", "/")).is_file(), line
        assert "%*" in line, line


@each_bat
def test_hands_on_the_exit_code(bat):
    """The program's exit code is kept before anything else runs, and given back at the end."""
    lines = commands(bat)
    last_start = max(index for index, line in enumerate(lines) if ".py" in line)
    kept = next(line for line in lines[last_start + 1 :] if line != ")")
    variable = re.fullmatch(r'set "(\w+)=%errorlevel%"', kept, re.IGNORECASE)
    assert variable is not None, lines
    assert lines[-1].lower() == f"exit /b %{variable[1].lower()}%"


@pytest.mark.skipif(os.name != "nt", reason="cmd.exe runs .bat files, and only Windows has it")
@each_bat
def test_runs_on_windows(bat):
    """Started from another folder it shows the program's help, and refuses an unknown option."""
    for option, code in (("--help", 0), ("--no-such-option", 2)):
        answer = subprocess.run(
            ["cmd", "/c", str(bat), option],
            capture_output=True, cwd=CHECKOUT.anchor, stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip
        assert answer.returncode == code, answer.stderr


def wine_command() -> Path | None:
    """Return the cmd.exe of Wine, if it is installed."""
    found = sorted(Path("/usr/lib").glob("*/wine/x86_64-windows/cmd.exe"))
    return found[0] if found and shutil.which("wine") else None


@pytest.mark.slow
@pytest.mark.skipif(wine_command() is None, reason="Wine is not installed")
@each_bat
def test_runs_under_wine(bat, tmp_path, tmp_path_factory):
    """In a path with a blank and an apostrophe, started from elsewhere, it hands on both ways.

    Wine's cmd.exe stands in for Python: it passes over the script and does what follows `/c`.
    """
    checkout = tmp_path / "Bear's house"
    python = checkout / ".venv" / "Scripts" / "python.exe"
    python.parent.mkdir(parents=True)
    stand_in = wine_command()
    assert stand_in is not None
    shutil.copyfile(stand_in, python)
    copy = checkout / bat.parent.name / bat.name
    copy.parent.mkdir()
    shutil.copyfile(bat, copy)
    prefix = tmp_path_factory.getbasetemp() / "wine"
    for words, code in ((("exit", "3"), 3), (("cd",), 0)):
        answer = subprocess.run(
            ["wine", "cmd", "/c", "Z:" + str(copy).replace("/", "\\"), "/c", *words],
            capture_output=True, cwd="/", stdin=subprocess.DEVNULL, check=False, timeout=120,
            env={**os.environ, "WINEPREFIX": str(prefix), "WINEDEBUG": "-all"},
        )  # fmt: skip
        assert answer.returncode == code, answer
    assert answer.stdout.decode().strip().endswith(f"{checkout.name}\\{bat.parent.name}")
