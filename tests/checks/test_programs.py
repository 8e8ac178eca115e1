"""Checks of the programs: exporters that record nothing, calculators that fail."""

import os
import shutil

import orjson
import pytest

from ravequant import times
from ravequant.alerts.dispatcher import AlertDispatcher
from ravequant.alerts.webhook import WEBHOOK_VARIABLE
from ravequant.checks import programs
from ravequant.vault.code_digest import code_on_disk
from ravequant.vault.lock import writer_lock
from tests.alerts.test_dispatcher import DISCORD, a_round, few
from tests.support.alert_cases import hook
from tests.support.trades_box import BTC

NOW = times.parse_iso("2025-12-14T21:34:00.000Z")
WORDS = "2025-12-14T21:30:00Z ERROR vwap: /v/vwap_1m.jsonl: 3 bytes; run again with --rebuild"


def put_beat(vault, name: str, ms: int, **facts) -> None:
    """Write a heartbeat of a moment."""
    path = vault.health(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    beat = {"pid": 77, "connections": 1, "heartbeat_utc": times.iso(ms), **facts}
    path.write_bytes(orjson.dumps(beat))


def exporters(vault) -> list[tuple[str, str]]:
    """Return level and text of the checks of the exporters."""
    return [(check.level, check.text) for check in programs.exporters(vault, NOW)]


def test_an_exporter_is_well_dead_unconnected_or_refused_by_the_disk(vault):
    """Each has its own level and remedy."""
    assert exporters(vault) == [("FAIL", "has never run on this vault")] * 2
    put_beat(vault, "trades_exporter", NOW)
    put_beat(vault, "l2_exporter", NOW - 3_600_000 * 5, stopped=True)
    assert exporters(vault) == [
        ("PASS", "up"),
        ("FAIL", "was stopped 5 h ago (pid 77)"),
    ]
    put_beat(vault, "trades_exporter", NOW, connections=0)
    put_beat(vault, "l2_exporter", NOW, instruments={BTC: {"disk_refuses": True}})
    assert exporters(vault) == [
        ("FAIL", "NOT RECORDING: it has no connection"),
        ("FAIL", f"NOT RECORDING: the disk refuses {BTC}"),
    ]
    put_beat(vault, "trades_exporter", NOW)
    with writer_lock(vault, "trades_perps", BTC):
        assert exporters(vault)[0] == ("FAIL", f"a second one runs: pid 77 and {os.getpid()}")
    assert exporters(vault)[0] == ("PASS", "up")


def test_an_exporter_that_works_says_how_much(vault):
    """Since when, its trades a second, its breaks; a field of another form is left out."""
    began = times.iso(NOW - 29_520_000)
    put_beat(vault, "trades_exporter", NOW, started_utc=began, rows_per_s=40.6)
    gaps = {BTC: {"gaps": 0}, "ETH-USDT-SWAP": {"gaps": 2}, "X-USDT-SWAP": {"left_out": None}}
    put_beat(vault, "l2_exporter", NOW, started_utc=began, instruments=gaps)
    assert exporters(vault) == [
        ("PASS", "up 8h12m, 41 trades/s"), ("PASS", "up 8h12m, 2 breaks"),
    ]  # fmt: skip
    put_beat(vault, "trades_exporter", NOW, started_utc=began, rows_per_s=1.2)
    assert exporters(vault)[0] == ("PASS", "up 8h12m, 1 trade/s")
    put_beat(vault, "trades_exporter", NOW, started_utc=5, rows_per_s="many")
    put_beat(vault, "l2_exporter", NOW, started_utc=began, instruments={BTC: {"gaps": None}})
    assert exporters(vault) == [("PASS", "up"), ("PASS", "up 8h12m")]


def test_the_lock_of_a_living_exporter_is_not_tried(vault, monkeypatch):
    """A trial takes it, and an exporter that starts at that moment would be refused."""
    tried: list[object] = []
    monkeypatch.setattr(programs, "_is_held", tried.append)
    with writer_lock(vault, "trades_perps", BTC):
        put_beat(vault, "trades_exporter", NOW, pid=os.getpid())
        assert exporters(vault)[0] == ("PASS", "up")
    assert tried == []


def test_an_exporter_that_records_nothing_gives_its_reason(vault):
    """Since when, and the remedy; an instrument left out has a line of its own."""
    put_beat(
        vault, "trades_exporter", NOW, problem="cannot reach openapi.okx.com: name not known",
        problem_since_utc=times.iso(NOW - 720_000), connections=0,
        instruments={"X-USDT-SWAP": {"left_out": "not trading yet; wait"}},
    )  # fmt: skip
    found = list(programs.exporters(vault, NOW))[:2]
    assert found[0].text == (
        "NOT RECORDING for 12 min: cannot reach openapi.okx.com: name not known"
    )
    assert found[0].remedy == "see whether the network is up; it goes on by itself"
    assert (found[1].name, found[1].text, found[1].remedy) == (
        "trades_exporter X-USDT-SWAP", "left out: not trading yet", "wait",
    )  # fmt: skip


def test_a_heartbeat_that_cannot_be_written_is_no_end(vault, monkeypatch):
    """Its program holds its lock: it lives, and a full disk keeps its heartbeat from it."""
    put_beat(vault, "trades_exporter", NOW - 600_000, pid=os.getpid())
    found = next(programs.exporters(vault, NOW))
    assert found.text == f"gave no sign of life since 10 min ago (pid {os.getpid()})"
    with writer_lock(vault, "trades_perps", BTC):
        found = next(programs.exporters(vault, NOW))
        silent = f"does not answer (pid {os.getpid()}): its last sign of life was 10 min ago"
        end = f"taskkill /F /PID {os.getpid()}" if os.name == "nt" else f"kill -9 {os.getpid()}"
        assert found.text == silent
        start = "start it: python Trades_Bot/trades_exporter.py"
        assert found.remedy == f"end it: {end}; then {start}"
        put_beat(vault, "run_all", NOW, tasks={"trades_exporter": {}})
        found = next(programs.exporters(vault, NOW))
        assert found.text == f"{silent}; run_all ends it and starts it again after 90 s"
        assert found.remedy == f"wait, or end it by hand: {end}"
        lives = f"lives (pid {os.getpid()}), but its heartbeat of 10 min ago could not be written"
        full = shutil.disk_usage(vault.root)._replace(free=4_096)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
        found = next(programs.exporters(vault, NOW))
    assert found.text == f"{lives} again: the disk is full, 4,096 bytes are free"
    assert found.remedy == "free space on its disk; then it goes on by itself"


def test_a_run_all_that_does_not_answer_fails(vault):
    """As long as it holds the vault; one that was killed is no run_all."""
    put_beat(vault, "run_all", NOW - 31_000, pid=os.getpid(), stopped=False)
    assert list(programs.run_all(vault, NOW)) == []
    with writer_lock(vault, "run_all", "ALL-INSTRUMENTS"):
        assert [check.text for check in programs.run_all(vault, NOW - 2_000)] == ["runs"]
        (found,) = programs.run_all(vault, NOW)
        put_beat(vault, "run_all", NOW - 31_000, pid=77)  # of the run before
        assert list(programs.run_all(vault, NOW)) == []
    silent = f"does not answer (pid {os.getpid()}): its last sign of life was 31 s ago"
    assert (found.level, found.text) == ("FAIL", silent)
    assert found.remedy.endswith("; then start it again: python scripts/run_all.py")


@pytest.mark.parametrize(("every_s", "pace"), [(60.0, "1 min"), (90, "90 s"), (900, "15 min")])
def test_a_run_all_that_lives_says_how_often_it_calculates(vault, every_s, pace):
    """As its heartbeat has it, of the calculators alone."""
    tasks = {f"vwap.{BTC}": {"every_s": every_s}, "l2_retention": {"every_s": 5}, "judge": None}
    put_beat(vault, "run_all", NOW, tasks=tasks)
    (found,) = programs.run_all(vault, NOW)
    assert (found.level, found.text) == ("PASS", f"calculators every {pace}")


def test_a_screen_that_is_not_served_gives_its_reason(vault):
    """As run_all has met it; without a run_all that keeps it there is nothing to check."""
    words = "2025-12-14T21:30:00Z ERROR dashboard: 127.0.0.1:8766 cannot be served; name another"
    for facts, wanted in (
        ({"pid": 5, "failures": 1}, ("PASS", "is served")),
        ({"pid": None, "failures": 3, "last_words": words},
         ("FAIL", "is not served: 127.0.0.1:8766 cannot be served; name another")),
    ):  # fmt: skip
        put_beat(vault, "run_all", NOW, tasks={"dashboard": facts})
        (found,) = programs.screen(vault, NOW)
        assert (found.level, found.text) == wanted
    assert list(programs.screen(vault, NOW + 60_000)) == []
    put_beat(vault, "run_all", NOW, tasks={"dashboard": {"pid": None, "failures": 0}})
    assert list(programs.screen(vault, NOW)) == []
    put_beat(vault, "run_all", NOW, tasks=5)
    assert list(programs.screen(vault, NOW)) == []


@pytest.mark.parametrize(
    ("name", "facts", "text"),
    [
        (
            "btc_transfers",
            {"BTC-ONCHAIN": {"last_block": 971234, "behind": 2}},
            "at block 971234, 2 behind",
        ),
        (
            "coinalyze_exporter",
            {"BTC-USDT-SWAP": {"written": 1990}, "ETH-USDT-SWAP": {"written": 12}},
            "2,002 lines since its start",
        ),
    ],
)
def test_a_recorder_that_may_be_off_is_looked_at_once_it_was_on(vault, name, facts, text):
    """How far it is; a problem, or its end, is a warning: nothing needs it."""
    look = lambda: [(one.name, one.level, one.text) for one in programs.extras(vault, NOW)]  # noqa: E731
    assert look() == []
    put_beat(vault, name, NOW, problem="off", stopped=True)
    assert look() == []
    put_beat(vault, name, NOW, problem=None, instruments=facts)
    assert look() == [(name, "PASS", text)]
    put_beat(vault, name, NOW, problem="https://x: HTTP 503", instruments=facts)
    assert look() == [(name, "WARN", "https://x: HTTP 503")]
    put_beat(vault, name, NOW - 600_000, problem=None, instruments=facts)
    assert look() == [(name, "WARN", "gave its last sign of life 10 min ago")]


def test_a_watch_that_does_not_answer_fails(vault):
    """A problem that it does not tell is one too."""
    with writer_lock(vault, "alerts", "ALL-INSTRUMENTS"):
        put_beat(vault, "find_signals", NOW - 60_000, pid=5)
        assert [check.level for check in programs.alerts(vault, NOW)] == ["PASS"]
        (found,) = programs.alerts(vault, NOW + 1_000)
        put_beat(vault, "run_all", NOW, tasks={"find_signals": {}})
        (kept,) = programs.alerts(vault, NOW + 1_000)
    silent = (
        "find_signals does not answer (pid 5): its last sign of life was 61 s ago, and no alert"
    )
    assert (found.level, found.text) == ("FAIL", f"{silent} is sent meanwhile")
    assert found.remedy.startswith("wait if it has just been started; else end it: ")
    assert found.remedy.endswith("5; then start it again")
    assert kept.remedy.endswith("5; run_all starts it again")


def test_a_failing_calculator_repeats_its_own_remedy(vault):
    """From run_all's heartbeat, at once; an old heartbeat says nothing any more."""
    tasks = {
        f"vwap.{BTC}": {"failures": 9, "last_code": 1, "last_words": WORDS},
        f"cvd.{BTC}": {"failures": 0, "last_code": 0, "last_words": None},
        f"wicks.{BTC}": {"failures": 1, "last_code": -9, "last_words": None},
        f"volume.{BTC}": 5,
        "l2_retention": {"failures": 2},
    }
    put_beat(vault, "run_all", NOW, tasks=tasks)
    found = programs.failing(vault, NOW)
    assert set(found) == {f"vwap.{BTC}", f"wicks.{BTC}"}
    vwap, wicks = found[f"vwap.{BTC}"], found[f"wicks.{BTC}"]
    assert (vwap.name, vwap.level) == (f"vwap {BTC}", "FAIL")
    assert vwap.text == "failed 9 times in a row, code 1: /v/vwap_1m.jsonl: 3 bytes"
    assert vwap.remedy == (
        f"run again with --rebuild: python VWAP/vwap_calculator.py --instId {BTC} --rebuild; "
        "all: end run_all, then: python scripts/run_all.py --rebuild"
    )
    (vault.root / ".made_by_demo").touch()
    demo = programs.failing(vault, NOW)[f"vwap.{BTC}"]
    assert demo.remedy.endswith("then: python scripts/run_all.py --demo --rebuild")
    assert wicks.text == "failed once, code -9: it said nothing"
    assert wicks.remedy == f"look into its log: python scripts/peek.py log wicks.{BTC}"
    assert programs.failing(vault, NOW + 3_600_001) == {}


@pytest.mark.parametrize("tasks", [None, [], {"vwap": 5}, {f"vwap.{BTC}": None}])
def test_a_heartbeat_of_any_form_is_read(vault, tasks):
    """A damaged file breaks no check."""
    put_beat(vault, "run_all", NOW, tasks=tasks)
    assert programs.failing(vault, NOW) == {}


def test_an_update_is_seen_by_the_code_that_runs(vault):
    """A program that was started before it runs older code; one that ended runs none."""
    put_beat(vault, "trades_exporter", NOW, code=code_on_disk("trades_exporter"))
    put_beat(vault, "l2_exporter", NOW, code="0123456789abcdef", stopped=True)
    put_beat(vault, "run_all", NOW)  # of a version that wrote none
    assert list(programs.code(vault, NOW)) == []
    put_beat(vault, "run_all", NOW, code="0123456789abcdef")
    (found,) = programs.code(vault, NOW)
    assert (found.level, found.text) == ("WARN", "older code than that on disk is run by run_all")


def test_alerts_that_are_not_sent_fail_with_the_remedy(vault, monkeypatch):
    """While the watch runs; a watch that has ended so is a warning, and one that never ran none."""
    now = times.utc_now_ms()

    def found() -> list[tuple[str, str, str]]:
        return [(check.level, check.text, check.remedy) for check in programs.alerts(vault, now)]

    assert found() == []
    with hook() as there:
        monkeypatch.setenv(WEBHOOK_VARIABLE, there.url)
        there.answers = [(404, {}, b"")]
        with AlertDispatcher(vault, DISCORD, few()) as alerts:
            assert found() == [("PASS", "no failure", "")]
            a_round(alerts, "a")
            remedy = "make a new webhook in the channel's settings and start again"
            text = "NOT SENT for 0 s, 1 wait: Discord answered HTTP 404"
            assert found() == [("FAIL", text, remedy)]
        ((level, text, again),) = found()
        assert (level, again) == ("WARN", remedy)
        assert "had NOT SENT alerts, 1 wait: Discord answered HTTP 404" in text
        now += 2 * times.HOUR_MS
        assert found() == []


def test_alerts_that_wait_for_the_hour_are_a_warning(vault, monkeypatch):
    """With the time of the next place, and what gives more of them."""
    with hook() as there:
        monkeypatch.setenv(WEBHOOK_VARIABLE, there.url)
        with AlertDispatcher(vault, DISCORD, few(1)) as alerts:
            a_round(alerts, "a")
            a_round(alerts, "a", "b")
            (check,) = programs.alerts(vault, times.utc_now_ms())
    assert check.level == "WARN"
    assert check.text.startswith("1 of the hour are used, next at ")
    assert check.text.endswith(" UTC; 1 wait")
    assert "raise per_hour under [alerts]" in check.remedy


def test_the_remedy_names_the_program_that_kept_the_exporter_running(vault):
    """That is run_all, unless the exporter was started by itself later."""
    put_beat(vault, "l2_exporter", NOW, stopped=True)
    assert programs.start(vault, "l2_exporter") == "start it: python L2_Bot/l2_exporter.py"
    put_beat(vault, "run_all", NOW, tasks={"l2_exporter": {}}, stopped=True)
    again = "start run_all again: python scripts/run_all.py"
    assert programs.start(vault, "l2_exporter") == again
    (vault.root / ".made_by_demo").touch()
    assert programs.start(vault, "l2_exporter") == f"{again} --demo"
    put_beat(vault, "l2_exporter", NOW + 60_000, stopped=True)
    assert programs.start(vault, "l2_exporter") == "start it: python L2_Bot/l2_exporter.py"
