"""Brings the calculators of an instrument up to date before its signals are searched.

The folders of the calculators share no code, so each calculator is run as its script. A calculator
that another run holds is tried again for a short time; after that, and after a failure, its last
commit is read. A watch keeps the calculators loaded in one process: starting five Pythons takes
fifty times the processor time of a round that has little to add.
"""

import importlib.util
import io
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import BrokenExecutor
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from functools import cache, partial
from multiprocessing import active_children
from pathlib import Path
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Final, Self

from ravequant import catalog
from ravequant.errors import (
    DONE,
    FAILED,
    LockedError,
    NoDataError,
    UsageError,
    message_of,
    remedy_of,
)
from ravequant.vault.paths import CHECKOUT, Vault

if TYPE_CHECKING:
    from ravequant.processes.worker_pool import Processes

LOCKED_S: Final = 2.0  # for this long a calculator that another run holds is tried again
BUSY: Final = "another run is at work on it"
_PAUSE_S: Final = 0.1
_REBUILD: Final = "--rebuild"
_LAST_S: Final = 5.0  # a calculator that runs when the watch ends may take this long to finish
_log = logging.getLogger("find_signals")

Result = tuple[int, str]  # exit code and text on stderr


def calculators(vault: Vault, inst_id: str) -> dict[str, str]:
    """Return the scripts by the names of the calculators.

    Book flow, profile and seen liquidations are brought up to date where they have begun;
    elsewhere a question would have to wait for all raw files. Book flow's script brings the buckets
    along.
    """

    def begun(made: catalog.Program) -> bool:
        return vault.state(made.name, inst_id).exists()

    asked = list(catalog.ASKED_CALCULATORS)
    if begun(catalog.BOOK_FLOW_MAKER):
        asked[asked.index(catalog.L2_BUCKETIZER)] = catalog.BOOK_FLOW_MAKER
    asked += filter(begun, (catalog.PROFILE_MAKER, catalog.LIQUIDATION_MINUTES))
    return {made.name: made.script for made in asked}


def refresh(
    vault: Vault,
    inst_id: str,
    scripts: Mapping[str, str] | None = None,
    begun: "list[subprocess.Popen[str]] | None" = None,
) -> None:
    """Run the calculators side by side; a failure is logged and stops nothing.

    ``scripts``: None are those of the instrument. Each process is put into ``begun``, so that
    another thread can end it.
    """
    if scripts is None:
        scripts = calculators(vault, inst_id)
    with ExitStack() as started:

        def start(script: str) -> Callable[[], Result]:
            try:
                process = _started(script, _arguments(vault, inst_id))
            except OSError as error:  # no memory, too many files: the next round may find both
                refused = FAILED, str(error)
                return lambda: refused
            if begun is not None:
                begun.append(process)
            started.callback(process.wait)
            started.callback(process.kill)  # does nothing to a process that has ended

            def finish() -> Result:
                text = process.communicate()[1]
                return process.returncode, text

            return finish

        _run_all(vault, inst_id, start, scripts)


def _started(script: str, arguments: Sequence[str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, str(CHECKOUT / script), *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
        errors="replace",
    )


class LoadedCalculators:
    """The calculators in one process that stays; used by a ``with`` block.

    The first round of an instrument, which may have much to add, runs them side by side instead.
    """

    def __init__(self) -> None:
        self._processes: Processes | None = None
        self._caught_up = set[str]()
        self._begun: list[subprocess.Popen[str]] = []  # of the first round of an instrument
        self._ended = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._end()

    def refresh(self, vault: Vault, inst_id: str, scripts: Mapping[str, str] | None = None) -> None:
        """Run the calculators, one after the other; a failure is logged and stops nothing.

        ``scripts``: None are those of the instrument.
        """
        if self._ended:
            return
        if scripts is None:
            scripts = calculators(vault, inst_id)
        if inst_id not in self._caught_up:
            refresh(vault, inst_id, scripts, self._begun)
            self._begun.clear()
            self._caught_up.add(inst_id)
            return
        arguments = _arguments(vault, inst_id)
        run = lambda script: partial(self._run, str(CHECKOUT / script), arguments)  # noqa: E731
        _run_all(vault, inst_id, run, scripts)

    def end(self) -> None:
        """End the calculators that run, if another thread runs them; none is begun any more."""
        self._ended = True
        for process in list(self._begun):
            process.kill()
        self._end()

    def _run(self, script: str, arguments: Sequence[str]) -> Result:
        if self._ended:
            return FAILED, ""
        from ravequant.processes.worker_pool import Processes  # noqa: PLC0415 - for the second round of a watch

        try:
            if self._processes is None:
                self._processes = Processes(1)
            result: Result = self._processes.submit(run_loaded, script, arguments).result()
        except (BrokenExecutor, OSError) as error:
            self._end()  # the next calculator gets a new process
            return FAILED, f"the process of the calculators ended: {error}"
        return result

    def _end(self) -> None:
        processes, self._processes = self._processes, None
        if processes is not None:
            processes.close(wait=False)
            for process in active_children():  # a watch has no other processes
                process.join(_LAST_S)
                process.kill()


def _run_all(
    vault: Vault,
    inst_id: str,
    start: Callable[[str], Callable[[], Result]],
    scripts: Mapping[str, str],
) -> None:
    """Start each script and wait for its result; a locked one is started again for a time."""
    patience_ends = time.monotonic() + LOCKED_S
    failed = dict[str, str]()
    running = {name: start(script) for name, script in scripts.items()}
    while running:
        for name, finish in list(running.items()):
            code, text = finish()
            del running[name]
            if code == LockedError.exit_code and time.monotonic() < patience_ends:
                time.sleep(_PAUSE_S)
                running[name] = start(scripts[name])
            elif code not in {DONE, NoDataError.exit_code}:
                last = (text.strip().splitlines() or ["it said nothing"])[-1]
                _log.debug("%s: %s", name, message_of(last))
                failed[name] = _why(code, last)
    if failed:
        remedies = "; ".join(dict.fromkeys(failed.values()))
        rebuilt = [scripts[name] for name, text in failed.items() if _REBUILD in text]
        if rebuilt:
            one = f"{rebuilt[0]}{vault.option} --instId {inst_id} {_REBUILD}"
            options = f"{vault.demo_option}{vault.option}"
            all_of_them = f"end run_all, then: python scripts/run_all.py{options} {_REBUILD}"
            remedies += f": {f'python {one}' if len(rebuilt) == 1 else all_of_them}"
        _log.warning("%s: %s not up to date: %s", inst_id, ", ".join(failed), remedies)


def _why(code: int, last: str) -> str:
    """Return the remedy in the last line of a calculator; of a slip in the settings the reason."""
    if code == LockedError.exit_code:
        return BUSY
    return message_of(last) if code == UsageError.exit_code else remedy_of(last)


def _arguments(vault: Vault, inst_id: str) -> list[str]:
    return ["--vault", str(vault.root), "--instId", inst_id, "--log-level", "warning", "--json"]


@cache
def loaded(script: str) -> ModuleType:
    """Return a script as a module, loaded once; ImportError if it is not a Python file."""
    name = f"calculator_{Path(script).stem}"
    spec = importlib.util.spec_from_file_location(name, script)
    if spec is None or spec.loader is None:
        raise ImportError(f"{script} is no Python file")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_loaded(script: str, arguments: Sequence[str]) -> Result:
    """Return the result of the script's ``main``; for a process that does nothing else.

    Nothing of the process reaches its stdout any more, which belongs to the asker's answer.
    """
    errors = io.StringIO()
    with (
        Path(os.devnull).open("w", encoding="utf-8") as nowhere,
        redirect_stdout(nowhere),
        redirect_stderr(errors),
    ):
        os.dup2(nowhere.fileno(), 1)
        try:
            code = loaded(script).main(arguments)
        except SystemExit as error:
            code = error.code
        except Exception as error:  # noqa: BLE001 - the next calculator runs all the same
            return FAILED, f"{errors.getvalue()}\n{error!r}"
    return code if isinstance(code, int) else FAILED, errors.getvalue()
