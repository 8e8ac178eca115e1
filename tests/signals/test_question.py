"""The moment of a question, and the answers to the minute and to the instant."""

import json
import re
import shutil
from datetime import UTC, datetime, timedelta

import pytest

from ravequant import times
from ravequant.errors import NoDataError, UsageError
from ravequant.records import Trade, TradeEncoder
from ravequant.signals.candidates import Query
from ravequant.signals.clock import CLOCK_VARIABLE
from ravequant.signals.lab_verdict import verdict_file, write_verdict
from ravequant.signals.query_id import query_id
from ravequant.signals.question import When, when
from ravequant.signals.seen import Seen
from ravequant.vault.heartbeat import Heartbeat
from ravequant.vault.paths import Vault
from tests.signals.test_lab_verdict import ROW
from tests.support.exchange_clock import exchange_clock
from tests.support.imported import note
from tests.support.made_signals import LIMITS
from tests.support.notes_market import (
    AT,
    BTC,
    CONTRACT,
    A,
    Market,
    ask,
    command,
    record,
)
from tests.support.trade_streams import write_raw

MINUTE = A // times.MINUTE_MS
SEEN = "1506,2025-12-14T21:35:00.000Z"


@pytest.fixture(scope="module")
def notes(tmp_path_factory):
    """Return a vault with the notes' set-up, all calculators run."""
    vault = Vault(tmp_path_factory.mktemp("notes"))
    record(vault, Market())
    return vault


def test_explained_evidence_over_imported_time_says_its_source(notes, tmp_path, capsys):
    """Of the 24 hours before the moment; an answer that is not explained does not."""
    shutil.copytree(notes.root, tmp_path / "vault")
    vault, words = Vault(tmp_path / "vault"), "source: OKX archive, personal use (trades of "

    def said(*options: str) -> str:
        return " ".join(command(vault, capsys, "--at", AT, *options)[1].split())

    for day in ("2025-12-12", "2025-12-15"):  # too early, too late
        note(vault, BTC, day=day)
    assert "source: " not in said("--explain")
    note(vault, BTC, day="2025-12-13")
    assert f"{words}2025-12-13)" in said("--explain")
    note(vault, BTC, day="2025-12-14")
    assert f"{words}2025-12-13 to 2025-12-14)" in said("--explain")
    assert "source: " not in said()


@pytest.mark.parametrize(
    ("at", "seen", "wanted"),
    [
        ("2025-12-14 21:35", None, When(MINUTE)),
        (datetime(2025, 12, 14, 21, 35, tzinfo=UTC), None, When(MINUTE)),
        (AT, None, When(MINUTE)),
        ("2025-12-14 21:35:07", None, When(instant_ms=A + 7_000)),
        (datetime.fromtimestamp(A / 1000, UTC) + timedelta(milliseconds=1), None,
         When(instant_ms=A + 1)),
        ("2025-12-14T21:35:00.000Z", SEEN, When(instant_ms=A, seen=Seen(1506, A))),
        ("latest", None, When()),
    ],
)  # fmt: skip
def test_the_moment_of_a_question(vault, at, seen, wanted):
    """A full minute is that minute, unless it is asked for with what was seen."""
    assert when(vault, at, seen) == wanted


def test_now_is_the_clock(vault):
    """That of this computer, or of the local exchange."""
    before = times.utc_now_ms()
    found = when(vault, None)
    assert found.instant_ms is not None
    assert before <= found.instant_ms <= times.utc_now_ms()
    assert found == When(instant_ms=found.instant_ms, live=True)
    with exchange_clock() as clock:
        clock.now_ms = A + 7
        assert when(vault, None) == When(instant_ms=A + 7, live=True)


@pytest.mark.parametrize(
    ("at", "said"),
    [
        (None, "--seen repeats an answer: give the time of that answer with --at"),
        ("latest", "--seen is of an instant, not of latest: give it with --at"),
    ],
)
def test_what_was_seen_belongs_to_a_time(vault, at, said):
    """Without one nobody knows which answer is meant."""
    with pytest.raises(UsageError) as caught:
        when(vault, at, SEEN)
    assert str(caught.value) == said


def test_the_day_of_a_time_is_that_of_the_clock(vault, caplog):
    """With a wrong clock it may be another day: that is said, and nothing is guessed."""
    caplog.set_level("WARNING")
    encoder, now = TradeEncoder(BTC, CONTRACT), times.utc_now_ms()
    write_raw(vault, BTC, [encoder.line(Trade(now, 1, "buy", "1", "1"))])
    when(vault, "00:00")
    assert caplog.text == ""
    write_raw(vault, BTC, [encoder.line(Trade(now + times.DAY_MS, 2, "buy", "1", "1"))])
    when(vault, "2025-12-14 00:00")
    assert caplog.text == ""
    when(vault, "00:00")
    assert "00:00 is taken for " in caplog.text
    assert "T00:00:00.000Z: CLOCK " in caplog.text
    assert " behind the exchange: set it (" in caplog.text


def test_an_instant_before_all_data_has_none(notes, vault):
    """And the message names it."""
    with pytest.raises(NoDataError, match=r"no data of BTC-USDT-SWAP by 2025-12-14T12:00:07.500Z "):
        ask(notes, at="2025-12-14T12:00:07.5Z")
    with exchange_clock() as clock:
        clock.now_ms = A
        with pytest.raises(NoDataError, match="start its exporters"):
            ask(vault, at=None, refresh=False)


def test_the_instant_has_the_evidence_of_its_minute(notes):
    """42 s later price has moved, the layers have only aged; it says how to ask for it again."""
    (minute,) = ask(notes)
    with exchange_clock() as clock:
        clock.now_ms = A + 42_123
        (now,) = ask(notes, at=None, refresh=False)
    ages = [[layer.pop("age_s") for layer in row["layers"]] for row in (minute, now)]
    assert [later - age for age, later in zip(*ages, strict=True)] == [42] * 8
    assert {name for name in minute if minute[name] != now[name]} == {
        "last_price", "last_price_from", "distance_bps", "data",
    }  # fmt: skip
    now["layers"] = [
        {**layer, "age_s": age} for layer, age in zip(now["layers"], ages[1], strict=True)
    ]
    assert (now["last_price"], now["last_price_from"]) == ("101050.5", "trade")
    assert (now["at_utc"], now["seen"], now["clock_age_s"], now["touched_since"]) == (
        "2025-12-14T21:35:42.123Z", SEEN, 42, None,
    )  # fmt: skip
    assert ask(notes, at=now["at_utc"], seen=now["seen"]) == [now]
    assert ask(notes, at=now["at_utc"]) == [now]


def verdict(vault, word, made, **other):
    """Have the lab make a verdict at a time."""
    row = {**ROW, "word": word, "short": f"{word}, then", "made_utc": times.iso(made), **other}
    write_verdict(vault, row)


@pytest.fixture
def judged(notes, tmp_path):
    """Return a copy of the notes' vault, in which a lab may write."""
    shutil.copytree(notes.root, tmp_path / "judged")
    return Vault(tmp_path / "judged")


@pytest.mark.parametrize("options", [("--json",), ("--explain",)])
def test_a_new_verdict_changes_no_answer_of_before(judged, capsys, options):
    """Each answer names the verdict that it was shown with, and is given again byte for byte."""
    answers = []
    with exchange_clock() as clock:
        for number, word in enumerate((None, "PROVEN", "LOSES", "PROMISING")):
            if word is not None:
                verdict(judged, word, A + number * 1_000)
            clock.now_ms = A + 7_000 + number
            _, out, _ = command(judged, capsys, "--no-refresh", *options)
            out = re.sub(r"CLOCK of the local exchange .*\n", "", out)
            (seen,) = re.findall(r'\bseen\W+([^"\s]+)', out)
            answers.append((clock.now_ms, seen, out))
            assert word is None or word in out
    assert len({out for *_, out in answers}) == 4
    for at, seen, out in answers:
        asked = ("--at", times.iso(at), "--seen", seen, *options)
        assert command(judged, capsys, *asked)[1] == out, seen


def test_the_verdict_is_that_of_the_time_of_the_question(judged):
    """A question of the past knows no later one; its signal is the same with any."""
    verdict(judged, "LOSES", A - times.HOUR_MS)
    verdict(judged, "PROVEN", A + 1_000)
    (minute,), (later,) = ask(judged), ask(judged, at=times.iso(A + 7_000))
    assert (minute["size"], minute["size_shown"], minute["verdict"]) == (3, 0, "LOSES")
    assert (later["size"], later["size_shown"], later["verdict"]) == (3, 3, "PROVEN")
    assert ask(judged, at=times.iso(A + 7_000), seen=later["seen"]) == [later]


def test_an_old_verdict_is_not_tested(judged, capsys):
    """By the answer's own instant: live, and again with what was seen, byte for byte."""
    verdict(judged, "PROVEN", A + 6_000 - 7 * times.DAY_MS)
    worths, options = ("MAX x3", "(x3, not tested)"), ("--no-refresh", "--explain")
    for after, worth in zip((6_000, 7_000), worths, strict=True):
        with exchange_clock() as clock:
            clock.now_ms = A + after
            (now,) = ask(judged, at=None, refresh=False)
            shown = command(judged, capsys, *options)[1]
        shown = re.sub(r"CLOCK of the local exchange .*\n", "", shown)
        assert worth in shown
        assert ("base: not tested: its verdict is 7 d old" in " ".join(shown.split())) == (
            worth == worths[1]
        )
        assert "verdict=" in now["seen"]
        asked = ("--at", now["at_utc"], "--seen", now["seen"], *options)
        assert command(judged, capsys, *asked)[1] == shown
    assert worths[0] in command(judged, capsys, "--at", AT, "--explain")[1]  # the minute


def test_a_verdict_is_on_its_instruments_and_the_default_query(judged, capsys):
    """Or on the query that it names, settings and all; anything else has not been tested."""
    verdict(judged, "PROVEN", A - 1_000)
    assert "base: PROVEN, then" in command(judged, capsys, "--at", AT, "--explain")[1]
    other = ("--all-sizes", "--explain")
    said = command(judged, capsys, "--at", AT, *other)[1]
    assert "base: not tested with these options" in said
    assert "(x3, not tested)" in said
    mine = query_id(Query(), LIMITS)
    for number, (name, worth) in enumerate(((mine, "MAX x3"), ("0" * 12, "(x3, not tested)"))):
        verdict(judged, "PROVEN", A - 900 + number, query_id=name)
        assert worth in command(judged, capsys, "--at", AT, "--explain")[1]
    verdict(judged, "PROVEN", A - 500, instruments=["ETH-USDT-SWAP"])
    said = command(judged, capsys, "--at", AT, "--explain")[1]
    assert f"base: not tested on {BTC}; python Edge_Lab/edge_lab.py judge" in said
    assert "(x3, not tested)" in said


@pytest.mark.parametrize(
    ("other", "options"),
    [({"instruments": ["ETH-USDT-SWAP"]}, ()), ({}, ("--all-sizes",))],
)
def test_a_verdict_on_something_else_is_named_too(judged, capsys, other, options):
    """So that the answer is given again byte for byte, with its reason."""
    options = ("--no-refresh", "--explain", *options)
    verdict(judged, "PROVEN", A, **other)
    with exchange_clock() as clock:
        clock.now_ms = A + 7_000
        shown = command(judged, capsys, *options)[1]
    shown = re.sub(r"CLOCK of the local exchange .*\n", "", shown)
    assert re.search(r"base: not tested (on|with) ", shown)
    (seen,) = re.findall(r'\bseen\W+([^"\s]+)', shown)
    verdict(judged, "LOSES", A + 8_000)
    asked = ("--at", times.iso(A + 7_000), "--seen", seen, *options)
    assert command(judged, capsys, *asked)[1] == shown


def test_a_damaged_verdict_is_no_verdict(judged, capsys):
    """The answer stands, with one warning."""
    verdict_file(judged).parent.mkdir()
    verdict_file(judged).write_bytes(b"{")
    code, out, err = command(judged, capsys, "--at", AT, "--log-level", "warning")
    assert (code, "(x3, not tested)" in out) == (0, True)
    assert err.count("is no verdict of the lab") == 1


def test_sizes_that_do_not_go_by_the_verdict(judged, capsys, monkeypatch, tmp_path):
    """With the setting off the lab is not asked."""
    verdict(judged, "LOSES", A - 1_000)
    file = tmp_path / "ravequant.toml"
    file.write_text("[signals]\nsize_by_verdict = false\n", encoding="utf-8")
    monkeypatch.setenv("RAVEQUANT_SETTINGS", str(file))
    said = command(judged, capsys, "--at", AT, "--explain")[1]
    assert "MAX x3" in said
    assert not {"LOSES", "base:"} & {*said.split()}
    (found,) = ask(judged, at=times.iso(A + 7_000))
    assert (found["size"], found["size_shown"], found["verdict"]) == (3, 3, None)
    assert "verdict=" not in found["seen"]


def test_no_verdict_is_recorded(judged, capsys):
    """Signals are the market's: a new verdict makes no new line, and no line has one."""
    path = judged.derived("signals", BTC) / "signals.jsonl"
    for word in ("PROVEN", "LOSES"):
        verdict(judged, word, A - 1_000)
        with exchange_clock() as clock:
            clock.now_ms = A + 7_000
            command(judged, capsys, "--no-refresh", "--record")
    (row,) = map(json.loads, path.read_bytes().splitlines())
    assert row["size"] == 3
    assert not {"size_shown", "verdict"} & {*row}


def test_without_what_was_seen_the_lines_in_doubt_are_named(notes, caplog):
    """Those of the last 5 s; with it there is no doubt, and of now there is none."""
    caplog.set_level("INFO")
    with exchange_clock() as clock:
        clock.now_ms = A + 7_000
        (now,) = ask(notes, at=None, refresh=False)
    ask(notes, at=now["at_utc"], seen=now["seen"])
    assert "may have lacked" not in caplog.text
    ask(notes, at=now["at_utc"])
    assert f"{BTC}: an answer given then may have lacked trades 1506 to 1506" in caplog.text


def test_a_wrong_clock_makes_no_entry_of_any_signal(notes, monkeypatch, caplog):
    """For questions of now alone: an answer of the past is the same with any clock."""
    caplog.set_level("WARNING")
    monkeypatch.setenv(CLOCK_VARIABLE, "")
    with exchange_clock() as clock:
        clock.now_ms = A - 3 * times.MINUTE_MS
        (now,) = ask(notes, at=None, refresh=False)
        (past,) = ask(notes)
    assert (now["no_trade"], now["size"], now["entry"]) == ("clock", 0, None)
    assert now["at_utc"] == "2025-12-14T21:35:05.000Z"  # the newest that is known
    assert "CLOCK 3m05s behind the exchange: set it (" in caplog.text
    assert past["no_trade"] is None


def recorded(vault, trades=None, books=None):
    """Write heartbeats of now of both exporters."""
    Heartbeat(vault, "trades_exporter").write({"instruments": {BTC: {}}} | (trades or {}))
    Heartbeat(vault, "l2_exporter").write({"instruments": {BTC: {}}} | (books or {}))


@pytest.mark.parametrize(
    "stands",
    [
        ({"problem": "no net"}, {}, "NOT RECORDING trades: no net"),
        ({}, {"stopped": True}, "NOT RECORDING books: l2_exporter has ended"),
    ],
)
def test_while_a_recorder_stands_nothing_of_now_is_an_entry(
    notes, tmp_path, capsys, caplog, stands
):
    """Though price is seconds old; not recorded as one, and the same question of then has it."""
    vault, (*standing, why) = Vault(shutil.copytree(notes.root, tmp_path / "vault")), stands
    log = vault.derived("signals", BTC) / "signals.jsonl"
    with exchange_clock() as clock:
        clock.now_ms = A + 7_000
        (before,) = ask(vault, at=None, refresh=False)
        recorded(vault)
        assert ask(vault, at=None, refresh=False) == [before]
        recorded(vault, *standing)
        (now,) = ask(vault, at=None, refresh=False)
        assert (now["no_trade"], now["size"], now["entry"]) == ("recorder", 0, None)
        assert now["conviction"] == "MAX"
        assert f"{BTC}: {why}" in caplog.messages
        code, out, err = command(vault, capsys, "--no-refresh", "--json", "--record")
        assert (code, json.loads(out), f"{BTC}: {why}" in err) == (0, now, True)
        _, out, _ = command(vault, capsys, "--no-refresh")
        assert f"{BTC}: {why}" in out.splitlines()
        assert "NO TRADE: not recording" in " ".join(out.split())
        assert not log.exists()
        recorded(vault)
        command(vault, capsys, "--no-refresh", "--json", "--record")
    assert len(log.read_bytes().splitlines()) == 1
    assert now["seen"] == before["seen"] + ",recorder"
    assert ask(vault, at=now["at_utc"], seen=now["seen"]) == [now]  # while all is recorded
    recorded(vault, *standing)
    assert ask(vault, at=before["at_utc"], seen=before["seen"]) == [before]
    assert ask(vault)[0]["size"] == 3


@pytest.mark.parametrize("asked", [["--min-touched", "17"], ["--min-score", "100"]])
def test_a_recorder_that_stands_is_said_above_an_answer_without_a_signal(
    notes, tmp_path, capsys, asked
):
    """Whatever is left out; once, where the answer itself names the reason; not of the past."""
    vault, why = Vault(shutil.copytree(notes.root, tmp_path / "vault")), "l2_exporter has ended"
    recorded(vault, books={"stopped": True})
    line = f"{BTC}: NOT RECORDING books: {why}"
    with exchange_clock() as clock:
        clock.now_ms = A + 5 * times.MINUTE_MS  # too late for the full score
        code, out, err = command(vault, capsys, "--no-refresh", "--json", *asked)
        said = err.splitlines()
        assert (code, out, said[1]) == (0, "", line)
        assert said[2].startswith(f"no signal of {BTC}: ")
        _, out, _ = command(vault, capsys, "--no-refresh", *asked)
        assert out.splitlines()[1] == line
        recorded(vault, {"problem": "no net"})
        _, _, err = command(vault, capsys, "--no-refresh", "--json", *asked)
        assert err.count("NOT RECORDING trades: no net") == 1
    recorded(vault, books={"stopped": True})
    assert "NOT RECORDING" not in command(vault, capsys, "--at", AT, "--json", *asked)[2]
