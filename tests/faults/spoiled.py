"""Runs a program of ours in a process whose name resolution fails while a file exists.

``python -m tests.faults.spoiled FLAG MODULE ARGUMENT…``. Real name servers cannot be broken from a
test, so this is the one seam: ``socket.getaddrinfo`` raises what the system would.
"""

import importlib
import socket
import sys
from pathlib import Path
from typing import Any

_resolve = socket.getaddrinfo


def main() -> int:
    """Run ``MODULE.main(ARGUMENT…)``."""
    flag, module, *argv = sys.argv[1:]

    def resolve(*args: Any, **kwargs: Any) -> Any:
        if Path(flag).exists():
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return _resolve(*args, **kwargs)

    socket.getaddrinfo = resolve
    outcome: int = importlib.import_module(module).main(argv)
    return outcome


if __name__ == "__main__":
    sys.exit(main())
