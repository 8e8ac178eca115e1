"""The state of a recorder: each field of its heartbeat, and what a damaged heartbeat says."""

from typing import Any

import orjson
import pytest

from ravequant import times
from ravequant.vault.heartbeat import Heartbeat
from ravequant.vault.paths import Vault
from ravequant.vault.recorder_state import (
    BackFill,
    RecorderState,
    about,
    not_recorded_since,
    recorder_state,
    span,
    why_not_recorded,
    why_unknown,
)

BTC = "BTC-USDT-SWAP"


def write(vault, facts, program="trades_exporter"):
    """Write a heartbeat of now."""
    Heartbeat(vault, program).write(facts)


def test_every_field_is_read(vault):
    """The heartbeat of a recorder that fetches one instrument and leaves out another."""
    filling: dict[str, Any] = {
        "at_utc": "2025-12-14T20:09:12.000Z", "until_utc": "2025-12-14T21:38:30.000Z",
        "left_s": 350,
    }  # fmt: skip
    instruments = {
        BTC: {"filling": filling, "left_out": None},
        "X-USDT-SWAP": {"left_out": "not trading yet"},
    }
    write(vault, {
        "code": "0123", "connections": 1, "clock_offset_ms": -218_000, "problem": "name not known",
        "problem_since_utc": "2025-12-14T21:38:30.000Z", "instruments": instruments,
    })  # fmt: skip
    found = recorder_state(vault, "trades_exporter", times.utc_now_ms())
    at, until = map(times.parse_iso, (filling["at_utc"], filling["until_utc"]))
    assert found == RecorderState(
        "trades_exporter", lives=True, connected=True, problem="name not known",
        code="0123", problem_since_ms=until, clock_offset_ms=-218_000,
        left_out={"X-USDT-SWAP": "not trading yet"}, filling={BTC: BackFill(at, until, 350.0)},
    )  # fmt: skip
    assert found.filling[BTC].sentence == "at 20:09 UTC, 1h29m to go, about 6 min"


BAD_FILL = {"filling": {"at_utc": 5, "until_utc": "x"}}


@pytest.mark.parametrize(
    "instruments", [None, [], "x", {BTC: 5}, {BTC: {"filling": [1, 2]}}, {BTC: BAD_FILL}]
)
def test_a_heartbeat_of_another_form_counts_as_one_without_these_fields(vault, instruments):
    """An earlier version wrote a pair of ids; a damaged file may hold anything."""
    write(vault, {"connections": None, "frames": "no", "problem": 7, "code": 5,
                  "problem_since_utc": "soon", "clock_offset_ms": "fast",
                  "instruments": instruments})  # fmt: skip
    found = recorder_state(vault, "trades_exporter", times.utc_now_ms())
    assert found == RecorderState("trades_exporter", lives=True)


def test_an_instrument_that_is_left_out_fetches_nothing(vault):
    """Its recorder may still hold the gap that it was filling."""
    write(vault, {"instruments": {BTC: {"left_out": "not trading", "filling": FILLING}}})
    assert recorder_state(vault, "trades_exporter", times.utc_now_ms()).filling == {}


def test_a_disk_that_refuses_is_a_problem(vault):
    """Also where the heartbeat itself names none."""
    write(vault, {"connections": 1, "instruments": {BTC: {"disk_refuses": True}}})
    found = recorder_state(vault, "trades_exporter", times.utc_now_ms())
    assert found.problem == f"the disk refuses {BTC}"


def test_absent_old_or_stopped_it_does_not_live(vault):
    """Also one that cannot be read."""
    now = times.utc_now_ms()
    assert not recorder_state(vault, "trades_exporter", now).lives
    write(vault, {})
    assert recorder_state(vault, "trades_exporter", now).lives
    assert not recorder_state(vault, "trades_exporter", now + 60_000).lives
    write(vault, {"stopped": True})
    assert not recorder_state(vault, "trades_exporter", now).lives
    vault.health("trades_exporter").write_bytes(orjson.dumps([1]))
    assert recorder_state(vault, "trades_exporter", now) == RecorderState("trades_exporter")


def test_an_answer_of_now_learns_why_trades_are_missing(vault):
    """An exclusion, a back-fill, a network that is away; a dead exporter says nothing."""
    now = times.utc_now_ms()
    assert why_unknown(vault, BTC, now) == ""
    write(vault, {"instruments": {BTC: {}, "X-Y": {"left_out": "not trading; wait"}}})
    assert why_unknown(vault, BTC, now) == ""
    assert why_unknown(vault, "X-Y", now) == "X-Y is left out: not trading; wait"
    write(vault, {"problem": "name not known"})
    assert why_unknown(vault, BTC, now) == "NOT RECORDING trades: name not known"
    filling = {"at_utc": "2025-12-14T20:09:12.000Z", "until_utc": "2025-12-14T21:38:30.000Z"}
    write(vault, {"problem": "name not known", "instruments": {BTC: {"filling": filling}}})
    assert why_unknown(vault, BTC, now) == "fetching past trades: at 20:09 UTC, 1h29m to go"
    assert why_unknown(vault, BTC, now + 60_000) == ""


def both(vault, trades=None, books=None):
    """Write heartbeats of both exporters, which record BTC unless something else is said."""
    write(vault, {"instruments": {BTC: {}}} | (trades or {}))
    write(vault, {"instruments": {BTC: {}}} | (books or {}), "l2_exporter")


FILLING = {"at_utc": "2025-12-14T20:09:12.000Z", "until_utc": "2025-12-14T21:38:30.000Z"}


@pytest.mark.parametrize(
    ("trades", "books", "why"),
    [
        ({}, {}, ""),
        ({"problem": "no net"}, {}, "NOT RECORDING trades: no net"),
        ({}, {"problem": "no net"}, "NOT RECORDING books: no net"),
        ({"connections": 0}, {}, "NOT RECORDING trades: trades_exporter has no connection"),
        ({"connections": 0, "problem": "no net"}, {}, "NOT RECORDING trades: no net"),
        ({"connections": 1, "frames": 0}, {},
         "NOT RECORDING trades: trades_exporter has heard nothing since its start"),
        ({"connections": 1, "frames": 1}, {"connections": 2, "frames": 9}, ""),
        ({"stopped": True}, {"stopped": True},
         "NOT RECORDING trades: trades_exporter has ended; books: l2_exporter has ended"),
        ({}, {"stopped": True}, "NOT RECORDING books: l2_exporter has ended"),
        ({"instruments": {BTC: {"left_out": "no trading"}}}, {}, f"{BTC} is left out: no trading"),
        ({"instruments": {"ETH": {"left_out": "not trading"}}}, {}, ""),
        ({}, {"instruments": {BTC: {"left_out": "no book"}}}, f"{BTC} is left out: no book"),
        ({"instruments": {BTC: {"filling": FILLING}}}, {},
         "fetching past trades: at 20:09 UTC, 1h29m to go"),
        ({"instruments": {"ETH": {"filling": FILLING}}}, {}, ""),
    ],
)  # fmt: skip
def test_now_learns_which_recorder_stands(vault, trades, books, why):
    """Of either exporter: its problem, its end, an instrument left out or behind."""
    both(vault, trades, books)
    assert why_not_recorded(vault, BTC, times.utc_now_ms()) == why


def test_a_recorder_without_a_sign_of_life_stands(vault):
    """Older than its limit, however it came to that."""
    both(vault)
    now = times.utc_now_ms()
    assert why_not_recorded(vault, BTC, now + 29_000) == ""
    found = why_not_recorded(vault, BTC, now + 185_000)
    assert found.startswith(
        "NOT RECORDING trades: trades_exporter has given no sign of life for 3m0"
    )


def test_a_heartbeat_ahead_of_the_clock(vault):
    """It is no sign of life, and the words do not say that it is 0 s old."""
    both(vault)
    now = times.utc_now_ms()
    assert why_not_recorded(vault, BTC, now - 29_000) == ""
    found = why_not_recorded(vault, BTC, now - 185_000)
    assert "trades: the heartbeat of trades_exporter is 3m0" in found
    assert found.endswith(" ahead of the clock")


def test_since_when_nothing_is_recorded(vault):
    """Since the problem, or the last sign of life; the earlier one of both recorders."""
    now = times.utc_now_ms()
    since = now - 60_000
    both(vault)
    assert not_recorded_since(vault, BTC, now) is None
    both(vault, {"problem": "no net", "problem_since_utc": times.iso(since)}, {"stopped": True})
    assert not_recorded_since(vault, BTC, now) == since
    both(vault, {"problem": "no net", "problem_since_utc": times.iso(now)}, {"stopped": True})
    assert not_recorded_since(vault, BTC, now + 10_000) == now
    both(vault, {"stopped": True, "problem": "no net", "problem_since_utc": times.iso(since)})
    last = orjson.loads(vault.health("trades_exporter").read_bytes())["heartbeat_utc"]
    assert not_recorded_since(vault, BTC, now) == times.parse_iso(last)  # not since its old problem
    both(vault, {"instruments": {BTC: {"left_out": "not trading"}}})
    assert not_recorded_since(vault, BTC, now) is None


def test_a_vault_without_heartbeats_is_only_read(vault):
    """There is no now in it. One exporter alone counts where the other's records are there."""
    now = times.utc_now_ms()
    held = Vault(vault.root / "copy")
    held.trades(BTC).mkdir(parents=True)
    (held.trades(BTC) / "2025-12-14.jsonl").touch()
    assert why_not_recorded(held, BTC, now) == ""
    assert why_not_recorded(vault, BTC, now) == ""
    write(vault, {"instruments": {BTC: {}}})
    assert why_not_recorded(vault, BTC, now) == ""
    book = vault.snapshots(BTC) / "2025-12-14" / "21.jsonl"
    book.parent.mkdir(parents=True)
    book.touch()
    assert why_not_recorded(vault, BTC, now) == "NOT RECORDING books: l2_exporter runs nowhere"
    assert why_not_recorded(vault, "ETH-USDT-SWAP", now) == ""
    vault.health("trades_exporter").write_bytes(b"{")  # no heartbeat can be read
    assert why_not_recorded(vault, "ETH-USDT-SWAP", now) == ""
    trades = vault.trades(BTC) / "2025-12-14.jsonl"
    trades.parent.mkdir(parents=True)
    trades.touch()
    assert why_not_recorded(vault, BTC, now) == (
        "NOT RECORDING trades: trades_exporter runs nowhere; books: l2_exporter runs nowhere"
    )
    assert why_not_recorded(Vault(vault.root / "another"), BTC, now) == ""


def test_spans_are_said_as_people_say_them():
    """Never longer than six signs."""
    spans = (0, 40_999, 61_000, 599_000, 600_000, 3_599_000, 5_340_000, 100 * 3_600_000)
    assert [span(ms) for ms in spans] == [
        "0s", "40s", "1m01s", "9m59s", "10m", "59m", "1h29m", "100h00m",
    ]  # fmt: skip
    assert [about(seconds) for seconds in (0, 60, 61, 350, 7_140, 7_200, 7_201)] == [
        "a minute", "a minute", "2 min", "6 min", "119 min", "2 h", "3 h",
    ]  # fmt: skip
