"""Spans of ids, first and last both inside: sorted, they never meet."""

from collections.abc import Iterable, Iterator

IdSpan = tuple[int, int]  # first and last id, both inside


def union(spans: Iterable[IdSpan]) -> list[IdSpan]:
    """Return the ids of all spans, in as few spans as possible, ascending."""
    found: list[IdSpan] = []
    for first, last in sorted(spans):
        if found and first <= found[-1][1] + 1:
            found[-1] = found[-1][0], max(found[-1][1], last)
        else:
            found.append((first, last))
    return found


def without(spans: Iterable[IdSpan], others: Iterable[IdSpan]) -> list[IdSpan]:
    """Return the ids of ``spans`` that no span of ``others`` holds, ascending."""
    taken, found = union(others), list[IdSpan]()
    at = 0
    for first, last in union(spans):
        while at < len(taken) and taken[at][1] < first:
            at += 1
        begin, number = first, at
        while number < len(taken) and taken[number][0] <= last:
            if begin < taken[number][0]:
                found.append((begin, taken[number][0] - 1))
            begin = taken[number][1] + 1
            number += 1
        if begin <= last:
            found.append((begin, last))
    return found


def within(spans: Iterable[IdSpan], first: int, last: int) -> Iterator[IdSpan]:
    """Yield the parts of spans that lie in ``first … last``."""
    for begin, end in spans:
        if max(begin, first) <= min(end, last):
            yield max(begin, first), min(end, last)


def number_of_ids(spans: Iterable[IdSpan]) -> int:
    """Return how many ids spans hold that do not meet."""
    return sum(last - first + 1 for first, last in spans)
