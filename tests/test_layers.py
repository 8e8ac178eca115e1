"""The floors of the house: who may import whom, who may touch the outside, how long a file is."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

from ravequant import exchanges
from ravequant.vault.paths import CHECKOUT

ROOMS = (
    "CVD", "Context_Bot", "Dashboard", "Edge_Lab", "L2_Bot", "Liquidity_Buckets", "Trades_Bot",
    "Untouch_Wick", "VWAP", "Volume_Analyzer",
)  # fmt: skip

# From the ground up. A name stands for the module and all that is inside of it. A module may
# import from its own floor and from those below it.
FLOORS = (
    ("ravequant.errors", "ravequant.swar_digits", "ravequant.tables"),
    ("ravequant.exact", "ravequant.times", "ravequant.processes"),
    ("ravequant.contract", "ravequant.records", "ravequant.settings_schema"),
    ("ravequant.settings", "ravequant.vault", "ravequant.catalog"),
    ("ravequant.cli", "ravequant.trades", "ravequant.books", "ravequant.sim"),
    ("ravequant.pipeline", "ravequant.exchanges", "ravequant.signals"),
    ("ravequant.alerts", "ravequant.read", "ravequant.checks"),
    ROOMS,
    ("scripts", "tests"),
)

# No file, socket, clock, environment or log: the same input always gives the same output. What
# these import of the project must be as clean as they are.
PURE = (
    "ravequant.records",
    "ravequant.trades.scanner",
    "ravequant.trades.bar_builder",
    "ravequant.trades.decimal_texts",
    "ravequant.trades.joining",
    "ravequant.trades.line_writer",
    "ravequant.books.snapshot_reader",
    "ravequant.exchanges.okx.order_book",
    "ravequant.exchanges.okx.messages",
    "ravequant.exchanges.okx.session",
    "ravequant.sim.feed",
    "ravequant.sim.market",
    "ravequant.sim.faults",
    "ravequant.exchanges.exchange_time",
    "Trades_Bot.gap_filler",
    "Trades_Bot.row_times",
    "Trades_Bot.progress",
    "L2_Bot.snapshot_writer",
    "ravequant.exchanges.base",
    "ravequant.exchanges.chain_rows",
    "ravequant.exchanges.context_feeds",
    "ravequant.exchanges.okx.context_rows",
    "ravequant.sim.chain",
    "ravequant.sim.context",
    "ravequant.sim.statistics",
)
# folds and plans: their wiring may use the library's I/O
PURE_ROOMS = (
    "VWAP.vwap_calculator",
    "CVD.run_cvd_from_jsonl",
    "Context_Bot.context_lines",
    "Context_Bot.coverage",
    "Context_Bot.liquidations_1m",
    "Volume_Analyzer.volume_analyzer",
    "Dashboard.heat",
    "Dashboard.view",
    "Dashboard.wick_levels",
    "Edge_Lab.agreement",
    "Edge_Lab.calibration",
    "Edge_Lab.card",
    "Edge_Lab.day_sums",
    "Edge_Lab.distributions",
    "Edge_Lab.executions",
    "Edge_Lab.exits",
    "Edge_Lab.families",
    "Edge_Lab.fills",
    "Edge_Lab.golden_examples",
    "Edge_Lab.inference",
    "Edge_Lab.lab_bounds",
    "Edge_Lab.live_trials",
    "Edge_Lab.model_file",
    "Edge_Lab.model_markets",
    "Edge_Lab.model_studies",
    "Edge_Lab.model_trials",
    "Edge_Lab.multiplicity",
    "Edge_Lab.optimiser",
    "Edge_Lab.placebo",
    "Edge_Lab.power",
    "Edge_Lab.study_plan",
    "Edge_Lab.predictor",
    "Edge_Lab.predictor_fit",
    "Edge_Lab.tape",
    "Edge_Lab.trial_digest",
    "Edge_Lab.trial_facts",
    "Edge_Lab.trials",
    "Edge_Lab.verdict",
    "Edge_Lab.verdict_facts",
    "Edge_Lab.walk_forward",
    "Untouch_Wick.wick_detector",
    "ravequant.signals.against",
    "ravequant.signals.inputs",
    "ravequant.signals.limits",
    "ravequant.signals.market_state",
    "ravequant.signals.evidence",
    "ravequant.signals.trade_plan",
    "ravequant.signals.candidates",
    "ravequant.signals.conviction",
    "ravequant.signals.proof",
    "ravequant.signals.rules",
    "ravequant.signals.wording",
    "ravequant.signals.base_rates",
    "ravequant.signals.query_id",
    "ravequant.signals.seen",
    "ravequant.signals.serialize",
    "ravequant.signals.since_minute",
    "ravequant.alerts.due_kind",
    "ravequant.alerts.hour",
    "ravequant.alerts.policy",
    "ravequant.alerts.policy_state",
    "ravequant.alerts.ends",
    "ravequant.alerts.refusals",
    "ravequant.alerts.discord_embed",
    "L2_Bot.book_queries",
    "ravequant.vault.retention.plan",
    "ravequant.vault.retention.forecast",
    "scripts.supervision.schedule",
)

# Modules of more than 400 lines, and why each is one subject all the same.
LONG = {
    "tests.exchanges.okx.test_order_book": "each way in which a message can be wrong",
    "tests.exchanges.okx.test_session": "each time and limit of the protocol, to the millisecond",
    "tests.support.wick_cases": "the golden table of wicks",
    "tests.test_layers": "every rule of the structure, each with its list",
    "tests.vault.test_append_log": "each refusal of the disk, in one file and in dated ones",
    "tests.trades.test_bar_builder": "each rule of a minute, in all ways to read",
    "tests.trades.test_scanner": "each way in which a line can be odd, read on both paths",
    "tests.pipeline.test_kept_minutes": "each way in which kept minutes can be stale",
    "tests.pipeline.test_runner": "each crash, cut and repair of the one loop",
}

# Programs without a test file of their own, and the test that runs each of them.
TESTED_ELSEWHERE = {
    "scripts.begin": "tests/scripts/test_environment.py",
    "scripts.bench.child": "tests/scripts/test_benchmark.py",
    "scripts.bench.watch": "tests/scripts/bench/test_runs.py",
}

OUTSIDE = {
    "asyncio", "concurrent", "filelock", "glob", "gzip", "http", "io", "logging", "mmap",
    "multiprocessing", "os", "pathlib", "requests", "rich", "secrets", "select", "shutil",
    "signal", "socket", "sqlite3", "ssl", "starlette", "subprocess", "tempfile", "threading",
    "time", "urllib", "uvicorn", "websockets",
}  # fmt: skip
OUTSIDE_CALLS = {"input", "now", "open", "print", "today", "utc_now_ms", "utcnow"}
WALL_CLOCK = "utc_now_ms"  # the one function that may read it


def files() -> dict[str, Path]:
    """Return every module of the project by its dotted name."""
    found = {}
    for folder in ("ravequant", *ROOMS, "scripts", "tests"):
        for path in sorted((CHECKOUT / folder).rglob("*.py")):
            parts = path.relative_to(CHECKOUT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = files()


@cache
def tree(module: str) -> ast.Module:
    """Return the module's syntax tree."""
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


@cache
def imports(module: str) -> frozenset[str]:
    """Return every module that ``module`` names in an import, wherever in it that stands."""
    return frozenset(_imports(module))


def _imports(module: str) -> Iterator[str]:
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Import):
            yield from (item.name for item in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} uses a relative import; write the full name"
            for item in node.names:
                inner = f"{node.module}.{item.name}"
                yield inner if inner in MODULES else str(node.module)


def within(module: str, name: str) -> bool:
    """Return True if ``module`` is ``name`` or stands inside of it."""
    return module == name or module.startswith(name + ".")


def floor(module: str) -> int:
    """Return the floor of a module, 0 for the ground; the bare package stands below all."""
    if module == "ravequant":
        return -1
    for number, names in enumerate(FLOORS):
        if any(within(module, name) for name in names):
            return number
    pytest.fail(f"{module} stands on no floor: add it to FLOORS in tests/test_layers.py")


def project_imports(module: str) -> set[str]:
    """Return what ``module`` imports of this project."""
    return {name for name in imports(module) if name in MODULES}


def with_what_they_import(names: Iterable[str]) -> list[str]:
    """Return these modules and all that they import of the project, directly or not."""
    found: set[str] = set()
    open_names = [name for name in names if name in MODULES]
    while open_names:
        module = open_names.pop()
        if module not in found:
            found.add(module)
            open_names.extend(project_imports(module))
    return sorted(found)


def shipped() -> list[str]:
    """Return the modules that are no tests."""
    return [module for module in MODULES if not within(module, "tests")]


def mirrored(module: str) -> Path:
    """Return the place of a module's test file: the tests mirror the tree."""
    *folders, name = module.removeprefix("ravequant.").split(".")
    return CHECKOUT.joinpath("tests", *folders, f"test_{name}.py")


def class_names(node: ast.AST) -> Iterator[str]:
    """Yield the names of the classes of a module that other modules can see."""
    for inner in ast.iter_child_nodes(node):
        if isinstance(inner, ast.ClassDef):
            yield inner.name
        elif not isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from class_names(inner)


def is_private(name: str) -> bool:
    """Return True for ``_name``, not for ``__version__``."""
    return name.startswith("_") and not name.startswith("__")


def private_imports(module: str) -> Iterator[str]:
    """Yield the private names of other modules of the project that a module uses."""
    modules: dict[str, str] = {}
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.ImportFrom):
            for item in node.names:
                full = f"{node.module}.{item.name}"
                if full in MODULES:
                    modules[item.asname or item.name] = full
                elif node.module in MODULES and is_private(item.name):
                    yield full
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            owner = modules.get(node.value.id)
            if owner and is_private(node.attr):
                yield f"{owner}.{node.attr}"


def test_there_is_something_to_walk():
    """An empty walk would pass everything: the modules and their imports are really found."""
    assert {"ravequant.exact", "ravequant.vault.paths"} <= set(MODULES)
    assert "ravequant.exact" in project_imports("ravequant.records")
    assert "os" in imports("ravequant.vault.paths")


def test_the_readme_draws_these_floors():
    """The page on the structure shows the floors as they are here, the highest first."""
    page = (CHECKOUT / "ravequant" / "README.md").read_text(encoding="utf-8")
    for names in FLOORS[: FLOORS.index(ROOMS)]:
        drawn = "  ".join(name.removeprefix("ravequant.") for name in names)
        assert f"\n{drawn}\n" in page, f"write this line into ravequant/README.md: {drawn}"


def test_nothing_points_up():
    """A module imports only from its own floor and those below it."""
    upward = [
        f"{module} (floor {floor(module)}) imports {name} (floor {floor(name)})"
        for module in MODULES
        for name in project_imports(module)
        if floor(name) > floor(module)
    ]
    assert upward == []


def test_no_circle():
    """No module imports itself by way of others."""
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, f"a circle: {' -> '.join((*path, module))}"
        if module not in done:
            for name in sorted(project_imports(module)):
                visit(name, (*path, module))
            done.add(module)

    for module in MODULES:
        visit(module, ())


@pytest.mark.parametrize("module", MODULES)
def test_every_module_stands_on_a_floor(module):
    """A new module is given its place before anything stands on it."""
    assert floor(module) < len(FLOORS)


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_meet_only_in_files(room):
    """No component folder imports another one."""
    others = {
        f"{module} imports {name}"
        for module in MODULES
        if within(module, room)
        for name in imports(module)
        if any(within(name, other) for other in ROOMS if other != room)
    }
    assert others == set()


def test_the_oracle_shares_no_code_with_what_it_judges():
    """The exchange in a box and the client that records from it know nothing of each other."""
    sides = ("ravequant.sim", "ravequant.exchanges")
    crossing = {
        f"{module} imports {name}"
        for module in MODULES
        for mine, other in (sides, sides[::-1])
        if within(module, mine)
        for name in imports(module)
        if within(name, other)
    }
    assert crossing == set()


def test_only_the_registry_knows_an_exchange():
    """Client, recorders and programs import `exchanges.base`; an exchange is loaded by its name."""
    folders = [f"ravequant.exchanges.{name}" for name in exchanges.NAMES]
    known = {
        f"{module} imports {name}"
        for module in MODULES
        for folder in folders
        if not within(module, folder) and not within(module, "tests")
        for name in imports(module)
        if within(name, folder)
    }
    assert known == set()


@pytest.mark.parametrize("module", [*with_what_they_import(PURE), *PURE_ROOMS])
def test_pure_modules_do_not_touch_the_outside(module):
    """Pure modules import no I/O, no clock and no log, and call nothing that reaches out."""
    assert {name for name in imports(module) if name.partition(".")[0] in OUTSIDE} == set()
    allowed = {
        id(inner)
        for node in ast.walk(tree(module))
        if isinstance(node, ast.FunctionDef) and node.name == WALL_CLOCK
        for inner in ast.walk(node)
    }
    calls = {
        ast.unparse(node.func)
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Call) and id(node) not in allowed
        if ast.unparse(node.func).rpartition(".")[2] in OUTSIDE_CALLS
    }
    assert calls == set()


def test_the_library_fits_on_a_page():
    """At most 22 names at the top of ``ravequant/``, on at most 9 floors."""
    boxes = {module.split(".")[1] for module in MODULES if module.startswith("ravequant.")}
    assert len(boxes) <= 22
    assert FLOORS.index(ROOMS) <= 9


def test_each_module_has_its_test_file():
    """The tests mirror the tree; TESTED_ELSEWHERE names the exceptions."""
    lacking = {
        module
        for module in shipped()
        if MODULES[module].name != "__init__.py" and not mirrored(module).exists()
    }
    assert lacking == TESTED_ELSEWHERE.keys(), "give each a test file in the mirrored place"


@pytest.mark.parametrize("module", [name for name in shipped() if not name.startswith("scripts")])
def test_a_path_may_be_a_text(module):
    """No function of the library asks for a `Path`; `StrPath` is a text too."""
    asked = [
        f"{node.name}({argument.arg}: {ast.unparse(argument.annotation)})"
        for node in ast.walk(tree(module))
        if isinstance(node, ast.FunctionDef) and not is_private(node.name)
        for argument in (*node.args.args, *node.args.kwonlyargs)
        if argument.annotation is not None
        and re.search(r"(?<!\w)Path\b", ast.unparse(argument.annotation))
        and "Callable" not in ast.unparse(argument.annotation)
    ]
    assert asked == []


def test_a_class_name_is_used_once():
    """Each class of the shipped code has a name of its own."""
    owners: dict[str, list[str]] = {}
    for module in shipped():
        for name in class_names(tree(module)):
            owners.setdefault(name, []).append(module)
    twice = {name for name, modules in owners.items() if len(modules) > 1}
    assert {name: owners[name] for name in sorted(twice)} == {}, "rename all but one of each"


@pytest.mark.parametrize("module", shipped())
def test_private_names_stay_in_their_module(module):
    """What another module needs has no underscore."""
    assert sorted(private_imports(module)) == []


@pytest.mark.parametrize(
    "program",
    ["Trades_Bot.trades_exporter", "L2_Bot.l2_exporter", "Context_Bot.context_exporter"],
)
def test_exporter_needs_no_numpy(program):
    """The program that runs day and night stays small: it never loads numpy."""
    code = f"import sys, {program}; print('numpy' in sys.modules)"
    command = [sys.executable, "-c", code]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (answer.stdout.strip(), answer.returncode) == ("False", 0), answer.stderr


@pytest.mark.parametrize("module", MODULES)
def test_no_file_is_too_long(module):
    """A file of more than 400 lines says why; none has more than 600."""
    lines = MODULES[module].read_text(encoding="utf-8").count("\n")
    most = 600 if module in LONG else 400
    assert lines <= most, f"{MODULES[module]} has {lines} lines"


# Modules that may name an exchange: all others take it from a vault or a command line.
NAME_AN_EXCHANGE = {
    "ravequant.records",  # the one where none is named
    "ravequant.exchanges",  # the list
    "ravequant.exchanges.okx.exchange",
    "scripts.bench.market",  # of the measured market
    "scripts.checks.computer",  # whose clock and listing are asked
}


def test_the_exchange_is_a_parameter():
    """No other module writes an exchange's name into a path or a record."""
    naming = {
        module
        for module in MODULES
        if not within(module, "tests") and not within(module, "ravequant.sim")
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if node.value == "okx" or "/okx/" in f"{node.value}/" or '"okx"' in node.value
    }
    assert naming <= NAME_AN_EXCHANGE
