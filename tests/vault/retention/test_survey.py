"""The survey of a vault: its dated files in both forms, their growth, how far they are read."""

import gzip

from ravequant import times
from ravequant.vault.retention import plan
from ravequant.vault.retention.survey import committed_day, plain_form, survey
from tests.support.aged_vaults import BTC, ETH, METRIC, NOW, day, fill, hour, read_up_to, write


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
    assert seen.total == dated + 70
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
