"""What a glance takes in: the form of a go, and in a line what speaks against it."""

import shutil

import pytest

from ravequant.signals import lab_verdict
from ravequant.vault.paths import Vault
from tests.support.exchange_clock import exchange_clock
from tests.support.notes_market import BTC, A, ask

OPTIONS = ("--no-refresh", "--instId", BTC)
PROVEN = {
    "made_utc": "2025-12-14T21:00:00.000Z", "word": "PROVEN", "instruments": [BTC],
    "short": "PROVEN, net +2.1 (0.8 to 3.4) bps a fill", "what_to_do": "Take it.",
}  # fmt: skip
# the form of the conviction, without any colour: filled or not, the width of its frame, its bars
FORM = """() => {
  const badge = document.querySelector('#card .badge'), style = getComputedStyle(badge);
  const clear = style.backgroundColor === 'rgba(0, 0, 0, 0)';
  const bars = [...badge.querySelectorAll('.meter i')].map((bar) => bar.className === 'on' ? 1 : 0);
  return [clear ? 'open' : 'filled', style.borderTopStyle, bars.join('')];
}"""
# elements whose colour is lively: neither grey nor the red of what is broken
LIVELY = """() => {
  const found = [];
  const broken = getComputedStyle(document.documentElement).getPropertyValue('--broken').trim();
  const probe = Object.assign(document.createElement('i'), {style: `color: ${broken}`});
  document.body.append(probe);
  const red = getComputedStyle(probe).color;
  probe.remove();
  for (const el of document.querySelectorAll('#top *, #decision *, #others *')) {
    const box = el.getBoundingClientRect();
    if (!box.width || !el.checkVisibility()) continue;
    const style = getComputedStyle(el);
    for (const name of ['color', 'backgroundColor', 'borderTopColor']) {
      const parts = style[name].match(/[\\d.]+/g).map(Number);
      const [least, , most] = parts.slice(0, 3).sort((one, other) => one - other);
      if (most - least > 48 && parts[3] !== 0 && style[name] !== red)
        found.push(`${el.className} ${name} ${style[name]}`);
    }
  }
  const grey = getComputedStyle(document.getElementById('book')).filter;
  return [found, grey.includes('grayscale(1)')];
}"""


@pytest.fixture
def live(screen, tmp_path, monkeypatch):
    """Return a function that opens a vault live, with `approach_bps` of the alerts."""
    with exchange_clock() as clock:
        clock.now_ms = A + 7_000

        def show(vault, approach="5"):
            chosen = tmp_path / "chosen.toml"
            chosen.write_text(f'[alerts]\napproach_bps = "{approach}"\n', encoding="utf-8")
            monkeypatch.setenv("RAVEQUANT_SETTINGS", str(chosen))
            page = screen(vault, *OPTIONS, variables={"RAVEQUANT_TEST_CLOCK": clock.url})
            page.wait_level("fresh")
            page.wait("document.querySelector('#card .badge') !== null")
            return page

        yield show, clock


def test_a_max_that_is_not_tested_and_far_is_no_go(notes, live):
    """Open, the doubt beside it in the same size, WAIT, and what speaks against it in a line."""
    show, clock = live
    page = show(notes)
    assert page.page.evaluate(FORM) == ["open", "solid", "111"]
    size = "(name) => getComputedStyle(document.querySelector(name)).fontSize"
    assert page.text("#card .worth").split("\n")[0].strip() == "MAX"
    assert page.text("#card .worth .proof") == "not tested"
    assert page.page.evaluate(size, ".badge") == page.page.evaluate(size, ".worth .proof")
    (signal,) = ask(notes, at=None, refresh=False)
    away = f"✕ NO GO, not tested; {signal['distance_bps']} bps"
    assert page.text("#card .distance").startswith(away)
    share = f"{signal['break_even_pct']} % must win"
    assert page.text("#card .against") == (
        f"against: not tested: no lab verdict · wall young, 95 s · {share}"
    )
    known = "wall 2.50M at 101250 stands since 21:33:25: 0% filled, 0% pulled, 0% refilled"
    assert page.text("#card .context") == known
    tags = [shape["text"] for shape in page.geometry()["price"]["signals"]]
    assert tags == ["▼ SHORT 101250 MAX not tested"]
    clock.now_ms = A + 300_000
    page.wait_level("void")
    assert page.page.evaluate(LIVELY) == [[], True]
    assert page.text("#mode-word") == "NOT LIVE"
    assert "SHORT" not in page.words()
    assert known not in page.words()


def test_a_max_that_is_proven_and_in_reach_is_a_go(notes, live, tmp_path):
    """Filled, no doubt beside it; the card of the lab still opens."""
    vault = Vault(tmp_path / "proven")
    shutil.copytree(notes.root, vault.root)
    lab_verdict.write_verdict(vault, PROVEN)
    show, _ = live
    page = show(vault)
    assert page.text("#card .distance").startswith("✕ WAIT, no order yet: +")
    page = show(vault, approach="25")
    assert page.page.evaluate(FORM) == ["filled", "solid", "111"]
    assert page.text("#card .worth .proof") == "lab: PROVEN, net +2.1 (0.8 to 3.4) bps a fill"
    assert page.text("#card .distance").startswith("in reach: ")
    assert page.text("#card .against").startswith("against: wall young, 95 s · ")
    assert page.geometry()["price"]["signals"][0]["style"] == "filled"


def test_nearness_alone_is_no_go(notes, live):
    """In reach and not tested: the doubt comes first, where a proven level says in reach."""
    show, _ = live
    page = show(notes, approach="25")
    assert page.text("#card .distance").startswith("✕ NO GO, not tested; in reach, ")
    assert page.geometry()["price"]["signals"][0]["style"] == "framed"
