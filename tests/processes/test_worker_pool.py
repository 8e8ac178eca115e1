"""Processes side by side: what they load, and that they end."""

import os
import subprocess
import sys

from ravequant.vault.paths import CHECKOUT


def test_they_load_nothing_of_the_program_that_asks(tmp_path):
    """A program is run once, by who started it, however many processes it asks."""
    runs = tmp_path / "runs"
    script = tmp_path / "asker.py"
    script.write_text(
        f"with open({str(runs)!r}, 'a', encoding='utf-8') as file: file.write('once\\n')\n"
        "import math\n"
        "from ravequant.processes.worker_pool import Processes\n"
        "if __name__ == '__main__':\n"
        "    helpers = Processes(2)\n"
        "    answers = [helpers.submit(math.factorial, n) for n in range(6)]\n"
        "    print(*(answer.result() for answer in answers))\n"
        "    helpers.close()\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        [sys.executable, str(script)],
        env=dict(os.environ, PYTHONPATH=str(CHECKOUT)),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "1 1 2 6 24 120\n", "")
    assert runs.read_text(encoding="utf-8") == "once\n"
