"""scripts/environment.py and scripts/begin.py, with real venvs in a path with a blank."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ravequant.vault.paths import CHECKOUT

SCRIPTS = CHECKOUT / "scripts"
PROGRAM = '''"""A program as they all begin."""
if __name__ == "__main__":
    exec(__import__("pathlib").Path(__file__, "../../scripts/begin.py").resolve().read_bytes())

import sys

import module_of_the_venv

print(module_of_the_venv.__name__, sys.argv[1:])
sys.exit(7)
'''


def start(script: Path, *arguments: str, code: str | None = None, env=None):
    """Run a script, or ``code``, in this Python and return what came of it."""
    command = [sys.executable, *(["-c", code] if code else [str(script)]), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=script.parents[2], env=env, check=False
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory):
    """Return a small checkout that has set itself up once, and what it said."""
    checkout = tmp_path_factory.mktemp("some where") / "rave quant"
    shutil.copytree(SCRIPTS, checkout / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    (checkout / "requirements.txt").touch()
    (checkout / "pyproject.toml").touch()
    return checkout, start(checkout / "scripts" / "environment.py")


@pytest.fixture
def checkout(made):
    """Return the small checkout, with its requirements as they were installed."""
    (made[0] / "requirements.txt").write_bytes(b"")
    enter(made[0])
    return made[0]


def enter(checkout: Path):
    """Do what demo.py and test.py do first, then name the Python that goes on."""
    script = checkout / "entry.py"
    script.write_text(
        "import runpy, sys\n"
        f"runpy.run_path({str(checkout / 'scripts' / 'environment.py')!r})['enter']()\n"
        "print('inside', sys.prefix, sys.argv[1:])\n",
        encoding="utf-8",
    )
    return start(script, "--a", "b c")


@pytest.mark.parametrize("name", ["begin.py", "demo.py", "environment.py", "test.py"])
def test_an_old_python_can_read_the_scripts(name):
    """What a person starts first parses on Python 3.8, so that its message can be shown."""
    ast.parse((SCRIPTS / name).read_text(encoding="utf-8"), feature_version=(3, 8))


def test_the_head_leaves_a_program_its_own_docstring():
    """`--help` shows it."""
    head = SCRIPTS / "begin.py"
    code = f"'the own one'\nexec(open({str(head)!r}, 'rb').read())\nprint(__doc__)"
    assert start(SCRIPTS, code=code).stdout.strip() == "the own one"


@pytest.mark.parametrize("name", ["demo.py", "environment.py", "test.py"])
def test_an_old_python_is_told_what_to_do(name):
    """A Python older than 3.11 ends with one line and exit code 1."""
    code = (
        "import runpy, sys; sys.version_info = (3, 8, 18); sys.version = '3.8.18 (x)'\n"
        f"sys.argv = ['x']; runpy.run_path({str(SCRIPTS / name)!r}, run_name='__main__')"
    )
    answer = start(SCRIPTS / name, code=code)
    assert answer.returncode == 1
    assert answer.stderr.startswith(f"set-up: this is Python 3.8.18 ({sys.executable}); 3.11 or ")
    assert len(answer.stderr.splitlines()) == 1


def test_first_start_makes_the_environment(made):
    """With nothing but Python, one command makes `.venv` and fills it."""
    checkout, answer = made
    assert answer.returncode == 0, answer.stderr
    assert "making" in answer.stdout
    assert "installing requirements.txt" in answer.stdout
    assert (checkout / ".venv" / "pyvenv.cfg").is_file()


def test_second_start_goes_straight_in(checkout):
    """Where all is installed nothing is said, and the command line goes on inside `.venv`."""
    answer = enter(checkout)
    assert answer.stdout == f"inside {checkout / '.venv'} ['--a', 'b c']\n", answer.stderr


def test_changed_requirements_are_installed(checkout):
    """A change of requirements.txt is installed at the next start, once."""
    (checkout / "requirements.txt").write_text("# other\n", encoding="utf-8")
    assert "installing requirements.txt" in enter(checkout).stdout
    assert "installing" not in enter(checkout).stdout


def test_a_killed_install_is_made_anew(checkout):
    """Where an install was cut off the half-filled `.venv` is not trusted."""
    (checkout / ".venv" / "ravequant.stamp").write_text("unfinished", encoding="ascii")
    leftover = checkout / ".venv" / "half-written"
    leftover.touch()
    answer = enter(checkout)
    assert "making" in answer.stdout, answer.stderr
    assert "inside" in answer.stdout
    assert not leftover.exists()


def test_a_broken_environment_is_made_anew(checkout):
    """A `.venv` whose Python does not start is replaced."""
    folder = checkout / ".venv" / ("Scripts" if os.name == "nt" else "bin")
    shutil.rmtree(folder)
    answer = enter(checkout)
    assert "making" in answer.stdout, answer.stderr
    assert "inside" in answer.stdout


def test_failed_install_says_so_and_keeps_what_was_there(checkout):
    """If pip fails the exit code is 1, the remedy is shown, and the old stamp stands."""
    stamp = (checkout / ".venv" / "ravequant.stamp").read_text(encoding="ascii")
    (checkout / "requirements.txt").write_text("./no-such-folder\n", encoding="utf-8")
    answer = enter(checkout)
    assert answer.returncode == 1
    assert "pip could not install the requirements" in answer.stderr
    assert "https://pypi.org" in answer.stderr
    assert (checkout / ".venv" / "ravequant.stamp").read_text(encoding="ascii") == stamp


def test_missing_venv_module_says_what_to_install(made, tmp_path):
    """A Python that cannot make a venv (Debian without python3-venv) gives the remedy."""
    copy = tmp_path / "copy"
    shutil.copytree(made[0] / "scripts", copy / "scripts")
    (tmp_path / "venv.py").write_text("raise SystemExit('no ensurepip here')", encoding="utf-8")
    script = copy / "scripts" / "environment.py"
    answer = start(script, env={**os.environ, "PYTHONPATH": str(tmp_path)})
    assert answer.returncode == 1
    assert "did not make" in answer.stderr
    assert ("python3-venv" in answer.stderr) == (os.name != "nt")


@pytest.fixture
def program(checkout):
    """Return a program of the small checkout that needs a module which only `.venv` has."""
    site = next((checkout / ".venv").rglob("site-packages"))
    (site / "module_of_the_venv.py").touch()
    path = checkout / "Room" / "program.py"
    path.parent.mkdir(exist_ok=True)
    path.write_text(PROGRAM, encoding="utf-8")
    return path


def test_a_program_is_handed_over(program):
    """Started outside `.venv`, a program goes on inside: same arguments, its own exit code."""
    answer = start(program, "--instId", "a b")
    assert answer.stdout == "module_of_the_venv ['--instId', 'a b']\n", answer.stderr
    assert answer.returncode == 7


def test_handing_over_does_not_loop(program, checkout):
    """A module that `.venv` lacks as well ends with one line that names module and remedy."""
    next((checkout / ".venv").rglob("site-packages/module_of_the_venv.py")).unlink()
    answer = start(program)
    assert answer.returncode == 1
    assert answer.stderr.startswith("program.py: the module module_of_the_venv is not installed")
    python = "py" if os.name == "nt" else "python3"
    assert f'{python} "{checkout / "scripts" / "environment.py"}"' in answer.stderr
    assert len(answer.stderr.splitlines()) == 1


def test_any_other_error_is_shown_as_ever(program):
    """An error that is no missing module ends with its traceback and exit code 1."""
    code = PROGRAM.replace("import module_of_the_venv\n", "1 / 0\n")
    program.write_text(code, encoding="utf-8")
    answer = start(program)
    assert answer.returncode == 1
    assert answer.stderr.startswith("Traceback (most recent call last):")
    assert answer.stderr.endswith("ZeroDivisionError: division by zero\n")


def test_without_an_environment_the_remedy_is_said(program, checkout):
    """Before the one installation a program ends with one line and exit code 1."""
    (checkout / ".venv").rename(checkout / ".elsewhere")
    try:
        answer = start(program)
    finally:
        (checkout / ".elsewhere").rename(checkout / ".venv")
    assert answer.returncode == 1
    assert "Run this once, then the same command again: python" in answer.stderr
