"""Starts one command and notes its cost: seconds, processor time, peak memory.

A process of its own, and a small one: the system counts the memory of the process that starts a
program as part of that program's peak. ``watch.py FILE COMMAND …`` writes a JSON object into FILE.
"""

import json
import os
import subprocess
import sys
import time
from typing import Any


def posix(command: list[str]) -> dict[str, Any]:
    """Run the command; the kernel's account of it is read when it has ended."""
    began = time.perf_counter()
    pid = os.posix_spawn(command[0], command, os.environ)
    _, status, used = os.wait4(pid, 0)
    seconds = time.perf_counter() - began
    unit = 1 if sys.platform == "darwin" else 1024
    return {
        "code": os.waitstatus_to_exitcode(status),
        "seconds": seconds,
        "cpu_s": used.ru_utime + used.ru_stime,  # with the processes it has started and awaited
        "peak_mb": used.ru_maxrss * unit / 2**20,  # of the largest of them
    }


def windows(command: list[str]) -> dict[str, Any]:
    """Run the command where the system keeps no such account."""
    began = time.perf_counter()
    code = subprocess.run(command, check=False).returncode
    seconds = time.perf_counter() - began
    return {"code": code, "seconds": seconds, "cpu_s": None, "peak_mb": None}


def main() -> int:
    """Run the command that follows the name of the file."""
    target, *command = sys.argv[1:]
    took = posix(command) if hasattr(os, "posix_spawn") else windows(command)
    with open(target, "w", encoding="ascii") as file:  # noqa: PTH123 - pathlib takes time to load
        json.dump(took, file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
