"""Runs a program of ours and notes the most memory it ever had.

``python -m tests.faults.measured FILE MODULE ARGUMENT…`` writes the megabytes into FILE at the end.
The process asks for itself: what ``wait4`` says of a child begins with the size of its parent.
"""

import importlib
import sys
from pathlib import Path


def main() -> int:
    """Run ``MODULE.main(ARGUMENT…)``; its exit code."""
    note, module, *argv = sys.argv[1:]
    outcome: int = importlib.import_module(module).main(argv)
    Path(note).write_text(_most_mb(), encoding="ascii")
    return outcome


def _most_mb() -> str:
    """Return the peak in megabytes, an empty text where there is no /proc (Windows)."""
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="ascii").splitlines() if status.exists() else []
    found = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return str(int(found[0]) / 1024) if found else ""


if __name__ == "__main__":
    sys.exit(main())
