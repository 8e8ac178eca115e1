"""What an import says to a person."""

from dataclasses import replace

from ravequant.errors import VaultError
from tests.support.import_market import BTC
from tests.vault.imports.test_provenance import DAY
from Trades_Bot.day_import import DayResult
from Trades_Bot.import_report import DayProgress, afterwards, result_cells
from Trades_Bot.trade_import import ImportResult


def test_each_day_is_said_with_the_time_left():
    """Fills, records, what is missing, the proof, the rate."""
    moment = [0.0]
    progress = DayProgress(BTC, 3, lambda: moment[0])
    moment[0] = 60.0
    assert progress.sentence(DayResult("built", "2025-12-14", DAY)) == (
        f"{BTC} 2025-12-14: 10 fills, 3 of them recorded, 4 records, 2 ids missing, each minute "
        "equals its candle; day 1 of 3, 0 fills a second, about 2 min to go"
    )
    said = [
        progress.sentence(DayResult(outcome, "2025-12-14", DAY))
        for outcome in ("there", "waits", "noted")
    ]
    assert [text.split(": ")[1].split(";")[0] for text in said] == [
        "imported before", "built by an earlier run", "all of it was here already",
    ]  # fmt: skip
    assert "nothing was traded" in progress.sentence(DayResult("empty", "2025-12-14"))


def test_a_row_of_the_table():
    """Sums of the days that are in their places; nothing without any."""
    result = ImportResult(BTC, [DAY, replace(DAY, day="2025-12-15", proof="ids", jumps=())])
    assert result_cells(result) == [
        BTC, "2", "2025-12-14", "2025-12-15", "20", "8", "6", "2", "candles 1, ids 1",
    ]  # fmt: skip
    assert result_cells(ImportResult(BTC)) == []


def test_what_comes_next(vault):
    """The stretch up to the recording, with both ways to fill it; one rebuild, with its time."""
    result = ImportResult(BTC, [DAY], between=((23, 6_000_022),))
    first, second = afterwards(vault, result)
    assert "ids 23 to 6000022 (6,000,000) lie between the import and the recording" in first
    assert "`python scripts/repair_gaps.py --instId BTC-USDT-SWAP` fetches them (about 100" in first
    assert "compute everything anew once, at their next run, about a minute each" in second
    assert list(afterwards(vault, ImportResult(BTC, there=3))) == [
        f"{BTC}: nothing to do, 3 days were imported before"
    ]
    assert list(afterwards(vault, ImportResult(BTC, error=VaultError("x")))) == []
