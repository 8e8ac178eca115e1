"""Spans of ids, against plain sets."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ravequant.vault.imports.id_spans import number_of_ids, union, within, without

SPANS = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 9)).map(lambda it: (it[0], sum(it))), max_size=8
)


def ids(spans) -> set[int]:
    return {an_id for first, last in spans for an_id in range(first, last + 1)}


def is_tidy(spans) -> bool:
    return all(one[1] + 1 < other[0] for one, other in pairwise(spans))


@given(SPANS, SPANS)
def test_spans_are_sets(one, other):
    """Union and difference hold the ids that they should, in as few spans as possible."""
    assert ids(union(one)) == ids(one)
    assert is_tidy(union(one))
    assert ids(without(one, other)) == ids(one) - ids(other)
    assert is_tidy(without(one, other))
    assert number_of_ids(union(one)) == len(ids(one))


@given(SPANS, st.integers(0, 70), st.integers(0, 70))
def test_parts_within_bounds(spans, first, last):
    """Only the ids in the bounds are left."""
    assert ids(within(spans, first, last)) == ids(spans) & set(range(first, last + 1))
