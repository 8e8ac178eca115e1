"""The search for missing ids: which page comes next, and when absent ids are proven absent."""

import pytest

from ravequant.records import Trade
from Trades_Bot.gap_search import GapSearch

ROWS = 100  # of a page
TS = 1_700_000_000_000


def gap(first: int = 1_000, end: int = 1_999) -> GapSearch:
    return GapSearch(first, end, ROWS, 0.0, 0.0)


def row(trade_id: int, ts: int = TS) -> Trade:
    return Trade(ts, trade_id, "buy", "1", "1")


def test_the_first_page_ends_a_page_above_the_first_missing_id():
    """A full page then begins exactly at the first missing id."""
    subject = gap()
    assert (subject.reach, subject.unsettled_from) == (1_100, 1_000)


def test_a_search_begins_without_a_live_row_inside_the_gap():
    """Id 0 is an id too."""
    assert gap(0, 9).contradicted < 0


def test_the_first_ids_of_all_are_also_proven_absent_by_two_pages():
    """The ids 0 to 0 are no exception."""
    subject = gap(0, 9)
    assert not subject.proven((0, 0), row(1), TS, 5.0)
    assert subject.proven((0, 0), row(1), TS, 7.0)


def test_settled_ids_move_the_search_on():
    """Progress ends every wait and begins the search at the next missing id."""
    subject = gap()
    subject.later(1.0)
    subject.nothing_new(1_100, 2.0)
    subject.moved(1_010, 5.0)
    assert (subject.next_id, subject.reach, subject.progress_at) == (1_010, 1_110, 5.0)
    assert subject.unreached == 0
    subject.nothing_new(1_110, 6.0)
    assert subject.reach == 1_110  # misses are counted anew


def test_a_failed_request_is_repeated_ever_later():
    """After a quarter, a half, one and two seconds, then every two seconds."""
    subject, waits = gap(), []
    for _ in range(6):
        subject.later(10.0)
        waits.append(subject.ask_at - 10.0)
    assert waits == [0.25, 0.5, 1.0, 2.0, 2.0, 2.0]
    assert subject.unreached == 6


def test_one_empty_answer_is_asked_for_again():
    """The first page without a wanted id changes nothing but the time of the next request."""
    subject = gap()
    subject.nothing_new(1_100, 3.0)
    assert (subject.reach, subject.ask_at) == (1_100, 3.25)


def test_the_reach_doubles_above_a_hole_up_to_a_page_beyond_the_gap():
    """From the second empty answer on the search looks farther up, at once."""
    subject, reached = gap(end=1_499), []
    subject.nothing_new(subject.reach, 1.0)
    for _ in range(3):
        subject.nothing_new(subject.reach, 2.0)
        reached.append(subject.reach)
    assert reached == [1_200, 1_400, 1_600]  # and not 1,800
    assert subject.ask_at == 2.0


def test_a_full_page_above_the_hole_halves_the_reach_until_both_edges_show():
    """Between an empty page and a full page the search looks in the middle."""
    subject, reached = gap(), []
    for _ in range(3):
        subject.nothing_new(subject.reach, 1.0)  # 1,100 twice, then 1,200
    assert subject.reach == 1_400
    subject.too_far(1_400, 2.0)
    reached.append(subject.reach)
    subject.nothing_new(subject.reach, 3.0)
    reached.append(subject.reach)
    subject.too_far(subject.reach, 4.0)
    reached.append(subject.reach)
    assert reached == [1_300, 1_350, 1_325]


@pytest.mark.parametrize(("crowded", "middle"), [(1_102, 1_101), (1_103, 1_101), (1_104, 1_102)])
def test_the_search_goes_on_while_an_id_lies_between(crowded, middle):
    """The middle is an id: half-way ones are rounded down, and the last one is asked for, too."""
    subject = gap()
    for _ in range(2):
        subject.nothing_new(1_100, 1.0)
    subject.too_far(crowded, 2.0)
    assert (subject.reach, subject.ask_at) == (middle, 2.0)


def test_answers_that_contradict_each_other_begin_the_search_anew():
    """Where nothing is left between the empty page and the full page, the search starts over."""
    subject = gap()
    for _ in range(2):
        subject.nothing_new(1_100, 1.0)
    subject.too_far(1_101, 2.0)
    assert (subject.reach, subject.unreached) == (1_100, 2)
    assert subject.ask_at == 2.5  # later than after the first wait


def test_an_empty_page_that_reaches_beyond_the_gap_begins_the_search_anew():
    """REST should have shown the row behind the gap, so it lags behind the stream."""
    subject = gap(end=1_050)
    assert [subject.beyond(after) for after in (1_051, 1_052)] == [False, True]
    subject.nothing_new(1_100, 1.0)
    assert (subject.reach, subject.ask_at, subject.unreached) == (1_100, 1.25, 1)


@pytest.mark.parametrize(("age_ms", "proven"), [(10_001, True), (10_000, False)])
def test_ids_absent_well_before_the_newest_row_are_proven_at_once(age_ms, proven):
    """Ten seconds behind the newest row one page is enough."""
    subject = gap()
    assert subject.proven((1_000, 1_004), row(1_005), TS + age_ms, 1.0) is proven


def test_ids_absent_near_the_newest_row_must_be_absent_twice():
    """Two pages, two seconds apart, must lack the same ids; meanwhile the page is asked for."""
    subject, newest = gap(), TS + 5_000
    assert not subject.proven((1_000, 1_004), row(1_005), newest, 1.0)
    assert (subject.reach, subject.ask_at) == (1_100, 2.0)
    assert not subject.proven((1_000, 1_004), row(1_005), newest, 2.9)
    assert not subject.proven((1_000, 1_003), row(1_004), newest, 3.0)  # other ids: counted anew
    assert not subject.proven((1_000, 1_003), row(1_004), newest, 4.9)
    assert subject.proven((1_000, 1_003), row(1_004), newest, 5.0)
