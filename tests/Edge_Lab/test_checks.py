"""The mistakes of other backtests by name: each has a test, and these are the tests without a home.

The table of tests/Edge_Lab/README.md lists them all.
"""

import ast
import re
from pathlib import Path

from Edge_Lab.exits import ExitRules
from Edge_Lab.model_markets import made_day
from Edge_Lab.model_trials import day_wicks, market_of, plans_of
from Edge_Lab.trials import TrialRules, line_of
from Edge_Lab.verdict import missing
from ravequant.vault.paths import CHECKOUT

FOLDER = Path(__file__).parent
ROOM = CHECKOUT / "Edge_Lab"
NAMES = (
    "CUT", "WARM", "PARITY", "CLOSED BAR", "PIVOT", "EXACT TIP", "TOUCH FILL", "OWN SIDE", "ONCE",
    "BEFORE THE FILL", "SAME BAR", "STOP PRICE", "EATEN BOOK", "MAKER FEE", "FUNDING SIGN",
    "UNFILLED", "STALE CACHE", "SORTED", "SAME TWICE", "OVERLAP", "PURGE", "PER DAY",
    "SMALL N, RATIO", "PATH IS NOT EDGE",
)  # fmt: skip


def test_each_check_has_a_test_that_is_there():
    """The names in their order, each with tests that exist."""
    text = (FOLDER / "README.md").read_text(encoding="utf-8").partition("## The checks")[2]
    rows = re.findall(r"^\| ([A-Z, ]+) \| [^|]+ \| ([^|]+) \|$", text, re.MULTILINE)
    assert tuple(name for name, _ in rows) == NAMES
    for name, tests in rows:
        found = re.findall(r"`(\w+\.py)::(\w+)`", tests)
        assert found, name
        for file, test in found:
            source = (FOLDER / file).read_text(encoding="utf-8")
            assert re.search(rf"^def {test}\(", source, re.MULTILINE), f"{name}: {file}::{test}"


def words_of(module):
    """Return the names and attributes of a module's code."""
    tree = ast.parse((ROOM / f"{module}.py").read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.arg):
            yield node.arg


def test_no_bar_stands_in_the_engine():
    """Fills and exits know trades alone: no candle, no open or close, no minute's high or low."""
    bars = {"open", "close", "ohlc", "bar", "bars", "candle", "candles"}
    for module in ("fills", "exits"):
        assert bars.isdisjoint(words_of(module)), module
    assert {"high", "low"}.isdisjoint(words_of("fills"))


def test_each_trial_is_a_world_of_its_own():
    """A line does not depend on the trials before it: none takes a trade away from another."""
    day = made_day("M2", 4)
    market, rules = market_of(day), TrialRules(exits=ExitRules(), kinds=())
    plans = list(plans_of(day, day_wicks(day)))[:40]
    forward = [line_of(plan, market, rules) for plan in plans]
    backward = [line_of(plan, market, rules) for plan in reversed(plans)]
    assert forward == backward[::-1]
    twice = [line for line in forward if line is not None and line["status"] == "filled"]
    assert len(twice) > 2


def test_no_result_is_divided_by_another():
    """The conditions of a proof are levels, never one result as a part of another."""
    source = ast.parse((ROOM / "verdict.py").read_text(encoding="utf-8"))
    rule = next(node for node in source.body
                if isinstance(node, ast.FunctionDef) and node.name == missing.__name__)  # fmt: skip
    assert not [node for node in ast.walk(rule) if isinstance(node, ast.Div)]
    assert {"net", "lead", "mirror", "random", "through"} <= {
        node.value for node in ast.walk(rule) if isinstance(node, ast.Constant)
    }
