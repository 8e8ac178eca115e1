"""The reading of the heat in the page (heat_reader.js): columns of messages; run by node."""

from typing import Any

import pytest

from tests.support.page_modules import NODE, NOT_RUN, called

pytestmark = pytest.mark.skipif(not NODE, reason=NOT_RUN)

# a reader that has drawn the minutes 100 to 200, and the calls of its layer
HEARD = """(m, every, calls) => {
    const reader = new m.HeatReader();
    const heard = [];
    const hear = (name) => (given) => heard.push([name, given.first ?? given]);
    reader.sink = { set: hear("set"), add: hear("add"), cutBefore: hear("cutBefore") };
    Object.assign(reader, { every, from: 100, to: 200 });
    for (const [name, given] of calls) reader[name](given);
    return [heard, reader.from, reader.to];
}"""


def heard(every: int, *calls: tuple[str, Any]) -> Any:
    (found,) = called("heat_reader.js", (HEARD, [every, list(calls)]))
    return found


def heat(first: int, columns: int, every: int = 1) -> dict[str, Any]:
    return {"first": first, "every": every, "base": [0] * columns}


def test_new_minutes_are_added_whatever_the_width_of_the_columns():
    """A minute of a message belongs into a column of five, too; the end moves on."""
    assert heard(1, ("take", heat(199, 3))) == [[["add", 199]], 100, 202]
    assert heard(5, ("take", heat(199, 3))) == [[["add", 199]], 100, 202]
    assert heard(5, ("take", heat(150, 3))) == [[["add", 150]], 100, 200]


def test_columns_that_do_not_fit_are_left():
    """Wider ones than those that are drawn: the page has zoomed meanwhile."""
    assert heard(1, ("take", heat(195, 2, every=5))) == [[], 100, 200]


def test_old_columns_are_cut_once():
    """What was cut before is not cut again."""
    assert heard(1, ("cut", 160), ("cut", 120)) == [[["cutBefore", 160]], 160, 200]
