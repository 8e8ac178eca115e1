"""Runs calculators on request in one process that stays: each is loaded once, not every round.

A request is a line of JSON on stdin, a script and its arguments; the answer is a line on stdout,
its exit code and what it said. The process ends with its stdin.
"""

import importlib.util
import io
import signal
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import BinaryIO

import orjson

from ravequant.errors import DONE, FAILED


@cache
def loaded(script: str) -> ModuleType:
    """Return a script as a module."""
    name = f"calculator_{Path(script).stem}"
    spec = importlib.util.spec_from_file_location(name, script)
    if spec is None or spec.loader is None:
        raise ImportError(f"{script} is no Python file")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(script: str, arguments: Sequence[str]) -> tuple[int, str]:
    """Return the exit code of a script, and what it said on stderr."""
    said = io.StringIO()
    with redirect_stdout(io.StringIO()), redirect_stderr(said):
        try:
            code = loaded(script).main(arguments)
        except SystemExit as error:
            code = error.code
        except Exception as error:  # noqa: BLE001 - the next request is served all the same
            return FAILED, f"{said.getvalue()}\n{error!r}"
    return code if isinstance(code, int) else FAILED, said.getvalue()


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer until there are no more requests."""
    for line in requests:
        script, *arguments = orjson.loads(line)
        answers.write(orjson.dumps(run(script, arguments)) + b"\n")
        answers.flush()


def main() -> int:
    """Serve whoever started this; a Ctrl-C is for them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    serve(sys.stdin.buffer, sys.stdout.buffer)
    return DONE


if __name__ == "__main__":
    sys.exit(main())
