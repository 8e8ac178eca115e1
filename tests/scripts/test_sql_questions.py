"""Tests of the ten questions of scripts/README.md: each is asked, its answer computed by hand."""

import re
from collections import Counter, defaultdict
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal
from statistics import median_low

import pytest

from ravequant import times
from ravequant.vault.paths import CHECKOUT, Vault
from tests.support.sql_vault import (
    BTC,
    ETH,
    USD,
    Asker,
    asker,
    books,
    make,
    raw_rows,
    rows_of,
    text,
)

pytest.importorskip("duckdb", reason="duckdb is not installed: it is an extra")

README = (CHECKOUT / "scripts" / "README.md").read_text(encoding="utf-8")
QUESTIONS = dict(
    re.findall(r"^\*\*(.+?)\*\*\n\n```sql\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
)
MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="module")
def filled(tmp_path_factory) -> Vault:
    """Return a vault in which everything has been computed."""
    vault = Vault(tmp_path_factory.mktemp("questions") / "vault")
    make(vault, Vault(tmp_path_factory.mktemp("notes") / "vault"))
    return vault


@pytest.fixture
def ask(filled, capsys) -> Asker:
    return asker(filled, capsys)


def question(words: str) -> str:
    """Return the one question whose heading holds these words."""
    found: str
    (found,) = (sql for heading, sql in QUESTIONS.items() if words in heading)
    return found


def hour(row) -> int:
    return int(row["timestamp_utc"][11:13])


def ms(row, key: str = "timestamp_utc") -> int:
    return times.parse_iso(row[key])


def test_there_are_ten():
    """The README has ten questions, no two of one heading."""
    assert len(QUESTIONS) == README.count("```sql") == 10


def test_volume_by_hour(filled, ask):
    """Volume, delta and whales of each hour of the day."""
    wanted = []
    rows = rows_of(filled, "volume", BTC)
    for at in sorted({hour(row) for row in rows}):
        of_hour = [row for row in rows if hour(row) == at]
        wanted.append(
            {
                "hour_utc": at,
                "volume": text(sum((Decimal(row["total_volume"]) for row in of_hour), Decimal())),
                "delta": text(sum((Decimal(row["delta"]) for row in of_hour), Decimal())),
                "whales": sum(row["whale_count"] for row in of_hour),
            }
        )
    assert ask(question("At which hours")) == wanted
    assert any(row["whales"] for row in wanted)


def test_biggest_trades(filled, ask):
    """The ten records of the largest notional, as they stand in the raw files."""
    found = []
    for row in raw_rows(filled):
        worth = Decimal(row["price"]) * Decimal(row["qty_contracts"]) * Decimal("0.01")
        found.append((-worth, int(row["trade_id"]), row))
    wanted = [
        {
            "timestamp_utc": row["timestamp_utc"].replace(".000Z", "Z"),
            "trade_id": number,
            "side": row["side"],
            "price": text(Decimal(row["price"])),
            "notional": text(-worth),
        }
        for worth, number, row in sorted(found, key=lambda item: item[:2])[:10]
    ]
    assert ask(question("biggest trades")) == wanted


def test_tiers(filled, ask):
    """The share of each tier in minutes, and its volume."""
    rows = [row for row in rows_of(filled, "volume", BTC) if row["volume_tier"]]
    counted = Counter(row["volume_tier"] for row in rows)
    met = ask(question("T1, T2, T3, T4"))
    assert [row["volume_tier"] for row in met] == ["T1", "T2", "T3", "T4"]
    for row in met:
        tier = row["volume_tier"]
        of_tier = [Decimal(one["total_volume"]) for one in rows if one["volume_tier"] == tier]
        volume = sum(of_tier, Decimal())
        share = (Decimal(100 * counted[tier]) / len(rows)).quantize(Decimal("0.1"), ROUND_HALF_UP)
        assert (row["minutes"], row["volume"]) == (counted[tier], text(volume))
        assert Decimal(str(row["pct_of_minutes"])) == share


def test_after_absorption(filled, ask):
    """The close a quarter of an hour later, null where that minute had no trade."""
    closes = {ms(row): Decimal(row["close"]) for row in rows_of(filled, "volume", BTC)}
    wanted = []
    for row in rows_of(filled, "volume", BTC):
        if row["absorption"] and not row["gap"]:
            later = closes.get(ms(row) + 15 * times.MINUTE_MS)
            move = None if later is None else text(later - Decimal(row["close"]))
            wanted.append((row["timestamp_utc"], row["absorbed_side"], row["close"], move))
    met = ask(question("absorption"))
    keys = ("timestamp_utc", "absorbed_side", "close", "move_15m")
    assert [tuple(row[key] for key in keys) for row in met] == wanted
    assert any(move for *_, move in wanted)


def test_walls(filled, ask):
    """Each price that was a wall for a minute, with its largest size and its age."""
    found: dict[tuple[str, str], list[tuple[Decimal, int]]] = defaultdict(list)
    for row in rows_of(filled, "buckets", BTC):
        for side in ("bid", "ask"):
            for wall in row[f"{side}_walls"]:
                if wall["age_s"] is not None and wall["age_s"] >= 60:
                    seen = Decimal(wall["notional"]), wall["age_s"]
                    found[side, wall["price"]].append(seen)
    wanted = {
        key: (max(n for n, _ in seen), max(a for _, a in seen)) for key, seen in found.items()
    }
    met = ask(question("Which walls stood"))
    assert {
        (row["side"], row["price"]): (Decimal(row["largest"]), row["stood_s"]) for row in met
    } == wanted
    assert wanted


def test_price_against_cvd(filled, ask):
    """The hours in which price and CVD moved apart."""
    flow = {row["timestamp_utc"]: Decimal(row["cvd_1m"]) for row in rows_of(filled, "cvd", BTC)}
    by_hour = defaultdict(list)
    for row in rows_of(filled, "volume", BTC):
        by_hour[row["timestamp_utc"][:13]].append(row)
    wanted = []
    for at, rows in sorted(by_hour.items()):
        move = Decimal(rows[-1]["close"]) - Decimal(rows[0]["open"])
        change = sum((flow[row["timestamp_utc"]] for row in rows), Decimal())
        if move * change < 0:
            wanted.append(
                {"hour_utc": f"{at}:00:00Z", "move": text(move), "cvd_change": text(change)}
            )
    assert ask(question("the CVD the other")) == wanted
    assert wanted


def test_farthest_from_vwap(filled, ask):
    """The ten largest deviations of minutes whose VWAP has no hole."""
    rows = [row for row in rows_of(filled, "vwap", BTC) if not row["gap"]]
    rows.sort(key=lambda row: (-abs(Decimal(row["deviation_bps_session"])), row["timestamp_utc"]))
    met = ask(question("farthest from the VWAP"))
    assert [row["timestamp_utc"] for row in met] == [row["timestamp_utc"] for row in rows[:10]]
    for one, row in zip(met, rows, strict=False):
        for name in ("close", "vwap_session", "deviation_bps_session"):
            assert Decimal(one[name]) == Decimal(row[name])
    assert len(met) == 10


def test_untouched_wicks(filled, ask):
    """Each wick whose newest event leaves it untouched, the oldest first."""
    newest = {}
    rows = rows_of(filled, "wicks", BTC)
    for row in rows:
        newest[row["event_id"]] = row
    end = max(ms(row, "known_utc") for row in rows)
    wanted = []
    for name, row in newest.items():
        if row["status"] == "untouched":
            age = (end - ms(row, "creation_time_utc")) // times.MINUTE_MS
            wanted.append((-age, name, row["timeframe"], row["wick_type"], row["wick_price"]))
    met = ask(question("wicks are untouched"))
    keys = ("timeframe", "wick_type", "wick_price")
    assert [(-row["age_minutes"], *(row[key] for key in keys)) for row in met] == [
        (age, *rest) for age, _, *rest in sorted(wanted)
    ]
    assert wanted


def test_spread(ask):
    """The median and the widest spread of each hour, and the breaks."""
    rows, wanted = books(), []
    for at in sorted({hour(row) for row in rows}):
        of_hour = [row for row in rows if hour(row) == at]
        spreads = [Decimal(row["best_ask"]) - Decimal(row["best_bid"]) for row in of_hour]
        broken = sum(row["gap_detected"] for row in of_hour)
        middle, widest = text(median_low(spreads)), text(max(spreads))
        wanted.append(
            {
                "hour_utc": at,
                "books": len(of_hour),
                "median_spread": middle,
                "widest": widest,
                "broken": broken,
            }
        )
    assert ask(question("spread")) == wanted
    assert any(row["broken"] for row in wanted)


def test_damaged_days(filled, ask):
    """Minutes with a gap and minutes without a trade, of each instrument and day."""
    wanted = []
    for inst_id in sorted((BTC, ETH, USD)):
        by_day = defaultdict(list)
        for row in rows_of(filled, "volume", inst_id):
            by_day[row["timestamp_utc"][:10]].append(row)
        for day, rows in sorted(by_day.items()):
            span = (ms(rows[-1]) - ms(rows[0])) // times.MINUTE_MS + 1
            wanted.append(
                {
                    "instId": inst_id,
                    "day": day,
                    "minutes": len(rows),
                    "with_gap": sum(row["gap"] for row in rows),
                    "without_trades": span - len(rows),
                }
            )
    assert ask(question("damaged")) == wanted
    assert any(row["with_gap"] for row in wanted)
    assert any(row["without_trades"] for row in wanted)
