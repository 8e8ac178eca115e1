"""The command: its output, exit codes, times, what it records and what it brings up to date."""

import json
import re
import shutil
import subprocess
import sys
from datetime import datetime, timedelta, timezone

import pytest

from ravequant import times
from ravequant.contract import Contract
from ravequant.errors import NoDataError, UsageError
from ravequant.records import Trade, TradeEncoder
from ravequant.signals.serialize import OF_QUESTION
from ravequant.vault import lock
from ravequant.vault.heartbeat import Heartbeat
from ravequant.vault.lock import writer_lock
from ravequant.vault.paths import CHECKOUT
from tests.support.book_lines import put_metadata
from tests.support.exchange_clock import exchange_clock
from tests.support.notes_market import AT, BTC, A, Market, ask, command, lost, record
from tests.support.trade_streams import write_raw
from Untouch_Wick import find_signals
from Untouch_Wick.find_signals import find_hidden_signals

AGES = "expected 0 <= --age-min <= --age-max <= 10080, at which a wick expires"
SCRIPT = CHECKOUT / "Untouch_Wick" / "find_signals.py"


def test_a_vault_may_be_a_text(notes):
    """As a notebook names it."""
    wanted = find_signals.find_hidden_signals(BTC, at=AT, vault=notes.root)
    assert find_signals.find_hidden_signals(BTC, at=AT, vault=str(notes.root)) == wanted != []


# --- the command ----------------------------------------------------------------------------


def test_json_is_one_object_a_signal(notes, capsys):
    """What --json prints is what the function returns; nothing else goes to stdout."""
    code, out, err = command(notes, capsys, "--at", AT, "--json")
    assert (code, err) == (0, "")
    assert [json.loads(line) for line in out.splitlines()] == ask(notes)


def test_without_a_signal_json_is_empty_and_says_why(notes, capsys):
    """No object, exit code 0, and the reason on stderr."""
    code, out, err = command(notes, capsys, "--at", AT, "--json", "--min-touched", "17")
    assert (code, out) == (0, "")
    assert err.startswith(f"no signal of {BTC}: rule 2: ")


def test_a_score_may_be_asked_for(vault, capsys):
    """--min-score leaves out the weaker ones and says so."""
    record(vault, Market())
    words = ("--at", AT, "--json", "--min-score", "91")
    assert len(command(vault, capsys, *words)[1]) > 100
    (vault.derived("cvd", BTC) / "cvd_1m.jsonl").unlink()
    weak = f"no signal of {BTC}: none of 1 has a score of 91\n"
    assert command(vault, capsys, *words) == (0, "", weak)


def test_nothing_at_all_is_exit_code_3(vault, capsys):
    """An empty vault is not the same as no signal."""
    code, out, err = command(vault, capsys, "--at", AT)
    assert (code, out) == (3, "")
    assert f"no data of {BTC} by {AT} in {vault.root}; start its exporters" in err
    assert command(vault, capsys, "--at", "latest")[0] == 3
    with pytest.raises(NoDataError):
        ask(vault)


def test_while_past_trades_are_fetched_nobody_knows_of_signals(vault, capsys):
    """Not "rule 1: no wick": the back-fill says how far it is, with data on disk or without."""
    record(vault, Market())
    filling = {"at_utc": "2025-12-14T20:09:12.000Z", "until_utc": "2025-12-14T21:38:30.000Z",
               "left_s": 350}  # fmt: skip
    Heartbeat(vault, "trades_exporter").write({"instruments": {BTC: {"filling": filling}}})
    fetching = "fetching past trades: at 20:09 UTC, 1h29m to go, about 6 min"
    _, out, _ = command(vault, capsys, "--no-refresh")
    assert out.startswith(f"{BTC}: {fetching}\n")  # above a signal of the data on disk
    none = ("--no-refresh", "--min-touched", "17")
    _, out, _ = command(vault, capsys, *none)
    assert f"no signal: not known yet: {fetching}" in " ".join(out.split())
    code, out, err = command(vault, capsys, *none, "--json")
    assert (code, out) == (0, "")
    assert f"no signal of {BTC}: not known yet: {fetching}" in err
    for folder in ("raw", "derived", "state/vwap"):
        shutil.rmtree(vault.root / folder)
    code, _, err = command(vault, capsys, "--no-refresh")
    assert (code, err.rstrip().endswith(f"no data of {BTC} yet: {fetching}")) == (3, True)
    code, _, err = command(vault, capsys, "--at", AT)
    assert (code, "start its exporters" in err) == (3, True)


def test_before_the_data_begins_there_is_none(notes, capsys):
    """As of a minute before the first record, nothing was known."""
    assert command(notes, capsys, "--at", "2025-12-14T12:00:00Z")[0] == 3


@pytest.mark.parametrize(
    ("text", "minute"),
    [("2025-12-14 21:35", AT), ("2025-12-14T22:35+01:00", AT), ("2025-12-14 21:35:00", AT)],
)
def test_times_that_people_type(notes, text, minute):
    """UTC unless it says otherwise; a full minute is that minute."""
    assert ask(notes, at=text) == ask(notes, at=minute)


def test_a_word_that_is_no_time(notes):
    """The message says what is expected."""
    with pytest.raises(UsageError) as caught:
        ask(notes, at="soon")
    assert str(caught.value) == (
        "--at: 'soon' is not a time; expected 21:34, 2025-12-14 or '2025-12-14 21:34', in UTC "
        "unless a zone follows: Z, +01:00 or a place like Europe/Berlin; or latest, where the data "
        "end"
    )


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"timeframe": "3m"}, "timeframe '3m' is unknown: one of 1m, 5m, 15m, 1h, 4h"),
        (
            {"age_min": 41},
            f"ages 41 to 40 min: {AGES}",
        ),
        (
            {"age_max": 10**12},
            f"ages 20 to 1000000000000 min: {AGES}",
        ),
        ({"min_touched_surrounding": -1}, "--min-touched -1: expected 0 or more"),
    ],
)
def test_arguments_that_cannot_be_used(notes, wrong, said):
    """A wrong argument is named with what is expected."""
    with pytest.raises(UsageError) as caught:
        ask(notes, **wrong)
    assert str(caught.value) == said


@pytest.mark.parametrize(
    "text",
    ["2025-12-14 21:35 CET", "2025-12-14 21:35 EST", "2025-12-14T21:35:00+25:00",
     "0001-01-01T00:00+12:00", "9999-12-31T23:59-12:00", "1969-12-31", "", "21:61",
     "05.12.2025 05:03", "28", "20.44", "Sun"],
)  # fmt: skip
def test_a_time_that_might_be_another_one_is_refused(notes, text):
    """A zone that is not known is never taken for UTC; what no calendar has is no crash."""
    with pytest.raises(UsageError, match=r"^--at: .* is not (a time|known)"):
        ask(notes, at=text)


def test_a_moment_may_be_a_datetime(notes):
    """UTC unless it says otherwise; a full minute is that minute, with seconds it is an instant.

    At an instant the same records are older.
    """
    east = timezone(timedelta(hours=5, minutes=30))
    assert ask(notes, at=datetime(2025, 12, 15, 3, 5, tzinfo=east)) == ask(notes)
    found = [
        ask(notes, at=moment)
        for moment in (
            datetime(2025, 12, 14, 21, 35, 59, 999_999),  # noqa: DTZ001 - as people give it
            "2025-12-14 21:35:59.999999",
        )
    ]
    assert found[0] == found[1]
    assert found[0][0]["at_utc"] == "2025-12-14T21:35:59.999Z"
    at_minute = ask(notes)[0]["layers"]
    older = [layer | {"age_s": layer["age_s"] - 59} for layer in found[0][0]["layers"]]
    assert older == at_minute
    for wrong in (datetime.min, datetime.max, 1_765_748_100):  # noqa: DTZ901 - as above
        with pytest.raises(UsageError, match=r"^--at: "):
            ask(notes, at=wrong)


def test_latest_is_where_the_calculators_are(notes):
    """The demo's question: the newest minute that all have reached."""
    assert ask(notes, at="latest") == ask(notes)


def test_an_instrument_that_fails_does_not_stop_the_other(notes, capsys):
    """The signal of one is shown, the exit code is that of the other."""
    code, out, err = command(notes, capsys, "--instId", "ETH-USDT-SWAP", "--at", AT, "--json")
    assert (code, len(out.splitlines())) == (3, 1)
    assert "no data of ETH-USDT-SWAP" in err


def test_a_name_that_is_not_recorded_does_not_stop_the_other(notes, capsys):
    """An instrument that the vault does not hold is that one's error."""
    long = "A-" + "0" * 300
    names = ["--instId", long, "--instId", BTC]
    code = find_signals.main(["--vault", str(notes.root), *names, "--at", AT, "--json"])
    out, err = capsys.readouterr()
    assert (code, len(out.splitlines())) == (3, 1)
    assert f"which holds {BTC}; start its exporters, or name one of these" in err


def test_damaged_lines_are_told_once(vault, capsys):
    """A file full of garbage is a line in the log, and how many, not one for each."""
    record(vault, Market())
    for path in (
        vault.derived("volume", BTC) / "volume_1m.jsonl",
        vault.derived("liquidity_buckets", BTC) / "2025-12-14.jsonl",
    ):
        path.write_bytes(b"{]\n" * 500 + path.read_bytes() + b"{]\n" * 500)
    code, out, err = command(vault, capsys, "--at", AT, "--json")
    assert (code, len(out.splitlines())) == (0, 1)
    assert "500 lines are left out in all" in err
    assert len(err.splitlines()) <= 4


# --- record, refresh, watch -----------------------------------------------------------------


def test_signals_are_recorded_once(vault, capsys):
    """A signal is written when first seen and when it changed, not when only time went by."""
    record(vault, Market())
    path = vault.derived("signals", BTC) / "signals.jsonl"
    command(vault, capsys, "--at", AT)
    assert not path.exists()
    with exchange_clock() as clock:
        clock.now_ms = A + 7_000
        for _ in range(2):
            command(vault, capsys, "--no-refresh", "--record")
        (row,) = map(json.loads, path.read_text(encoding="utf-8").splitlines())
        seen = ask(vault, at=None, refresh=False)[0]
        for name in ("clock_age_s", "size_shown", "verdict"):
            del seen[name]
        assert {name: row[name] for name in row if name not in OF_QUESTION} == seen
        assert row["detected_utc"] == "2025-12-14T21:35:07.000Z"
        with path.open("ab") as file:
            file.write(b'{"torn')
        clock.now_ms = A + 5 * 60_000  # now two layers are stale
        command(vault, capsys, "--no-refresh", "--record")
    first, second = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    assert (first, lost(second)["cvd"]) == (row, "stale")
    assert not path.with_name("asked.jsonl").exists()  # no watch


@pytest.mark.parametrize("at", [AT, "latest"])
def test_the_past_is_not_recorded(notes, capsys, at):
    """It would look like a signal that somebody saw then."""
    code, out, err = command(notes, capsys, "--at", at, "--record")
    assert (code, out) == (2, "")
    assert "--record is for signals of now, with the time at which they were seen" in err
    assert "leave out --at, or --record" in err
    assert not notes.derived("signals", BTC).exists()


def test_a_touched_signal_is_shown_and_not_recorded(vault, capsys):
    """A trade has been at the tip since the minute; the row says when, signals.jsonl has none."""
    record(vault, Market())
    encoder = TradeEncoder(BTC, Contract("0.01", "1", "linear"))
    with exchange_clock() as clock:
        clock.now_ms = A + 9_000
        write_raw(vault, BTC, [encoder.line(Trade(A + 7_000, 1_507, "buy", "101250", "1"))])
        code, out, _ = command(vault, capsys, "--no-refresh", "--record")
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == f"CLOCK of the local exchange {clock.url} (RAVEQUANT_EXCHANGE_CLOCK)"
    assert "NO TRADE: touched" in out
    assert "touched 2s ago at 21:35:07 UTC at 101250" in " ".join(out.split())
    assert not vault.derived("signals", BTC).joinpath("signals.jsonl").exists()


def test_the_end_of_a_reading_is_of_one_instrument(notes, capsys):
    """An id of one says nothing of another."""
    names = ["--vault", str(notes.root), "--at", f"{AT[:-1]}.5Z", "--seen", "1506,-"]
    said = "--seen is of one instrument, asked are BTC-USDT-SWAP, ETH-USDT-SWAP: add --instId"
    assert find_signals.main(names) == 2
    assert said in capsys.readouterr().err
    with pytest.raises(UsageError, match=said):
        find_hidden_signals(at=AT, seen="1506,-", vault=notes.root)
    assert find_signals.main([*names, "--instId", BTC]) == 0


def test_a_clock_that_does_not_answer_ends_the_question(notes, capsys, monkeypatch):
    """No other clock is taken in its place."""
    monkeypatch.setenv("RAVEQUANT_EXCHANGE_CLOCK", "http://127.0.0.1:9")
    code, out, err = command(notes, capsys, "--no-refresh")
    assert (code, out) == (1, "")
    assert "no exchange tells its time there" in err


def test_now_brings_the_calculators_up_to_date(vault, capsys):
    """Without --at the scripts are started first; with --no-refresh nothing is."""
    put_metadata(vault, BTC, Contract("0.01", "1", "linear"))
    market = Market()
    write_raw(vault, BTC, market.lines())
    assert command(vault, capsys, "--no-refresh", "--json")[0] == 0
    assert not vault.state("vwap", BTC).exists()
    code, out, _ = command(vault, capsys)
    assert code == 0
    for metric in ("wicks", "volume", "cvd", "vwap"):
        assert vault.state(metric, BTC).exists(), metric
    assert re.match(r"age at \d\d:\d\d:\d\d UTC: trades ", out)


def test_a_calculator_that_runs_elsewhere_is_not_waited_for_long(notes, capsys, caplog):
    """Its last commit is used and the log says who holds it."""
    caplog.set_level("WARNING")
    with writer_lock(notes, "vwap", BTC):
        code, out, err = command(notes, capsys, "--at", AT, "--refresh", "--json")
    assert (code, len(out.splitlines())) == (0, 1)
    assert "vwap not up to date: " in err + caplog.text


def test_a_wrong_time_is_said_once(notes, capsys):
    """Not once an instrument, nor beside what else is wrong with one."""
    arguments = ["--vault", str(notes.root), "--instId", BTC, "--instId", "ETH-USDT-SWAP"]
    assert find_signals.main([*arguments, "--at", "soon"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "'soon' is not a time" in line


def test_what_cannot_be_recorded_is_shown_all_the_same(notes, capsys, monkeypatch):
    """Somebody else hangs: the answer is on stdout, the exit code says it was not kept."""
    monkeypatch.setattr(lock, "_TURN_S", 0.1)
    with exchange_clock() as clock, writer_lock(notes, "signals", BTC):
        clock.now_ms = A + 7_000
        code, out, err = command(notes, capsys, "--no-refresh", "--record")
    assert (code, "\nage at 21:35:07 UTC: " in out) == (4, True)
    assert f"signals of {BTC} has been held for 0.1 s, expected a moment" in err


def test_json_needs_neither_rich_nor_numpy(notes):
    """A query starts at once: what it does not need is not loaded."""
    code = (
        "import sys; from Untouch_Wick import find_signals; "
        f"find_signals.main(['--vault', {str(notes.root)!r}, '--instId', '{BTC}', "
        f"'--at', '{AT}', '--json']); "
        "print({'rich', 'numpy', 'requests', 'websockets', 'dateutil', 'hashlib', "
        "'ravequant.exchanges.base'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=CHECKOUT
    )
    assert done.stdout.splitlines()[-1] == "set()"


def test_the_clock_is_only_that_of_the_question(notes):
    """An answer about the past holds no wall clock: it is the same tomorrow."""
    (signal,) = ask(notes)
    assert "clock_age_s" not in signal
    assert signal["as_of_utc"] == times.iso_minute(A // times.MINUTE_MS)
