"""Start one command and note what it took: seconds, processor, peak memory, bytes read.

A process of its own, and a small one: to the system the peak of a program is at least what its
starter held. Usage: watch.py FILE COMMAND …; FILE gets one JSON object.
"""

import json
import os
import subprocess
import sys
import time
from typing import Any


def posix(command: list[str]) -> dict[str, Any]:
    """Run it; everything is asked of the kernel when it has ended."""
    began = time.perf_counter()
    pid = os.posix_spawn(command[0], command, os.environ)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # ended, but its account still stands
    seconds = time.perf_counter() - began
    read = _bytes_read(pid)
    _, status, used = os.wait4(pid, 0)
    unit = 1 if sys.platform == "darwin" else 1024
    return {
        "code": os.waitstatus_to_exitcode(status),
        "seconds": seconds,
        "cpu_s": used.ru_utime + used.ru_stime,  # with the processes it has started and awaited
        "peak_mb": used.ru_maxrss * unit / 2**20,  # of the largest of them
        "read_bytes": read,
    }


def _bytes_read(pid: int) -> int | None:
    try:
        with open(f"/proc/{pid}/io", encoding="ascii") as file:  # noqa: PTH123 - pathlib takes time to load
            return int(next(line for line in file if line.startswith("rchar")).split()[1])
    except OSError:
        return None


def elsewhere(command: list[str]) -> dict[str, Any]:
    """Run it where the system tells less (Windows)."""
    began = time.perf_counter()
    code = subprocess.run(command, check=False).returncode
    seconds = time.perf_counter() - began
    return {"code": code, "seconds": seconds, "cpu_s": None, "peak_mb": None, "read_bytes": None}


def main() -> int:
    """Run what follows the name of the file."""
    target, *command = sys.argv[1:]
    took = posix(command) if hasattr(os, "posix_spawn") else elsewhere(command)
    with open(target, "w", encoding="ascii") as file:  # noqa: PTH123 - as above
        json.dump(took, file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
