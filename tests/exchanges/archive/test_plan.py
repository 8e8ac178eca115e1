"""The figures of a download before it is begun."""

from ravequant.exchanges.archive.plan import DownloadPlan, megabytes, plan_lines, plan_of
from ravequant.exchanges.archive.published import PublishedFile

MB = 1_000_000


def file(label, size, stream="trades", inst_id="BTC-USDT-SWAP"):
    return PublishedFile(f"{inst_id}-{stream}-{label}", stream, inst_id, label, "", size)


def test_a_plan_counts_each_file_once():
    """Two days share a label."""
    files = [file("1", 3 * MB), file("2", 5 * MB), file("2", 5 * MB), file("3", 1 * MB)]
    assert plan_of(files, 2 * MB) == DownloadPlan(3, 9 * MB, 0, 8 * MB, 4.5)


def test_one_book_is_on_disk_at_once_and_two_files_of_trades():
    """Of one instrument after the other; small files have no size."""
    files = [file("1", 9 * MB), file("1", 2 * MB, inst_id="ETH-USDT-SWAP"), file("2", 0)]
    assert plan_of(files, None) == DownloadPlan(3, 11 * MB, 1, 9 * MB, None)
    books = [file("1", 300 * MB, "books"), file("2", 400 * MB, "books")]
    assert plan_of(books, None).at_once == 400 * MB


def test_nothing_to_fetch_is_a_plan_too():
    """All figures are 0."""
    assert plan_of([], 1.0) == DownloadPlan(0, 0, 0, 0, 0.0)


def test_a_plan_is_three_lines():
    """Files and bytes, room, time."""
    assert plan_lines(DownloadPlan(91, 1_500 * MB, 2, 30 * MB, 754.0)) == [
        "to fetch: 91 files, 1.5 GB, 2 of them too small for the list to say their size",
        "on disk at once: 30.0 MB of downloads",
        "time: about 12m34s at the last rate",
    ]
    assert plan_lines(DownloadPlan(1, 0, 0, 0, None))[2] == "time: unknown before the first file"


def test_sizes_are_in_megabytes_or_gigabytes():
    """One decimal."""
    assert [megabytes(size) for size in (0, 12_340_000, 4_560_000_000)] == [
        "0.0 MB", "12.3 MB", "4.6 GB",
    ]  # fmt: skip
