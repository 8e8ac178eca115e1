"""The time axis of the chart: linear, whole, and never moved by new data."""

import pytest

from ravequant import times
from tests.support.chart_page import END, ChartPage, hole, middle, minutes, view
from tests.support.screen import wait_until

BLANK = range(54, 61)  # minutes before the end
TIME_SCALE = "chart.panes.chart.timeScale()"
HOLE = hole("trades", END - 60, END - 53)


def lines_of(drawn):
    """Return the stretches of every drawn line over minutes, by what they are."""
    vwap = [(line["points"][0][0], line["points"][-1][0]) for line in drawn["price"]["vwap"]]
    bands = [(band["upper"][0][0], band["upper"][-1][0]) for band in drawn["price"]["bands"]]
    return vwap + bands + [(line["x1"], line["x2"]) for line in drawn["cvd"]["lines"]]


def test_minutes_without_a_record_keep_their_place(chart):
    """An hour is as wide with a hole as without, and every column stands where time puts it."""
    whole = chart.show(view())["frame"]
    places = f"[{END - 90}, {END - 30}].map((m) => {TIME_SCALE}.timeToCoordinate(m * 60))"
    x = chart.value(places)
    holed = chart.show(view(minutes=minutes(300, blank=BLANK), holes=[HOLE]))["frame"]
    assert chart.value(places) == pytest.approx(x)
    assert x[1] - x[0] == pytest.approx(60 * whole["spacing"])
    assert holed["spacing"] == whole["spacing"]
    inside = chart.value(f"{TIME_SCALE}.timeToCoordinate({END - 57} * 60)")
    assert inside == pytest.approx(middle(holed, END - 57))


def test_no_line_crosses_a_hole(chart):
    """VWAP, its band and the CVD end before a hole of trades and begin anew after it."""
    drawn = chart.show(view(minutes=minutes(300, blank=BLANK), holes=[HOLE]))
    (shape,) = drawn["price"]["blanks"]
    frame = drawn["frame"]
    half = frame["spacing"] / 2
    assert shape["x1"] == pytest.approx(middle(frame, END - 60) - half)
    assert shape["x2"] == pytest.approx(middle(frame, END - 53) - half)
    assert shape["words"] == "7 min, 2,310 trades, open"
    lines = lines_of(drawn)
    assert len(lines) >= 10, "on both sides"
    assert [line for line in lines if line[0] < shape["x2"] and line[1] > shape["x1"]] == []


def test_no_pixel_of_a_line_is_in_a_hole(chart):
    """Without its hatching a hole is empty, in all three panes."""
    shown = view(minutes=minutes(300, blank=BLANK), holes=[HOLE], answer=None)
    bare = "{grid: {vertLines: {visible: false}, horzLines: {visible: false}}}"
    hidden = f"chart.setLayer('holes', false); chart.panes.chart.applyOptions({bare})"
    drawn = chart.show(shown, hidden)
    frame = drawn["frame"]
    x1, x2 = middle(frame, END - 60), middle(frame, END - 54)
    heights = chart.value("chart.panes.chart.panes().map((pane) => pane.getHeight())")
    top = 0
    for height in heights:
        middle_y, reach = top + height / 2, height / 2 - 6
        assert chart.columns_with(x1 + 1, x2 - 1, middle_y, reach) == []
        assert chart.columns_with(x2 + frame["spacing"], x2 + 60, middle_y, reach), "beyond it"
        top += height + 1


def test_a_hole_inside_of_minutes_breaks_the_lines_too(chart):
    """Both minutes have a record, yet trades are missing: their columns are hatched and bare."""
    drawn = chart.show(view(holes=[hole("trades", END - 60, END - 58)]))
    (shape,) = drawn["price"]["blanks"]
    crossing = [x for x in lines_of(drawn) if x[0] < shape["x2"] and x[1] > shape["x1"]]
    assert crossing == []


def test_the_session_begins_anew_at_midnight(chart):
    """The session's VWAP and CVD are broken at 00:00 UTC, those of 1 h and 4 h go on."""
    end = END - END % 1440 + 60
    drawn = chart.show(view(300, end))
    midnight = middle(drawn["frame"], end - 60)
    crossing = {
        line["name"]
        for line in drawn["price"]["vwap"]
        if line["points"][0][0] < midnight <= line["points"][-1][0]
    }
    assert crossing == {"v1h", "v4h"}
    assert not any(line["x1"] < midnight <= line["x2"] for line in drawn["cvd"]["lines"])
    assert any(line["x1"] == pytest.approx(midnight) for line in drawn["cvd"]["lines"])


def test_blank_minutes_without_a_hole_are_no_trades(chart):
    """Before the next record nobody traded; left of the first record nothing was recorded."""
    made = minutes(300, blank=range(100, 120))
    drawn = chart.show(view(minutes=made, recorded_from_utc=times.iso_minute(END - 140)))
    kinds = [(shape["kind"], shape["words"]) for shape in drawn["price"]["blanks"]]
    assert ("silent", "no trades") in kinds
    assert kinds[0] == ("unrecorded", "not recorded")
    assert chart.value(f"chart.factsAt({300 - 110}).note") == "no trades"
    assert chart.value("chart.factsAt(10).note") == "not recorded"


def test_book_gaps_are_grey_and_rows_over_a_gap_have_a_tick(chart):
    """A gap of the book is hatched in the price pane alone; imported days stand under the axis."""
    made = minutes(300)
    made["gap"][-20] = 1
    span = {"from_utc": times.iso_minute(END - 60), "to_utc": times.iso_minute(END - 30)}
    holes = [hole("book", END - 40, END - 30), hole("row", END - 10, END - 9)]
    drawn = chart.show(view(minutes=made, holes=holes, imported=[span]))
    assert [shape["kind"] for shape in drawn["price"]["blanks"]] == ["book"]
    assert drawn["volume"]["blanks"] == drawn["cvd"]["blanks"] == []
    at = [pytest.approx(middle(drawn["frame"], END - back)) for back in (20, 10)]
    assert drawn["price"]["ticks"] == drawn["volume"]["ticks"] == drawn["cvd"]["ticks"] == at
    (imported,) = drawn["price"]["imported"]
    assert imported["x2"] - imported["x1"] == pytest.approx(30 * drawn["frame"]["spacing"])


# --- the place in time ---------------------------------------------------------------------------


def next_minute(end=END):
    """Return an update by the minute that follows a view."""
    return {"minutes": minutes(1, end + 1), "as_of_utc": times.iso_minute(end + 1)}


def test_the_newest_candle_stays_in_its_place(chart):
    """While the newest minute is in sight the chart follows it, and the zoom stays."""
    before = chart.show(view())["frame"]
    after = chart.run("chart.update(given)", next_minute())["frame"]
    assert after["spacing"] == before["spacing"]
    assert middle(after, END) == pytest.approx(middle(before, END - 1))
    free = before["width"] - middle(before, END - 1) - before["spacing"] / 2
    assert free == pytest.approx(150, abs=2)


def test_a_new_candle_does_not_move_another_place(chart):
    """Panned into the past, zoomed: a new minute changes neither."""
    before = chart.show(view(1000), "chart.zoom(1.7); chart.pan(-300)")["frame"]
    after = chart.run("chart.update(given)", next_minute())["frame"]
    assert after["spacing"] == pytest.approx(before["spacing"])
    assert middle(after, END - 400) == pytest.approx(middle(before, END - 400))


@pytest.mark.parametrize("script", ["null", "chart.zoom(1.7); chart.pan(-300)"])
def test_the_hourly_cut_moves_nothing(chart, script):
    """The oldest minutes are forgotten once there are 60 too many; the picture stays."""
    before = chart.show(view(1440), script)["frame"]
    more = {"minutes": minutes(61, END + 61), "as_of_utc": times.iso_minute(END + 61)}
    after = chart.run("chart.update(given)", more)["frame"]
    assert after["columns"] == 1440
    assert after["first"] == END + 61 - 1440
    assert after["spacing"] == pytest.approx(before["spacing"])
    moved = 61 if script == "null" else 0  # it follows, or it stands
    assert middle(after, END - 400 + moved) == pytest.approx(middle(before, END - 400))


def test_a_view_loaded_anew_keeps_the_place(chart):
    """After a lost connection the same sight comes back."""
    before = chart.show(view(1000), "chart.zoom(1.3); chart.pan(-200)")["frame"]
    after = chart.show(view(1000, END + 5))["frame"]
    assert middle(after, END - 300) == pytest.approx(middle(before, END - 300))
    assert after["spacing"] == pytest.approx(before["spacing"])


def test_a_view_of_another_time_is_shown_at_its_end(chart):
    """The old place is not in it, or the step is one between live and replay."""
    before = chart.show(view(1000), "chart.zoom(1.3); chart.pan(-200)")["frame"]
    for shown in (view(300, END - 1200), view(300, END - 1200, mode="replay"), view(1000)):
        after = chart.show(shown)["frame"]
        newest = after["first"] + after["columns"] - 1
        assert 0 < middle(after, newest) < after["width"]
        assert after["spacing"] == pytest.approx(before["spacing"])
        chart.run("chart.pan(-100)")


def test_a_hidden_chart_keeps_its_place(chart):
    """Data that comes while the tables stand over the chart do not move it."""
    before = chart.show(view(1000), "chart.zoom(1.3); chart.pan(-200)")["frame"]
    hidden = "chart.host.style.setProperty('display', 'none'); await painted(); "
    chart.run(hidden + "chart.update(given)", next_minute())
    after = chart.run("chart.host.style.removeProperty('display')")["frame"]
    assert middle(after, END - 300) == pytest.approx(middle(before, END - 300))


def test_the_forming_minute_is_grey_and_gives_way(chart):
    """It stands after the newest minute, moves with its trades, and is replaced by the record."""
    forming = {"minute": END, "o": 100.0, "h": 100.5, "l": 99.5, "c": 100.2, "vol": 5.0}
    drawn = chart.show(view(forming=forming))
    last = "chart.panes.candles.data().at(-1)"
    assert drawn["frame"]["columns"] == 301
    assert chart.value(f"{last}.borderColor") == "#8b97a6"
    chart.run("chart.update(given)", {"forming": forming | {"h": 100.9, "c": 100.8}})
    assert chart.value(f"[{last}.high, {last}.close]") == [100.9, 100.8]
    assert chart.value("chart.factsAt(300).note") == "forming"
    moved = next_minute() | {"forming": forming | {"minute": END + 1}}
    after = chart.run("chart.update(given)", moved)["frame"]
    assert after["columns"] == 302
    assert chart.value("chart.panes.candles.data().at(-2).borderColor ?? null") is None
    assert after["spacing"] == drawn["frame"]["spacing"]
    gone = chart.run("chart.update({forming: null})")["frame"]
    assert gone["columns"] == 301


def test_a_minute_that_waits_for_its_row_is_drawn(chart):
    """It is over, but not its row: its trades stand in its place until that comes."""
    forming = {"minute": END - 1, "o": 100.0, "h": 100.5, "l": 99.5, "c": 100.2, "vol": 5.0}
    drawn = chart.show(view(minutes=minutes(300, blank=range(1, 2)), forming=forming))
    colours = "chart.panes.candles.data().slice(-2).map((bar) => bar.borderColor ?? null)"
    assert drawn["frame"]["columns"] == 300
    assert chart.value(colours) == [None, "#8b97a6"]
    assert chart.value("chart.factsAt(299).note") == "forming"
    moved = {"minutes": minutes(1), "forming": forming | {"minute": END}}
    after = chart.run("chart.update(given)", moved)["frame"]
    assert after["columns"] == 301
    assert chart.value(colours) == [None, "#8b97a6"]
    assert chart.value("chart.factsAt(299).note") == ""
    chart.run("chart.update(given)", {"forming": forming | {"minute": END - 50}})
    assert chart.value(colours) == [None, None], "a minute with a row is drawn by it alone"


def test_a_replay_has_a_line_and_no_forming_minute(chart):
    """The moment stands right of the newest minute; no minute is begun beyond it."""
    forming = {"minute": END, "o": 100.0, "h": 100.5, "l": 99.5, "c": 100.2, "vol": 5.0}
    drawn = chart.show(view(mode="replay", forming=forming))
    frame = drawn["frame"]
    assert frame["columns"] == 300
    for pane in ("price", "volume", "cvd"):
        assert drawn[pane]["replayX"] == pytest.approx(
            middle(frame, END - 1) + frame["spacing"] / 2
        )


def test_windows_pan_and_zoom(chart):
    """A window shows so many minutes left of the free space; the zoom keeps that space."""
    chart.show(view(1440))
    for wanted in (60, 150, 360, 1440):
        frame = chart.run(f"chart.setWindow({wanted})")["frame"]
        assert frame["spacing"] == pytest.approx((frame["width"] - 150) / wanted)
    before = chart.run("chart.setWindow(150)")["frame"]
    after = chart.run("chart.zoom(2)")["frame"]
    assert after["spacing"] == pytest.approx(2 * before["spacing"])
    for frame in (before, after):
        free = frame["width"] - middle(frame, END - 1) - frame["spacing"] / 2
        assert free == pytest.approx(150, abs=after["spacing"])
    panned = chart.run("chart.pan(-10)")["frame"]
    assert panned["x0"] - after["x0"] == pytest.approx(10 * after["spacing"])


def test_no_step_is_lost_between_two_frames(chart):
    """Keys that come faster than the screen draws, and rows between them, count each for itself."""
    steps = ("chart.pan(-10)", "chart.zoom(2)", "chart.pan(-20)", "chart.update({holes: []})")
    chart.show(view(1440))
    at_once = chart.run("; ".join(steps))["frame"]
    chart.run("chart.setWindow(150)")
    one_by_one = [chart.run(step)["frame"] for step in steps][-1]
    assert at_once == pytest.approx(one_by_one)


def test_a_change_of_the_width_leaves_the_newest_in_sight(chart):
    """A phone that is turned, a window that is drawn out: the newest minute stays in its place."""
    chart.show(view(1440))
    for width in (400, 1200):
        chart.screen.page.set_viewport_size({"width": width, "height": 800})
        wait_until(lambda width=width: width - 120 < chart.run("null")["frame"]["width"] < width)
        frame = chart.run("await painted()")["frame"]
        free = min(150, 0.3 * frame["width"])
        right = frame["width"] - middle(frame, END - 1) - frame["spacing"] / 2
        assert right == pytest.approx(free, abs=2)


def test_longer_candles_keep_the_stretch_of_time(chart):
    """Candles of 5 minutes in place of 1: the same minutes are in sight."""
    before = chart.show(view(1000))["frame"]
    made = minutes(200)
    made["every"], made["first"] = 5, END - 1000
    after = chart.show(view(1000, minutes=made, tf="5m"))["frame"]
    assert after["spacing"] == pytest.approx(5 * before["spacing"])
    assert middle(after, END - 5) + after["spacing"] / 2 == pytest.approx(
        middle(before, END - 1) + before["spacing"] / 2, abs=1
    )


def test_the_zone_changes_labels_alone(screen, chart_files):
    """Local labels of a zone with half hours; the minutes stay where they are."""
    opened = screen(
        chart_files, viewport={"width": 1200, "height": 800}, timezone_id="Asia/Kolkata"
    )
    before = ChartPage(opened).show(view())["frame"]
    label = (
        "async (zone) => { chart.setZone(zone); await painted(); const options = "
        "chart.panes.chart.options(); return [options.timeScale.tickMarkFormatter(1765688400), "
        "options.localization.timeFormatter(1765688400), chart.frame()]; }"
    )
    assert opened.page.evaluate(label, "local") == ["10:30", "14 Dec 10:30 here", before]
    assert opened.page.evaluate(label, "utc") == ["05:00", "14 Dec 05:00 UTC", before]


def test_the_crosshair_gives_the_facts_of_its_minute(chart):
    """The numbers of the column under the pointer, null once it leaves."""
    drawn = chart.show(view(), "window.heard = []; chart.onCrosshair((facts) => heard.push(facts))")
    x = middle(drawn["frame"], END - 17)
    chart.screen.page.mouse.move(x, 200)
    wait_until(lambda: chart.value("heard.length") > 0)
    facts = chart.value("heard.at(-1)")
    assert (facts["minute"], facts["h"], facts["note"]) == (END - 17, 101, "")
    chart.screen.page.mouse.move(1195, 795)
    wait_until(lambda: chart.value("heard.at(-1)") is None)
    assert chart.value("chart.newestFacts().minute") == END - 1
