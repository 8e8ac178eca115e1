"""Golden pictures: the live and the void screen, dark and light, wide and on a phone."""

import pytest

from tests.support import golden
from tests.support.exchange_clock import exchange_clock
from tests.support.notes_market import BTC, A

SIZES = {"wide": {"width": 1366, "height": 768}, "phone": {"width": 390, "height": 844}}
TOLERANCE = 0.004  # of the pixels: ages count on while a picture is taken
MOMENTS = {"live": A + 7_000, "void": A + 200_000}
PAINTED = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


@pytest.mark.parametrize("state", MOMENTS)
def test_the_screen_looks_as_it_did(notes, screen, browser, state):
    """Nothing has moved, gone or changed its colour; other browsers and fonts are skipped."""
    with exchange_clock() as clock:
        clock.now_ms = MOMENTS[state]
        options = ("--no-refresh", "--instId", BTC)
        page = screen(notes, *options, variables={"RAVEQUANT_TEST_CLOCK": clock.url})
        made = golden.made_with(browser, page.page)
        if golden.NEW:
            golden.pin(made)
        elif made != golden.pinned():
            by = golden.pinned() or "nothing yet: RAVEQUANT_NEW_PICTURES=1 makes them"
            pytest.skip(f"the golden pictures are made with {by}; here is {made}")
        page.wait_level({"live": "fresh"}.get(state, state))
        page.wait("document.getElementById('chart').geometry?.().heat?.columns.length > 0")
        page.page.keyboard.press("h")  # the heat is held to its own pixels
        differences = {}
        for theme in ("dark", "light"):
            page.page.emulate_media(color_scheme=theme)
            for size, box in SIZES.items():
                page.page.set_viewport_size(box)
                page.page.evaluate(PAINTED)
                page.page.evaluate(PAINTED)
                picture = page.page.screenshot()
                name = f"{state}-{theme}-{size}"
                if golden.NEW:
                    golden.keep(browser, name, picture)
                differences[name] = golden.share_of_difference(browser, name, picture)
        assert {name: share for name, share in differences.items() if share > TOLERANCE} == {}
