"""The report of a retention run: rows, sentences, sizes."""

import pytest

from ravequant.vault.retention import plan, report
from ravequant.vault.retention.forecast import forecast
from ravequant.vault.retention.plan import Series, Survey
from ravequant.vault.retention.report import ActionResult
from tests.support.aged_vaults import BTC, NOW, RULES, books, day, hour


def test_the_forecast_in_words():
    """Budget and disk, in days; a stream that ended in its first hour grows no more."""
    series = books(day(3), day(0), "2025-12-14", stream=plan.TRADES, packed_share=0.1)
    seen = Survey((series, books(hour(0))), 400, 50)
    expected = forecast(seen, RULES, NOW, 460)
    assert report.sentences(expected) == [
        "The vault holds 400 B and grows by 5 B a day.",
        "Budget 460 B: full in 12 days; then the oldest book hours go first.",
        "Disk, 50 B free: full in 10 days.",
    ]


def test_nothing_is_foretold_on_the_first_evening():
    """What grows fastest has no finished hour: only a disk that is full soon anyhow is told."""
    trades = books(day(3), day(0), "2025-12-14", stream=plan.TRADES, packed_share=0.1)
    seen = Survey((trades, books(hour(-1))), 400, 50)
    assert report.sentences(forecast(seen, RULES, NOW, 460)) == [
        "The vault holds 400 B.",
        "Budget 460 B: too early to say.",
        "Disk, 50 B free: too early to say.",
        (
            "1 streams have not one finished hour or day yet. A busy instrument takes about 2.2 GB "
            "a day, 320 MB of it once packed."
        ),
    ]
    tight = forecast(Survey(seen.series, 400, 30), RULES, NOW, None)
    assert report.sentences(tight)[1] == "Disk, 30 B free: full in 6 days or sooner."
    assert forecast(Survey((trades, books(hour(-1))), 400, 36), RULES, NOW, None).disk_days is None


def test_a_row_counts_the_actions_of_its_series_alone():
    """Done and planned actions by kind, the others as left; bytes freed are summed."""
    series = books(hour(9), hour(8), hour(7), hour(0))
    other = Series(plan.TRADES, BTC, series.files)
    results = [
        ActionResult(plan.Action(plan.DELETE, series.files[0], "old"), report.DONE, 100),
        ActionResult(plan.Action(plan.COMPRESS, series.files[1], "old"), report.PLANNED, 90),
        ActionResult(plan.Action(plan.COMPRESS, series.files[2], "old"), report.SKIPPED),
        ActionResult(plan.Action(plan.COMPRESS, series.files[2], "old"), report.FAILED),
    ]
    row, empty = report.rows_of([series, other], results, RULES, NOW)
    assert row | {"bytes_per_day": 0} == {
        "stream": "books", "instId": BTC, "files": 4, "bytes": 400, "oldest": hour(9),
        "compress": 1, "delete": 1, "left": 2, "kept": {}, "freed_bytes": 190, "bytes_per_day": 0,
    }  # fmt: skip
    assert (empty["compress"], empty["delete"], empty["left"], empty["freed_bytes"]) == (0, 0, 0, 0)
    assert report.cells(row)[:7] == ["books", BTC, "400 B", "1", "1", "2", "190 B"]


def test_a_result_is_written_with_its_file_reason_and_status():
    """The JSON of one action."""
    file = books(hour(9)).files[0]
    result = ActionResult(plan.Action(plan.DELETE, file, "older than 5 days"), report.DONE, 100)
    assert report.facts_of(result) == {
        "action": "delete", "stream": "books", "instId": BTC, "file": hour(9),
        "reason": "older than 5 days", "status": "done", "freed_bytes": 100,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (45_200_000, "45.2 MB"), (999_600, "1 MB"),
     (2.5e9, "2.5 GB"), (3e12, "3 TB")],
)  # fmt: skip
def test_sizes_are_read_in_thousands(count, text):
    """Three figures and the unit."""
    assert report.size(count) == text


def test_imported_hours_that_are_kept_are_counted_by_reason():
    """A sentence for each series that has some, and none for the others."""
    waiting, young = plan.ImportedHour(0, "its day has no buckets yet"), plan.ImportedHour(NOW)
    imported = {hour(900): waiting, hour(899): waiting, hour(600): young}
    series = books(*imported, hour(0), imported=imported)
    rows = report.rows_of([series, books(hour(0))], [], RULES, NOW)
    assert rows[0]["kept"] == {"5 days from its import": 1, "its day has no buckets yet": 2}
    assert report.kept_sentences(rows) == [
        (
            f"3 imported hours of {BTC} books are kept: 1 (5 days from its import), "
            "2 (its day has no buckets yet)."
        )
    ]
