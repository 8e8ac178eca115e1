"""What the tests of the trade-based calculators share: streams, recordings, runs, kills.

A calculator is held against its plain computation in ``tests.oracle``, byte for byte, so that the
order of the fields counts too.
"""

import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import orjson
from hypothesis import strategies as st

from ravequant import exact, times
from ravequant.contract import Contract
from ravequant.records import Trade, TradeEncoder
from ravequant.trades.minute_bar import MinuteBar
from ravequant.vault.paths import CHECKOUT, Vault
from tests.support import oracle
from tests.support.recordings import Recording

BTC = "BTC-USDT-SWAP"
START = times.parse_iso("2025-12-14T21:34:00Z")
MINUTE = START // times.MINUTE_MS
Rows = Callable[[Iterable[oracle.Minute], str], list[dict[str, Any]]]


@dataclass(frozen=True)
class Room:
    """A calculator under test, its output and the plain computation of it."""

    module: ModuleType
    metric: str
    output: str
    plain: Rows

    def run(self, vault: Vault, inst_id: str = BTC) -> None:
        """Bring the output up to date, in this process."""
        arguments = ["--vault", str(vault.root), "--log-level", "error", "--instId", inst_id]
        assert self.module.main(arguments) == 0

    def lines(self, vault: Vault, inst_id: str = BTC) -> bytes:
        """Return what has been written so far."""
        path = vault.derived(self.metric, inst_id) / self.output
        return path.read_bytes() if path.exists() else b""

    def wanted(self, lines: Sequence[bytes], inst_id: str = BTC) -> bytes:
        """Return what these raw lines must give."""
        return as_lines(self.plain(oracle.closed_minutes(lines), inst_id))

    def killed(self, vault: Vault, crash_at: int) -> bool:
        """Run as a process that is killed before a step; say whether it came that far."""
        command = [
            sys.executable,
            "-m",
            "tests.support.crashes",
            str(crash_at),
            self.module.__name__,
        ]
        done = subprocess.run(
            [*command, "--vault", str(vault.root), "--log-level", "error", "--instId", BTC],
            cwd=CHECKOUT, check=False, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        return done.returncode != 0


def as_lines(rows: Iterable[dict[str, Any]]) -> bytes:
    """Return records as a file holds them."""
    return b"".join(orjson.dumps(row) + b"\n" for row in rows)


def write_raw(vault: Vault, inst_id: str, lines: Iterable[bytes]) -> None:
    """Append lines to the day file of the largest date so far, of those that are not ahead."""
    folder = vault.trades(inst_id)
    folder.mkdir(parents=True, exist_ok=True)
    newest = max((path.name for path in folder.iterdir()), default="")
    days: dict[str, list[bytes]] = {}
    for line in lines:
        row = json.loads(line)
        day = times.day(START) if row.get("ahead") else row["timestamp_utc"][:10]
        newest = max(newest, f"{day}.jsonl")
        days.setdefault(newest, []).append(line)
    for name, content in days.items():
        with (folder / name).open("ab") as stream:
            stream.writelines(content)


# ------------------------------------------------------------------------------ made-up streams

ids = st.sampled_from([1, 1, 1, 2, 5, 0, -3])
sides = st.sampled_from(["buy", "sell"])
prices = st.sampled_from(["101250.5", "101250", "99999.9", "101760.123456789", "0.00000074573"])
near = st.sampled_from(["101250", "101250.5", "101260", "101351.2", "101351.3", "101148.7"])
sizes = st.sampled_from(["45", "0.01", "1234.56", "7", "100000"])
kinds = st.sampled_from([Contract("0.01", "1", "linear"), Contract("100", "1", "inverse")])
aheads = st.sampled_from([False] * 15 + [True])
wild_ms = st.one_of(
    st.integers(-20_000, 90_000), st.integers(0, 3_000), st.just(0), st.just(4 * times.HOUR_MS)
)
steady_ms = st.sampled_from([20_000, 40_000, 60_000, 60_000, 61_000, 130_000])


@st.composite
def streams(draw, steps=wild_ms, price=prices, least=1, most=60):
    """Draw raw lines with times late, out of order and ahead, repeated ids and holes."""
    encoder = TradeEncoder(BTC, draw(kinds))
    moment, last, lines = START, 1000, []
    drawn = st.tuples(steps, ids, st.sampled_from([1, 1, 2]), sides, price, sizes, aheads)
    size = draw(st.integers(least, most))  # a list alone would nearly always be short
    rows = draw(st.lists(drawn, min_size=size, max_size=size))
    for step, rise, count, side, at, qty, ahead in rows:
        last += rise
        ts = moment + (70 * 365 * times.DAY_MS if ahead else step)
        lines.append(encoder.line(Trade(ts, last, side, at, qty, count, ahead=ahead)))
        moment = moment if ahead else ts
    return lines


def steady_streams():
    """Draw streams of so many minutes that medians fill and swings follow one another."""
    return streams(steady_ms, near, least=60, most=180)


def bar(minute: int, prices: Sequence[str], **amounts: str) -> MinuteBar:
    """Return minute ``MINUTE + minute`` from its prices and its amounts in quote currency.

    ``amounts`` are ``buy``, ``sell``, ``whale_buy`` and ``whale_sell``.
    """
    values = [exact.units(price, exact.PRICE_PLACES) for price in prices]
    buy, sell, whale_buy, whale_sell = (
        exact.units(amounts.get(name, "0"), exact.NOTIONAL_PLACES)
        for name in ("buy", "sell", "whale_buy", "whale_sell")
    )
    return MinuteBar(
        minute=MINUTE + minute,
        open=values[0], high=max(values), low=min(values), close=values[-1],
        trade_count=1250, base=0, buy_base=0, sell_base=0,
        notional=buy + sell, buy_notional=buy, sell_notional=sell,
        price_notional=0, price_base=0,
        whale_count=4, whale_buy_notional=whale_buy, whale_sell_notional=whale_sell,
        first_id=0, last_id=0,
    )  # fmt: skip


# ---------------------------------------------------------------------------------- recordings


@cache
def recorded_minutes(recording: Recording) -> list[oracle.Minute]:
    """Return the minutes that the recorded lines close, computed once for all calculators."""
    return list(oracle.closed_minutes(recording.lines()))


def link_recording(vault: Vault, recording: Recording) -> None:
    """Put recorded files into the vault as they are: another writer's JSON, gzip."""
    folder = vault.trades(recording.inst_id)
    folder.mkdir(parents=True)
    for source in recording.trade_files:
        (folder / f"{source.name[:10]}.jsonl.gz").write_bytes(source.read_bytes())


# ------------------------------------------------------------- what every calculator must stand


def check_recording(room: Room, vault: Vault, recording: Recording) -> bytes:
    """Compare every field of every line with the plain computation; return the lines."""
    inst_id = recording.inst_id
    link_recording(vault, recording)
    room.run(vault, inst_id)
    wanted = room.plain(recorded_minutes(recording), inst_id)
    met = room.lines(vault, inst_id)
    assert [orjson.loads(line) for line in met.splitlines()] == wanted  # readable when it differs
    assert met == as_lines(wanted)
    return met


def check_runs(room: Room, vault: Vault, lines: list[bytes], cuts: Iterable[int]) -> None:
    """Let the raw data grow run by run: each time it is the plain computation of what is there.

    So no line ever depends on what came after it, and none changes later.
    """
    done = 0
    for cut in (*sorted(cuts), len(lines)):
        if cut > done:
            write_raw(vault, BTC, lines[done:cut])
            done = cut
        if done:
            room.run(vault)
            assert room.lines(vault) == room.wanted(lines[:done])


def check_kills(room: Room, vault: Vault, cut: Vault, lines: list[bytes], parts: int = 12) -> None:
    """Kill real processes over a file that grows: output and state are those of one run."""
    write_raw(vault, BTC, lines)
    room.run(vault)
    killed = 0
    for part in range(parts):
        write_raw(cut, BTC, lines[len(lines) * part // parts : len(lines) * (part + 1) // parts])
        killed += room.killed(cut, crash_at=1 + part)
        room.run(cut)
    assert killed > parts // 2
    assert room.lines(cut) == room.lines(vault)
    assert cut.state(room.metric, BTC).read_bytes() == vault.state(room.metric, BTC).read_bytes()


def check_fifty_runs(room: Room, vault: Vault, grown: Vault, lines: list[bytes]) -> None:
    """Let one file grow to 50 random bytes, mid-line too: output and state are those of one run."""
    write_raw(vault, BTC, lines)
    room.run(vault)
    data, (path,) = b"".join(lines), vault.trades(BTC).iterdir()
    cuts = sorted(random.Random(50).sample(range(len(lines[0]), len(data)), 49))
    grown.trades(BTC).mkdir(parents=True)
    with (grown.trades(BTC) / path.name).open("wb", buffering=0) as writer:
        for start, end in pairwise([0, *cuts, len(data)]):
            writer.write(data[start:end])
            room.run(grown)
    assert room.lines(grown) == room.lines(vault)
    assert grown.state(room.metric, BTC).read_bytes() == vault.state(room.metric, BTC).read_bytes()


def check_no_look_ahead(
    room: Room, tmp_path: Path, lines: list[bytes], minutes: Iterable[int]
) -> None:
    """Compare the rows up to a minute A with those of input cut at the first trade past A + 5 s."""
    whole = Vault(tmp_path / "whole")
    write_raw(whole, BTC, lines)
    room.run(whole)
    rows = room.lines(whole).splitlines(keepends=True)
    moments = [times.parse_iso(json.loads(line)["timestamp_utc"]) for line in lines]
    for minute in minutes:
        end = minute * times.MINUTE_MS
        last = next(at for at, ts in enumerate(moments) if ts >= end + 5_000)
        cut = Vault(tmp_path / str(minute))
        write_raw(cut, BTC, lines[: last + 1])
        room.run(cut)
        before = [row for row in rows if times.parse_iso(orjson.loads(row)["timestamp_utc"]) < end]
        assert room.lines(cut).splitlines(keepends=True)[: len(before)] == before
        assert before
