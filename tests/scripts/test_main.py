"""Tests of scripts.main: the command `ravequant` is the script it names, and lists them all."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ravequant import __version__, catalog
from ravequant.vault.paths import CHECKOUT

COMMAND = Path(sys.executable).parent / ("ravequant.exe" if os.name == "nt" else "ravequant")
SCRIPT = CHECKOUT / "scripts" / "main.py"


def typed(*words: str | Path) -> tuple[int, str, str]:
    """Run a command line; return exit code, stdout and stderr without their times."""
    done = subprocess.run(
        [str(word) for word in words],
        capture_output=True, text=True, check=False, encoding="utf-8", cwd=CHECKOUT,
    )  # fmt: skip
    return done.returncode, done.stdout, re.sub(r"^\S+Z ", "", done.stderr, flags=re.MULTILINE)


def ours(*words: str | Path) -> tuple[int, str, str]:
    """Run the command as installed, or its script where this environment has no command."""
    return typed(*([COMMAND] if COMMAND.is_file() else [sys.executable, SCRIPT]), *words)


def test_alone_it_lists_every_program():
    """Each program of the catalogue with its words, and what it does."""
    code, out, _ = ours()
    assert code == 0
    lines = [line.split("  ") for line in out.splitlines()[2:]]
    named = {word for line in lines for word in line[1].strip().split(", ")}
    names = {program.name for program in catalog.PROGRAMS} - {"ravequant"}
    assert named == names | set(catalog.SHORT_NAMES)
    assert all(line[-1].strip() for line in lines)
    assert set(catalog.SHORT_NAMES.values()) <= names
    assert not set(catalog.SHORT_NAMES) & names


def test_version_names_python_and_checkout():
    """The line to put into a report of a fault."""
    version = sys.version.split()[0]
    assert ours("--version")[:2] == (0, f"ravequant {__version__}, Python {version}, {CHECKOUT}\n")


@pytest.mark.parametrize(
    ("words", "script", "options"),
    [
        (["settings", "--check"], "scripts/settings.py", ["--check"]),
        (["signals", "--vault", "nowhere", "--at", "2025-12-14"], "Untouch_Wick/find_signals.py",
         ["--vault", "nowhere", "--at", "2025-12-14"]),
        (["find-signals", "--help"], "Untouch_Wick/find_signals.py", ["--help"]),
        (["help", "verify"], "scripts/verify_vault.py", ["--help"]),
        (["peek.py"], "scripts/peek.py", []),
        (["vwap", "--vault", "nowhere", "--log-level", "x"], "VWAP/vwap_calculator.py",
         ["--vault", "nowhere", "--log-level", "x"]),
    ],
)  # fmt: skip
def test_it_is_the_script(words, script, options):
    """Output, messages and exit code are those of the script with the same options."""
    assert ours(*words) == typed(sys.executable, CHECKOUT / script, *options)


def test_another_word_is_refused():
    """Exit code 2, and the nearest word."""
    code, out, err = ours("dokter")
    assert (code, out) == (2, "")
    assert err == (
        "ERROR ravequant: no program 'dokter'; did you mean doctor? `ravequant` alone lists them\n"
    )


def test_a_program_is_set_for_speed_and_knows_its_command_line(tmp_path):
    """As a script it begins with its own head: the same process, not another Python."""
    program = tmp_path / "scripts" / "told.py"
    program.parent.mkdir()
    program.write_text(
        'if __name__ == "__main__":\n'
        f"    exec(open({str(CHECKOUT / 'scripts/begin.py')!r}).read())\n"
        "import gc, os, sys\n"
        "print(gc.get_threshold()[0], os.environ['OPENBLAS_NUM_THREADS'])\n"
        "print(sys.argv[1:], sys.orig_argv)\n"
        "sys.exit(3)\n",
        encoding="utf-8",
    )
    code = (
        "from scripts import main\nfrom ravequant.catalog import Program\n"
        f"main.start(Program('told', {str(program)!r}), ['--a', 'b c'])"
    )
    environment = {key: value for key, value in os.environ.items() if "OPENBLAS" not in key}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, check=False, cwd=CHECKOUT, env=environment,
    )  # fmt: skip
    wanted = f"50000 1\n['--a', 'b c'] {[sys.executable, str(program), '--a', 'b c']}\n"
    assert (done.returncode, done.stdout, done.stderr) == (3, wanted, "")
