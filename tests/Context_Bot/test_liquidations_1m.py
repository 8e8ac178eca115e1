"""Seen liquidations by minute: exact, the same however cut, as a plain sum has it."""

import random
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import orjson

from Context_Bot.context_lines import ContextLines
from Context_Bot.context_recorder import ContextRecorder
from Context_Bot.liquidation_source import ClosedLiquidations
from Context_Bot.liquidations_1m import CALCULATOR, LiquidationFold, main
from ravequant import exchanges, times
from ravequant.contract import Contract
from ravequant.exchanges.context_feeds import LiquidationRow, MarkRow
from ravequant.pipeline import runner
from ravequant.settings import Settings
from ravequant.vault.paths import CHECKOUT, Vault, day_files
from tests.Context_Bot.test_context_lines import MADE

if TYPE_CHECKING:
    from ravequant.records import Side

BTC = "BTC-USDT-SWAP"
START = times.parse_iso("2025-12-14T23:20:00.000Z")
FEEDS = exchanges.load_context("okx")
SECONDS = 90 * 60


def recorder(vault: Vault) -> ContextRecorder:
    return ContextRecorder(
        vault, FEEDS, BTC, ContextLines("okx", BTC, Contract("0.01", "1", "linear"))
    )


def record(vault: Vault, seed: int, *, each=lambda: None) -> None:
    """Record 90 minutes over midnight, with two breaks, late rows and a stop of ten minutes."""
    dice, made = random.Random(seed), recorder(vault)
    made.subscribed(1)
    for second in range(SECONDS):
        ts = START + second * 1_000 + dice.randrange(200)
        if 3_000 <= second < 3_600:
            continue
        if second == 3_600:
            made.close()
            made = recorder(vault)
            made.subscribed(1)
        if second in (1_000, 4_000):
            made.lose(1, "closed")
            made.subscribed(1)
        if dice.random() < 0.1:
            made.liquidated([random_row(dice, ts) for _ in range(dice.randint(1, 3))])
        made.mark(MarkRow(ts, "97000"), 1)
        made.write(second)
        if second % 61 == 0:
            each()
    made.close()
    each()


def random_row(dice: random.Random, ts: int) -> LiquidationRow:
    late = dice.choice((0, 500, 3_000, 70_000, 480_000))
    side: Side = dice.choice(("buy", "sell"))
    price = f"{dice.randint(90_000, 100_000)}.{dice.randint(1, 9)}"
    return LiquidationRow(
        BTC, ts - late, side, "net", price, f"{dice.randint(1, 99)}.{dice.randint(11, 99)}", "0"
    )


def lines(folder) -> list[dict[str, Any]]:
    return [
        orjson.loads(line)
        for _, path in day_files(folder)
        for line in path.read_bytes().splitlines()
    ]


def output(vault: Vault) -> bytes:
    return (vault.derived("liquidations", BTC) / "liquidations_1m.jsonl").read_bytes()


def ms(row: dict[str, Any], key: str = "timestamp_utc") -> int:
    return times.parse_iso(row[key])


def plain(vault: Vault) -> list[dict[str, Any]]:
    """Return the records by plain reckoning: all rows and mark prices in one list, by time."""
    spans: dict[int, int] = {}
    for line in vault.coverage("liquidations", BTC).read_bytes().splitlines():
        row = orjson.loads(line)
        spans[ms(row, "from_utc")] = ms(row, "to_utc") if row["to_utc"] else 1 << 60
    events = [(ms(row, "known_utc"), 0, row) for row in lines(vault.liquidations(BTC))]
    events += [(ms(row), 1, row) for row in lines(vault.marks(BTC))]
    events.sort(key=lambda event: event[:2])
    minutes: dict[int, list[tuple[str, Decimal, bool]]] = {}
    done, clock, found = set[int](), 0, []
    begin = next(moment for moment, is_mark, _ in events if is_mark) // 60_000
    for moment, is_mark, row in events:
        if not is_mark:
            own = ms(row) // 60_000
            joins = max(own, begin, (clock - 5_000) // 60_000)
            worth = Decimal(row["px"]) * Decimal(row["qty_contracts"]) * Decimal("0.01")
            minutes.setdefault(joins, []).append((row["liquidated"], worth, joins != own))
            continue
        clock = moment
        minutes.setdefault(moment // 60_000, [])
        for minute in sorted(set(minutes) - done):
            if (minute + 1) * 60_000 + 5_000 <= moment:
                done.add(minute)
                ends = minute * 60_000, minute * 60_000 + 65_000
                whole = any(since <= ends[0] and end >= ends[1] for since, end in spans.items())
                found.append((minute, minutes[minute], not whole))
    return [plain_record(found, index) for index in range(len(found))]


def plain_record(found: Sequence[Any], index: int) -> dict[str, Any]:
    minute, rows, gap = found[index]
    hour = [one for one in found[: index + 1] if one[0] > minute - 60]

    def sums(side: str, of: Sequence[Any]) -> Decimal:
        return sum((worth for which, worth, _ in of if which == side), Decimal(0))

    both = [row for one in hour for row in one[1]]
    largest = max(rows, key=lambda row: row[1], default=None)
    return {
        "minute": minute,
        "sums": [sums(side, rows) for side in ("long", "short")],
        "counts": [sum(row[0] == side for row in rows) for side in ("long", "short")],
        "largest": largest and largest[1],
        "hour": [sums(side, both) for side in ("long", "short")],
        "late": sum(row[2] for row in rows),
        "gap": gap,
        "gap_1h": len(hour) < 60 or any(one[2] for one in hour),
    }


def as_plain(row: dict[str, Any]) -> dict[str, Any]:
    largest = row["largest_notional"]
    return {
        "minute": times.parse_iso(row["timestamp_utc"]) // 60_000,
        "sums": [Decimal(row["long_notional"]), Decimal(row["short_notional"])],
        "counts": [row["long_count"], row["short_count"]],
        "largest": largest and Decimal(largest),
        "hour": [Decimal(row["long_notional_1h"]), Decimal(row["short_notional_1h"])],
        "late": row["late_liqs"],
        "gap": row["gap"],
        "gap_1h": row["gap_1h"],
    }


def run(vault: Vault, **options: Any) -> None:
    runner.run(CALCULATOR.job(vault, BTC, Settings()), **options)


def test_the_records_are_those_of_a_plain_sum(vault):
    """Decimal by decimal: sums, counts, the largest, late rows and gaps."""
    record(vault, 1)
    run(vault)
    found = [as_plain(orjson.loads(line)) for line in output(vault).splitlines()]
    wanted = plain(vault)
    assert found == wanted
    assert sum(row["late"] for row in found) > 50
    assert {row["gap"] for row in found} == {True, False}


def test_many_runs_give_the_bytes_of_one(tmp_path):
    """Run after run while it is recorded, over a break, a stop and midnight; and then rebuilt."""
    often, once = Vault(tmp_path / "often"), Vault(tmp_path / "once")
    record(often, 2, each=lambda: run(often))
    record(once, 2)
    run(once)
    assert output(often) == output(once)
    run(often, rebuild=True)
    assert output(often) == output(once)


def test_an_hour_is_whole_after_sixty_minutes_without_a_gap():
    """Sums roll out of it; a gap, or a minute without a record, counts for an hour."""
    fold = LiquidationFold(BTC, "okx")
    minutes = [ClosedLiquidations(n, 10, 1, 1, 1, 10, "long", 0, n == 70) for n in range(140)]
    rows = list(fold.update(minutes))
    assert [n for n, row in enumerate(rows) if not row["gap_1h"]] == [
        *range(59, 70),
        *range(130, 140),
    ]
    assert (rows[58]["long_count_1h"], rows[130]["long_count_1h"]) == (59, 60)
    again = LiquidationFold(BTC, "okx")
    again.restore(orjson.loads(orjson.dumps(fold.state())))
    after = [ClosedLiquidations(n, 7, 0, 1, 0, 7, "long", 0, gap=False) for n in (140, 142)]
    one, two = (list(made.update(after)) for made in (fold, again))
    assert one == two
    assert [row["gap_1h"] for row in one] == [False, True]


def test_the_example_of_the_contract(vault):
    """The liquidation of the page gives the minute of the page."""
    contract = (CHECKOUT / "SPEC.md").read_text(encoding="utf-8")
    wanted = next(line for line in contract.splitlines() if '"long_notional":"7067.06235"' in line)
    at = times.parse_iso("2026-10-09T17:06:40.771Z")
    begin = at // 60_000 * 60_000
    made = recorder(vault)
    made.subscribed(1)
    made.mark(MarkRow(begin, "82650"), 1)
    made.liquidated([LiquidationRow(BTC, at, "sell", "long", "82655.7", "8.55", "0")])
    for seconds in (*range(10, 40, 10), 41, 50, 60, 65):
        made.mark(MarkRow(begin + seconds * 1_000, "82650"), 1)
    made.close()
    day = vault.liquidations(BTC) / "2026-10-09.jsonl"
    day.write_bytes(MADE[0])
    run(vault)
    assert output(vault).decode().splitlines()[0] == wanted


def test_it_says_what_it_did(vault, capsys):
    """As every calculator; without mark prices there is nothing to compute from."""
    assert main(["--vault", str(vault.root), "--instId", BTC]) == 3
    record(vault, 3)
    assert main(["--vault", str(vault.root), "--instId", BTC]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"liquidations {BTC}: ")
    assert "late_liqs" in said
