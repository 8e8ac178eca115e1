"""The page without eyes and with fingers: its twin in text, the order of focus, touch."""

import pytest

from tests.support.notes_market import AT, BTC

QUERY = f"?inst={BTC}&at={AT}"


@pytest.fixture
def page(screen, notes_address):
    """Return a page in replay at the set-up of the notes."""
    shown = screen(notes_address, query=QUERY)
    shown.wait(f"document.documentElement.dataset.asOf === {AT[:16] + 'Z'!r}")
    return shown


def test_the_decision_is_a_tree_of_words(page):
    """A screen reader finds verdict, side, price, plan and all eight reasons; not the canvas."""
    tree = page.page.locator("#decision").aria_snapshot()
    for part in ("heading", "SHORT", "101250", "stop", "target", "must win", "young wall", "vwap"):
        assert part in tree, part
    assert page.page.locator("#chart").get_attribute("aria-hidden") == "true"
    assert page.page.locator("#verdict").get_attribute("role") == "status"
    spoken = page.page.locator("#verdict-spoken")
    assert spoken.inner_text() == "Not now. Data were fresh."
    assert page.page.locator("#price").get_attribute("aria-live") is None  # prices are not read


def test_the_chart_has_a_twin_of_tables(page):
    """`a` shows the levels and the last 30 minutes as tables."""
    page.page.keyboard.press("a")
    page.wait("!document.querySelector('#tables').hidden")
    tree = page.page.locator("#tables").aria_snapshot()
    assert "table" in tree
    assert "101250" in tree
    rows = page.page.locator("#tables table").last.locator("tbody tr").count()
    assert rows == 30


def test_focus_goes_verdict_decision_chart_rest(page):
    """Tab by tab, each with a ring that can be seen."""
    order: list[str] = []
    for _ in range(60):
        page.page.keyboard.press("Tab")
        place = page.page.evaluate(
            "['top', 'decision', 'stage', 'rest'].find((id) =>"
            " document.getElementById(id).contains(document.activeElement)) ?? 'footer'"
        )
        if not order or order[-1] != place:
            order.append(place)
        if place == "footer":
            break
        outline = page.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none"
    known = [place for place in ("top", "decision", "stage", "rest", "footer") if place in order]
    assert order == known
    assert {"top", "decision", "stage"} <= set(order)


def test_a_swipe_scrolls_the_page_and_a_long_press_shows_the_crosshair(screen, notes_address):
    """On a phone the chart traps no finger."""
    shown = screen(
        notes_address,
        query=QUERY,
        viewport={"width": 390, "height": 700},
        has_touch=True,
        is_mobile=True,
    )
    shown.wait(f"document.documentElement.dataset.asOf === {AT[:16] + 'Z'!r}")
    shown.page.locator("#chart").scroll_into_view_if_needed()
    box = shown.page.locator("#chart").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    before = shown.page.evaluate("scrollY")
    client = shown.page.context.new_cdp_session(shown.page)

    def touch(kind, *points):
        client.send(
            "Input.dispatchTouchEvent",
            {"type": kind, "touchPoints": [{"x": x, "y": y} for x, y in points]},
        )

    touch("touchStart", (x, y))
    for step in range(1, 9):
        touch("touchMove", (x, y - 25 * step))
        shown.page.wait_for_timeout(16)
    touch("touchEnd")
    shown.wait(f"scrollY !== {before}", 5)
    shown.page.locator("#chart").scroll_into_view_if_needed()
    box = shown.page.locator("#chart").bounding_box()
    x, y = box["x"] + 60, box["y"] + box["height"] / 2  # below the verdict, which stays
    newest = shown.text("#legend")
    touch("touchStart", (x, y))
    shown.wait(f"document.querySelector('#legend').innerText !== {newest!r}", 5)
    touch("touchEnd")


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "America/New_York", "Australia/Lord_Howe"])
def test_a_zone_changes_labels_and_no_data(screen, notes_address, zone):
    """`u` swaps UTC and local; the minutes of the chart stay where they are."""
    shown = screen(notes_address, query=QUERY, timezone_id=zone)
    shown.wait(f"document.documentElement.dataset.asOf === {AT[:16] + 'Z'!r}")
    assert "2025-12-14 21:35 UTC" in shown.text("#times")
    before = shown.geometry()["frame"]
    shown.page.keyboard.press("u")
    shown.wait("document.querySelector('#zone').textContent === 'local'")
    local = {
        "Asia/Kolkata": "03:05",
        "America/New_York": "16:35",
        "Australia/Lord_Howe": "08:35",
    }[zone]
    assert local in shown.text("#times")
    assert shown.geometry()["frame"] == before
