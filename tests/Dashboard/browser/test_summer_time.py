"""Both ends of summer time: each minute has its place and a label that no other one has."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from ravequant import times
from tests.support.chart_page import ChartPage, middle, view

AROUND = 150  # minutes on each side
SCRIPT = """async ([first, count]) => {
    chart.setZone("local");
    await painted();
    const { moment } = await import("/static/formats.js");
    const { timeScale, localization } = chart.panes.chart.options();
    return Array.from({ length: count }, (_, at) => {
        const seconds = (first + at) * 60;
        return [timeScale.tickMarkFormatter(seconds), localization.timeFormatter(seconds),
            moment(seconds * 1000, "local", "minute"), moment(seconds * 1000, "local", "day")];
    }); }"""


def labels(zone, minute):
    """Return a minute as its axis, its crosshair, a row and the header name it."""
    local = datetime.fromtimestamp(minute * 60, UTC).astimezone(ZoneInfo(zone))
    offset = local.utcoffset() or timedelta()
    shown = local.strftime("%H:%M")
    if local.replace(fold=1 - local.fold).utcoffset() != offset:
        size = abs(offset) // timedelta(minutes=1)
        rest = f":{size % 60:02}" if size % 60 else ""
        shown += f"{'-' if offset < timedelta() else '+'}{size // 60}{rest}"
    day = f"{local.day} {local:%b}"
    axis = day if local.strftime("%H:%M") == "00:00" else shown
    return [axis, f"{day} {shown} here", shown, f"{local:%Y-%m-%d} {shown}"]


@pytest.mark.parametrize(
    ("zone", "turns"),
    [
        ("America/New_York", ("2025-11-02T06:00:00Z", "2026-03-08T07:00:00Z")),
        ("Australia/Lord_Howe", ("2025-10-04T15:30:00Z", "2026-04-04T15:00:00Z")),
        ("Asia/Kolkata", ("2025-11-02T06:00:00Z",)),
    ],
)
def test_no_label_is_missing_or_double(screen, chart_files, zone, turns):
    """An hour, or half of one, that clocks show twice is told apart by its offset."""
    size = {"width": 1200, "height": 800}
    chart = ChartPage(screen(chart_files, viewport=size, timezone_id=zone))
    for turn in turns:
        middle_minute = times.parse_iso(turn) // times.MINUTE_MS
        first = middle_minute - AROUND
        before = chart.show(view(2 * AROUND, middle_minute + AROUND))["frame"]
        found = chart.screen.page.evaluate(SCRIPT, [first, 2 * AROUND])
        minutes = range(first, first + 2 * AROUND)
        assert found == [labels(zone, minute) for minute in minutes]
        for kind in (1, 2, 3):
            assert len({names[kind] for names in found}) == len(minutes)
        after = chart.screen.geometry()["frame"]
        assert after == before
        assert (after["first"], after["columns"]) == (first, len(minutes))
        wide = middle(after, minutes[-1]) - middle(after, first)
        assert wide == pytest.approx((len(minutes) - 1) * after["spacing"])
