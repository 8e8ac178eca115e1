"""The holes of a recording: where they lie, how they are called, and from when they are known."""

import orjson
import pytest

from Dashboard.holes import Hole, book_holes, imported_spans, row_holes, trade_holes
from Dashboard.market_files import gap_minutes
from ravequant import times
from ravequant.vault.gap_ledger import Gap, GapLedger, LedgerEntry
from ravequant.vault.imports import provenance
from ravequant.vault.paths import Vault
from tests.support.holed_market import (
    BROKEN,
    BTC,
    GIVEN_UP,
    LOST,
    MINUTES,
    SILENT,
    START,
    UNNAMED,
    HoledMarket,
    at,
)  # fmt: skip

FIRST = START // times.MINUTE_MS
END = FIRST + MINUTES


def trades_of(vault, until=END, first=FIRST):
    return trade_holes(vault, BTC, gap_minutes(vault, BTC, until), first, until)


def near(hole, begin, end):
    """Return True if a hole lies between these minutes, up to the trades around them."""
    return abs(hole.first_ms - at(begin)) < 3_500 and abs(hole.until_ms - at(end)) < 3_500


def test_missing_trades_lie_between_the_lines_around_them(holed):
    """Their span, their status and their number; ids that never were are no hole."""
    lost, unnamed, given_up = trades_of(holed)
    assert near(lost, *LOST)
    assert (lost.status, lost.words) == ("open", "7m02s, 168 trades")
    assert near(unnamed, UNNAMED, UNNAMED)
    assert (unnamed.status, unnamed.words) == ("open", "2s, 3 trades")
    assert near(given_up, *GIVEN_UP)
    assert (given_up.status, given_up.words) == ("unrecoverable", "1m02s, 24 trades")


def test_a_hole_of_trades_is_known_from_the_line_behind_it(holed):
    """Inside of it, and until the minute of that line has closed, nobody knows of it."""
    assert trades_of(holed, FIRST + LOST[0] + 3) == []
    assert trades_of(holed, FIRST + LOST[1]) == []
    assert [near(hole, *LOST) for hole in trades_of(holed, FIRST + LOST[1] + 1)] == [True]


def test_only_holes_of_the_window(holed):
    """A window that begins behind a hole does not have it."""
    assert [hole.status for hole in trades_of(holed, first=FIRST + GIVEN_UP[0])] == [
        "unrecoverable"
    ]


def test_the_newest_status_counts(tmp_path):
    """A hole that was given up since is unrecoverable; found to be no trades at all, it is none."""
    vault = Vault(tmp_path)
    HoledMarket().put(vault, until=LOST[1] + 3)
    (hole,) = trades_of(vault, FIRST + LOST[1] + 3)
    ledger = GapLedger(vault.gap_ledger(BTC), BTC)
    gap = ledger.entries()[0].gap
    ledger.append(LedgerEntry(Gap(gap.from_id, gap.to_id - 1), "unrecoverable", "", 0))
    assert trades_of(vault, FIRST + LOST[1] + 3) == [hole]
    ledger.append(LedgerEntry(gap, "unrecoverable", "", 0))
    assert trades_of(vault, FIRST + LOST[1] + 3) == [hole._replace(status="unrecoverable")]
    ledger.append(LedgerEntry(gap, "id_hole", "", 0))
    assert trades_of(vault, FIRST + LOST[1] + 3) == []


def test_without_raw_trades_no_hole_is_made_up(tmp_path):
    """Rows that outlive their raw data keep their mark; where the hole was nobody knows."""
    vault = Vault(tmp_path)
    HoledMarket().put(vault, until=LOST[1] + 3)
    for path in vault.trades(BTC).iterdir():
        path.unlink()
    assert trades_of(vault, FIRST + LOST[1] + 3) == []


def test_a_book_that_is_silent_or_broken(holed):
    """A silence lasts from snapshot to snapshot, a break until the first snapshot after it."""
    silent, broken = book_holes(holed, BTC, START, at(MINUTES))
    assert (silent.first_ms, silent.until_ms) == (at(SILENT[0]) - 4_000, at(SILENT[1]) + 2_000)
    assert (broken.first_ms, broken.until_ms) == (at(BROKEN) + 2_000, at(BROKEN) + 8_000)
    assert (silent.status, silent.words, broken.words) == ("gap", "4m06s", "6s")


@pytest.mark.parametrize(
    ("minute", "wanted"), [(SILENT[0] + 1, 0), (SILENT[1], 0), (SILENT[1] + 1, 1), (BROKEN + 1, 2)]
)
def test_a_silence_is_known_from_the_snapshot_behind_it(holed, minute, wanted):
    """Before that the book is only old."""
    assert len(book_holes(holed, BTC, START, at(minute))) == wanted


def test_a_break_lasts_until_the_moment_asked_for(holed):
    """While no snapshot has come since, it is known to be broken."""
    found = book_holes(holed, BTC, START, at(BROKEN) + 5_000)
    assert (found[-1].first_ms, found[-1].until_ms) == (at(BROKEN) + 2_000, at(BROKEN) + 5_000)


def test_a_silence_that_began_before_the_window(holed):
    """It is shown in a window that begins inside of it, and in none behind it."""
    (silent, _) = book_holes(holed, BTC, at(SILENT[0] + 2), at(MINUTES))
    assert silent.first_ms < at(SILENT[0] + 2)
    assert len(book_holes(holed, BTC, at(SILENT[1] + 1), at(MINUTES))) == 1


def test_minutes_over_a_gap_in_runs():
    """Neighbours are one run; those before the window are left out."""
    found = row_holes([5, 8, 9, 11], 6)
    assert [(hole.first_ms, hole.until_ms) for hole in found] == [
        (480_000, 600_000), (660_000, 720_000),
    ]  # fmt: skip


def test_a_hole_as_json():
    """Times are UTC."""
    hole = Hole("trades", START, START + 2_500, "open", "2s, 3 trades")
    assert hole.row == {
        "stream": "trades", "from_utc": "2025-12-14T22:30:00.000Z",
        "to_utc": "2025-12-14T22:30:02.500Z", "status": "open", "words": "2s, 3 trades",
    }  # fmt: skip


def imported(day, stream="trades", records=5):
    return provenance.ImportedDay(
        0, stream, day, (), records, records, 1, 9, 0, (), "candles", "candles", 5, "00"
    )


def test_imported_days_are_cut_to_the_window(vault):
    """Of days of trades into which an import wrote lines, as far as the moment asked for."""
    days = [
        imported("2025-12-13"), imported("2025-12-14"), imported("2025-12-15"),
        imported("2025-12-14", "books"), imported("2025-12-13", records=0),
    ]  # fmt: skip
    provenance.append(vault, BTC, days)
    until = times.parse_iso("2025-12-15T01:00:00Z")
    assert imported_spans(vault, BTC, START - times.DAY_MS, until) == [
        {"from_utc": "2025-12-14T00:00:00.000Z", "to_utc": "2025-12-15T00:00:00.000Z"},
        {"from_utc": "2025-12-15T00:00:00.000Z", "to_utc": "2025-12-15T01:00:00.000Z"},
    ]
    assert imported_spans(vault, "ETH-USDT-SWAP", START, until) == []


def bucket_lines(vault, seconds, gaps, day="2025-12-14"):
    """Write bucket lines of these seconds from START, those in ``gaps`` over a gap."""
    path = vault.derived("liquidity_buckets", BTC) / f"{day}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        {"timestamp_utc": times.iso(START + 1_000 * second), "gap": second in gaps}
        for second in seconds
    ]
    path.write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))


def spans(vault, until, since=0):
    found = book_holes(vault, BTC, START + 1_000 * since, START + 1_000 * until)
    return [((hole.first_ms - START) // 1_000, (hole.until_ms - START) // 1_000) for hole in found]


def test_a_break_and_the_silence_after_it_are_a_hole(vault):
    """The book breaks at 4, and its next snapshot comes at 30, over a gap too."""
    bucket_lines(vault, [0, 2, 4, 30, 32], {4, 30})
    assert spans(vault, 3) == []
    assert spans(vault, 10) == [(4, 10)]
    assert spans(vault, 29) == [(4, 29)]
    assert spans(vault, 30) == spans(vault, 40) == [(4, 30)]
    assert spans(vault, 40, since=30) == []


def test_a_break_at_the_return_goes_on(vault):
    """A book that breaks again with its first snapshot has not come back."""
    bucket_lines(vault, [0, 2, 4, 6, 8], {2, 4})
    assert spans(vault, 20) == [(2, 6)]


def test_a_hole_over_midnight(vault):
    """The line before a gap may stand in the file of the day before, that behind it in the next."""
    midnight = 90 * 60
    bucket_lines(vault, [midnight - 40], set())
    bucket_lines(vault, [midnight + 10, midnight + 12], {midnight + 10}, "2025-12-15")
    assert spans(vault, midnight + 60, since=midnight) == [(midnight - 40, midnight + 10)]
    bucket_lines(vault, [midnight - 40, midnight - 38], {midnight - 38})
    bucket_lines(vault, [midnight - 33, midnight + 60], set(), "2025-12-15")
    assert spans(vault, midnight + 60) == [(midnight - 38, midnight - 33)]
    assert spans(vault, midnight - 35) == [(midnight - 38, midnight - 35)]


def test_the_first_snapshot_of_all_is_no_hole(vault):
    """Before it nothing was recorded; one that is broken at once is, until the next."""
    bucket_lines(vault, [50, 52], {50})
    assert spans(vault, 60) == [(50, 52)]
