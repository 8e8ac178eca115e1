"""Ids through the files of a day: rising, or refused with file and line."""

from pathlib import Path

import numpy as np
import pytest

from ravequant.exchanges.archive.container import ArchiveError
from ravequant.exchanges.okx.archive.fill_order import NO_ID, FillOrder
from ravequant.trades.fast_scan import Columns
from ravequant.trades.joining import SourcedColumns

PATH = Path("BTC-USDT-SWAP-trades-2025-01-31.zip")


def fills(
    *ids: int, price: int = 5, price_decimals: int = 0, seconds: tuple[int, ...] = ()
) -> SourcedColumns:
    """Return fills with these ids, alike in all else, at so many seconds after a time."""
    size = len(ids)
    columns = Columns(
        1_738_281_600_000 + 1_000 * np.array(seconds or (0,) * size, dtype=np.int64),
        np.array(ids, dtype=np.int64),
        np.ones(size, dtype=np.int64),
        np.ones(size, dtype=np.bool_),
        np.zeros(size, dtype=np.bool_),
        np.full(size, price),
        np.ones(size, dtype=np.int64),
        price_decimals,
        0,
    )
    return SourcedColumns(columns, np.zeros(size, dtype=np.int64))


def refused(order: FillOrder, line: int, rows: SourcedColumns) -> str:
    """Return the message with which rows are refused."""
    with pytest.raises(ArchiveError) as caught:
        order.checked(PATH, line, rows)
    return str(caught.value)


def test_each_row_knows_the_id_before_it():
    """Over blocks and files; the first of all has none."""
    order = FillOrder()
    assert order.checked(PATH, 2, fills(3, 4, 9)).before.tolist() == [NO_ID, 3, 4]
    assert order.checked(PATH, 5, fills(12)).before.tolist() == [9]


def test_an_id_that_falls_is_refused():
    """Within a block, and against the row before it."""
    order = FillOrder()
    assert refused(order, 2, fills(3, 4, 2, 1)) == (
        f"{PATH}: line 4: trade id 2 comes after 4; expected ids that rise from row to row and "
        "from file to file; fetch the file again, or move it away"
    )
    order.checked(PATH, 2, fills(3, 4))
    assert "line 9: trade id 3 comes after 4" in refused(order, 9, fills(3))


def test_a_second_block_from_id_1_is_named():
    """An instrument that was listed anew begins at 1 again."""
    message = refused(FillOrder(), 2, fills(3, 4, 1, 2))
    assert "line 4: trade id 1 comes after 4: a second block of rows begins at id 1" in message
    assert message.endswith("with ids of its own: leave these days out")


def test_equal_rows_are_dropped_and_counted():
    """However often, within a block and over its border, with other decimals too."""
    order = FillOrder()
    found = order.checked(PATH, 2, fills(3, 3, 3, 4))
    assert (found.rows.columns.trade_id.tolist(), len(found.doubles)) == ([3, 4], 2)
    assert found.before.tolist() == [NO_ID, 3]
    found = order.checked(PATH, 6, fills(4, price=50, price_decimals=1))
    assert (len(found.rows), len(found.doubles)) == (0, 1)
    assert order.checked(PATH, 7, fills(4, 5)).before.tolist() == [4]


def test_an_equal_id_with_another_row_is_refused():
    """With the line of the second."""
    order = FillOrder()
    order.checked(PATH, 2, fills(3, 4))
    assert refused(order, 4, fills(4, price=6)) == (
        f"{PATH}: line 4: trade id 4 comes again with another row; expected each id once; fetch "
        "the file again, or move it away"
    )


def test_times_go_back_by_a_minute_at_most():
    """Within a block, and behind the newest of those before it."""
    order = FillOrder()
    assert len(order.checked(PATH, 2, fills(1, 2, 3, 4, seconds=(70, 10, 65, 20))).rows) == 4
    assert refused(order, 6, fills(5, 6, seconds=(10, 9))) == (
        f"{PATH}: line 7: its time 2025-01-31T00:00:09.000Z lies 1m01s before that of a row above "
        "it; expected times that rise from row to row; if the instrument was listed anew, leave "
        "these days out, else fetch the file again"
    )
    assert "line 3: its time" in refused(FillOrder(), 2, fills(1, 2, seconds=(61, 0)))
    order.checked(PATH, 6, fills(5, 6, seconds=(75, 80)))
    assert "line 8: its time" in refused(order, 8, fills(7, seconds=(19,)))
