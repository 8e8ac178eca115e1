"""The programs of a study: words, exit codes, locks, and an end that is asked for."""

import sys
import threading

import pytest

from Edge_Lab.study_steps import LOCKED_S, StoppedError, StudySteps
from ravequant.errors import LockedError
from ravequant.vault.paths import CHECKOUT, Vault


def of_code(monkeypatch, *codes):
    """Make each start of a program end with the next of these exit codes."""
    left = list(codes)
    monkeypatch.setattr(
        StudySteps,
        "command",
        lambda *_: [sys.executable, "-c", f"raise SystemExit({left.pop(0)})"],
    )
    return left


def test_a_program_is_started_with_the_same_python_in_the_same_vault(tmp_path):
    """By the script that the catalog names."""
    words = StudySteps(Vault(tmp_path / "a vault")).command("import_books", "--download")
    assert words[0] == sys.executable
    assert words[1] == str(CHECKOUT / "L2_Bot" / "import_books.py")
    assert words[2:] == [
        "--download", "--vault", str(tmp_path / "a vault"), "--log-level", "warning",
    ]  # fmt: skip


def test_the_exit_code_is_returned_and_a_lock_is_asked_for_again(tmp_path, monkeypatch):
    """Every five seconds, for ten minutes at the most."""
    waits: list[float] = []
    steps = StudySteps(Vault(tmp_path), pause=waits.append)
    left = of_code(monkeypatch, 3, 4, 4, 0)
    assert [steps.run("x"), steps.run("x")] == [3, 0]
    assert (left, waits) == ([], [5.0, 5.0])
    of_code(monkeypatch, *[LockedError.exit_code] * 200)
    monkeypatch.setattr(StudySteps, "_run", lambda *_: LockedError.exit_code)
    waits.clear()
    assert steps.run("x") == LockedError.exit_code
    assert sum(waits) == LOCKED_S


def test_a_stop_ends_the_program_that_runs(tmp_path, monkeypatch):
    """And none is started after it."""
    steps = StudySteps(Vault(tmp_path))
    code = "import time; time.sleep(100)"
    monkeypatch.setattr(StudySteps, "command", lambda *_: [sys.executable, "-c", code])
    threading.Timer(0.3, steps.stop).start()
    for _ in range(2):
        with pytest.raises(StoppedError):
            steps.run("x")


def test_a_stop_while_a_program_starts_ends_it_too(tmp_path, monkeypatch):
    """The signal may come before anybody knows the process."""
    steps = StudySteps(Vault(tmp_path))

    class Starting:
        """A process that is asked to end as it starts."""

        ended = False

        def __init__(self, *_words, **_options):
            steps.stop()

        def terminate(self):
            """Note the end."""
            Starting.ended = True

        def wait(self):
            """Return the exit code."""
            return 0

    monkeypatch.setattr("Edge_Lab.study_steps.subprocess.Popen", Starting)
    with pytest.raises(StoppedError):
        steps.run("import_books")
    assert Starting.ended
