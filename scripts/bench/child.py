"""Runs one contender of the benchmark in this process and prints its figures as JSON.

``python -m scripts.bench.child CASE CONTENDER WORD …``; the case's ``measure`` gets the words.
"""

if __name__ == "__main__":
    exec(__import__("pathlib").Path(__file__, "../../../scripts/begin.py").resolve().read_bytes())

import importlib
import json
import sys


def main() -> int:
    """Measure, and print."""
    case, *words = sys.argv[1:]
    print(json.dumps(importlib.import_module(f"scripts.bench.{case}").measure(*words)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
