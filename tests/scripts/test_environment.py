"""scripts/environment.py and scripts/begin.py, with real venvs in a path with a blank."""

import ast
import os
import shutil
import signal
import subprocess
import sys
import time
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
    head_of = f"__file__ = 'own.py'\nexec(open({str(head)!r}, 'rb').read())"
    code = f"'the own one'\n{head_of}\nprint(__doc__)"
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


@pytest.mark.skipif(os.name == "nt", reason="a signal to a group of processes is POSIX")
def test_ctrl_c_in_the_installation_is_no_traceback(made, tmp_path):
    """As in a terminal all its programs get it; the next start makes what is missing."""
    copy = tmp_path / "copy"
    shutil.copytree(made[0] / "scripts", copy / "scripts")
    command = [sys.executable, "-u", str(copy / "scripts" / "environment.py")]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("set-up: making")
        deadline = time.monotonic() + 30
        while not (copy / ".venv" / "pyvenv.cfg").exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert errors == "set-up: interrupted; the next start goes on with it\n"
    assert process.returncode == 130


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


def test_without_an_environment_a_program_sets_itself_up(program, checkout):
    """The first program that is started makes `.venv`, and goes on in it; stdout stays its own."""
    (checkout / ".venv").rename(checkout / ".elsewhere")
    elsewhere = "if 'rave quant' not in sys.prefix:\n    raise ModuleNotFoundError(name='it')\n"
    program.write_text(
        PROGRAM.replace("import module_of_the_venv\n", elsewhere + "import json\n").replace(
            "module_of_the_venv", "json"
        ),
        encoding="utf-8",
    )
    try:
        answer = start(program, "--json")
    finally:
        shutil.rmtree(checkout / ".venv", ignore_errors=True)
        (checkout / ".elsewhere").rename(checkout / ".venv")
    assert answer.stdout == "json ['--json']\n", answer.stderr
    assert "set-up: making" in answer.stderr
    assert answer.returncode == 7


@pytest.mark.parametrize(
    "head", ["import program", "import runpy; runpy.run_path({!r}, run_name='__main__')"]
)
def test_an_import_never_starts_a_script_again(program, head, tmp_path):
    """A script that imports a program, or runs it, goes on with the error, in its own process."""
    own = tmp_path / "own.py"
    own.write_text(
        f"import sys\nsys.path.insert(0, {str(program.parent)!r})\n"
        f"open({str(tmp_path / 'orders')!r}, 'a').write('sent\\n')\n" + head.format(str(program)),
        encoding="utf-8",
    )
    done = subprocess.run([sys.executable, own], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.endswith("ModuleNotFoundError: No module named 'module_of_the_venv'\n")
    assert (tmp_path / "orders").read_text(encoding="utf-8") == "sent\n"
