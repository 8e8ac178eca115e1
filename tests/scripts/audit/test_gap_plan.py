"""The plan of a repair: the ids to ask for, and those that the ledger calls open by mistake."""

from pathlib import Path

from ravequant.contract import Contract
from ravequant.exchanges.base import TradePage
from ravequant.records import Trade
from ravequant.vault.gap_ledger import Gap, LedgerEntry
from scripts.audit.gap_plan import TradeFindings, judged
from scripts.audit.trade_days import MissingIds, Neighbour, TradeDayAudit

BESIDE = Neighbour("2025-12-14", 0, Contract("0.01", "1", "linear"))


def missing(first: int, last: int) -> MissingIds:
    return MissingIds(first, last, BESIDE, BESIDE, 0)


def entry(first: int, last: int, status) -> LedgerEntry:
    return LedgerEntry(Gap(first, last), status, "", 0)


def test_ids_that_are_settled_are_not_asked_for():
    """Unknown, open and once repaired ids are, neighbours in one question."""
    found = TradeFindings(
        entries=[entry(10, 14, "id_hole"), entry(17, 20, "open"), entry(19, 30, "unrecoverable")]
    )
    assert list(found.wanted(missing(5, 40))) == [Gap(5, 9), Gap(15, 18), Gap(31, 40)]
    found.entries = [*found.entries, entry(12, 33, "open")]
    assert list(found.wanted(missing(5, 40))) == [Gap(5, 9), Gap(12, 40)]
    assert list(found.wanted(missing(10, 11))) == []


def test_ids_on_disk_that_the_ledger_calls_open_are_settled():
    """Only those: ids that are missing stay open, and so do those before and after the files."""
    day = TradeDayAudit("2025-12-14", Path("2025-12-14.jsonl"), first_id=1, last_id=50)
    day.missing = [missing(12, 13), missing(20, 24), missing(30, 40)]
    found = TradeFindings(
        {day.key: day},
        entries=[entry(10, 21, "open"), entry(28, 35, "open"), entry(45, 60, "open")],
    )
    assert list(found.settled_unnoticed()) == [
        Gap(10, 11), Gap(14, 19), Gap(28, 29), Gap(45, 50)
    ]  # fmt: skip
    assert list(TradeFindings(entries=found.entries).settled_unnoticed()) == []


def test_rows_by_rest_that_lie_past_the_exchange_s_time_are_marked():
    """A minute is allowed; without that time none is marked."""
    start = 1_700_000_000_000
    rows = [Trade(start + ms, number, "buy", "1", "1") for number, ms in ((1, 60_000), (2, 60_001))]

    def history(after_id: int) -> TradePage:
        assert after_id == 3
        return TradePage(tuple(rows), 1)

    assert [row.ahead for row in judged(history, start)(3).trades] == [False, True]
    assert judged(history, None)(3) == TradePage(tuple(rows), 1)
