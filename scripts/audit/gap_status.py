"""What the gap ledger says of a range of trade ids: the newest line that covers an id decides."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from ravequant.vault.gap_ledger import LedgerEntry

Piece = tuple[int, int, str | None]  # first id, last id, status; None: no line covers them


def pieces(entries: Sequence[LedgerEntry], first: int, last: int) -> list[Piece]:
    """Return the range cut where the status changes, in order."""
    bare = [(first, last)]
    found: list[Piece] = []
    for entry in reversed(entries):
        low, high = entry.gap.from_id, entry.gap.to_id
        if high < first or low > last:
            continue
        left: list[tuple[int, int]] = []
        for begin, end in bare:
            if high < begin or low > end:
                left.append((begin, end))
                continue
            found.append((max(begin, low), min(end, high), entry.status))
            left += [part for part in ((begin, low - 1), (high + 1, end)) if part[0] <= part[1]]
        bare = left
        if not bare:
            break
    found += [(begin, end, None) for begin, end in bare]
    return sorted(found, key=lambda piece: piece[0])


def counted(ranges: Iterable[Piece]) -> Counter[str]:
    """Return how many ids have which status; ids without a line are ``unknown``."""
    ids: Counter[str] = Counter()
    for first, last, status in ranges:
        ids[status or "unknown"] += last - first + 1
    return ids


def wanted(ranges: Iterable[Piece]) -> Iterator[tuple[int, int]]:
    """Yield the missing ranges that are worth asking the exchange for, neighbours joined."""
    waiting: tuple[int, int] | None = None
    for first, last, status in ranges:
        if status in ("id_hole", "unrecoverable"):
            continue
        if waiting is not None and waiting[1] + 1 == first:
            waiting = (waiting[0], last)
            continue
        if waiting is not None:
            yield waiting
        waiting = (first, last)
    if waiting is not None:
        yield waiting
