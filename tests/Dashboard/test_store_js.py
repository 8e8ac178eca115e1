"""What the page holds of a market (store.js): columns and wicks, changed in place; run by node."""

from typing import Any

import pytest

from tests.support.page_modules import NODE, NOT_RUN, called

pytestmark = pytest.mark.skipif(not NODE, reason=NOT_RUN)

MERGED = "(m, held, newer) => { m.mergeMinutes(held, newer); return held; }"
CUT = "(m, held, kept) => [m.cutMinutes(held, kept), held]"
WICKS = "(m, held, newer) => { m.mergeWicks(held, newer); return held; }"


def minutes(first: int, *closes: float | None, every: int = 1) -> dict[str, Any]:
    """Return columns from a minute on."""
    return {"first": first, "every": every, "c": list(closes), "gap": [0] * len(closes)}


def test_newer_columns_replace_all_from_their_first_on():
    """Minutes between the two are null, so that the axis of time stays linear."""
    found = called(
        "store.js",
        (MERGED, [minutes(100, 1, 2, 3), minutes(102, 30, 4)]),
        (MERGED, [minutes(100, 1), minutes(103, 4)]),
        (MERGED, [minutes(100, 1, every=5), minutes(103, 4)]),
        (MERGED, [minutes(100, 1), minutes(99, 4)]),
    )
    assert [held["c"] for held in found] == [[1, 2, 30, 4], [1, None, None, 4], [1], [1]]
    assert found[1]["gap"] == [0, None, None, 0]


def test_old_columns_are_cut_once_an_hour_of_them_has_gathered():
    """Memory stays flat, and the columns left stand at their minutes."""
    short, due = called(
        "store.js", (CUT, [minutes(0, *range(159)), 100]), (CUT, [minutes(0, *range(160)), 100])
    )
    assert (short[0], len(short[1]["c"])) == (False, 159)
    assert (due[0], due[1]["first"], due[1]["c"][0], len(due[1]["gap"])) == (True, 60, 60, 100)


def test_wicks_are_changed_added_and_forgotten_by_their_ids():
    """A touch is set in its row, a new wick stands at the end, a wick that is gone leaves."""
    held = {"id": ["a", "b"], "tip": [1, 2], "touch": [None, None]}
    newer = {"id": ["a", "c"], "tip": [1, 3], "touch": [7, None], "gone": ["b"]}
    assert called("store.js", (WICKS, [held, newer])) == [
        {"id": ["a", "c"], "tip": [1, 3], "touch": [7, None]}
    ]


AGES = """(m, at) => {
  const store = new m.Store();
  store.rate = 2;
  const view = { mode: "live", now_ms: 10_000, answer: { at_utc: at, signals: [], data: {} } };
  store.take(view, 500);
  return store.trust(500).answered_ms;
}"""


def test_ages_count_from_the_instant_of_the_answer():
    """An answer that waited for its message is as old as it is; one without an instant is new."""
    moments = ["1970-01-01T00:00:08.000Z", "1970-01-01T00:00:12.000Z", None]
    assert called("store.js", *((AGES, [at]) for at in moments)) == [-500, 500, 500]


MEANWHILE = """(m) => {
  const store = new m.Store();
  const answer = { at_utc: "1970-01-01T00:00:08.000Z", signals: [], data: {} };
  store.hear(20_000, 900);
  store.take({ mode: "live", now_ms: 12_000, answer }, 500);
  return [store.trust(900).answered_ms, store.heardMs, store.serverMs];
}"""


def test_a_message_that_came_while_a_view_was_read():
    """The ages of the view count from when it was asked for; the newer message was heard later."""
    assert called("store.js", (MEANWHILE, [])) == [[-3500, 900, 20_000]]
