"""Every calculator as the fault tests see it: raw data that comes in parts, runs, files."""

import random
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import orjson

from Context_Bot import liquidations_1m
from Context_Bot.context_lines import ContextLines
from Context_Bot.coverage import CoverageSpan
from CVD import run_cvd_from_jsonl
from Liquidity_Buckets import book_flow, l2_bucketizer
from ravequant import catalog, exact, times
from ravequant.catalog import DataSet
from ravequant.contract import Contract
from ravequant.exchanges.context_feeds import LiquidationRow, MarkRow
from ravequant.records import Side, Trade, TradeEncoder
from ravequant.vault.append_log import DayLog
from ravequant.vault.paths import Vault
from tests.support import book_lines
from tests.support.trade_streams import write_raw
from Untouch_Wick import untouch_wick
from Volume_Analyzer import footprint, profile, volume_analyzer
from VWAP import vwap_calculator

BTC = "BTC-USDT-SWAP"
LINEAR = Contract("0.01", "1", "linear")
START = times.parse_iso("2025-12-14T23:30:00Z")  # an hour over midnight
PARTS = 3
SIDES: tuple[Side, Side] = ("buy", "sell")


Stream = Literal["trades", "books", "marks"]
RAW: dict[Stream, DataSet] = {
    "trades": catalog.TRADES, "books": catalog.BOOK, "marks": catalog.MARKS,
}  # fmt: skip
BESIDE: dict[Stream, tuple[DataSet, ...]] = {  # what is read along with it
    "trades": (),
    "books": (catalog.DEEP, catalog.TRADES),
    "marks": (catalog.LIQUIDATIONS, catalog.COVERAGE),
}


@dataclass(frozen=True)
class CalculatorRun:
    """A calculator under test."""

    metric: str
    module: ModuleType
    stream: Stream = "trades"  # whose files its cursor is in
    slower: int = 1  # its trades take so many times as long

    def arguments(self, vault: Vault, *more: str) -> list[str]:
        """Return the command line of a run."""
        return ["--vault", str(vault.root), "--log-level", "error", "--instId", BTC, *more]

    def run(self, vault: Vault, *more: str) -> int:
        """Run in this process; the exit code."""
        code: int = self.module.main(self.arguments(vault, *more))
        return code

    def put(self, vault: Vault, part: int) -> None:
        """Let part ``part`` (from 0) of the raw data come in."""
        if part == 0:
            book_lines.put_metadata(vault, BTC, LINEAR)
        if self.stream == "books":
            pictures, deep = (_part(rows, part) for rows in book_rows())
            book_lines.put(vault.deep_snapshots(BTC), filter(None, deep))  # before the next picture
            book_lines.put(vault.snapshots(BTC), pictures)
        if self.stream == "marks":
            for data, rows in feed_lines().items():
                _append(data, vault, _part(rows, part))
        elif self.stream == "trades" or self.metric == "book_flow":
            write_raw(vault, BTC, _part(trade_lines(self.slower), part))

    def fill(self, vault: Vault) -> None:
        """Let all of the raw data come in."""
        for part in range(PARTS):
            self.put(vault, part)

    def made(self, vault: Vault) -> dict[str, bytes]:
        """Return everything it has written: derived files and state."""
        found = [*vault.derived(self.metric, BTC).glob("*"), vault.state(self.metric, BTC)]
        return {path.name: path.read_bytes() for path in found if path.is_file()}

    def raw(self, vault: Vault) -> list[Path]:
        """Return its raw files, oldest first."""
        return self._files(vault, RAW[self.stream])

    def beside(self, vault: Vault) -> list[Path]:
        """Return the other raw files that it reads."""
        return [path for data in BESIDE[self.stream] for path in self._files(vault, data)]

    @staticmethod
    def _files(vault: Vault, data: DataSet) -> list[Path]:
        place = data.place(vault, BTC)
        return sorted(place.rglob("*.jsonl") if data.dated else filter(Path.exists, [place]))


CALCULATORS = {
    calculator.metric: calculator
    for calculator in (
        CalculatorRun("vwap", vwap_calculator),
        CalculatorRun("cvd", run_cvd_from_jsonl),
        CalculatorRun("volume", volume_analyzer),
        CalculatorRun("wicks", untouch_wick),
        CalculatorRun("footprint", footprint),
        CalculatorRun("profile", profile, slower=60),  # over two whole days
        CalculatorRun("liquidity_buckets", l2_bucketizer, "books"),
        CalculatorRun("book_flow", book_flow, "books"),
        CalculatorRun("liquidations", liquidations_1m, "marks"),
    )
}
OF_TRADES = [name for name, calculator in CALCULATORS.items() if calculator.stream == "trades"]
OF_BOOKS = [name for name, calculator in CALCULATORS.items() if calculator.stream == "books"]


def copied(vault: Vault, name: str) -> Vault:
    """Return a copy of a vault, beside it."""
    other = Vault(vault.root.with_name(name))
    shutil.rmtree(other.root, ignore_errors=True)
    shutil.copytree(vault.root, other.root)
    return other


@cache
def trades(slower: int = 1) -> tuple[Trade, ...]:
    """Return an hour of trades over midnight, with late ones, a hole and joined fills."""
    chance = random.Random(20)
    ts, trade_id, price, made = START, 5_000, 1_012_500, []
    for number in range(420):
        ts += slower * chance.choice((100, 4_000, 9_000, 15_000))
        count = chance.choice((1, 1, 1, 3))
        trade_id += count + (40 if number == 200 else 0)
        price += chance.choice((-7, -1, 0, 0, 1, 6))
        late = chance.choice((0, 0, 0, 3_000, 70_000))
        qty, side = chance.choice(("45", "0.01", "1200.5")), chance.choice(SIDES)
        made.append(Trade(ts - late, trade_id, side, exact.text(price, 1), qty, count))
    return tuple(made)


@cache
def trade_lines(slower: int = 1) -> tuple[bytes, ...]:
    """Return those trades as the exporter writes them."""
    encoder = TradeEncoder(BTC, LINEAR)
    return tuple(encoder.line(trade) for trade in trades(slower))


@cache
def book_rows() -> tuple[list[dict[str, Any]], list[dict[str, Any] | None]]:
    """Return four minutes of pictures of the book over midnight, and what deep one followed."""
    chance = random.Random(21)
    begin = times.parse_iso("2025-12-14T23:58:00Z")
    pictures: list[dict[str, Any]] = []
    deep: list[dict[str, Any] | None] = []
    for number in range(120):
        ts, mid = begin + 2_000 * number + chance.randrange(900), 101_250 + chance.randint(-3, 3)
        sides = [
            [
                [str(mid + sign * n), str(chance.randrange(1, 4000)), "0", "1"]
                for n in range(0 if sign < 0 else 1, 12)
            ]
            for sign in (-1, 1)
        ]
        gap = number in {50, 51}
        pictures.append(book_lines.snapshot(ts, sides[0], sides[1], gap=gap))
        far = [[[str(mid + n * 40 * sign), "900", "0", "1"] for n in range(1, 60)]
               for sign in (-1, 1)]  # fmt: skip
        deep.append(book_lines.deep(ts + 200, ts, far[0], far[1]) if number % 15 == 4 else None)
    return pictures, deep


@cache
def feed_lines() -> dict[DataSet, list[list[bytes]]]:
    """Return an hour of mark prices over midnight and, in step, what stands on disk before each.

    Of the liquidations some are late; for five minutes nobody listened.
    """
    chance, lines = random.Random(22), ContextLines("okx", BTC, LINEAR)
    lost, again, steps = 150, 180, 360
    spans = {
        0: CoverageSpan(START, None, "open"),
        lost: CoverageSpan(START, START + 10_000 * (lost - 1), "closed"),
        again: CoverageSpan(START + 10_000 * again, None, "open"),
    }
    feeds = (catalog.COVERAGE, catalog.LIQUIDATIONS, catalog.MARKS)
    made: dict[DataSet, list[list[bytes]]] = {data: [] for data in feeds}
    for number in range(steps):
        ts = START + 10_000 * number
        made[catalog.COVERAGE].append([spans[number].line()] if number in spans else [])
        came = range(chance.choice((0, 0, 1, 3)) if not lost <= number < again else 0)
        rows = [
            LiquidationRow(
                BTC, ts - chance.choice((300, 4_000, 90_000)), chance.choice(SIDES), "net",
                f"{chance.randrange(97_000, 99_000)}.5", f"{chance.randrange(1, 900)}", "0",
            )
            for _ in came
        ]  # fmt: skip
        made[catalog.LIQUIDATIONS].append([lines.liquidation(row, ts, "liq") for row in rows])
        made[catalog.MARKS].append([lines.mark(MarkRow(ts, "97000.1"), "mark-price")])
    return made


def _append(data: DataSet, vault: Vault, steps: Iterable[list[bytes]]) -> None:
    """Append lines as the recorder does."""
    place, lines = data.place(vault, BTC), [line for step in steps for line in step]
    if not data.dated:
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("ab") as file:
            file.writelines(lines)
        return
    with DayLog(place) as log:
        for line in lines:
            log.append(times.parse_iso(orjson.loads(line)["timestamp_utc"]), line)


def _part(rows: Iterable[Any], part: int) -> list[Any]:
    every = list(rows)
    return every[len(every) * part // PARTS : len(every) * (part + 1) // PARTS]
