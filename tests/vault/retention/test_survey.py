"""The survey of a vault: its dated files in both forms, their growth, how far they are read."""

import gzip

from ravequant import times
from ravequant.vault.imports import provenance
from ravequant.vault.imports.provenance import ImportedDay
from ravequant.vault.retention import plan
from ravequant.vault.retention.survey import committed_day, judged, plain_form, survey
from tests.support.aged_vaults import (
    BTC,
    ETH,
    METRIC,
    NOW,
    day,
    fill,
    hour,
    read_up_to,
    write,
    write_judged,
)


def test_each_stream_of_each_instrument_is_a_series(vault):
    """Books, deep books, trades, buckets; the total counts files without a date too."""
    fill(vault, NOW, hours=24)
    write(vault.root / "state" / "else.json", b"x" * 70)
    seen = survey(vault)
    assert [(series.inst_id, series.stream) for series in seen.series] == [
        (inst_id, stream)
        for inst_id in (BTC, ETH)
        for stream in (plan.BOOKS, plan.DEEP, plan.TRADES, plan.BUCKETS)
    ]
    dated = sum(file.size for series in seen.series for file in series.files)
    notes = sum(path.stat().st_size for path in (vault.root / "lab").rglob("*.json"))
    assert seen.total == dated + notes + 70
    assert seen.free > 0


def test_both_forms_of_a_file_are_seen(vault):
    """After a kill the plain and the packed form stand there; each size is known."""
    folder = vault.trades(BTC)
    write(folder / f"{day(1)}.jsonl", b"1\n" * 50)
    write(folder / f"{day(1)}.jsonl.gz", b"packed")
    write(folder / f"{day(0)}.jsonl.gz", b"small")
    [series] = survey(vault).series
    assert [(file.key, file.plain, file.packed) for file in series.files] == [
        (day(1), 100, 6), (day(0), None, 5),
    ]  # fmt: skip
    assert plain_form(vault, series.files[1]) == folder / f"{day(0)}.jsonl"


def test_how_small_files_become_is_measured_on_the_newest_packed_one(vault):
    """Without one the start of a plain file is compressed."""
    folder = vault.trades(BTC)
    write(folder / f"{day(1)}.jsonl", b"1\n" * 5000)
    [series] = survey(vault).series
    assert 0 < series.packed_share < 0.05
    packed = gzip.compress(b"1\n" * 400)
    write(folder / f"{day(0)}.jsonl.gz", packed)
    [series] = survey(vault).series
    assert series.packed_share == len(packed) / 800


def test_a_state_says_how_far_the_books_are_read(vault):
    """The cursors of books and deep books, and the bucket day that is still written."""
    fill(vault, NOW, hours=24)
    read_up_to(vault, BTC, hour(3), day(0))
    seen = {(series.inst_id, series.stream): series for series in survey(vault).series}
    assert seen[BTC, plan.BOOKS].read_to == seen[BTC, plan.DEEP].read_to == hour(3)
    assert seen[BTC, plan.TRADES].read_to is None
    assert seen[ETH, plan.BOOKS].read_to is None
    assert seen[BTC, plan.BUCKETS].open_from == committed_day(vault, BTC) == day(0)
    assert seen[ETH, plan.BUCKETS].open_from is committed_day(vault, ETH) is None


def test_a_state_that_cannot_be_read_protects_all(vault, caplog):
    """Nothing counts as read, and no bucket day as finished."""
    fill(vault, NOW, hours=24)
    write(vault.state(METRIC, BTC), b"{}")
    assert committed_day(vault, BTC) == ""
    [buckets] = [
        series
        for series in survey(vault).series
        if (series.inst_id, series.stream) == (BTC, plan.BUCKETS)
    ]
    assert buckets.closed(NOW) == []
    assert "until then nothing counts as read" in caplog.text


def test_a_day_that_does_not_exist_is_left_alone(vault):
    """Its name looks like a date, but is none: it is part of no series."""
    write(vault.trades(BTC) / "2025-02-31.jsonl", b"1\n")
    write(vault.trades(BTC) / f"{times.day(NOW)}.jsonl", b"1\n")
    [series] = survey(vault).series
    assert [file.key for file in series.files] == [times.day(NOW)]


# -- imported hours


def imported(vault, name, stream="books", hours=("21",), **facts):
    """Note a day as imported."""
    day_of_import = ImportedDay(
        NOW, stream, name, (), 1, 1, None, None, 0, (), "none", "", 1, "", hours=hours, **facts
    )
    vault.imports(BTC).parent.mkdir(parents=True, exist_ok=True)
    provenance.append(vault, BTC, [day_of_import])


def waits(vault, stream=plan.BOOKS):
    """Return why each imported hour of a stream is kept."""
    series = next(one for one in survey(vault).series if one.stream == stream)
    return {key: one.waits_for for key, one in series.imported.items()}


OLD = "2025-01-30"


def test_an_imported_hour_waits_for_the_buckets_of_its_day(vault):
    """Made by the importer, or by the bucketizer that has passed the day."""
    write(vault.snapshots(BTC) / f"{OLD}/21.jsonl.gz", b"1")
    write(vault.deep_snapshots(BTC) / f"{OLD}/21.jsonl.gz", b"1")
    imported(vault, OLD)
    imported(vault, OLD, "books_deep")
    assert waits(vault) == waits(vault, plan.DEEP) == {f"{OLD}/21": "its day has no buckets yet"}
    read_up_to(vault, BTC, f"{OLD}/21", OLD)
    write(vault.derived(METRIC, BTC) / f"{OLD}.jsonl", b"1\n")
    assert waits(vault) == {f"{OLD}/21": "its day has no buckets yet"}  # it is not through
    read_up_to(vault, BTC, "2025-01-31/00", "2025-01-31")
    write_judged(vault, BTC, OLD)
    assert waits(vault) == {f"{OLD}/21": ""}


def test_buckets_of_an_import_count_and_a_pin_goes_before_them(vault):
    """The provenance names both."""
    write(vault.snapshots(BTC) / f"{OLD}/21.jsonl.gz", b"1")
    imported(vault, OLD)
    imported(vault, OLD, "buckets")
    write_judged(vault, BTC, OLD)
    assert waits(vault) == {f"{OLD}/21": ""}
    imported(vault, OLD, keep=True)
    assert waits(vault) == {f"{OLD}/21": "pinned by --keep"}


def test_an_imported_hour_waits_for_the_lab(vault):
    """For the note of its day, and until none of its trials is open."""
    write(vault.snapshots(BTC) / f"{OLD}/21.jsonl.gz", b"1")
    imported(vault, OLD)
    imported(vault, OLD, "buckets")
    assert not judged(vault, BTC, OLD)
    assert waits(vault) == {f"{OLD}/21": "the lab has not judged its day"}
    write_judged(vault, BTC, OLD, waiting=1)
    assert waits(vault) == {f"{OLD}/21": "the lab has not judged its day"}
    write_judged(vault, BTC, OLD)
    assert judged(vault, BTC, OLD)
    assert waits(vault) == {f"{OLD}/21": ""}
    write(vault.judged(BTC, OLD), b"[]")
    assert not judged(vault, BTC, OLD)


def test_recorded_books_are_needed_until_their_day_is_judged(vault):
    """The next day's too, whose first hours end the trials; a day without trades is none."""
    fill(vault, NOW, hours=24 * 6)
    first, second, third = day(4), day(3), day(2)
    for name in (second, first):
        vault.judged(BTC, name).unlink()
    write_judged(vault, BTC, first, waiting=2)
    seen = {(one.inst_id, one.stream): one for one in survey(vault).series}
    assert seen[BTC, plan.BOOKS].unjudged == {first, second, third}
    assert seen[BTC, plan.DEEP].unjudged == seen[ETH, plan.BOOKS].unjudged == frozenset()
    for path in vault.trades(BTC).iterdir():
        path.unlink()
    books = next(one for one in survey(vault).series if one.stream == plan.BOOKS)
    assert books.unjudged == frozenset()


def test_a_provenance_that_cannot_be_read_keeps_every_book_hour(vault, caplog):
    """It is said, and nothing is deleted meanwhile."""
    fill(vault, NOW, hours=24)
    write(vault.imports(BTC), b"{}\n")
    assert set(waits(vault).values()) == {"its provenance cannot be read"}
    assert "until then no book hour is deleted" in caplog.text
