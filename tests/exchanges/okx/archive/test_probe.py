"""A probe of the archive: ten findings, each true of the box, each seen to be false."""

import asyncio
from pathlib import Path
from typing import Any

import orjson
import pytest

from ravequant import times
from ravequant.exchanges.okx.archive.probe import ProbeFinding, RecordedMinute, probe
from ravequant.sim import faults
from ravequant.sim.archive_files import ArchiveForm, write_days
from ravequant.sim.exchange import SimExchange
from ravequant.sim.faultplan import FaultPlan
from ravequant.sim.market import ModelMarket
from tests.support.exchange_client import run

BTC = "BTC-USDT-SWAP"
CUT = times.parse_iso("2025-12-14T16:00:00.000Z")
START = CUT - 10 * times.MINUTE_MS
FAST = 1_000.0
WHATS = [
    "listing", "name", "ETag", "member", "header", "ids", "cut at 16:00 UTC", "candles",
    "history-trades type 1 (ids)", "history-trades type 2 (times)",
]  # fmt: skip


def market() -> ModelMarket:
    return ModelMarket(11, (BTC,), start_ms=START, rows_per_second=4)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return an archive of ten minutes before the cut."""
    write_days(tmp_path / "archive", market(), CUT)
    return tmp_path / "archive"


def look_at(rest_url: str, folder: Path, recorded: RecordedMinute | None) -> list[ProbeFinding]:
    """Return what a probe of an exchange finds."""
    return probe(
        rest_url, folder / "files", inst_id=BTC, recorded=recorded, limit_factor=FAST,
        pause=lambda _: None,
    )  # fmt: skip


def findings(
    folder: Path, *rows: dict[str, Any], recorded: RecordedMinute | None = None
) -> list[ProbeFinding]:
    """Return what a probe of the box finds, with these faults."""
    found: list[ProbeFinding] = []

    async def body(exchange: SimExchange) -> None:
        rest_url = exchange.addresses["rest_url"]
        found.extend(await asyncio.to_thread(look_at, rest_url, folder.parent, recorded))

    plan = FaultPlan(*faults.parse(orjson.dumps({"faults": rows}), "faults.json"))
    span = {"history_ms": CUT - START + times.MINUTE_MS}
    run(market(), body, plan, archive=folder, rest_limit_factor=FAST, **span)
    return found


def by_what(found: list[ProbeFinding]) -> dict[str, ProbeFinding]:
    return {finding.what: finding for finding in found}


def test_ten_lines_say_that_the_box_is_as_believed(folder):
    """Header, names, ETag, cut, candles, and both ways of paging."""
    found = findings(folder)
    assert [finding.what for finding in found] == WHATS
    assert [finding.line() for finding in found if not finding.believed] == []
    lines = [finding.line() for finding in found]
    assert lines[0] == (
        "as believed     listing: 1 of 7 labels, the newest 2025-12-14, which ended 0 h ago"
    )
    assert lines[4].endswith("header: instrument_name,trade_id,side,price,size,created_time")
    assert lines[7].endswith("candles: 10 minutes, 0 unlike their trades, a contract is 0.01")
    assert lines[8].endswith(" known: 0 lacking, 0 more")


def test_an_old_header_is_not_as_believed(folder):
    """Files downloaded today have English names."""
    write_days(folder, market(), CUT, ArchiveForm("chinese"))
    found = by_what(findings(folder))
    assert found["header"].line().startswith("NOT AS BELIEVED header: trade_id/交易id")
    assert found["candles"].believed


def test_ids_that_fall_are_told_and_nothing_after_them_is_looked_at(folder):
    """The error names file and line; REST is not asked."""
    found = findings(folder, {"kind": "archive", "how": "falls", "path": "-trades-"})
    wrong = found[3]
    assert (wrong.what, wrong.believed) == ("rows", False)
    assert f"{BTC}-trades-2025-12-14.zip" in wrong.found
    assert [finding.line() for finding in found[4:]] == [
        "not looked at   candles: no trades were read",
        "not looked at   paging: no minute with trades was read",
    ]


def test_a_wrong_crc_is_told(folder):
    """Seen only at the end of the file."""
    found = findings(folder, {"kind": "archive", "how": "crc", "path": "-trades-"})
    assert (found[3].what, found[3].believed) == ("rows", False)


def test_candles_that_are_not_the_sums_of_the_trades_are_told(folder):
    """The first such minute is named."""
    found = by_what(findings(folder, {"kind": "archive", "how": "changed", "path": "-trades-"}))
    assert found["ids"].believed
    assert not found["candles"].believed
    assert "10 minutes, 1 unlike their trades" in found["candles"].found
    assert "; 2025-12-14T15:59:00Z: " in found["candles"].found


def test_no_candles_are_told(folder):
    """The trades may still be paged."""
    found = by_what(findings(folder, {"kind": "archive", "how": "unlisted", "path": "candle"}))
    assert found["candles"].line() == (
        "NOT AS BELIEVED candles: no candles of BTC-USDT-SWAP for the label 2025-12-14"
    )
    assert found[WHATS[9]].believed


def test_nothing_listed_is_told(folder):
    """Nothing else can be looked at."""
    found = findings(folder, {"kind": "archive", "how": "unlisted"})
    assert [finding.believed for finding in found] == [False, None, None, None, None]


def test_a_listed_file_that_is_not_there_is_told(folder):
    """404."""
    found = findings(folder, {"kind": "archive", "how": "missing"})
    assert "listed, and 404" in found[1].found


def test_paging_by_time_may_lose_fills(folder):
    """The box keeps to it, as the exchange was measured: the number is said, as no surprise."""
    found = by_what(findings(folder))[WHATS[9]]
    assert found.believed
    assert found.found.endswith("the last ms of a page are lost, so gaps are filled by ids")


def test_pages_that_lack_trades_are_told(folder):
    """Of either type, with their number."""
    found = by_what(findings(folder, {"kind": "rest-empty", "path": "history-trades"}))
    for what in WHATS[8:]:
        assert ": 0 ids " in found[what].line()
    assert found[WHATS[8]].believed is False


def test_a_recorded_minute_is_asked_for_in_place_of_the_busiest(folder):
    """An id that was never recorded is more, one that REST lacks is lacking."""
    minute = START // times.MINUTE_MS + 3
    fills = [trade for _, trade in market().trades(CUT)]
    ids = {
        trade_id
        for trade in fills
        if trade.ts // times.MINUTE_MS == minute
        for trade_id in range(trade.first_id, trade.trade_id + 1)
    }
    found = by_what(findings(folder, recorded=RecordedMinute(BTC, minute, frozenset(ids))))
    where = times.iso_minute(minute)
    assert found[WHATS[8]].found == (
        f"{len(ids)} ids in {where}, {len(ids)} known: 0 lacking, 0 more"
    )
