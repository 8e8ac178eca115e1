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
