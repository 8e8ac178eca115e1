"""What `peek` shows: the newest lines of files that grow, turn, are packed and are replaced."""

import gzip
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ravequant.vault.paths import CHECKOUT, Vault
from scripts import peek
from scripts.peek import DatedLines
from tests.support.trades_box import BTC

PEEK = CHECKOUT / "scripts" / "peek.py"


def numbered(first: int, last: int) -> bytes:
    return b"".join(b'{"n":%d}\n' % number for number in range(first, last + 1))


@pytest.fixture
def days(vault: Vault) -> Vault:
    """Three days: one packed, one plain, one with a line that is still being written."""
    folder = vault.trades(BTC)
    folder.mkdir(parents=True)
    (folder / "2025-12-12.jsonl.gz").write_bytes(gzip.compress(numbered(1, 4)))
    (folder / "2025-12-13.jsonl").write_bytes(numbered(5, 6))
    (folder / "2025-12-14.jsonl").write_bytes(numbered(7, 8) + b'{"n":9')
    return vault


def shown(vault: Vault, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert peek.main([*words, "--vault", str(vault.root)]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 8, 50])
def test_the_newest_lines_come_oldest_first_over_days_and_packed_ones(days, capsys, count):
    """As many as asked for, as far back as needed, never a torn one."""
    wanted = numbered(max(1, 9 - count), 8).decode()
    assert shown(days, capsys, "trades", BTC, "-n", str(count)) == wanted


def test_zero_shows_all_and_a_key_chooses_one_file(days, capsys):
    """`-n 0` is the notes' `type`; `--file` names one day."""
    assert shown(days, capsys, "trades", BTC, "-n", "0") == numbered(1, 8).decode()
    words = ("trades", BTC, "-n", "0", "--file", "2025-12-12")
    assert shown(days, capsys, *words) == numbered(1, 4).decode()


def test_long_lines_are_found_whole(vault, capsys):
    """A book line is longer than the block that is read back at first."""
    folder = vault.snapshots(BTC) / "2025-12-14"
    folder.mkdir(parents=True)
    line = b'{"bids":"' + b"x" * 200_000 + b'"}\n'
    (folder / "21.jsonl").write_bytes(line * 3)
    assert shown(vault, capsys, "l2", BTC, "-n", "2") == (line * 2).decode()


def test_following_goes_on_in_the_next_day_and_shows_each_line_once(days):
    """What is appended, then a new day, then the old one packed: each whole line, once."""
    folder = days.trades(BTC)
    lines = DatedLines(lambda: peek.DATED["trades"](days, BTC))
    assert list(lines.newest(1)) == [numbered(8, 8)]
    assert list(lines.more()) == []
    with (folder / "2025-12-14.jsonl").open("ab") as file:
        file.write(b"}\n" + numbered(10, 10))
    (folder / "2025-12-15.jsonl").write_bytes(numbered(11, 11))
    assert b"".join(lines.more()) == numbered(9, 11)
    packed = gzip.compress((folder / "2025-12-15.jsonl").read_bytes())
    (folder / "2025-12-15.jsonl.gz").write_bytes(packed)
    (folder / "2025-12-15.jsonl").unlink()
    (folder / "2025-12-16.jsonl").write_bytes(numbered(12, 12))
    assert b"".join(lines.more()) == numbered(12, 12)


def test_a_real_process_follows_until_it_is_stopped(days):
    """`-f` shows a line soon after it was written."""
    command = [sys.executable, PEEK, "trades", BTC, "-n", "1", "-f", "--vault", days.root]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        limit = threading.Timer(30, process.kill)
        limit.start()
        assert process.stdout is not None
        assert process.stdout.readline() == numbered(8, 8)
        with (days.trades(BTC) / "2025-12-14.jsonl").open("ab") as file:
            file.write(b"}\n")
        assert process.stdout.readline() == numbered(9, 9)
        process.kill()
        limit.cancel()


def following(path: Path) -> DatedLines:
    """Follow one file of lines 1 to 5 that have been shown."""
    path.write_bytes(numbered(1, 5))
    lines = DatedLines(lambda: iter([(path.name, path)]))
    assert list(lines.newest(2)) == [numbered(4, 4), numbered(5, 5)]
    assert list(lines.more()) == []
    return lines


def replaced(path: Path, data: bytes) -> None:
    """Put another file in its place, as repairs and logs that turn do."""
    new = path.with_name("new")
    new.write_bytes(data)
    new.replace(path)


def test_what_a_repair_puts_in_before_is_not_shown_and_no_line_comes_twice(tmp_path):
    """The newest line shown is found again behind what was put in."""
    lines = following(tmp_path / "a.jsonl")
    replaced(tmp_path / "a.jsonl", numbered(1, 3) + numbered(77, 79) + numbered(4, 6))
    assert list(lines.more()) == [numbered(6, 6)]


def test_a_log_begun_anew_is_shown_from_its_beginning(tmp_path):
    """Its first line is nearer to the beginning than the last one of the old file."""
    lines = following(tmp_path / "a.log")
    (tmp_path / "a.log").rename(tmp_path / "a.log.1")
    assert list(lines.more()) == []
    (tmp_path / "a.log").touch()
    assert list(lines.more()) == []
    (tmp_path / "a.log").write_bytes(b"anew\n")
    assert list(lines.more()) == [b"anew\n"]


def test_what_a_crash_took_back_is_never_shown_in_part(tmp_path):
    """Cut back and written again: byte for byte it is not shown twice, otherwise from there on."""
    path = tmp_path / "a.jsonl"
    lines = following(path)
    with path.open("r+b") as file:
        file.truncate(len(numbered(1, 3)))
        file.seek(0, os.SEEK_END)
        file.write(numbered(4, 6))
    assert list(lines.more()) == [numbered(6, 6)]
    with path.open("r+b") as file:
        file.truncate(len(numbered(1, 3)))
    assert list(lines.more()) == []
    with path.open("ab") as file:
        file.write(b'{"longer":"than those before"}\n' * 2)
    assert list(lines.more()) == [b'{"longer":"than those before"}\n'] * 2


@pytest.mark.skipif(os.name == "nt", reason="a Ctrl-C for one process is POSIX")
def test_ctrl_c_ends_it_without_a_word(days):
    """Exit code 130, as every program; nothing on stderr."""
    command = [sys.executable, PEEK, "trades", BTC, "-n", "1", "-f", "--vault", days.root]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == numbered(8, 8)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=30) == (b"", b"")
    assert process.returncode == 130


def test_a_reader_that_goes_away_is_no_error(vault):
    """As `| head` does."""
    folder = vault.trades(BTC)
    folder.mkdir(parents=True)
    (folder / "2025-12-14.jsonl").write_bytes(numbered(1, 200_000))
    command = [sys.executable, PEEK, "trades", BTC, "-n", "0", "--vault", vault.root]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_small_files_are_shown_whole(vault, capsys):
    """State, metadata and heartbeats: one object each."""
    for path in (vault.state("volume", BTC), vault.metadata(BTC), vault.health("l2_exporter")):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b'{"of":"%s"}\n' % path.name.encode())
    log = vault.root / "logs" / f"vwap.{BTC}.log"
    log.parent.mkdir()
    log.write_text("it runs\n")
    assert shown(vault, capsys, "log", f"vwap.{BTC}") == "it runs\n"
    state = '{"of":"BTC-USDT-SWAP.state.json"}\n'
    assert shown(vault, capsys, "volume", BTC, "--state") == state
    assert shown(vault, capsys, "metadata", BTC) == '{"of":"BTC-USDT-SWAP.json"}\n'
    assert shown(vault, capsys, "health", "l2_exporter") == '{"of":"l2_exporter.json"}\n'


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("vwap", BTC), 3, "no derived/vwap/okx/perps/BTC-USDT-SWAP/vwap_1m.jsonl in "),
        (("trades", BTC), 3, "no trades of BTC-USDT-SWAP in "),
        (("vwap", "../x"), 2, "instrument '../x' is not a legal name"),
        (("health", "../x"), 2, "'../x' is no name of a program or instrument"),
        (("trades", BTC, "-n", "-1"), 2, "-n -1 is below 0"),
        (("trades", BTC, "--state"), 2, "--state: trades has none"),
        (
            ("vwap", BTC, "--file", "2025-12-14"),
            2,
            "--file: only trades, l2, deep, liquidations, marks, open_interest, ",
        ),
        (
            ("trades", BTC, "--file", "14.12.2025"),
            2,
            "'14.12.2025' is not like 2025-12-14 or",
        ),
        (("log", "no_such"), 3, "no log of no_such in "),
        ((), 2, "name what to show; it is one of trades, l2, deep, "),
        (("trade", BTC), 2, "'trade' is nothing to show; did you mean trades? It is one of "),
        (("trades",), 2, "name the instrument behind trades; there is none in "),
        (("health",), 2, "name the program behind health; there is none in "),
    ],
)
def test_what_is_not_there_is_said(vault, capsys, words, code, said):
    """No data is exit code 3, nonsense is 2, each with what to do."""
    with pytest.raises(SystemExit) as end:
        sys.exit(peek.main([*words, "--vault", str(vault.root)]))
    assert end.value.code == code
    assert said in capsys.readouterr().err.replace("\\", "/")


def test_the_names_that_there_are_stand_in_the_message(days, capsys):
    """Of instruments, of heartbeats and of logs; nobody has to look for them in folders."""
    beat, log = days.health("run_all"), days.root / "logs" / "vwap.log"
    for path in (beat, log):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"{}\n")
    at = ["--vault", str(days.root)]
    for words, said in (
        (["trades"], f"name the instrument behind trades; here {BTC}\n"),
        (["health"], "name the program behind health; here run_all\n"),
        (["vwap", "BTC-USDT"], f"; the vault has {BTC}\n"),
        (["trades", "BTC-USDT"], f"; the vault has {BTC}\n"),
        (["health", "doctor"], "; the vault has run_all\n"),
    ):
        assert peek.main([*words, *at]) in (2, 3)
        assert capsys.readouterr().err.endswith(said)
    assert peek.main(["log", *at]) == 2
    assert ", vwap" in capsys.readouterr().err.replace("here vwap", ", vwap")


@pytest.mark.parametrize("wide", [False, True])
def test_a_terminal_gets_what_fits_it(days, capsys, monkeypatch, wide):
    """A row is a line, a heartbeat a few; a pipe gets both as they are in the file."""
    row = b'{"timestamp_utc":"2025-12-14T21:34:00Z","instId":"BTC-USDT-SWAP"}\n'
    (days.trades(BTC) / "2025-12-15.jsonl").write_bytes(row + b'{"n":1}\n')
    tasks = '{"vwap":{"pid":7,"runs":2,"last_words":null},"cvd":{}}'
    beat = f'{{"component":"run_all","stopped":false,"tasks":{tasks}}}\n'
    days.health("run_all").parent.mkdir(parents=True)
    days.health("run_all").write_text(beat, encoding="utf-8")
    assert shown(days, capsys, "health", "run_all") == beat
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    flags = ["--wide"] if wide else []
    assert shown(days, capsys, "trades", BTC, "-n", "2", *flags).splitlines() == [
        row.decode().rstrip() if wide else '{"timestamp_utc":"2025-12-14T21:34:00Z"…',
        '{"n":1}',
    ]
    assert shown(days, capsys, "health", "run_all", *flags) == (
        beat
        if wide
        else "component: run_all\nstopped: false\ntasks\n"
        "  vwap: pid 7, runs 2, last_words null\n  cvd: \n"
    )
