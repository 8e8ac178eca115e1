"""What the steps of the demo stand on: a folder of its own, and programs that never outlive it."""

import argparse
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NoReturn

from filelock import FileLock, Timeout
from rich.console import Console, RenderableType
from rich.status import Status

from ravequant.errors import LockedError, RaveQuantError, UsageError
from ravequant.vault.paths import CHECKOUT, Vault

MARKER: Final = ".made_by_demo"  # a vault that holds this may be emptied
LOCK: Final = ".demo.lock"


class DemoError(RaveQuantError):
    """A step did not do what it should; the text says what was met and where to look."""


@dataclass(slots=True)
class Demo:
    """What the steps share: the options, the vault, the programs that run."""

    args: argparse.Namespace
    console: Console
    vault: Vault
    programs: list[subprocess.Popen[bytes]] = field(default_factory=list)
    ws_url: str = ""
    rest_url: str = ""

    def log(self, script: str) -> Path:
        """Return the file that holds what a program said."""
        return self.vault.root / "logs" / f"{Path(script).stem}.log"

    def start(self, script: str, *options: object) -> subprocess.Popen[bytes]:
        """Start a program of the checkout in this Python; its words go to its log."""
        log = self.log(script)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as words, interrupts_wait():
            process = subprocess.Popen(
                command(script, *options),
                stdout=words, stderr=words, stdin=subprocess.DEVNULL, cwd=CHECKOUT,
            )  # fmt: skip
            self.programs.append(process)
        return process

    def finish(self, script: str, process: subprocess.Popen[bytes], limit_s: float) -> None:
        """Wait until a program has ended well; DemoError if it fails or takes too long."""
        try:
            code = process.wait(max(limit_s, 0))
        except subprocess.TimeoutExpired:
            self.fail(script, "still runs, expected to have ended by now")
        if code:
            self.fail(script, f"ended with exit code {code}, expected 0")

    def ask(self, script: str, *options: object, shown: bool = False) -> bytes:
        """Run a program to its end and return what it wrote; ``shown`` lets it write to us all.

        Its log gets what it says beside that. DemoError if it fails.
        """
        sys.stdout.flush()
        with self.log(script).open("ab") as words, interrupts_wait():
            process = subprocess.Popen(
                command(script, *options),
                stdout=None if shown else subprocess.PIPE, stderr=words,
                stdin=subprocess.DEVNULL, cwd=CHECKOUT,
            )  # fmt: skip
            self.programs.append(process)
        written, _ = process.communicate()
        self.finish(script, process, 0)
        return written or b""

    def show(self, picture: RenderableType) -> None:
        """Print a table or a picture."""
        self.console.print(picture)
        self.console.print()

    def fail(self, script: str, what: str) -> NoReturn:
        """Raise DemoError with the last words of the program."""
        log = self.log(script)
        words = log.read_text(encoding="utf-8", errors="replace").splitlines()[-8:]
        said = f"Its last words ({log}):" if words else f"Beside that it said nothing ({log})"
        raise DemoError("\n  ".join([f"{script} {what}. {said}", *words]))

    def end(self) -> None:
        """End every program that still runs, the newest first."""
        for process in reversed(self.programs):
            if process.poll() is None:
                process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def interrupts_wait() -> Iterator[None]:
    """Put an interrupt off until a program that is being started can be ended again."""
    met: list[int] = []
    before = {
        number: signal.signal(number, lambda met_now, _frame: met.append(met_now))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if met:
        raise KeyboardInterrupt


def command(script: str, *options: object) -> list[str]:
    """Return the command line of a program of the checkout in this Python."""
    return [sys.executable, str(CHECKOUT / script), *map(str, options)]


@contextmanager
def ended(demo: Demo) -> Iterator[None]:
    """End all programs on leaving, whatever happens, Ctrl-C twice included."""
    for ending in (signal.SIGINT, signal.SIGTERM):  # also where a shell's & had them ignored
        signal.signal(ending, signal.default_int_handler)
    try:
        yield
    finally:
        for ending in (signal.SIGINT, signal.SIGTERM):
            signal.signal(ending, signal.SIG_IGN)  # a second Ctrl-C must not leave orphans
        demo.end()


@contextmanager
def emptied(root: Path) -> Iterator[Path]:
    """Yield ``root``, empty and ours alone.

    UsageError unless it is new, empty or a demo's; LockedError while another demo works in it.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        if any(root.iterdir()) and not (root / MARKER).exists():
            raise UsageError(
                f"{root} holds data that no demo made: name another folder with --vault"
            )
        (root / MARKER).touch()
    except OSError as error:
        raise UsageError(
            f"{root} cannot be used: {error.strerror}; name another folder with --vault"
        ) from None
    try:
        with FileLock(root / LOCK, timeout=0):
            for path in root.iterdir():
                if path.is_dir():
                    shutil.rmtree(path)
                elif path.name not in (MARKER, LOCK):
                    path.unlink()
            yield root
    except Timeout:
        raise LockedError(f"another demo works in {root}: wait for it, or use --vault") from None


@contextmanager
def waiting(console: Console, text: str) -> Iterator[Callable[[str], None]]:
    """Show that work goes on: on a terminal alive, and changed by what is yielded; else once."""
    if not console.is_terminal:
        console.print(text)
        yield lambda _: None
        return
    with Status(text, console=console, spinner="line") as status:
        yield status.update
