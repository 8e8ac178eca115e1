"""How often a test tries: less in the ordinary run than in that of scripts/test.py --long."""

import os

from scripts.test import LONG_VARIABLE


def often(ordinary: int, long: int) -> int:
    """Return how many examples, kills or rounds a test has in this run."""
    return long if os.environ.get(LONG_VARIABLE) else ordinary
