"""Makes `.venv` in the checkout, installs requirements.txt into it, and goes on inside it.

Only the standard library, and syntax that Python 3.8 reads, so that a too old or bare Python gets
a plain message instead of a traceback. `python scripts/environment.py` is the whole installation;
demo.py and test.py call ``enter`` first, so nobody has to run it by hand.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

OLDEST = (3, 11)
CHECKOUT = Path(__file__).resolve().parents[1]
VENV = CHECKOUT / ".venv"
STAMP = VENV / "ravequant.stamp"  # lists the installed requirements; UNFINISHED during an install
UNFINISHED = "unfinished"


def enter(extras: Sequence[str] = ()) -> None:
    """Return inside a `.venv` that holds the requirements and ``extras``.

    A Python outside of `.venv` is replaced by the Python inside, with the same command line. If
    that fails, a message and exit code 1 end the program.
    """
    prepare(extras)
    if not inside():
        rerun()


def prepare(extras: Sequence[str] = (), *, anew: bool = False) -> None:
    """Make `.venv` where there is none; install the missing requirements, or all, ``anew``."""
    check_version()
    try:
        with one_set_up_at_a_time():
            version = make_venv()
            install(version, extras, anew=anew)
    except KeyboardInterrupt:
        print("set-up: interrupted; the next start goes on with it", file=sys.stderr)
        sys.exit(130)


def check_version() -> None:
    """End the program, with the remedy, if this Python is older than the project needs."""
    if sys.version_info < OLDEST:
        fail(
            f"this is Python {sys.version.split()[0]} ({sys.executable}); 3.11 or newer is needed. "
            "Install it from https://www.python.org/downloads/ and start this with it "
            + ("(py -3.11)." if os.name == "nt" else "(python3.11).")
        )


def venv_python() -> Path:
    """Return the Python of `.venv`, whether it is there or not."""
    return VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def inside() -> bool:
    """Return True if this process already runs in `.venv`."""
    return VENV.is_dir() and os.path.samefile(sys.prefix, VENV)  # noqa: PTH121 - follows links


def make_venv() -> str:
    """Make `.venv` unless a working one stands there; return its Python version."""
    version = version_of_venv()
    if version and read_stamp() != UNFINISHED:
        return version
    if inside():
        fail(f"{VENV} is unfinished and this Python runs in it: start this with the system's.")
    say(f"making {VENV} with Python {sys.version.split()[0]}")
    command = [sys.executable, "-m", "venv", "--clear", str(VENV)]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    version = version_of_venv()
    if done.returncode or not version:
        print(done.stderr, end="", file=sys.stderr)  # after Ctrl-C it is a traceback, and not shown
        remedy = (
            "Repair Python with its installer, pip ticked"
            if os.name == "nt"
            else "On Debian and Ubuntu: sudo apt install python3-venv"
        )
        fail(f"{sys.executable} -m venv did not make {VENV}. {remedy}; then run this again.")
    return version


def version_of_venv() -> str:
    """Return the version that the Python of `.venv` reports, or "" if it or its pip is broken."""
    probe = "import sys, pip; print('.'.join(map(str, sys.version_info[:3])))"
    try:
        answer = subprocess.run(
            [str(venv_python()), "-c", probe], capture_output=True, text=True, check=False
        )
    except OSError:
        return ""
    version = answer.stdout.strip() if answer.returncode == 0 else ""
    return version if version and tuple(map(int, version.split(".")[:2])) >= OLDEST else ""


def install(version: str, extras: Sequence[str], *, anew: bool) -> None:
    """Install the pinned requirements and ``extras``, unless the stamp says they are there.

    The stamp says `unfinished` while pip works. If a run finds that (the install was killed), it
    makes `.venv` anew. An install that pip itself gave up leaves the old packages.
    """
    before = read_stamp()
    digest = wanted_digest(version)
    installed, *with_extras = before.split() or [""]
    if installed == digest and set(extras) <= set(with_extras) and not anew:
        return
    what = "requirements.txt" + "".join(f" and [{extra}]" for extra in extras)
    say(f"installing {what} into .venv (needs the internet, about a minute)")
    write_stamp(UNFINISHED)
    if subprocess.run(pip_command(extras), cwd=str(CHECKOUT), check=False).returncode:
        write_stamp(before)
        fail(
            "pip could not install the requirements; its own words stand above. If they speak of "
            "a connection: the computer must reach https://pypi.org once (behind a proxy set "
            "HTTPS_PROXY). Then run this again."
        )
    write_stamp(" ".join([digest, *extras]))


def pip_command(extras: Sequence[str]) -> list[str]:
    """Return the pip call; it runs in the checkout, since requirements.txt installs `.` too."""
    quiet = [] if sys.stdout.isatty() else ["--quiet"]
    project = ["--editable", f".[{','.join(extras)}]"] if extras else []
    options = ["--disable-pip-version-check", "--no-input", *quiet]
    requirements = ["--requirement", str(CHECKOUT / "requirements.txt")]
    return [str(venv_python()), "-m", "pip", "install", *options, *project, *requirements]


def wanted_digest(version: str) -> str:
    """Return a hash of all that an install depends on: the two files, the Python, the place."""
    digest = hashlib.sha256(f"{version} {CHECKOUT}".encode())
    for name in ("requirements.txt", "pyproject.toml"):
        digest.update((CHECKOUT / name).read_bytes())
    return digest.hexdigest()


def read_stamp() -> str:
    """Return the stamp's text, "" where there is none."""
    try:
        return STAMP.read_text(encoding="ascii")
    except (OSError, ValueError):
        return ""


def write_stamp(text: str) -> None:
    """Replace the stamp."""
    new = STAMP.with_suffix(".new")
    new.write_text(text, encoding="ascii")
    os.replace(str(new), str(STAMP))  # noqa: PTH105 - one line for all systems


@contextlib.contextmanager
def one_set_up_at_a_time() -> Iterator[None]:
    """Hold an OS lock on this very file, beyond its end, which dies with the process."""
    with open(__file__, "rb") as lock:  # noqa: PTH123 - a handle, not its content
        lock.seek(1 << 30)
        told = False
        while not _locked(lock.fileno()):
            if not told:
                say("another set-up of this checkout is running; waiting for it")
                told = True
            time.sleep(0.2)
        yield


def _locked(handle: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt  # noqa: PLC0415 - each system has its own

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl  # noqa: PLC0415 - each system has its own

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:  # a file system without locks: go on without one
        return True
    return True


def rerun(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run this command line in the Python of `.venv`, in place of this process."""
    command = [str(venv_python()), *(sys.argv if arguments is None else arguments)]
    sys.stdout.flush()
    if os.name != "nt":
        os.execv(command[0], command)  # noqa: S606 - our own Python, without a shell
    child = subprocess.Popen(command)
    while True:
        try:
            sys.exit(child.wait())
        except KeyboardInterrupt:  # the child gets the same Ctrl-C, and ends by itself
            continue


def end(main: Callable[[], int]) -> NoReturn:
    """End the program with the code of ``main``; silently after Ctrl-C, or if its reader left."""
    try:
        code: int | str | None = main()
    except SystemExit as stopped:  # its text, if it has one, is written by the last line here
        code = stopped.code
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:
        code = 0
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    sys.exit(code)


def say(text: str) -> None:
    """Print a step of the set-up."""
    print(f"set-up: {text}", flush=True)


def fail(text: str) -> NoReturn:
    """End the program with exit code 1 and ``text``, which holds the remedy."""
    sys.exit(f"set-up: {text}")


def main() -> int:
    """Make or mend `.venv`; return the exit code."""
    if {"-h", "--help"} & set(sys.argv[1:]):
        print(__doc__)
    else:
        prepare(anew=True)
        say(f"ready: {VENV}")
    return 0


if __name__ == "__main__":
    end(main)
