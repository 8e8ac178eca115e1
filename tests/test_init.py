"""An import changes nothing of the process that imports; a program is set for speed."""

import json
import os
import subprocess
import sys

import pytest

from ravequant.vault.paths import CHECKOUT

FACTS = """
import gc, json, logging, os, sys
def facts():
    root = logging.getLogger()
    handlers = [repr(handler) for handler in root.handlers]
    logs = [root.level, root.manager.disable, handlers, logging.getLoggerClass().__name__]
    hooked = sys.excepthook is not sys.__excepthook__
    return [gc.get_threshold(), gc.isenabled(), dict(os.environ), logs, hooked, sys.path[1:]]
"""


def answer(*words: str, **variables: str) -> str:
    """Run a Python of its own, without what this one has set; return its output."""
    environment = {name: text for name, text in os.environ.items() if "OPENBLAS" not in name}
    command = [sys.executable, *words]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env=environment | variables,
        cwd=CHECKOUT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "statement",
    ["import ravequant", "from Untouch_Wick.find_signals import find_hidden_signals",
     "import ravequant.cli", "import ravequant.processes.worker_pool",
     "import VWAP.vwap_calculator"],
)  # fmt: skip
def test_an_import_changes_nothing_of_the_caller(statement):
    """Neither garbage collection, nor the environment, logging, excepthook or the module path."""
    code = f"{FACTS}\nbefore = facts()\n{statement}\nprint(json.dumps([before, facts()]))"
    before, after = json.loads(answer("-c", code))
    assert after == before


@pytest.mark.parametrize("script", ["VWAP/vwap_calculator.py", "scripts/peek.py"])
def test_a_program_is_set_for_speed(script, tmp_path):
    """One thread of linear algebra and few searches for garbage, before anything is imported."""
    look = (
        "import importlib.abc, sys\n"
        "class Look(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name == 'ravequant':\n"
        "            import gc, os\n"
        "            print(gc.get_threshold()[0], os.environ.get('OPENBLAS_NUM_THREADS'))\n"
        "sys.meta_path.insert(0, Look())\n"
    )
    (tmp_path / "sitecustomize.py").write_text(look, encoding="utf-8")
    path = {"PYTHONPATH": str(tmp_path)}
    assert answer(script, "--help", **path).splitlines()[0] == "50000 1"
    three = answer(script, "--help", OPENBLAS_NUM_THREADS="3", **path)
    assert three.splitlines()[0] == "50000 3"


@pytest.mark.parametrize("script", ["VWAP/vwap_calculator.py", "Untouch_Wick/find_signals.py"])
def test_a_program_run_in_a_notebook_leaves_it_as_it_is(script):
    """A process that was started with something else keeps its settings and its excepthook."""
    code = (
        f"{FACTS}\nimport runpy\nbefore = facts()[:3], facts()[4:5]\n"
        "sys.argv = ['x', '--help']\n"
        f"try:\n    runpy.run_path({script!r}, run_name='__main__')\n"
        "except SystemExit as end:\n    code = end.code\n"
        "print()\nprint(json.dumps([code, (facts()[:3], facts()[4:5]) == before]))"
    )
    assert json.loads(answer("-c", code).splitlines()[-1]) == [0, True]


@pytest.mark.parametrize("thresholds", [(700, 10, 10), (20_000, 11, 12)])
def test_a_worker_is_set_as_the_process_that_starts_it(thresholds):
    """A library in a notebook starts workers with Python's thresholds, a program with its own."""
    code = (
        "import gc\n"
        "from ravequant.processes.worker_pool import Processes\n"
        "if __name__ == '__main__':\n"
        f"    gc.set_threshold(*{thresholds})\n"
        "    workers = Processes(1)\n"
        "    print(*workers.submit(gc.get_threshold).result())\n"
        "    workers.close()\n"
    )
    assert answer("-c", code).split() == [str(number) for number in thresholds]
