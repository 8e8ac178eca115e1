"""The newest line of a feed as of a moment."""

import gzip

import pytest

from ravequant import catalog, times
from ravequant.signals.context.feed_lines import newest_line, time_of, was_recording
from tests.support.feed_rows import MINUTE, MS, interest, marks, moment

OI = catalog.OPEN_INTEREST
MIDNIGHT = MS // times.DAY_MS * times.DAY_MS


def newest(vault, until):
    return newest_line(moment(vault), OI, until, time_of)


def test_the_newest_line_that_is_not_later(vault, caplog):
    """Of this day or the day before, packed too; a line that is none hides no other."""
    assert newest(vault, MS) is None
    path = interest(vault, {MIDNIGHT - MINUTE: "1"})
    path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    assert newest(vault, MIDNIGHT + 3_000) == newest(vault, MS) == MIDNIGHT - MINUTE
    assert newest(vault, MIDNIGHT - MINUTE - 1) is None
    path = interest(vault, {MIDNIGHT + 3_000: "1", MIDNIGHT + 6_000: "2"})
    with path.open("ab") as file:
        file.write(b'{"timestamp_utc":"2025-12-14T00:00:07.000Z","torn\n')
    found = [newest(vault, MIDNIGHT + 1_000 * second) for second in (2, 3, 5, 6, 60)]
    assert found == [
        MIDNIGHT - MINUTE, *[MIDNIGHT + 3_000] * 2, *[MIDNIGHT + 6_000] * 2
    ]  # fmt: skip
    assert newest(vault, MS + times.DAY_MS) == MIDNIGHT + 6_000
    assert newest(vault, MS + 2 * times.DAY_MS) is None


@pytest.mark.parametrize(("ago_s", "so"), [(0, True), (120, True), (121, False)])
def test_a_recorder_was_at_work_if_a_mark_price_came_lately(vault, ago_s, so):
    """By the age of the newest mark price up to the moment, or to how far the feeds were seen."""
    assert not was_recording(moment(vault))
    marks(vault, MS - 130_000, MS - ago_s * 1_000, MS + 1)
    assert was_recording(moment(vault)) is so
    assert not was_recording(moment(vault, ends={"marks": MS - 125_000}))
