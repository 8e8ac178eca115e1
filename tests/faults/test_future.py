"""F3: one time from the future or from the past, in trades, books, REST, the exchange's clock."""

import itertools
import time

import orjson

from ravequant import times
from ravequant.records import Trade, parse_trade
from ravequant.vault.paths import hour_files
from tests.faults import invariants
from tests.faults.exporters import BOOK, BTC, TRADE, alive, grows, market, settle, stop
from tests.support import box

FUTURE, PAST, SECONDS = "4039374839932", "1420070400000", "1765670400"  # 2098, 2015, no ms
TRADES = {"channel": "trades", "kind": "corrupt", "how": "text", "field": "ts"}
BOOKS = {**TRADES, "channel": "books"}
REST = {"kind": "rest-corrupt", "field": "ts"}


def lines(vault) -> list[Trade]:
    return [
        parse_trade(line, BTC)[0]
        for path in sorted(vault.trades(BTC).glob("*.jsonl"))
        for line in path.read_bytes().splitlines()
    ]


def deep_ones(vault) -> int:
    facts = BOOK.facts(vault)["instruments"].get(BTC, {})  # the first heartbeat has none yet
    return int(facts.get("deep", 0))


def test_a_trade_of_another_time_moves_nothing(faults, tmp_path, vault):
    """It is recorded in its place: the day, the time to go on from and the gaps are as ever."""
    fact = faults.row("F3", "trades, REST rows and the exchange's clock")
    spoils = [
        {**TRADES, "at": [30, 31, 90], "value": FUTURE},
        {**TRADES, "at": [60], "value": PAST},
        {**TRADES, "at": [120], "value": SECONDS},  # no time at all: REST brings the row
        {"kind": "gap", "channel": "trades", "at": [150], "length": 40},
        {**REST, "path": "history-trades", "every": 2, "value": FUTURE},
        {**REST, "path": "public/time", "at": [2], "value": FUTURE},
        {**REST, "path": "public/time", "at": [4], "value": PAST},
    ]
    with market(tmp_path, seed=faults.seed % 1000, speed=5, faults=spoils) as there:
        for _ in range(2):  # the second life begins where the first one ended
            with alive(TRADE.start(vault, there)) as process:
                box.wait_for(grows(TRADE, vault), process)
                time.sleep(faults.count(3, 15))
                settle(vault, tmp_path, process)
    mine = lines(vault)
    ahead = [trade for trade in mine if trade.ahead]
    assert ahead
    assert all(trade.ts == int(FUTURE) for trade in ahead)
    assert not [trade for trade in mine if trade.ts == int(FUTURE) and not trade.ahead]
    assert PAST in {str(trade.ts) for trade in mine}
    assert {path.stem for path in vault.trades(BTC).iterdir()} == {"2025-12-14"}
    published = invariants.published(tmp_path / box.FRAMES, BTC)[0]
    sent = {(trade.trade_id, trade.count): (trade.price, trade.qty) for trade in published}
    for trade in mine:  # a fill of another time is a record of its own
        whole = sent.get((trade.trade_id, trade.count))
        assert whole in (None, (trade.price, trade.qty))
    for before, after in itertools.pairwise(mine):
        assert after.first_id == before.trade_id + 1
    assert "lies past the exchange's time: recorded as ahead" in TRADE.log(vault)
    facts = TRADE.facts(vault)["instruments"][BTC]
    assert facts["last_trade_utc"].startswith("2025-12-14")
    invariants.derived(vault, BTC, ("vwap", "cvd"))
    fact.add("rows ahead", len(ahead))
    fact.times += 1


def test_a_book_message_of_another_time_is_a_break(faults, tmp_path, vault):
    """Its time enters no file; the next whole book goes on, a deep one of such a time is left."""
    fact = faults.row("F3", "messages of the book and deep books")
    spoils = [
        {**BOOKS, "at": [40], "value": FUTURE},
        {**BOOKS, "at": [140], "value": PAST},
        {**REST, "path": "books-full", "at": [2], "value": FUTURE},
        {**REST, "path": "books-full", "at": [3], "value": PAST},
    ]
    words, first = ("--cadence", "500ms", "--deep-every", 1), ("--wait-for-books", 1)
    with (
        market(tmp_path, *first, seed=faults.seed % 1000, speed=3, faults=spoils) as there,
        alive(BOOK.start(vault, there, *words)) as process,
    ):
        box.wait_for(grows(BOOK, vault), process)
        box.wait_for(lambda: BOOK.log(vault).count("GAP DETECTED") >= 2, process)
        box.wait_for(grows(BOOK, vault), process)
        box.wait_for(lambda: deep_ones(vault) > 2, process)
        stop(process)
    found = [
        orjson.loads(line)
        for folder in (vault.snapshots(BTC), vault.deep_snapshots(BTC))
        for _, path in hour_files(folder)
        for line in path.read_bytes().splitlines()
    ]
    assert {row["timestamp_utc"][:10] for row in found} == {"2025-12-14"}
    book = [row for row in found if row["channel"] == "books"]
    stamps = [times.parse_iso(row["timestamp_utc"]) for row in book]
    assert stamps == sorted(set(stamps))
    gaps = [at for at, row in enumerate(book) if row["gap_detected"]]
    assert len(gaps) >= 2
    assert gaps[-1] < len(book) - 1
    assert "lies past the exchange's" in BOOK.log(vault)
    assert "lies before the newest line of" in BOOK.log(vault)
    fact.times += 1
