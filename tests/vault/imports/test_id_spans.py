"""Spans of ids, held against sets of ids."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ravequant.vault.imports import id_spans

spans = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 5)).map(lambda pair: (pair[0], sum(pair))),
    max_size=6,
)


def ids(found) -> list[int]:
    return [number for first, last in found for number in range(first, last + 1)]


@given(spans, spans)
def test_spans_hold_the_ids_that_sets_hold(one, other):
    """Union, difference, number: each id once, ascending, and in as few spans as can be."""
    union, rest = id_spans.union(one), id_spans.without(one, other)
    assert ids(union) == sorted(set(ids(one)))
    assert ids(rest) == sorted(set(ids(one)) - set(ids(other)))
    assert id_spans.number_of_ids(union) == len(set(ids(one)))
    assert all(before[1] + 1 < after[0] for before, after in pairwise(union))


@given(spans, st.integers(0, 40), st.integers(0, 40))
def test_parts_of_spans_within_two_ids(one, first, last):
    """Both ends belong to it."""
    union = id_spans.union(one)
    assert ids(id_spans.within(union, first, last)) == [
        number for number in ids(union) if first <= number <= last
    ]
