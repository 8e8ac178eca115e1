"""Changes characters of the core, one at a time, and says which of them no test noticed.

    python tests/mutation/run.py ravequant/exact.py VWAP/vwap_calculator.py
    python tests/mutation/run.py --all

Each module is run in a copy of the checkout that has no recorded data beside it, by mutmut (extra
``[mutation]``), with the tests of `modules.toml` alone. mutmut changes what stands in functions;
numbers that a module or a class of it declares are changed here, up and down by one. Functions
that only remember their results lose their cache in the copy, since mutmut leaves decorated
functions alone.
A survivor is excused by a line of `modules.toml` with a reason: its text under the module, or a
pattern of `[excluded]` that is found in its text. Exit code 1 if a module is below its goal.
"""

import argparse
import ast
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import cast

CHECKOUT = Path(__file__).resolve().parents[2]
LIST = Path(__file__).with_name("modules.toml")
SOURCES = (
   "ravequant", "VWAP", "CVD", "Volume_Analyzer", "Untouch_Wick", "Liquidity_Buckets", "Edge_Lab",
    "Trades_Bot", "L2_Bot", "scripts",
)  # fmt: skip
CACHED = re.compile(r"^[ ]*@(?:lru_)?cache\b.*\n", re.MULTILINE)
SURVIVED = {"survived", "no tests", "suspicious"}


@dataclass
class Result:
    """What became of one module's mutants."""

    module: str
    total: int = 0
    killed: int = 0
    excused: int = 0
    survivors: list[str] = field(default_factory=list)

    def percent(self) -> float:
        """Return the killed share of the mutants that are not excused, in percent."""
        return 100 * self.killed / max(self.total - self.excused, 1)


def copy_of_checkout(place: Path) -> Path:
    """Copy what git knows, and the Python environment by a link, to ``place``."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=CHECKOUT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in listed.stdout.splitlines():
        source, target = CHECKOUT / name, place / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    return place


def configure(place: Path, module: str, tests: list[str]) -> None:
    """Write the configuration of mutmut for one module."""
    lines = {
        "source_paths": [*SOURCES],
        "only_mutate": [module],
        "pytest_add_cli_args_test_selection": tests,
        "pytest_add_cli_args": ["-p", "no:cacheprovider"],
        "also_copy": [
            path.name
            for path in place.iterdir()
            if path.name not in (*SOURCES, "tests", "pyproject.toml")
        ],
    }
    text = "[mutmut]\nuse_git_change_detection=false\ntrack_dependencies=false\n"
    for name, values in lines.items():
        text += f"{name}=\n" + "".join(f"    {value}\n" for value in values)
    (place / "setup.cfg").write_text(text, encoding="utf-8")


def mutmut(place: Path, *words: str) -> str:
    """Run mutmut in ``place`` and return its output."""
    program = Path(sys.executable).with_name("mutmut")
    environment = os.environ | {"PYTHONPATH": str(place / "mutants"), "PYTHONUTF8": "1"}
    done = subprocess.run(
        [str(program), *words],
        cwd=place, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        sys.exit(f"mutmut {' '.join(words)} failed:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return done.stdout


def changed_line(place: Path, name: str) -> str:
    """Return what a mutant changes, as ``function: - old line + new line``."""
    shown = mutmut(place, "show", name).splitlines()
    old = [line[1:].strip() for line in shown if re.match(r"-(?!-- )", line)]
    new = [line[1:].strip() for line in shown if re.match(r"\+(?!\+\+ )", line)]
    function = re.sub(r"^.*\.x[_ǁ](.*)__mutmut_\d+$", r"\1", name).replace("ǁ", ".")
    return f"{function}: - {' '.join(old)} + {' '.join(new)}"


def constants(place: Path, module: str) -> list[tuple[int, str, str]]:
    """Return (line number, line, changed line) for each number that a module or class declares."""
    text = (place / module).read_text(encoding="utf-8")
    lines, found = text.splitlines(), []
    body = ast.parse(text).body
    classes = (node for node in body if isinstance(node, ast.ClassDef))
    for node in chain(body, *(owner.body for owner in classes)):
        if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
            continue
        for inner in ast.walk(node.value):
            if isinstance(inner, ast.Constant) and type(inner.value) in {int, float}:
                value = cast("float", inner.value)
                line = lines[inner.lineno - 1]
                head, tail = line[: inner.col_offset], line[inner.end_col_offset :]
                found += [(inner.lineno, line, f"{head}{value + step}{tail}") for step in (-1, 1)]
    return found


def constants_survive(place: Path, module: str, tests: list[str]) -> tuple[int, list[str]]:
    """Change each constant in turn; return how many there are, and those that no test notices."""
    path, survivors = place / module, []
    before = path.read_text(encoding="utf-8")
    found = constants(place, module)
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    environment = os.environ | {"PYTHONPATH": str(place), "PYTHONDONTWRITEBYTECODE": "1"}
    for number, old, new in found:
        lines = before.splitlines(keepends=True)
        lines[number - 1] = new + "\n"
        path.write_text("".join(lines), encoding="utf-8")
        try:
            done = subprocess.run(
                command, cwd=place, env=environment, capture_output=True, check=False, timeout=900
            )
        except subprocess.TimeoutExpired:
            continue
        if done.returncode == 0:
            survivors.append(f"module: - {old.strip()} + {new.strip()}")
    path.write_text(before, encoding="utf-8")
    return len(found), survivors


def run(
    module: str,
    entry: dict[str, object],
    excluded: Iterable[str],
    children: int,
    *,
    constants_too: bool,
) -> Result:
    """Run one module's mutants against its tests; ``excluded`` are patterns of mutants' texts."""
    tests = [str(name) for name in entry["tests"]]  # type: ignore[attr-defined]
    excused = dict(entry.get("excused", {}))  # type: ignore[call-overload]
    result = Result(module)
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        place = copy_of_checkout(Path(folder))
        text = (place / module).read_text(encoding="utf-8")
        (place / module).write_text(CACHED.sub("", text), encoding="utf-8")
        count, found = constants_survive(place, module, tests) if constants_too else (0, [])
        configure(place, module, tests)
        (place / "mutants").mkdir()  # Python forgets folders of its path that are absent at first
        mutmut(place, "run", "--max-children", str(children))
        shown = mutmut(place, "results", "--all", "true")
        outcomes = re.findall(r"^\s*(\S+): (.+)$", shown, re.MULTILINE)
        for name, outcome in outcomes:
            if outcome.strip() in SURVIVED:
                found.append(changed_line(place, name))
        result.total = count + len(outcomes)
    for text in found:
        if text in excused or any(re.search(pattern, text) for pattern in excluded):
            result.excused += 1
        else:
            result.survivors.append(text)
    result.killed = result.total - result.excused - len(result.survivors)
    met = set(found)
    for text in excused:
        if text not in met:
            print(f"{module}: an excuse that no mutant needs: {text}")
    return result


def main(argv: list[str] | None = None) -> int:
    """Run the modules asked for and print what survived."""
    parser = argparse.ArgumentParser(prog="mutation/run.py", description="mutation runs")
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="like ravequant/exact.py")
    parser.add_argument("--all", action="store_true", help="every module of modules.toml")
    parser.add_argument("--children", type=int, default=2, help="processes (default: 2)")
    parser.add_argument("--no-constants", dest="constants", action="store_false")
    args = parser.parse_args(argv)
    listed = tomllib.loads(LIST.read_text(encoding="utf-8"))
    excluded = listed.pop("excluded")
    below = False
    for module in listed if args.all else args.modules:
        result = run(module, listed[module], excluded, args.children, constants_too=args.constants)
        goal = listed[module]["goal"]
        print(
            f"{module}: {result.killed} of {result.total - result.excused} killed, "
            f"{result.percent():.1f} % (goal {goal} %), {result.excused} excused",
            flush=True,
        )
        for text in result.survivors:
            print(f"  survived: {text}")
        below |= result.percent() < goal
    return 1 if below else 0


if __name__ == "__main__":
    sys.exit(main())
