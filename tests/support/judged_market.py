"""A small recorded market over two midnights, and made-up candidates in it: tests of `judge`."""

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

import numpy as np
import pytest
from filelock import FileLock

from Edge_Lab.commands_judge import judge
from Edge_Lab.day_candidates import CandidatesOfDay, DayCandidate
from Edge_Lab.due_days import DaysToJudge
from ravequant import exact, times
from ravequant.contract import Contract
from ravequant.records import Trade, TradeEncoder, parse_trade
from ravequant.settings import Settings
from ravequant.vault.line_file import lines_forward
from ravequant.vault.paths import Vault, day_files
from tests.support.book_lines import put, put_metadata, snapshot
from tests.support.notes_market import calculate
from tests.support.quick_disk import without_sync
from tests.support.trade_streams import write_raw

BTC = "BTC-USDT-SWAP"
DAY, NEXT = "2025-12-14", "2025-12-15"
START = times.day_start_ms(DAY)
LINEAR = Contract("0.01", "1", "linear")
INVERSE = Contract("100", "1", "inverse")
_EVERY_MS = 8_000  # from snapshot to snapshot
_TICK = exact.PRICE_ONE // 10


def walk(first_ms: int, until_ms: int, *, seed: int = 3, every_ms: int = 2_500) -> list[Trade]:
    """Return a walk around 101250 with a trade every few seconds, in steps of a tick of 0.1."""
    rng = np.random.default_rng(seed)
    ts = np.arange(first_ms, until_ms, every_ms)
    steps = rng.integers(-30, 31, len(ts))
    price = 1_012_500 + np.cumsum(steps)
    return [
        Trade(
            int(at) + int(late), 1_000 + number, "buy" if step > 0 else "sell",
            exact.text(int(tenths), 1), exact.text(int(size), 2),
        )
        for number, (at, late, tenths, step, size) in enumerate(
            zip(ts, rng.integers(0, 900, len(ts)), price, steps, rng.integers(1, 400, len(ts)),
                strict=True)
        )
    ]  # fmt: skip


def put_trades(vault: Vault, trades: Iterable[Trade], contract: Contract = LINEAR) -> None:
    """Append trades, and give the instrument its metadata."""
    put_metadata(vault, BTC, contract)
    encoder = TradeEncoder(BTC, contract)
    write_raw(vault, BTC, map(encoder.line, trades))


def put_books(vault: Vault, trades: Iterable[Trade]) -> None:
    """Append a snapshot of 40 levels a side around the newest trade, every eight seconds."""
    put(vault.snapshots(BTC), _books(trades))


def _books(trades: Iterable[Trade]) -> Iterator[dict[str, Any]]:
    due = 0
    for trade in trades:
        if trade.ts >= due:
            due = trade.ts + _EVERY_MS
            middle = exact.units(trade.price, 1)
            sides = [
                [[exact.text(middle + sign * step, 1), str(1 + (middle + step) % 7), "0", "1"]
                 for step in range(1, 41)]
                for sign in (-1, 1)
            ]  # fmt: skip
            yield snapshot(trade.ts, *sides)


def made_market(vault: Vault, until_ms: int, *, books: bool = True) -> None:
    """Record from 20:00 of the day before up to a moment, and run the calculators."""
    trades = walk(START - 4 * times.HOUR_MS, until_ms)
    put_trades(vault, trades)
    if books:
        put_books(vault, [trade for trade in trades if trade.ts >= START])
    calculate(vault, BTC)


def recorded_day(tmp_path_factory: pytest.TempPathFactory) -> Vault:
    """Return the vault of a day, its books, and the next day up to 04:30; nothing may change it.

    It is made once for all test processes.
    """
    return _made_once(tmp_path_factory, "a recorded day", _record)


def judged_day(tmp_path_factory: pytest.TempPathFactory) -> Vault:
    """Return a copy of the recorded day in which it is judged; nothing may change it."""
    recorded = recorded_day(tmp_path_factory)

    def made(vault: Vault) -> None:
        shutil.copytree(recorded.root, vault.root)
        list(judge(vault, [BTC], Settings(), DaysToJudge(), candidates_of=made_candidates))

    return _made_once(tmp_path_factory, "a judged day", made)


def _record(vault: Vault) -> None:
    made_market(vault, START + times.DAY_MS + 270 * times.MINUTE_MS)


def _made_once(
    tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Vault], None]
) -> Vault:
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    vault, done = Vault(shared / name), shared / f"{name} is made"
    with FileLock(shared / f"{name}.lock"):
        if not done.exists():
            with without_sync():
                make(vault)
            done.touch()
    return vault


def repaired(vault: Vault) -> None:
    """Change a trade of the day, as a repair would."""
    path = vault.trades(BTC) / f"{DAY}.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    del lines[20_000]
    path.write_bytes(b"".join(lines))


def made_candidates(vault: Vault, inst_id: str, day: str, chosen: Settings) -> CandidatesOfDay:
    """Return a level of each side every 40 minutes, a few dollars from the last price.

    Every second one belongs to families; one is taken by filters of two ages.
    """
    last_of: dict[int, int] = {}
    for _, path in day_files(vault.trades(inst_id)):
        for line in lines_forward(path):
            trade, _ = parse_trade(line, inst_id)
            last_of[trade.ts // times.MINUTE_MS] = exact.units(trade.price, exact.PRICE_PLACES)
    start = times.day_start_ms(day) // times.MINUTE_MS
    found: list[DayCandidate] = []
    for number, minute in enumerate(range(start + 35, start + times.DAY_MINUTES, 40)):
        last = last_of.get(minute - 1)
        if last is not None:
            found += _levels(inst_id, minute, last, number, int(chosen.signals.stop_bps))
    return CandidatesOfDay(tuple(found), 2)


def _levels(
    inst_id: str, minute: int, last: int, number: int, stop_bps: int
) -> Iterator[DayCandidate]:
    side: Literal[1, -1] = 1 if number % 2 else -1
    tip = last - side * (150 + 40 * (number % 5)) * _TICK
    stop = tip - side * (101 * stop_bps // exact.SIZE_ONE) * _TICK
    for age_max in (40, 120) if number % 7 == 0 else (40,):
        end = "low" if side > 0 else "high"
        yield DayCandidate(
            event_id=f"{inst_id}|1m|{times.iso_minute(minute - 22)}|{end}",
            minute=minute,
            age_max=age_max,
            birth=minute - 22,
            candle_start=minute - 23,
            side=side,
            entry=tip,
            stop=stop,
            farthest=tip,
            target=tip + side * 600 * _TICK if number % 3 else None,
            last=last,
            in_contact=False,
            tips=(tip,),
            families=("base",) if number % 2 == 0 and age_max == 40 else (),
            filters=("20-40 10 500",),
            wicks=("e",),
            facts={"age": 22},
        )
