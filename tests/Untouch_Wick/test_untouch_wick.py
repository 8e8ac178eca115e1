"""The tracker against plain computation, on made-up and recorded trades; killed, cut, rebuilt."""

import json
import random
import subprocess
import sys
from datetime import datetime, timedelta

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ravequant import times
from ravequant.trades.bar_reader import BarReader
from ravequant.vault.instruments import InstrumentHistory
from ravequant.vault.paths import CHECKOUT, Vault
from tests.support import crashes, recordings
from tests.support.examples import often
from tests.support.wick_oracle import Ticks, Wicks
from tests.support.wick_vault import (
    BTC,
    START,
    active,
    as_lines,
    events,
    first_difference,
    line,
    run,
    tick_size,
    write_raw,
)
from Untouch_Wick.untouch_wick import WickFold


@recordings.each(*recordings.EVERY)
def test_recorded_trades_equal_the_plain_computation(vault, recording):
    """Every field of every event, and of every wick that is still active."""
    lines, inst_id, tick = recording.lines(), recording.inst_id, recording.tick
    write_raw(vault, lines, inst_id)
    tick_size(vault, tick, inst_id=inst_id)
    assert run(vault, inst_id=inst_id) == 0
    wanted = Wicks(lines, inst_id, [(None, tick)])
    assert first_difference(events(vault, inst_id), wanted.events()) is None
    assert active(vault, inst_id) == as_lines([wanted.active()])
    assert len(wanted.events()) > 10


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[bytes], Ticks]:
    """Draw raw lines with late and repeated ones, holes, long silences, and changing ticks."""
    chance = random.Random(draw(st.integers(0, 2**32)))
    pause = draw(st.sampled_from([4_000, 20_000, 90_000]))
    moment, last, lines = START + chance.randrange(600_000), 1000, []
    centre, step = 100_000, draw(st.sampled_from([5, 10, 100]))
    for _ in range(draw(st.integers(1, 250))):
        moment += chance.randrange(pause)
        if chance.random() < 0.05:
            moment += chance.choice([-20_000, -90_000, 300_000, 3_600_000])
        if chance.random() < 0.01:
            moment += chance.choice([4 * times.HOUR_MS, 168 * times.HOUR_MS])
        last += chance.choices([1, 2, 5, 0, -3], [90, 4, 2, 3, 1])[0]
        centre += chance.choice([-step, 0, step])
        price = centre + chance.choice([-step, 0, 0, step, chance.randrange(-2 * step, 2 * step)])
        lines.append(line(moment, last, f"{price // 1000}.{price % 1000:03}"))
    ticks: Ticks = [(None, "0.01")]
    for tick in draw(st.lists(st.sampled_from(["0.001", "0.01", "0.1"]), max_size=2)):
        at = json.loads(chance.choice(lines))["timestamp_utc"]
        ticks.append((datetime.fromisoformat(at), tick))
    ticks[1:] = sorted(ticks[1:])
    return lines, ticks


def set_ticks(vault: Vault, ticks: Ticks) -> None:
    for since, tick in ticks:
        stamp = since and since.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        tick_size(vault, tick, times.parse_iso(stamp) if stamp else None)


@settings(max_examples=often(40, 120), suppress_health_check=list(HealthCheck))
@given(stream=streams(), cuts=st.lists(st.integers(0, 250), max_size=4))
def test_any_stream_in_any_number_of_runs_equals_the_plain_computation(
    tmp_path_factory, stream, cuts
):
    """Late, out-of-order and repeated lines, holes, weeks of silence, tick changes."""
    lines, ticks = stream
    vault = Vault(tmp_path_factory.mktemp("vault"))
    set_ticks(vault, ticks)
    done = 0
    for cut in [*sorted(cuts), len(lines)]:
        if cut > done:
            write_raw(vault, lines[done:cut])
            done = min(cut, len(lines))
        if done:
            assert run(vault) == 0
    wanted = Wicks(lines, BTC, ticks)
    assert first_difference(events(vault), wanted.events()) is None
    assert active(vault) == as_lines([wanted.active()])
    whole = Vault(tmp_path_factory.mktemp("whole"))
    set_ticks(whole, ticks)
    write_raw(whole, lines)
    assert run(whole) == 0
    ours, theirs = (orjson.loads(v.state("wicks", BTC).read_bytes()) for v in (vault, whole))
    assert ours["fold"] == theirs["fold"]


def day_of_trades(hours: int = 8, seed: int = 3) -> list[bytes]:
    """Return a random walk of trades, one every 2.5 s on average."""
    chance = random.Random(seed)
    moment, price = START, 100_000
    lines: list[bytes] = []
    while moment < START + hours * times.HOUR_MS:
        moment += chance.randrange(5_000)
        price += chance.choice([-3, -1, 0, 0, 1, 3])
        lines.append(line(moment, len(lines), f"{price // 10}.{price % 10}"))
    return lines


@pytest.fixture(params=["made up", *recordings.at_hand(recordings.EIGHT_HOURS)], ids=str)
def eight_hours(request) -> list[bytes]:
    """Return eight hours of trades."""
    return day_of_trades() if request.param == "made up" else request.param.lines()


def test_nothing_is_known_that_later_trades_decide(tmp_path, eight_hours):
    """The events known by A are the same when the input ends with the first line at A + 5 s."""
    whole = Vault(tmp_path / "whole")
    tick_size(whole, "0.01")
    write_raw(whole, eight_hours)
    assert run(whole) == 0
    moments = [times.parse_iso(json.loads(one)["timestamp_utc"]) for one in eight_hours]
    first = moments[0] // times.MINUTE_MS
    for number in range(12):
        end = first + random.Random(number).randrange(5, 475)
        cut = Vault(tmp_path / str(number))
        tick_size(cut, "0.01")
        upto = next(at for at, ts in enumerate(moments) if ts >= end * times.MINUTE_MS + 5_000)
        write_raw(cut, eight_hours[: upto + 1])
        assert run(cut) == 0
        known = [
            one
            for one in events(whole).splitlines(keepends=True)
            if json.loads(one)["known_utc"] <= times.iso_minute(end)
        ]
        assert events(cut) == b"".join(known)


def test_stopped_before_any_step_and_run_again_the_files_are_the_same(tmp_path):
    """Every write, fsync and rename of a first and of a second run, one after the other."""
    lines = day_of_trades(hours=2)
    half = len(lines) // 2
    whole = Vault(tmp_path / "whole")
    tick_size(whole, "0.1")
    write_raw(whole, lines)
    assert run(whole) == 0
    at = 0
    stopped = True
    while stopped:
        at += 1
        vault = Vault(tmp_path / str(at))
        tick_size(vault, "0.1")
        stopped = False
        for part in (lines[:half], lines[half:]):
            write_raw(vault, part)
            try:
                with crashes.steps(at):
                    run(vault)
            except crashes.Stopped:
                stopped = True
        assert run(vault) == 0
        assert events(vault) == events(whole)
        assert active(vault) == active(whole)
        assert vault.state("wicks", BTC).read_bytes() == whole.state("wicks", BTC).read_bytes()
    assert at > 8


def program(vault: Vault, crash_at: int) -> int:
    """Run the tracker as a process that is killed before that step."""
    command = [
        sys.executable,
        "-m",
        "tests.support.crashes",
        str(crash_at),
        "Untouch_Wick.untouch_wick",
    ]
    return subprocess.run(
        [*command, "--vault", str(vault.root), "--log-level", "error", "--instId", BTC],
        cwd=CHECKOUT,
        check=False,
        stdout=subprocess.DEVNULL,
    ).returncode


@recordings.each(*recordings.MIDNIGHT)
def test_killed_processes_over_a_growing_file_leave_the_same_bytes(vault, tmp_path, recording):
    """Real processes, really killed, on recorded trades."""
    lines = recording.lines()
    cut = Vault(tmp_path / "cut")
    for each in (vault, cut):
        tick_size(each, "0.1")
    write_raw(vault, lines)
    assert run(vault) == 0
    killed = 0
    for part in range(8):
        write_raw(cut, lines[len(lines) * part // 8 : len(lines) * (part + 1) // 8])
        killed += program(cut, crash_at=1 + part) != 0
        assert run(cut) == 0
    assert killed > 4
    assert (events(cut), active(cut)) == (events(vault), active(vault))


def test_without_a_tick_size_it_stops_before_it_reads_a_trade(vault, capsys):
    """No data yet, as in the first seconds of a recording: the remedy, and not a byte written."""
    write_raw(vault, day_of_trades(hours=1))
    assert run(vault) == 3
    path = vault.metadata(BTC)
    assert capsys.readouterr().err.partition(" ERROR ")[2] == (
        f"wicks: {path}: there is no metadata of {BTC}; start the trade exporter once, it fetches "
        "the metadata\n"
    )
    assert not vault.derived("wicks", BTC).exists()
    assert not vault.state("wicks", BTC).exists()


def test_a_lost_active_file_comes_back_with_the_next_run(vault):
    """It holds the committed state, also when there is nothing new to read."""
    tick_size(vault, "0.1")
    write_raw(vault, day_of_trades(hours=1))
    assert run(vault) == 0
    path = vault.derived("wicks", BTC) / "wicks_active.json"
    before = path.read_bytes()
    path.unlink()
    assert run(vault) == 0
    assert path.read_bytes() == before


def test_a_tick_size_that_changes_between_runs_counts_from_the_next_minute(vault):
    """The history is read again when it has grown, and holds for later records only."""
    lines = day_of_trades(hours=1)
    half = len(lines) // 2
    tick_size(vault, "0.1")
    write_raw(vault, lines[:half])
    assert run(vault) == 0
    since = json.loads(lines[half - 1])["timestamp_utc"]
    tick_size(vault, "0.5", times.parse_iso(since))
    write_raw(vault, lines[half:])
    assert run(vault) == 0
    ticks: Ticks = [(None, "0.1"), (datetime.fromisoformat(since), "0.5")]
    assert first_difference(events(vault), Wicks(lines, BTC, ticks).events()) is None


def test_a_tick_size_that_changes_during_a_run_is_noticed(vault):
    """The history is on disk before any later trade, but not before the run began."""
    lines = day_of_trades(hours=1)
    tick_size(vault, "0.1")
    fold = WickFold(BTC, InstrumentHistory(vault, BTC))
    reader = BarReader(BTC, 1, lambda _first, _last: True, lambda *_: pytest.fail("rejected"))
    tick_size(vault, "0.5", START + 600_000)
    rows = list(fold.update(reader.read(b"".join(lines))))
    ticks: Ticks = [(None, "0.1"), (datetime.fromisoformat(times.iso(START + 600_000)), "0.5")]
    assert first_difference(as_lines(rows), Wicks(lines, BTC, ticks).events()) is None


def test_a_rebuild_keeps_what_became_known_before_its_first_minute(vault):
    """Events of the minute that ended where the rebuild begins are older, and stay."""
    lines = day_of_trades(hours=2)
    tick_size(vault, "0.1")
    write_raw(vault, lines)
    assert run(vault) == 0
    before = [json.loads(one) for one in events(vault).splitlines()]
    assert run(vault, "--rebuild", "--since", "30m") == 0
    newest = datetime.fromisoformat(json.loads(lines[-1])["timestamp_utc"])
    begin = (newest - timedelta(minutes=30)).strftime("%Y-%m-%dT%H:%M:00Z")
    older = [row for row in before if row["known_utc"] <= begin]
    after = [json.loads(one) for one in events(vault).splitlines()]
    assert after[: len(older)] == older
    assert any(row["known_utc"] == begin for row in older)
    assert {row["known_utc"] > begin for row in after[len(older) :]} == {True}


def test_before_a_minute_has_closed_there_is_nothing_to_show(vault):
    """One trade: no event, an active file without a time of its own minute."""
    tick_size(vault, "0.1")
    write_raw(vault, [line(START, 1, "100")])
    assert run(vault) == 0
    assert events(vault) == b""
    shown = orjson.loads(active(vault))
    assert shown["as_of_utc"] == times.iso_minute(START // times.MINUTE_MS - 1)
    assert shown["active"] == {name: [] for name in ("1m", "5m", "15m", "1h", "4h")}
    assert shown["counts"]["1m"] == {"untouched": 0, "touched": 0, "expired": 0}
