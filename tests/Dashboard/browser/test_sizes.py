"""Sizes, themes and colours: nothing overflows, all can be read, no colour stands alone."""

import re
from itertools import product

import pytest

from ravequant.vault.paths import CHECKOUT
from tests.support.notes_market import AT, BTC

QUERY = f"?inst={BTC}&at={AT}"
CSS = CHECKOUT / "Dashboard" / "static" / "page.css"
TEXTS = ("text", "soft", "faint", "long", "short", "broken", "doubt", "replay")
MARKS = ("long", "short", "broken", "doubt", "replay", "forming", "vwap", "tier3", "tier4")
GROUNDS = ("ground", "panel")


def tokens(theme):
    """Return the colours of a theme as the style sheet gives them."""
    css = CSS.read_text(encoding="utf-8")
    start = ":root {" if theme == "dark" else ':root[data-theme="light"] {'
    block = css[css.index(start) :]
    block = block[: block.index("}")]
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))


def luminance(colour):
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    """Return the contrast of two colours (WCAG 2)."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_text_and_marks_stand_out(theme):
    """Text at least 4.5 : 1 on each ground, marks 3 : 1; on filled badges and red too."""
    found = tokens(theme)
    for name, ground in product(TEXTS, GROUNDS):
        assert contrast(found[name], found[ground]) >= 4.5, (theme, name, ground)
    for name, ground in product(MARKS, GROUNDS):
        assert contrast(found[name], found[ground]) >= 3, (theme, name, ground)
    for side in ("long", "short"):
        assert contrast(found["on-side"], found[side]) >= 4.5
    assert contrast(found["on-broken"], found["broken"]) >= 4.5


def test_the_system_and_the_choice_give_the_same_light_theme():
    """The tokens stand twice in the sheet: under the system's wish and under the key."""
    css = CSS.read_text(encoding="utf-8")
    lists = re.findall(r"(--ground: #f3f5f7;[^}]*)}", css)
    cleaned = {tuple(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block)) for block in lists}
    assert (len(lists), len(cleaned)) == (2, 1)


OVERFLOWS = """() => {
  const wide = [], edge = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > edge) wide.push('the page');
  const parts = 'header *, #decision *, #others *, #book *, footer *';
  for (const el of document.querySelectorAll(parts)) {
    const box = el.getBoundingClientRect();
    const seen = el.checkVisibility() && box.width > 0 && !el.closest('.spoken, dialog');
    if (seen && (box.right > edge + 1 || box.left < -1)) wide.push(el.tagName + '.' + el.className);
  }
  return wide;
}"""


@pytest.fixture
def page(screen, notes_address):
    """Return a page in replay at the set-up of the notes."""
    shown = screen(notes_address, query=QUERY)
    shown.wait(f"document.documentElement.dataset.asOf === {AT[:16] + 'Z'!r}")
    return shown


def test_nothing_overflows_at_any_width(page):
    """From a wide screen down to a small phone, and at half the width as 200 % zoom gives."""
    for width, height in (
        (1600, 900),
        (1366, 768),
        (1024, 768),
        (760, 900),
        (390, 844),
        (360, 640),
    ):
        page.page.set_viewport_size({"width": width, "height": height})
        page.page.wait_for_timeout(60)
        assert page.page.evaluate(OVERFLOWS) == [], width
        assert page.page.locator("#verdict").is_visible()
        assert page.page.locator("#card .level").is_visible()
        if width < 760:  # a single column, in the order in which the eye is led
            order = [page.page.locator(name).bounding_box()["y"] for name in
                     ("#verdict", "#decision", "#chart", "#book")]  # fmt: skip
            assert order == sorted(order)


@pytest.mark.parametrize("kind", ["deuteranopia", "protanopia", "tritanopia", "achromatopsia"])
def test_no_colour_stands_alone(page, kind):
    """With each kind of colour blindness the verdict and the side are still said by a sign."""
    client = page.page.context.new_cdp_session(page.page)
    client.send("Emulation.setEmulatedVisionDeficiency", {"type": kind})
    assert page.text("#verdict-words")[0] == "↺"
    assert page.text("#card .side")[0] in "▲▼"
    signs = page.page.locator("#card .reasons .sign").all_inner_texts()
    assert len(signs) == 8
    assert "" not in signs


def test_the_theme_follows_the_system_and_the_key_is_kept(screen, notes_address):
    """Light by the system; dark by the key, also after the page was loaded anew."""
    shown = screen(notes_address, query=QUERY, color_scheme="light")
    ground = "getComputedStyle(document.body).backgroundColor"
    light, dark = "rgb(243, 245, 247)", "rgb(14, 17, 22)"
    shown.wait(f"{ground} === {light!r}")
    shown.page.keyboard.press("t")
    shown.wait(f"{ground} === {dark!r}")
    shown.page.reload()
    shown.wait(f"{ground} === {dark!r}")
    assert shown.page.evaluate("Object.keys(localStorage).length") == 1


def test_the_credit_and_the_notice(page):
    """The licence of the chart asks for a link on the page and its notice."""
    link = page.page.locator("#credit a")
    assert link.get_attribute("href") == "https://www.tradingview.com/"
    assert "TradingView Lightweight Charts" in link.inner_text()
    page.page.keyboard.press("?")
    notice = (CHECKOUT / "Dashboard/static/vendor/NOTICE").read_text(encoding="utf-8")
    first = notice.splitlines()[0].strip()
    assert first in " ".join(page.text("#help").split())
