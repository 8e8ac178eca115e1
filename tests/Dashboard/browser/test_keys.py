"""The keys of the page: each acts, but in no field and with no modifier; each has a button."""

import pytest

from tests.support.notes_market import AT, BTC

QUERY = f"?inst={BTC}&at={AT}"
# key, and an expression that is another after it
KEYS = {
    "1": "document.querySelector('[data-do=window][aria-pressed=true]').dataset.value",
    "3": "document.querySelector('[data-do=window][aria-pressed=true]').dataset.value",
    "4": "document.querySelector('[data-do=window][aria-pressed=true]').dataset.value",
    "Shift+2": "document.querySelector('[data-do=timeframe][aria-pressed=true]').dataset.value",
    "h": "document.querySelector('[data-value=heat]').getAttribute('aria-pressed')",
    "w": "document.querySelector('[data-value=wicks]').getAttribute('aria-pressed')",
    "b": "document.querySelector('[data-value=book]').getAttribute('aria-pressed')",
    "c": "document.querySelector('[data-value=cvd]').getAttribute('aria-pressed')",
    "v": "document.querySelector('#bands-button').textContent",
    "+": "JSON.stringify(document.getElementById('chart').geometry().frame)",
    "-": "JSON.stringify(document.getElementById('chart').geometry().frame)",
    "u": "document.querySelector('#zone').textContent",
    "t": "document.documentElement.dataset.theme",
    "a": "document.querySelector('#tables').hidden",
    "?": "document.querySelector('#help').open",
    " ": "document.querySelector('#play').textContent",
    "ArrowLeft": "document.documentElement.dataset.asOf",
    "Shift+ArrowLeft": "document.documentElement.dataset.asOf",
}
NO_MODIFIER = [key for key in KEYS if not key.startswith("Shift+")]


@pytest.fixture
def page(screen, notes_address):
    """Return a page in replay at the set-up of the notes."""
    shown = screen(notes_address, query=QUERY)
    shown.wait(f"document.documentElement.dataset.asOf === {AT[:16] + 'Z'!r}")
    return shown


def pressed(page, key):
    """Press a key; return True once its expression has changed, False if it stays."""
    before = page.page.evaluate(KEYS[key])
    page.page.keyboard.press(key if key != " " else "Space")
    for _ in range(40):
        if page.page.evaluate(KEYS[key]) != before:
            return True
        page.page.wait_for_timeout(20)
    return False


def test_each_key_does_its_thing(page):
    """One after the other on one page; Escape closes the help, `l` leads back to live."""
    assert [key for key in KEYS if key != "?" and not pressed(page, key)] == []
    assert pressed(page, "?")
    page.page.keyboard.press("Escape")
    page.wait("!document.querySelector('#help').open")
    page.page.keyboard.press("l")
    page.wait("!location.search.includes('at=')")


def test_no_key_with_a_modifier_or_in_a_field(page):
    """The browser's own shortcuts and a person who types are left alone."""
    for modifier in ("Control", "Alt", "Meta"):
        for key in ("h", "w", "a", "u", "v"):
            before = page.page.evaluate(KEYS[key])
            page.page.evaluate(
                "([key, name]) => document.body.dispatchEvent(new KeyboardEvent('keydown',"
                " {key, bubbles: true, [name]: true}))",
                [key, {"Control": "ctrlKey", "Alt": "altKey", "Meta": "metaKey"}[modifier]],
            )
            assert page.page.evaluate(KEYS[key]) == before
    page.page.focus("#minute")
    for key in ("h", "a", "u", "t"):
        before = page.page.evaluate(KEYS[key])
        page.page.keyboard.press(key)
        assert page.page.evaluate(KEYS[key]) == before


def test_each_key_has_a_button(page):
    """A mouse or a finger reaches all that the keys do."""
    actions = set(
        page.page.evaluate("[...document.querySelectorAll('[data-do]')].map((b) => b.dataset.do)")
    )
    wanted = {
        "window", "timeframe", "layer", "bands", "pan", "zoom", "signal", "replay", "live", "play",
        "step", "zone", "theme", "sound", "tables", "help",
    }  # fmt: skip
    assert wanted <= actions
    titles = page.page.evaluate("[...document.querySelectorAll('button')].map((b) => b.title)")
    for key in ("(1)", "(4)", "(h)", "(w)", "(v", "(b)", "(c)", "(r)", "(l)", "(u)", "(t)", "(s)"):
        assert any(key in title for title in titles), key
