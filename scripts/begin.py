# ruff: noqa: D100 - a docstring would replace that of the program, which executes this text
#
# Runs at the head of every program: settings for speed, and the way into `.venv`.
#
# A program executes this text where it is started, not where it is imported; and not in a process
# that was started with something else, as a notebook that runs a program is. Its first import that
# fails for want of a module then makes `.venv`, if there is none, and runs the same command line in
# the Python of it; or it ends the program with exit code 1 and the remedy.

import gc
import os
import sys


def _hand_over(kind, error, trace):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    if not issubclass(kind, ModuleNotFoundError):
        sys.__excepthook__(kind, error, trace)
        return
    import runpy  # noqa: PLC0415 - only for a program without its modules
    from pathlib import Path  # noqa: PLC0415

    program = Path(__file__).resolve()  # this text has no file of its own
    folders = (folder / "scripts" / "environment.py" for folder in program.parents)
    script = next(path for path in folders if path.is_file())
    environment = runpy.run_path(str(script))
    handed_over = "RAVEQUANT_HANDED_OVER"  # the Python handed over to: a second time is a loop
    python = environment["venv_python"]()
    if os.environ.get(handed_over) == sys.executable or environment["inside"]():
        sys.exit(
            f"{program.name}: the module {error.name} is not installed for {sys.executable}. "
            "Run this once, then the same command again: "
            f'{"py" if os.name == "nt" else "python3"} "{script}"'
        )
    if not python.is_file() or environment["read_stamp"]() == environment["UNFINISHED"]:
        stdout, sys.stdout = sys.stdout, sys.stderr  # which belongs to the program's results
        try:
            environment["prepare"]()
        finally:
            sys.stdout = stdout
    os.environ[handed_over] = str(python)
    # Python before 3.10 does not keep the options of the interpreter itself
    arguments = getattr(sys, "orig_argv", [sys.executable, str(program), *sys.argv[1:]])[1:]
    environment["rerun"](arguments)


# Python before 3.10 does not keep its command line
_basename = os.path.basename
if _basename(__file__) in map(_basename, getattr(sys, "orig_argv", [__file__])):
    # numpy starts a thread of linear algebra on each core as it is loaded, which triples the
    # processor time of loading it; no program here uses linear algebra.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

    # Imports make tens of thousands of objects that stay. Searching them for garbage after every
    # 700 takes a twentieth of a short run; reference counts free nearly all garbage before.
    gc.set_threshold(50_000, 10, 10)
    sys.excepthook = _hand_over
