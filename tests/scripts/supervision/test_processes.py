"""The programs of run_all.py: started with files for their words, ended in any case."""

from scripts.supervision.processes import Programs
from scripts.supervision.schedule import Task
from tests.scripts.test_run_all import script
from tests.support.trades_box import wait_for


def test_output_never_blocks_a_program_and_is_set_aside(vault):
    """Megabytes that nobody reads go to a file, which the next start sets aside."""
    loud = script(vault.root.parent, "sys.stdout.write('x' * 3_000_000)\n")
    programs = Programs(vault.root / "logs")
    for _ in range(2):
        programs.start(Task("loud", loud))
        wait_for(lambda: "loud" not in programs or list(programs.ended()))
    sizes = {path.name: path.stat().st_size for path in programs.logs.iterdir()}
    assert sizes == {"loud.out": 3_000_000, "loud.out.1": 3_000_000}


def test_deaf_programs_are_killed(vault, monkeypatch):
    """What heeds no lifeline is killed, and its last words are kept."""
    monkeypatch.setattr("scripts.supervision.processes.END_WITHIN_S", 0.3)
    deaf = script(vault.root.parent, "print('up', flush=True)\ntime.sleep(5)\nprint('slept')\n")
    programs = Programs(vault.root / "logs")
    programs.start(Task("deaf", deaf))
    wait_for(lambda: programs.last_words("deaf") == "up")
    programs.end_all()
    assert "deaf" not in programs
    assert programs.last_words("deaf") == "up"
    script(vault.root.parent, "time.sleep(100)\n")
    programs.start(Task("deaf", deaf))
    assert programs.last_words("deaf") == "it said nothing"  # those were of the run before
    programs.end_all()


def finished(vault, text: str) -> tuple[Programs, str]:
    """Run a program to its end; return the programs and its last words."""
    programs = Programs(vault.root / "logs")
    programs.start(Task("task", script(vault.root.parent, text)))
    wait_for(lambda: "task" not in programs or list(programs.ended()))
    return programs, programs.last_words("task")


def test_the_last_words_are_those_that_say_something(vault):
    """No noise of an end, no inside of a message; the line of the log, whole, of this run."""
    line = "2026-01-01T00:00:00Z ERROR x: the exchange answered [" + "1," * 1_500
    noise = (
        "/lib/resource_tracker.py:254: UserWarning: resource_tracker: There appear to be 5 leaked\n"
        "  warnings.warn('resource_tracker: There appear to be %d '\n"
    )
    said = f'{line}\n{{"asks":[\n["1","2"]]}}\n{noise}'
    _, words = finished(vault, f"sys.stderr.write({said!r})\n")
    assert words == line[:500]
    _, words = finished(vault, f"sys.stderr.write({noise!r})\n")
    assert words == "it said nothing"  # the line was of the run before


def test_the_last_words_of_a_crash_are_its_error(vault):
    """Also behind lines of the log."""
    said = "2026-01-01T00:00:00Z INFO x: begun\n"
    _, words = finished(vault, f"sys.stderr.write({said!r})\nraise KeyError('tick')\n")
    assert words == "KeyError: 'tick'"


def test_an_end_that_was_asked_for_is_known(vault, monkeypatch):
    """Whether the program heeded it or was killed; its next run begins anew."""
    monkeypatch.setattr("scripts.supervision.processes.END_WITHIN_S", 0.3)
    programs, _ = finished(vault, "pass\n")
    assert not programs.was_asked("task")
    task = Task("task", script(vault.root.parent, "time.sleep(100)\n"))
    programs.start(task)
    programs.end_all()
    assert programs.was_asked("task")
    programs.start(task)
    assert not programs.was_asked("task")
    programs.end_all()
