"""The plan of a download: its files, their bytes, those on disk at once, its time; pure."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from ravequant import times
from ravequant.exchanges.archive.published import PublishedFile

BOOK_BYTES_A_SECOND: Final = 4_000_000  # of files of books, imported on one core
BOOK_HOURS: Final = 0.25  # packed hours of snapshots / file
BUCKET_DAY: Final = 62_000_000  # bytes of bucket lines a day
BUCKETS_PACKED: Final = 1 / 6
_TRADE_FILES: Final = 2  # on disk at once


class DownloadPlan(NamedTuple):
    """The figures of a download; sizes are the exchange's rounded ones."""

    files: int
    size: int  # bytes
    small: int  # files whose size the exchange does not say
    at_once: int  # bytes on disk at the same time
    seconds: float | None  # None: no rate is known yet


def plan_of(files: Iterable[PublishedFile], rate: float | None) -> DownloadPlan:
    """Return the plan of a download at so many bytes a second, None if that is not known."""
    wanted = {file.name: file for file in files}.values()
    size = sum(file.size_hint for file in wanted)
    return DownloadPlan(
        len(wanted),
        size,
        sum(not file.size_hint for file in wanted),
        max((_most(wanted, stream) for stream in {file.stream for file in wanted}), default=0),
        size / rate if rate else None,
    )


def _most(files: Iterable[PublishedFile], stream: str) -> int:
    """Return the bytes that a stream has on disk at once: two neighbouring files, or a book."""
    by_instrument: dict[str, list[PublishedFile]] = {}
    for file in files:
        if file.stream == stream:
            by_instrument.setdefault(file.inst_id, []).append(file)
    count = 1 if stream.startswith("books") else _TRADE_FILES
    return max(_largest(sorted(row, key=_label), count) for row in by_instrument.values())


def _label(file: PublishedFile) -> str:
    return file.label


def _largest(files: Sequence[PublishedFile], count: int) -> int:
    return max(
        sum(file.size_hint for file in files[i : i + count])
        for i in range(max(1, len(files) - count + 1))
    )


def plan_lines(plan: DownloadPlan) -> list[str]:
    """Return the plan for a reader."""
    small = f", {plan.small} of them too small for the list to say their size" if plan.small else ""
    took = (
        "time: unknown before the first file"
        if plan.seconds is None
        else f"time: about {times.duration(round(plan.seconds * 1_000))} at the last rate"
    )
    return [
        f"to fetch: {plan.files} files, {megabytes(plan.size)}{small}",
        f"on disk at once: {megabytes(plan.at_once)} of downloads",
        took,
    ]


def megabytes(size: float) -> str:
    """Return a number of bytes as ``12.3 MB`` or ``4.5 GB``."""
    mb = size / 1_000_000
    return f"{mb / 1_000:.1f} GB" if mb >= 1_000 else f"{mb:.1f} MB"
