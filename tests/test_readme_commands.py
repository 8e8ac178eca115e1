"""Every command of every README is run as it stands there, in a checkout of its own."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib.util import find_spec
from pathlib import Path

import pytest

from ravequant.vault.lock import writer_lock
from ravequant.vault.paths import CHECKOUT, Vault
from scripts.supervision.tasks import free_port
from tests.support.readme_blocks import READMES, Block, Typed, all_blocks, fences, seen_messages
from tests.support.readme_checkout import GOES_ON, CheckoutCopy, copied, restore_data, template

# run on until Ctrl-C: what shows that it lives, and the exit code after an interrupt
LIVE = (
    (r"^python .*(trades|l2|context)_exporter\.py", r"Subscribed", 0),
    (r"run_all\.py.* --watch", r"find_signals runs, pid", 0),
    (r"run_all\.py.* --dashboard", r"dashboard runs, pid", 0),
    (r"run_all\.py.* --demo", r"exchange runs, pid", 0),
    (r"run_all\.py --(no-exporters|rebuild)", r"up to date", 0),
    (r"^python .*run_all\.py$", r"l2_exporter runs, pid", 0),
    (r"okx_exchange\.py", r'"rest_url"', 0),
    (r"find_signals\.py (?!.*--discord).*--watch", r"^(no signal|fade)", 130),
    (r"peek\.py .* -f", r"^[{2]", 130),
    (r"doctor\.py --live", r"metadata BTC", 130),
    (r"^tail .*-f", r"^[{2]", -2),
)
# not run; the program is asked for its --help, which must know the options shown
NOT_RUN = {
    r"scripts/demo\.py": "tests/scripts/test_demo.py runs it from its first to its last line",
    r"Dashboard/dashboard\.py": "tests/Dashboard/test_dashboard.py runs it, at other ports",
    r"scripts/test\.py": "it would run the tests that are running",
    r"doctor\.py --post": "it posts; tests/scripts/checks/test_computer.py runs it",
    r"find_signals\.py .*--(discord|bell|exec)": "tests/alerts/test_end_to_end.py runs it",
    r"scripts/benchmark\.py": "it measures for minutes; tests/scripts/test_benchmark.py runs it",
    r"recompute\.py .*dask": "tests/scripts/test_recompute_dask.py runs it",
    r"edge_lab\.py study": "tests/Edge_Lab/test_commands_study.py runs it on an exchange in a box",
    r"import_books\.py": "tests/L2_Bot/test_import_books.py runs it on files of its own",
    r"mutation/run\.py": "it takes minutes for each module, and needs an extra",
    r"import_trades\.py": "tests/Trades_Bot/test_import_trades.py runs it",
    r"scripts/environment\.py": "it installs; tests/scripts/test_environment.py runs it",
    r"scripts/install_service\.py(?! --print)": "it registers with the system; its own tests",
}
# not run and no program of ours: only that the line is one of these
ONLY_LOOKED_AT = {
    r"git ": "changes the checkout of the person who types it",
    r"python -m pip install ": "installs an extra from the internet",
    r"systemctl --user |journalctl --user ": "asks the system of the person who installed",
}
# what a README shows of a command's output, and what that must hold (blanks evened out)
SHOWS = (
    ("README.md", r"find_signals\.py", "age at"),
    ("scripts/README.md", r"run_all\.py --check", "PASS settings: valid"),
    ("scripts/README.md", r"run_all\.py$", "INFO run_all: keeps trades_exporter, l2_exporter"),
    ("scripts/README.md", r"doctor\.py$", "-> "),
    ("scripts/README.md", r"verify_vault\.py$", "instId stream day verdict expected present"),
    ("Trades_Bot/README.md", r"trades_exporter\.py$", "exchanges.client: Subscribed trades"),
    ("VWAP/README.md", r"vwap_calculator\.py", "new records, "),
    ("Untouch_Wick/README.md", r"find_signals\.py .*--at", "fade wick evidence trade"),
)
CODES = (  # where 0 is not the proper end
    (r"doctor\.py", {1}),  # the prepared data is from 2025, and it says so
    (r"scripts/(sql|export_parquet)\.py", {0 if find_spec("duckdb") else 1}),  # what to install
    # nothing was judged in the prepared data
    (r"edge_lab\.py (verdict|backtest|optimise)", {3}),
    (r"edge_lab\.py predict show", {3}),  # so no model was fitted
    (r"edge_lab\.py predict fit", {3 if find_spec("sklearn") else 1}),  # what to install
    (r"--discord", {2}),  # no address stands in the checkout: it says so, and nothing is posted
    (r"^(grep|pgrep) ", {0, 1}),  # found, or not
    (r"vwap.*--vault box_vault", {0, 3}),  # trades of the second instrument may not have come
)
NEEDS_EXCHANGE = re.compile(r"^python .*(_exporter|run_all|doctor|repair_gaps)\.py")
BOX = "127.0.0.1:8790"  # of the exchange that a README starts by itself
LOOKS = {"tail", "grep", "pgrep", "cat", "ls", "du", "df"}
ON_WINDOWS = {
    "Get-Content",
    "Get-CimInstance",
    "Get-PSDrive",
    "Select-String",
    "type",
    "dir",
    "findstr",
    "tasklist",
    "schtasks",
    "powercfg",
}
BLOCKS = all_blocks()


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the checkout that was filled once for all test processes."""
    base = tmp_path_factory.getbasetemp()
    return template(base.parent if "PYTEST_XDIST_WORKER" in os.environ else base)


@pytest.fixture(scope="session")
def mine(tmp_path_factory: pytest.TempPathFactory, original: Path) -> Iterator[CheckoutCopy]:
    """Return this process's copy of it."""
    with copied(tmp_path_factory.mktemp("readme"), original) as checkout:
        yield checkout


@pytest.fixture
def checkout(mine: CheckoutCopy, original: Path) -> CheckoutCopy:
    """Return the checkout with its data as they were."""
    restore_data(mine, original)
    return mine


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.name)
def test_commands_do_what_they_say(block: Block, checkout: CheckoutCopy):
    """Each command ends with its proper exit code; one that runs on lives, and ends on Ctrl-C."""
    for typed in block.commands:
        if typed.windows and not is_ours(typed):
            check_windows(typed, checkout)
        else:
            try_out(typed, checkout)


def try_out(typed: Typed, checkout: CheckoutCopy) -> None:
    """Run a command, or do what its list says instead."""
    line = typed.line.replace("\\", "/") if typed.windows else typed.line
    words = Typed(typed.readme, typed.folder, line).words
    where = f"{typed.readme}: {typed.line}"
    if words[0].rpartition("/")[2] == "ravequant":  # its script: a copy has no installation
        words = ["python", f"{'../' * len(Path(typed.folder).parts)}scripts/main.py", *words[1:]]
        line = shlex.join(words)
    assert not {"|", "&&", ";", ">"} & set(words), f"{where}: one command a line"
    if any(re.match(pattern, line) for pattern in ONLY_LOOKED_AT):
        return
    if any(re.search(pattern, line) for pattern in NOT_RUN):
        knows_its_options(CHECKOUT / typed.folder / words[1], words[2:], where)
        return
    assert words[0] == "python" or words[0] in LOOKS, f"{where}: in no list of this test"
    if words[0] in LOOKS and shutil.which(words[0]) is None:
        return  # not on this system
    if BOX in line:
        with_box(typed, words, checkout)
    else:
        run(line, words, typed.folder, checkout, where)


def run(line: str, words: list[str], folder: str, checkout: CheckoutCopy, where: str) -> None:
    """Run a command in the checkout."""
    if NEEDS_EXCHANGE.search(line) and BOX not in line:
        checkout.open_exchange(*GOES_ON, "--wait-for-clients", "0")
    wanted = next((codes for pattern, codes in CODES if re.search(pattern, line)), {0})
    for pattern, sign, code in LIVE:
        if re.search(pattern, line):
            if os.name == "nt":
                return  # an interrupt for one process is POSIX
            files = "box_vault/raw/okx/trades_perps/*/*.jsonl" if BOX in line else ""
            met, wanted = checkout.run_until(words, folder, sign, files), {code}
            break
    else:
        met = checkout.run(words, folder)
    assert met in wanted, f"{where}: ended with {met}, expected {wanted}:\n{checkout.answer()}"
    assert "Traceback" not in checkout.answer(), where
    shows_its_sample(line, where, checkout.answer())


def shows_its_sample(line: str, where: str, answer: str) -> None:
    """Compare the output of a command with the sample that a README shows of it."""
    for name, pattern, sample in SHOWS:
        if re.search(f"^python .*{pattern}", line):
            written = (CHECKOUT / name).read_text(encoding="utf-8")
            assert sample in " ".join(written.split()), f"{name} no longer shows {sample}"
            assert sample in " ".join(answer.split()), f"{where}: {sample!r} is not said:\n{answer}"


def with_box(typed: Typed, words: list[str], checkout: CheckoutCopy) -> None:
    """Run a command that stands beside the exchange of its README, on a port that is free."""
    script = next(
        one
        for block in BLOCKS
        for one in block.commands
        if one.readme == typed.readme and "okx_exchange.py" in one.line
    )
    port = BOX.rpartition(":")[2]
    assert port in script.words
    free = str(free_port())
    box = checkout.start([free if word == port else word for word in script.words], script.folder)
    try:
        checkout.wait_for(box, r'"rest_url"')
        mine = [word.replace(port, free) for word in words]
        run(typed.line, mine, typed.folder, checkout, f"{typed.readme}: {typed.line}")
    finally:
        box.kill()
        box.wait()


def knows_its_options(program: Path, arguments: list[str], where: str) -> None:
    """Ask a program for its help: it must start, and know the options that are shown."""
    answer = subprocess.run(
        [sys.executable, str(program), "--help"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        encoding="utf-8",
    )
    assert answer.returncode == 0, f"{where}: {answer.stderr}"
    for option in (word for word in arguments if word.startswith("--")):
        assert re.search(rf"{option}(?![\w-])", answer.stdout), f"{where}: no {option}"


def is_ours(typed: Typed) -> bool:
    """Return True if a line of a Windows block starts Python."""
    return typed.words[0] == "python"


def check_windows(typed: Typed, checkout: CheckoutCopy) -> None:
    """A line that only Windows can run: a known command, its quotes closed, its files there."""
    where = f"{typed.readme}: {typed.line}"
    assert typed.line.count('"') % 2 == 0, f"{where}: an open quote"
    first, *others = typed.words
    if first.endswith(".bat"):
        others = [first, *others]
    else:
        assert first in ON_WINDOWS, f"{where}: in no list of this test"
    for word in others:
        if "\\" in word or word.endswith((".bat", ".log", ".jsonl")):
            path = checkout.root / typed.folder / word.rstrip(",").replace("\\", "/")
            found = list(path.parent.resolve().glob(path.name))
            assert found, f"{where}: no {path}"


# what is done to the data, what is typed then, its exit code and what a README quotes of it
CAUSED = (
    ("nothing is there", "python VWAP/vwap_calculator.py --vault empty", 3, "no raw data of "),
    (
        "nothing is there",
        "python Untouch_Wick/find_signals.py --vault empty --no-refresh",
        3,
        "no data of ",
    ),
    ("nothing new", "python CVD/run_cvd_from_jsonl.py", 0, "no raw data since the last run"),
    ("a broken line", "python Volume_Analyzer/volume_analyzer.py", 1, " skipped"),
    ("no metadata", "python Untouch_Wick/untouch_wick.py --rebuild", 3, "there is no metadata of "),
    ("output was changed", "python VWAP/vwap_calculator.py", 1, "is not what was committed: "),
    ("a setting was changed", "python VWAP/vwap_calculator.py", 1, ", the settings now say "),
    ("held", "python scripts/run_all.py", 4, " has its one writer already: "),
)


@pytest.mark.parametrize(("trouble", "line", "code", "message"), CAUSED)
def test_a_trouble_shows_as_the_readmes_say(checkout: CheckoutCopy, trouble, line, code, message):
    """A message quoted in the tables of troubles is printed when the trouble is there."""
    with caused(trouble, checkout):
        met = checkout.run(line.split(), ".")
    assert (met, message in checkout.answer()) == (code, True), checkout.answer()
    quoted = [seen.replace("…", "") for readme in READMES for seen in seen_messages(readme)]
    assert any(message.strip() in seen for seen in quoted), f"{message} is quoted nowhere"


@contextmanager
def caused(trouble: str, checkout: CheckoutCopy) -> Iterator[None]:
    """Bring a trouble about in the checkout, and take it away where that must be."""
    settings, own = checkout.root / "ravequant.toml", checkout.root / "ravequant.toml.own"
    shutil.copy(settings, own)
    lock: AbstractContextManager[None] = nullcontext()
    if trouble == "a broken line":
        with next(checkout.vault.glob("raw/okx/trades_perps/BTC-*/*.jsonl")).open("ab") as file:
            file.write(b"{broken}\n")
    elif trouble == "no metadata":
        shutil.rmtree(checkout.vault / "meta")
    elif trouble == "output was changed":
        path = next(checkout.vault.glob("derived/vwap/okx/perps/BTC-*/vwap_1m.jsonl"))
        path.write_bytes(path.read_bytes()[:-9])
    elif trouble == "a setting was changed":
        with settings.open("a", encoding="utf-8") as file:
            file.write('[vwap]\nextended_bps = "40"\n')
    elif trouble == "held":
        lock = writer_lock(Vault(checkout.vault), "run_all", "ALL-INSTRUMENTS")
    try:
        with lock:
            yield
    finally:
        own.replace(settings)


def test_no_command_hides_in_another_block():
    """Each line that looks like a command stands in a block that names its shell."""
    commands = re.compile(rf"(python3?|\S+\.bat|{'|'.join(LOOKS | ON_WINDOWS)})( |$)")
    for readme in READMES:
        for text in fences(readme, "", "text"):
            for line in text.splitlines():
                assert not commands.match(line), f"{readme}: {line}"


def test_every_exception_is_used():
    """A list of exceptions names no command that is no longer there."""
    lines = [typed.line.replace("\\", "/") for block in BLOCKS for typed in block.commands]
    patterns = [pattern for pattern, *_ in (*LIVE, *CODES)] + [*NOT_RUN, *ONLY_LOOKED_AT]
    for pattern in patterns:
        assert any(re.search(pattern, line) for line in lines), pattern
