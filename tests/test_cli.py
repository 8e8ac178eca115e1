"""The shared command line: options, one clear line for an error, exit codes, log files."""

import argparse
import errno
import logging
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ravequant import cli, times
from ravequant.contract import Contract
from ravequant.errors import FeedError, LockedError, NoDataError, UsageError, VaultError
from ravequant.records import Trade, TradeEncoder
from ravequant.vault.paths import CHECKOUT, Vault

BTC = "BTC-USDT-SWAP"
FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


@pytest.fixture(autouse=True)
def _logging_as_it_was():
    """Give pytest its log handlers back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    for handler in root.handlers:
        handler.close()
    root.handlers[:], root.level = handlers, level


@pytest.mark.parametrize(
    ("error", "code"),
    [(FeedError, 1), (VaultError, 1), (UsageError, 2), (NoDataError, 3), (LockedError, 4)],
)
def test_an_error_is_one_line_on_stderr_and_its_exit_code(capsys, error, code):
    """No traceback for what a person can mend."""

    def body(_args) -> int:
        raise error("the value met; the value wanted; the remedy")

    assert cli.run(cli.parser("probe", "A probe."), body, []) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.endswith("Z ERROR probe: the value met; the value wanted; the remedy\n")
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        (cli.seconds, "-3", "'-3' is not a number of seconds, 0 or more"),
        (cli.seconds, "nan", "'nan' is not a number of seconds"),
        (cli.seconds, "inf", "'inf' is not a number of seconds"),
        (cli.seconds, "5w", "'5w' is not a number of seconds, 0 or more, nor a span like 5m"),
        (cli.score, "101", "'101' is no score: scores go from 0 to 100"),
        (cli.score, "-1", "'-1' is no score: scores go from 0 to 100"),
        (cli.factor, "0", "'0' is not a number of 0.001 or more"),
    ],
)
def test_a_number_that_is_none_is_refused(kind, text, words):
    """What no program could use is refused before it starts."""
    with pytest.raises(argparse.ArgumentTypeError, match=words):
        kind(text)
    assert (cli.seconds("0"), cli.seconds("2.5"), cli.factor("20")) == (0, 2.5, 20)
    assert (cli.seconds("30s"), cli.seconds("5m"), cli.seconds("500ms")) == (30, 300, 0.5)


def test_a_log_file_may_be_named(tmp_path):
    """``--log-file`` takes the place of the program's own."""
    made = cli.parser("probe", "A probe.")
    made.add_argument("--log-file", type=Path)
    named = tmp_path / "logs" / "named.log"

    def body(_args) -> int:
        logging.getLogger("probe").warning("here")
        return 0

    own = tmp_path / "own.log"
    assert cli.run(made, body, ["--log-file", str(named)], log_file=own) == 0
    assert "WARNING probe: here" in named.read_text(encoding="utf-8")
    assert not own.exists()


def test_an_interrupt_is_no_traceback(capsys):
    """Ctrl-C ends a program with 130."""

    def body(_args) -> int:
        raise KeyboardInterrupt

    assert cli.run(cli.parser("probe", "A probe."), body, []) == 130
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("span", ["", "4", "h", "-4h", "0m", "4 h", "1.5h", "4H"])
def test_a_span_that_is_none_is_a_usage_error(capsys, span):
    """The message shows what was met and what is wanted."""
    made = cli.parser("probe", "A probe.")
    cli.add_calculator_options(made)
    with pytest.raises(SystemExit) as end:
        cli.run(made, lambda _args: 0, [f"--since={span}"])
    assert end.value.code == 2
    assert f"{span!r} is not a duration like 30s, 240m, 4h or 2d" in capsys.readouterr().err


def test_a_time_is_an_argument():
    """A time that is none ends with a sentence, and so does a day."""
    assert cli.time_arg("2025-12-14 22:34 +01:00").ms == times.parse_iso("2025-12-14T21:34:00Z")
    with pytest.raises(argparse.ArgumentTypeError, match=r"^'soon' is not a time; expected 21:34"):
        cli.time_arg("soon")
    with pytest.raises(argparse.ArgumentTypeError, match=r"^'20251214' is not a day"):
        cli.day_arg("20251214")


def test_a_question_of_the_future_is_refused(tmp_path):
    """Unless a record is as new: then the clock is slow, and the question right."""
    vault = Vault(tmp_path)
    assert cli.asked(vault, None) == cli.asked(vault, "latest") == "latest"
    now = cli.asked(vault, datetime.now(UTC))
    assert now == cli.asked(vault, now)
    for later in ("2999-01-01 12:00:01", datetime(2999, 1, 1, 12, 0, 1, tzinfo=UTC)):
        with pytest.raises(UsageError) as refused:
            cli.asked(vault, later)
        assert re.fullmatch(
            r"--at: '2999-01-01 12:00:01(\+00:00)?' is 2999-01-01T12:00:01Z, later than now "
            r"\(20[0-9-]{8}T[0-9:]{8}Z\)",
            str(refused.value),
        )
    day = vault.trades(BTC) / "2999-01-01.jsonl"
    day.parent.mkdir(parents=True)
    contract = Contract("0.01", "1", "linear")
    trade = Trade(times.parse_iso("2999-01-01T12:00:00Z"), 1, "buy", "100", "1")
    day.write_bytes(TradeEncoder(BTC, contract).line(trade))
    moment = times.moment("2999-01-01 12:00", 0)
    assert cli.asked(vault, "2999-01-01 12:00") == moment
    with pytest.raises(UsageError, match=r"\) and the newest record \(2999-01-01T12:00:00Z\)$"):
        cli.asked(vault, "2999-01-01 12:00:01")


@pytest.mark.parametrize("wrong", [1_765_748_096, "28", "", FIRST, LAST])
def test_a_question_needs_a_time(tmp_path, wrong):
    """A number is no time: nobody knows whether it counts seconds or days."""
    with pytest.raises(UsageError, match=r"^--at: .*; or latest, where the data end$"):
        cli.asked(Vault(tmp_path), wrong)


def test_instruments_are_each_once_and_checked(capsys):
    """A name that could leave the vault is refused before any path is built."""
    made = cli.parser("probe", "A probe.")
    cli.add_instruments(made)

    def names(argv) -> list[str]:
        return cli.instruments_of(made.parse_args(argv), ["ETH-USDT-SWAP"])

    assert names([]) == ["ETH-USDT-SWAP"]
    twice = ["--instId", "BTC-USDT-SWAP", "--instId", "BTC-USDT-SWAP"]
    assert names(twice) == ["BTC-USDT-SWAP"]
    for bad in ("../../etc", "btc-usdt-swap", "BTC", "BTC-USDT-SWAP/..", "BTC-", "", "BTC-ÜSD"):
        with pytest.raises(
            UsageError, match="is not a legal name: expected capitals, digits and _"
        ):
            names(["--instId", bad])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["--instid", "BTC-USDT-SWAP"],
            "--instid BTC-USDT-SWAP; did you mean --instId?",
        ),
        (["--INSTID=BTC"], "arguments: --INSTID=BTC; did you mean --instId=BTC?"),
        (["BTC-USDT-SWAP"], "BTC-USDT-SWAP; an instrument is named so: --instId BTC-USDT-SWAP"),
        (["--rebild"], "arguments: --rebild; did you mean --rebuild?"),
        (["--rebu"], "arguments: --rebu; did you mean --rebuild?"),  # not taken for it
        (["--zzz"], "unrecognized arguments: --zzz"),
        ([""], "unrecognized arguments:"),
        (["--since", "soon"], "'soon' is not a duration like 30s, 240m, 4h or 2d"),
    ],
)
def test_the_option_that_was_meant_is_said(capsys, words, said):
    """Behind argparse's own words."""
    made = cli.parser("probe", "A probe.")
    cli.add_calculator_options(made)
    with pytest.raises(SystemExit) as end:
        made.parse_args(words)
    assert end.value.code == 2
    assert capsys.readouterr().err.rstrip().endswith(said)


def test_the_log_beside_a_program_says_where_its_log_is(tmp_path, monkeypatch, capsys):
    """The notes' command that types the log of l2_exporter finds it under run_all too."""
    vault_log, own = tmp_path / "vault" / "probe.log", tmp_path / "own.log"
    monkeypatch.setattr("ravequant.processes.lifeline.watch", lambda: vault_log)
    made = cli.parser("probe", "A probe.")
    for _ in range(2):
        assert cli.run(made, lambda _args: 0, [], own) == 0
    assert own.read_text(encoding="utf-8") == f"run by run_all, this program logs to {vault_log}\n"
    own.write_text("a line of its own\n", encoding="utf-8")
    assert cli.run(made, lambda _args: 0, [], own) == 0
    assert own.read_text(encoding="utf-8").splitlines() == [
        "a line of its own", f"run by run_all, this program logs to {vault_log}",
    ]  # fmt: skip
    monkeypatch.setattr("ravequant.processes.lifeline.watch", lambda: None)
    assert cli.run(made, lambda _args: 0, [], tmp_path) == 0  # which cannot be written


def test_no_instrument_at_all_is_a_usage_error():
    """A program that would have nothing to do says so, and is no success."""
    made = cli.parser("probe", "A probe.")
    cli.add_instruments(made)
    with pytest.raises(UsageError, match="name one with --instId"):
        cli.instruments_of(made.parse_args([]), ())


def test_a_vault_that_is_a_file_is_a_usage_error(tmp_path):
    """A path that cannot be a vault is named."""
    path = tmp_path / "file"
    path.touch()
    args = cli.parser("probe", "A probe.").parse_args(["--vault", str(path)])
    with pytest.raises(UsageError, match="is a file; expected a folder"):
        cli.vault_of(args)


def test_what_the_system_refuses_is_one_line_too(capsys, tmp_path):
    """A path that cannot be read or is too long is named, without a traceback."""

    def body(_args) -> int:
        (tmp_path / "absent").read_bytes()
        return 0

    assert cli.run(cli.parser("probe", "A probe."), body, []) == 1
    said = capsys.readouterr().err
    assert f"{tmp_path / 'absent'}'; check that path and its disk" in said
    assert said.count("\n") == 1


def test_a_log_file_that_cannot_be_written_stops_nothing(capsys, tmp_path):
    """It is said once on stderr, where the lines stand anyway."""
    cli.set_up_logging("info", tmp_path)
    logging.getLogger("probe").warning("here")
    refused, here = capsys.readouterr().err.splitlines()
    assert "no log file, stderr only: " in refused
    assert here.endswith("WARNING probe: here")


def test_log_lines_show_control_characters(tmp_path, capsys):
    """What comes from outside cannot forge a line or drive the terminal."""
    log_file = tmp_path / "Trades Bot" / "probe.log"
    cli.set_up_logging("info", log_file)
    logging.getLogger("probe").warning("from outside: %s", "a\nb\x1b[2Jc ü")
    written = log_file.read_text(encoding="utf-8")
    assert written.endswith("Z WARNING probe: from outside: a\\x0ab\\x1b[2Jc ü\n")
    assert capsys.readouterr().err == written


def test_a_full_disk_under_the_log_is_no_traceback(capsys, tmp_path, monkeypatch):
    """The line is on stderr; nothing else is said."""
    cli.set_up_logging("info", tmp_path / "probe.log")
    handler = next(one for one in logging.getLogger().handlers if hasattr(one, "maxBytes"))
    full = OSError(errno.ENOSPC, "No space left on device")
    with monkeypatch.context() as patch:
        patch.setattr(handler, "flush", lambda: (_ for _ in ()).throw(full))
        logging.getLogger("probe").warning("here")
    assert capsys.readouterr().err.count("\n") == 1


def test_a_log_that_cannot_rotate_goes_on(tmp_path, monkeypatch):
    """A reader that holds the log open (Windows) costs no line."""
    log_file = tmp_path / "probe.log"
    cli.set_up_logging("info", log_file)
    handler = next(one for one in logging.getLogger().handlers if hasattr(one, "maxBytes"))
    handler.maxBytes = 10
    monkeypatch.setattr(handler, "rotate", lambda *_: (_ for _ in ()).throw(PermissionError()))
    for number in range(3):
        logging.getLogger("probe").warning("line %d", number)
    assert log_file.read_text(encoding="utf-8").count("line") == 3


def test_a_full_log_rotates(tmp_path):
    """The newest lines stand in the file itself, older ones in numbered copies."""
    handler = cli._rotating_file(tmp_path / "x.log")
    vars(handler).update(maxBytes=10, backupCount=1)
    for number in range(3):
        handler.emit(logging.makeLogRecord({"msg": f"line {number}"}))
    handler.close()
    assert (tmp_path / "x.log").read_text(encoding="utf-8") == "line 2\n"
    assert (tmp_path / "x.log.1").read_text(encoding="utf-8") == "line 1\n"


def test_other_errors_are_still_reported(tmp_path, capsys):
    """A message that cannot be formatted is a mistake of the program, not of the disk."""
    handler = cli._rotating_file(tmp_path / "x.log")
    handler.emit(logging.makeLogRecord({"msg": "%d", "args": ("text",)}))
    handler.close()
    assert "TypeError" in capsys.readouterr().err


def test_a_program_without_streams_runs(tmp_path):
    """Under pythonw there is no stdout and no stderr."""
    script = (
        "import sys; sys.stdout = sys.stderr = None\n"
        "from VWAP.vwap_calculator import main\n"
        f"raise SystemExit(main(['--vault', {str(tmp_path)!r}]))"
    )
    command = [sys.executable, "-c", script]
    assert subprocess.run(command, cwd=CHECKOUT, check=False).returncode == 3


def test_the_home_folder_has_a_sign(tmp_path, monkeypatch):
    """No shell replaces ``~`` behind every ``=``, nor in a file of variables."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    made = cli.parser("probe", "A probe.")
    assert cli.vault_of(made.parse_args(["--vault=~/vault"])).root == tmp_path / "vault"
    monkeypatch.setenv("RAVEQUANT_VAULT", "~/other")
    assert cli.vault_of(made.parse_args([])).root == tmp_path / "other"
    assert cli.path_arg("~/x.log") == tmp_path / "x.log"


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "the path is empty; name a folder or file"), ("~nobody-here/x", "its ~ has no home")],
)
def test_a_path_that_is_none_is_refused(text, said, capsys):
    """An empty variable is not the current folder."""
    with pytest.raises(SystemExit) as end:
        cli.parser("probe", "A probe.").parse_args([f"--vault={text}"])
    assert end.value.code == 2
    assert said in capsys.readouterr().err


def test_a_program_that_leaves_has_done_its_work(tmp_path):
    """Its exit code counts, its threads come to their end, and what it wrote is out."""
    done = tmp_path / "done"
    code = (
        "import pathlib, threading, time; from ravequant import cli; "
        f"late = lambda: (time.sleep(0.3), pathlib.Path({str(done)!r}).touch()); "
        "threading.Thread(target=late).start(); "
        "probe = cli.parser('probe', 'A probe.'); "
        "cli.leave(cli.run(probe, lambda _: print('out', end='') or 4, []))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (4, b"out", b"")
    assert done.exists()
