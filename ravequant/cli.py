"""The command line that all programs share: options, logging, exit codes."""

import argparse
import atexit
import errno
import gc
import logging
import math
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal, NoReturn

from ravequant import times
from ravequant.errors import DONE, FAILED, RaveQuantError, UsageError
from ravequant.processes import lifeline
from ravequant.records import DEFAULT_EXCHANGE, check_inst_id
from ravequant.vault.paths import VAULT_VARIABLE, StrPath, Vault, default_root, user_path

MOST_SCORE: Final = 100
INTERRUPTED: Final = 130
_LEVELS: Final = ("debug", "info", "warning", "error")
_CONTROL: Final = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}


class HintingParser(argparse.ArgumentParser):
    """A parser that names the option which was probably meant, and takes none that is cut short."""

    def __init__(self, **given: Any) -> None:
        # a word that is short for an option today may be short for two tomorrow
        super().__init__(**given, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        """Write the usage and the message with its hint; exit code 2."""
        _, sign, unknown = message.partition("unrecognized arguments: ")
        words = unknown.split()  # none, if the argument is empty
        super().error(message + self._hint(words[0]) if sign and words else message)

    def _hint(self, word: str) -> str:
        flag, joined, value = word.partition("=")
        known = {name.lower(): name for action in self._actions for name in action.option_strings}
        if "--instid" in known and not flag.startswith("-"):
            return f"; an instrument is named so: --instId {word}"
        import difflib  # noqa: PLC0415 - only for a slip

        near = difflib.get_close_matches(flag.lower(), known, 1)
        return f"; did you mean {known[near[0]]}{joined}{value}?" if near else ""


def parser(prog: str, description: str) -> argparse.ArgumentParser:
    """Return a parser with the options of every program."""
    made = HintingParser(prog=prog, description=description)
    made.add_argument(
        "--vault",
        type=path_arg,
        metavar="DIR",
        help=f"the vault (default: ${VAULT_VARIABLE}, else Rave_Quant_Vault of this checkout)",
    )
    made.add_argument("--log-level", choices=_LEVELS, default="info", help="default: info")
    made.add_argument("--json", action="store_true", help="machine-readable result on stdout")
    return made


def path_arg(text: str) -> Path:
    """Return an argument that is a path; ``~`` is the home folder."""
    try:
        return user_path(text)
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def add_instruments(made: argparse.ArgumentParser) -> None:
    """Add ``--instId``, which may be repeated; without it the settings name the instruments."""
    made.add_argument(
        "--instId",
        action="append",
        dest="inst_ids",
        metavar="INSTID",
        help="instrument, like BTC-USDT-SWAP; may be repeated (default: those of the settings)",
    )


def add_calculator_options(made: argparse.ArgumentParser) -> None:
    """Add the options of the batch calculators."""
    add_instruments(made)
    made.add_argument(
        "--since",
        type=duration,
        metavar="SPAN",
        help="first run only: begin this long before the newest raw record (240m, 24h, 7d)",
    )
    made.add_argument(
        "--rebuild",
        action="store_true",
        help="recompute what the raw data on disk still gives; older rows stay",
    )


def duration(text: str) -> int:
    """Return a duration argument in milliseconds."""
    try:
        return times.parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def seconds(text: str) -> float:
    """Return an argument in seconds, 0 for never; a span with its unit counts too."""
    with suppress(ValueError):
        return times.parse_duration(text) / times.SECOND_MS
    return _number(text, least=0.0, wanted="a number of seconds, 0 or more, nor a span like 5m")


def factor(text: str) -> float:
    """Return an argument that is a factor, at least 0.001."""
    return _number(text, least=0.001, wanted="a number of 0.001 or more")


def score(text: str) -> int:
    """Return an argument that is a score, 0 to 100."""
    if not (text.isascii() and text.isdigit() and int(text) <= MOST_SCORE):
        raise argparse.ArgumentTypeError(f"{text!r} is no score: scores go from 0 to {MOST_SCORE}")
    return int(text)


def _number(text: str, *, least: float, wanted: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not least <= number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not {wanted}")
    return number


def time_arg(text: str) -> times.Moment:
    """Return an argument that is a time as people give it."""
    try:
        return times.moment(text, times.utc_now_ms())
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def day_arg(text: str) -> str:
    """Return an argument that is a UTC date."""
    try:
        return times.parse_day(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def asked(
    vault: Vault, at: str | datetime | times.Moment | None, flag: str = "--at"
) -> times.Moment | Literal["latest"]:
    """Return the time of a question to a vault, None being `latest`; ``flag`` gave it.

    Raises UsageError for no time, and for one later than the clock and than the newest raw record.
    """
    if at is None or at == times.LATEST:
        return times.LATEST
    now = times.utc_now_ms()
    try:
        asked_for = at if isinstance(at, times.Moment) else times.moment(at, now)
    except ValueError as error:
        raise UsageError(f"{flag}: {error}; or {times.LATEST}, where the data end") from None
    if asked_for.ms > now:
        from ravequant.vault.newest import newest_of_all  # noqa: PLC0415 - few ask for it

        try:
            asked_for.refuse_later(now, newest_of_all(vault))
        except ValueError as error:
            raise UsageError(f"{flag}: {error}") from None
    return asked_for


def vault_of(args: argparse.Namespace) -> Vault:
    """Return the vault that the arguments or the environment name."""
    root: Path = args.vault or default_root()
    if root.exists() and not root.is_dir():
        raise UsageError(f"--vault {root} is a file; expected a folder")
    return Vault(root, getattr(args, "exchange", DEFAULT_EXCHANGE))


def instruments_of(args: argparse.Namespace, standing: Sequence[str]) -> list[str]:
    """Return the instruments of the arguments, each once, or else ``standing``. UsageError."""
    if not (args.inst_ids or standing):
        raise UsageError("no instrument: name one with --instId, or in the settings")
    return [check_inst_id(inst_id) for inst_id in dict.fromkeys(args.inst_ids or standing)]


def run(
    made: argparse.ArgumentParser,
    body: Callable[[argparse.Namespace], int],
    argv: Sequence[str] | None = None,
    log_file: StrPath | None = None,
) -> int:
    """Parse ``argv``, run ``body`` and return the exit code; an error becomes one logged line.

    A program whose reader goes away, as `| head` does, ends silently, with exit code 0 unless it
    has failed before.
    """
    log_file = None if log_file is None else Path(log_file)
    _open_streams()
    return until_reader_leaves(made.prog, lambda: _run(made, body, argv, log_file))


def until_reader_leaves(prog: str, body: Callable[[], int]) -> int:
    """Return the exit code of ``body``, which writes to stdout; the end is silent."""
    try:
        code = body()
    except SystemExit:  # argparse has written its help, its version or the usage
        _without_readers(prog, DONE)
        raise
    except OSError as error:
        if not _reader_left(sys.stdout, error):
            raise
        code = DONE
    return _without_readers(prog, code)


def _run(
    made: argparse.ArgumentParser,
    body: Callable[[argparse.Namespace], int],
    argv: Sequence[str] | None,
    log_file: Path | None,
) -> int:
    args = made.parse_args(argv)
    supervised = lifeline.watch()
    own_file = getattr(args, "log_file", None) or log_file
    set_up_logging(args.log_level, supervised or own_file, on_stderr=supervised is None)
    if supervised is not None and log_file is not None:
        _point(log_file, supervised)
    try:
        return body(args)
    except RaveQuantError as error:
        report(made.prog, error)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as error:  # an error that no part of the program has described better
        if _reader_left(sys.stdout, error):
            return DONE
        report(made.prog, RaveQuantError(f"{error}; check that path and its disk, then try again"))
        return FAILED


def _without_readers(prog: str, code: int) -> int:
    """Write the rest of stdout and stderr, and return the exit code.

    A stream whose reader went away, or whose disk is full, is closed for good: at its end Python
    would write to it once more, and say that it could not.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError as error:
            left = _reader_left(stream, error)
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            if not left:
                report(prog, RaveQuantError(f"{stream.name} could not be written: {error}"))
                code = code or FAILED
    return code


def _reader_left(stream: Any, error: OSError) -> bool:
    """Return True if an error means that the reader of ``stream`` has gone.

    A broken pipe may also be that of another process or of a connection; and Windows calls it an
    invalid argument.
    """
    if not isinstance(error, BrokenPipeError):
        return os.name == "nt" and error.errno == errno.EINVAL and error.filename is None
    try:
        stream.flush()
    except BrokenPipeError:
        return True
    import select  # noqa: PLC0415 - few programs lose their reader

    if not hasattr(select, "poll"):
        return False
    asked = select.poll()  # an unbuffered stream keeps nothing that a flush could write again
    asked.register(stream.fileno(), 0)
    return bool(asked.poll(0))


def leave(code: int) -> NoReturn:
    """End a short program without collecting or clearing its memory, a seventh of its time.

    The output was flushed by ``run``; the threads are waited for.
    """
    gc.freeze()
    atexit.register(os._exit, code)  # behind the threads, before the modules are cleared
    sys.exit(code)


def report(prog: str, error: RaveQuantError) -> None:
    """Log an error, to stderr or the log file."""
    logging.getLogger(prog).error("%s", error)


def _open_streams() -> None:
    """Make stdout and stderr usable: UTF-8 on every console, and present under pythonw."""
    for name in ("stdout", "stderr"):
        stream: Any = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - kept
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def set_up_logging(level: str, log_file: StrPath | None = None, *, on_stderr: bool = True) -> None:
    """Send the log to stderr and, for a program that runs on, to its rotating file.

    If the file cannot be written, a warning on stderr says so, and the program goes on. Without
    ``on_stderr`` only the file gets the log: the stderr of an unattended program would only grow.
    """
    log_file = None if log_file is None else Path(log_file)
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)] if on_stderr else []
    refused: OSError | None = None
    if log_file is not None:
        try:
            handlers.append(_rotating_file(log_file))
        except OSError as error:
            refused = error
    if not handlers:
        handlers.append(logging.StreamHandler(sys.stderr))
    for handler in handlers:
        handler.setFormatter(_OneLine())
    logging.basicConfig(level=level.upper(), handlers=handlers, force=True)
    if refused is not None:
        logging.getLogger(__name__).warning("no log file, stderr only: %s", refused)


def _point(own: Path, supervised: Path) -> None:
    """Have the log beside a program say where its log stands while run_all runs it."""
    line = f"run by run_all, this program logs to {supervised.absolute()}\n"
    with suppress(OSError), own.open("a+", encoding="utf-8", errors="replace") as file:
        file.seek(0)
        if not file.read().endswith(line):
            file.write(line)


def _rotating_file(path: Path) -> logging.Handler:
    """Return the handler of a log file that begins anew at 5 MB; OSError if it cannot be opened."""
    from logging.handlers import RotatingFileHandler  # noqa: PLC0415 - loads sockets and queues

    class RotatingFile(RotatingFileHandler):
        """Goes on in the same file when another program holds it open (Windows).

        A record that a full disk refuses stands on stderr all the same.
        """

        def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's own name
            """Pass over a record that the disk refuses."""
            if not isinstance(sys.exception(), OSError):
                super().handleError(record)

        def doRollover(self) -> None:  # noqa: N802 - logging's own name
            """Begin a new file, or go on in the present file."""
            try:
                super().doRollover()
            except OSError:
                self.stream = self._open()

    path.parent.mkdir(parents=True, exist_ok=True)
    return RotatingFile(path, maxBytes=5_000_000, backupCount=3, encoding="utf-8")


class _OneLine(logging.Formatter):
    """Formats an event as one line, in UTC, with control characters made visible."""

    converter = staticmethod(time.gmtime)

    def __init__(self) -> None:
        super().__init__("%(asctime)sZ %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        return super().formatMessage(record).translate(_CONTROL)
