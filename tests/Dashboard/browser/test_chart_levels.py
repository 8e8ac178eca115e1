"""Levels, signals and walls of the chart: where lines begin and end, and where words stand."""

from itertools import combinations

import pytest

from tests.support.chart_page import END, hole, middle, signal, view, wicks

EDGE_PX = 9  # a level runs on beyond the newest column
ABOVE, BELOW = 101.15, 98.9  # the candles stay between 99 and 101
ONLY_LEVELS = "for (const name of ['bands', 'vwap', 'holes']) chart.setLayer(name, false)"


def level_of(drawn):
    """Return the only level that is drawn."""
    (level,) = drawn["price"]["levels"]
    return level


def test_the_line_of_a_touched_wick_ends_at_its_touch(chart):
    """Dotted from the candle of the tip to a ring at the candle that touched it, no farther."""
    touched = ("t", "1m", "upper", ABOVE, END - 80, END - 40, 0, 0)
    drawn = chart.show(view(wicks=wicks(touched)), ONLY_LEVELS)
    frame, level = drawn["frame"], level_of(drawn)
    assert level["x1"] == pytest.approx(middle(frame, END - 81))  # born at its candle's end
    assert level["x2"] == pytest.approx(middle(frame, END - 41))
    assert level["y"] == pytest.approx(frame["y0"] + frame["slope"] * ABOVE)
    assert (level["touched"], level["dash"], level["alpha"]) == (True, "dotted", 0.2)
    assert chart.columns_with(level["x2"] + 1, level["x2"] + 3, level["y"]), "half of its ring"
    assert chart.columns_with(level["x1"] + 9, level["x2"] - 9, level["y"]), "its dots"
    beyond = chart.columns_with(level["x2"] + 5, frame["width"] - 2, level["y"])
    assert [x for x in beyond if not on_the_grid(chart, x)] == []


def on_the_grid(chart, x):
    """Return True if the grid of the time axis stands at x."""
    return bool(chart.columns_with(x, x, 20))


def test_the_line_of_an_untouched_wick_ends_at_the_edge(chart):
    """Solid to some pixels beyond the newest candle, no farther; from 15m up with its tag."""
    untouched = ("u", "15m", "lower", BELOW, END - 60, None, 0, 0)
    drawn = chart.show(view(wicks=wicks(untouched)), ONLY_LEVELS)
    frame, level = drawn["frame"], level_of(drawn)
    edge = middle(frame, END - 1) + frame["spacing"] / 2 + EDGE_PX
    assert level["x2"] == pytest.approx(edge)
    assert (level["touched"], level["dash"], level["alpha"]) == (False, "solid", 1)
    line = chart.columns_with(level["x1"] + 1, edge - 1, level["y"])
    assert len(line) == int(edge - 1) - int(level["x1"] + 1), "without a break"
    (tag,) = drawn["price"]["tags"]
    assert tag["text"] == "15m"
    beyond = chart.columns_with(tag["box"]["x"] + tag["box"]["w"] + 2, 1090, level["y"])
    assert [x for x in beyond if not on_the_grid(chart, x)] == []


@pytest.mark.parametrize(
    ("frame", "age", "exact", "alpha"),
    [
        ("1m", 10, 0, 0.42),
        ("1m", 20, 0, 1),
        ("1m", 40, 0, 1),
        ("1m", 41, 0, 0.28),
        ("1m", 100, 1, 1),
        ("5m", 30, 0, 0.42),
        ("5m", 30, 1, 1),
        ("15m", 100, 0, 1),
        ("4h", 100, 0, 1),
    ],
)
def test_the_strength_of_an_untouched_line(chart, frame, age, exact, alpha):
    """Long timeframes, exact tips and wicks of the age that the query asks for are strong."""
    row = ("u", frame, "upper", ABOVE, END - age, None, exact, 0)
    assert level_of(chart.show(view(wicks=wicks(row))))["alpha"] == alpha


def test_a_longer_timeframe_has_a_wider_line(chart):
    """The width says the timeframe at a glance."""
    frames = ["1m", "5m", "15m", "1h", "4h"]
    rows = [(f, f, "upper", 101.02 + n / 50, END - 30, None, 1, 0) for n, f in enumerate(frames)]
    drawn = chart.show(view(wicks=wicks(*rows)))
    widths = {level["tf"]: level["width"] for level in drawn["price"]["levels"]}
    assert [widths[frame] for frame in frames] == [1, 1, 2, 2, 3]


def test_a_level_over_a_hole_is_dashed_with_a_sign(chart):
    """Trades are missing in its life: it may have been touched."""
    drawn = chart.show(view(wicks=wicks(("g", "1m", "upper", ABOVE, END - 60, None, 0, 1))))
    assert level_of(drawn)["dash"] == "dashed"
    assert [tag["text"] for tag in drawn["price"]["tags"]] == ["▨"]


def test_a_wick_that_is_touched_live_ends_there(chart):
    """An update by id replaces the wick; `gone` forgets others."""
    rows = [("a", "1m", "upper", ABOVE, END - 30, None, 0, 0)]
    rows += [("b", "1m", "lower", BELOW, END - 30, None, 0, 0)]
    chart.show(view(wicks=wicks(*rows)))
    changed = wicks(("a", "1m", "upper", ABOVE, END - 30, END, 0, 0)) | {"gone": ["b"]}
    drawn = chart.run("chart.update({wicks: given})", changed)
    assert level_of(drawn)["x2"] == pytest.approx(middle(drawn["frame"], END - 1))


def test_a_signal_stands_at_its_tip(chart):
    """Ring at the birth candle, line to the side, tag with side, price and conviction, and plan."""
    near = signal("101", stop="101.1", target="99.2")
    watch = {"worth": "WATCH x1", "near": False}
    far = signal("99", "LONG", words=watch, stop="98.9", target="100.5")
    drawn = chart.show(view(answer={"signals": [near, far]}))
    frame, (first, second) = drawn["frame"], drawn["price"]["signals"]
    assert first["x1"] == pytest.approx(middle(frame, END - 31))
    assert (first["text"], first["style"]) == ("▼ SHORT 101 MAX", "filled")
    assert (second["text"], second["style"]) == ("▲ LONG 99 WATCH", "plain")
    assert [line["text"] for line in drawn["price"]["plan"]] == ["stop 101.1", "target 99.2"]
    chosen = chart.run("chart.choose(given)", far["event_id"])["price"]
    assert [line["text"] for line in chosen["plan"]] == ["stop 98.9", "target 100.5"]
    assert [shape["chosen"] for shape in chosen["signals"]] == [False, True]


@pytest.mark.parametrize("why", [{"in_contact": True}, {"no_trade": "fees"}])
def test_a_signal_that_is_no_entry_is_hollow(chart, why):
    """In contact, or its plan is no trade: the tag is not filled."""
    drawn = chart.show(view(answer={"signals": [signal("101", **why)]}))
    assert [shape["style"] for shape in drawn["price"]["signals"]] == ["hollow"]


@pytest.mark.parametrize(
    ("words", "beside"),
    [
        ({"worth": "MAX (x3, not tested)", "near": True}, "not tested"),
        ({"worth": "MAX x3", "near": False}, "wait"),
    ],
)
def test_a_tag_that_is_no_go_is_framed_and_says_why(chart, words, beside):
    """The lab has not proven it, or price is away: as the badge of the card."""
    drawn = chart.show(view(answer={"signals": [signal("101", words=words)]}))
    (shape,) = drawn["price"]["signals"]
    assert (shape["text"], shape["style"]) == (f"▼ SHORT 101 MAX {beside}", "framed")
    past = chart.run("chart.setState({void: false, replay: true, stale: {}})")
    assert past["price"]["signals"][0]["text"] == "▼ SHORT 101 MAX not now"


def test_void_leaves_no_word_of_conviction(chart):
    """Tags say the price and `void`, nothing else; the chart is grey."""
    shown = view(answer={"signals": [signal("101"), signal("99", "LONG")]})
    drawn = chart.show(shown, "chart.setState({void: true, replay: false, stale: {}})")
    assert [shape["text"] for shape in drawn["price"]["signals"]] == ["101 void", "99 void"]
    assert not any(word in str(drawn["price"]) for word in ("MAX", "HIGH"))
    assert chart.value("getComputedStyle(chart.box).filter") == "grayscale(1) opacity(0.55)"
    back = chart.run("chart.setState({void: false})")
    assert back["price"]["signals"][0]["text"] == "▼ SHORT 101 MAX"


def test_a_signal_over_a_hole_is_void_by_itself(chart):
    """Trades are missing since its birth; the other signals stand."""
    over = signal("101", layers=[{"layer": "wick", "state": "gap"}], stop="101.1")
    drawn = chart.show(view(answer={"signals": [over, signal("99", "LONG")]}))["price"]
    assert [shape["text"] for shape in drawn["signals"]] == ["101 void", "▲ LONG 99 MAX"]
    assert drawn["plan"] == []


def test_words_never_lie_on_words(chart):
    """Many signals, walls and levels at the same prices: their words are spread, or left out."""
    prices = [101 - n / 100 for n in range(6)]
    signals = [signal(f"{price}", birth=END - 20 - n) for n, price in enumerate(prices)]
    walls = [
        {"price": f"{price}", "notional": f"{2_600_000 + n}", "age_s": 144, "young": True}
        for n, price in enumerate(prices)
    ]
    rows = [(f"{n}", "15m", "upper", price, END - 30, None, 0, 0) for n, price in enumerate(prices)]
    book = {"ask_walls": walls, "bid_walls": []}
    holes = [hole("trades", END - 9, END - 2)]
    parts = {"wicks": wicks(*rows), "holes": holes, "book": book}
    drawn = chart.show(view(answer={"signals": signals}) | parts)
    price = drawn["price"]
    names = ("signals", "walls", "plan", "tags", "blanks")
    boxes = [shape["box"] for name in names for shape in price[name] if shape["box"]]
    tags = [shape["box"]["y"] for shape in price["signals"]]  # of falling prices
    assert tags == sorted(tags), "in the order of their prices"
    assert len(boxes) > 6
    for a, b in combinations(boxes, 2):
        apart_x = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        apart_y = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
        assert apart_x or apart_y, (a, b)


@pytest.mark.parametrize(
    ("wall", "text"),
    [
        ({"notional": "2600000", "age_s": 144, "young": True}, "2.60M 2m young"),
        ({"notional": "1500000.4", "age_s": None, "young": False}, "1.50M age ?"),
        ({"notional": "860000", "age_s": 45, "young": True}, "860k 45s young"),
        ({"notional": "12345678", "age_s": 3960, "young": False}, "12.3M 66m"),
        ({"notional": "999600", "age_s": 7200, "young": False}, "1.00M 2h"),
    ],
)
def test_a_wall_says_its_size_and_its_age(chart, wall, text):
    """A bar at the right side, by its size, and the words of it."""
    drawn = chart.show(view(book={"ask_walls": [wall | {"price": "101"}], "bid_walls": []}))
    (shape,) = drawn["price"]["walls"]
    assert shape["text"] == text
    assert shape["x2"] == drawn["frame"]["width"]


def test_a_level_near_the_price_is_kept_in_sight(chart):
    """The price scale reaches to the tip of the shown signal, if that is within 60 bps."""
    near = chart.show(view(answer={"signals": [signal("101.5")]}))
    assert len(near["price"]["signals"]) == 1
    far = chart.show(view(answer={"signals": [signal("108")]}))
    assert far["price"]["signals"] == []
