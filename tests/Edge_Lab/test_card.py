"""The card: one screen of text, one page without network or script, a picture to scale."""

import re
import xml.etree.ElementTree as ET

import pytest

from Edge_Lab.card import WIDTH, bars, html, marks, picture, terminal
from Edge_Lab.verdict import Forward, decide, nothing
from tests.support.edge_facts import claims, estimate, facts

BARE = {
    "days": 0,
    "claims": nothing(),
    "wins_pct": None,
    "chance_pct": None,
    "break_even_pct": None,
}
ALL = [
    facts(),
    facts(claims=claims((-6.9, 1.1), (0.3, 0.9))),
    facts(**BARE),
    facts(claims=claims((2.1, 1.3), through=((-0.1, 1.0), None))),
    facts(days=12, fills=84),
    facts(alone=estimate(-5.4, 2.2), rank=0.081, days_seen=60),
]


@pytest.mark.parametrize("found", ALL)
def test_the_screen_holds_all_of_it(found):
    """Word, sentence, six numbers, picture, last line: at most 80 columns and 24 lines."""
    text = terminal(found)
    lines = text.splitlines()
    verdict = decide(found)
    assert lines[0] == verdict.word
    assert verdict.what_to_do in " ".join(lines)
    assert lines[-1] == f"{found.trials} trials are counted in the ledger, over {found.days} days."
    assert max(map(len, lines)) <= WIDTH
    assert len(lines) <= 23  # the prompt takes one more


def test_sentences_below_the_picture():
    """What else must be known stands on the screen and on the page, and the screen is no longer."""
    found, more = ALL[-1], ["Judged are the days from 2026-01-03 & later."]
    text, page = terminal(found, more=more), html(found, title="base", more=more)
    assert "at a time: net -5.4 (-7.6 to -3.2) on 2,000 fills." in text
    assert more[0] in text
    assert "<p>Judged are the days from 2026-01-03 &amp; later.</p>" in page
    assert "<p>Random levels did as well in 8.1 % of 1,000 draws.</p>" in page
    assert len(text.splitlines()) <= 23


def test_the_bars_stand_where_their_numbers_are():
    """0 in its column, lower end left of the value, value left of the upper end."""
    lines = terminal(facts()).splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith("touch (lucky), net"))
    axis = lines[start + 6]
    assert axis.startswith("bps a fill")
    for line in lines[start : start + 6]:
        zero, low, value, high = (line.index(sign) for sign in "┊├●┤")
        assert zero < low < value < high
        assert axis[zero] == "0"
    assert axis.endswith("+3.8")


def test_a_loss_lies_left_of_nothing():
    """All of a losing interval stands left of 0."""
    lines = terminal(facts(claims=claims((-6.9, 1.1), (0.3, 0.9)))).splitlines()
    line = next(line for line in lines if line.startswith("queue, net"))
    assert line.index("┤") < line.index("┊")


def test_labels_of_the_axis_keep_apart():
    """An end beside 0 has no label of its own: the two would be one unreadable number."""
    found = facts(claims=claims((-8.6, 0.1), (-0.1, 0.2)))
    axis = next(line for line in terminal(found).splitlines() if line.startswith("bps a fill"))
    assert axis.split()[3:] == ["-8.7", "0"]
    texts = [node.text for node in ET.fromstring(picture(found)) if node.tag == "text"]  # noqa: S314
    assert {"-8.7", "0 bps"} <= set(texts)
    assert "+0.1" not in texts


@pytest.mark.parametrize("found", ALL)
def test_the_page_needs_nothing_else(found):
    """No script, no address, no file: and it is whole, so that any browser draws the same."""
    page = html(found, title="base, BTC and ETH, <2026-01-13>")
    assert "<script" not in page
    assert not re.search(r"(?:src|href)=|url\(|https?:|@import", page)
    assert "&lt;2026-01-13&gt;" in page
    assert "default-src 'none'" in page
    assert decide(found).word in page
    if svg := picture(found):
        ET.fromstring(svg)  # noqa: S314 - our own
        assert svg in page


def test_the_picture_draws_each_interval_to_scale():
    """Six lines with a dot each; lengths are as the intervals are; 0 is marked."""
    tree = ET.fromstring(picture(facts()))  # noqa: S314 - our own
    lines = [node for node in tree if node.tag == "line" and node.get("stroke-width") == "3"]
    spans = [float(line.get("x2", 0)) - float(line.get("x1", 0)) for line in lines[:6]]
    widths = [bar.high - bar.low for bar in bars(facts())]
    assert [span / spans[0] for span in spans] == pytest.approx(
        [width / widths[0] for width in widths], abs=1e-3
    )
    dots = [float(node.get("cx", 0)) for node in tree if node.tag == "circle"]
    assert len(dots) == 6
    texts = [node.text for node in tree if node.tag == "text"]
    assert {"0 bps", "wins 61.2 %", "chance 33.3 %", "break-even 56.7 %"} <= set(texts)


def test_win_rates_are_sorted_and_never_alone():
    """The own rate stands among chance and break-even; unknown ones are left out."""
    assert [mark.label for mark in marks(facts())] == ["chance", "break-even", "wins"]
    assert [mark.label for mark in marks(facts(break_even_pct=None, wins_pct=9.0))] == [
        "wins",
        "chance",
    ]
    assert picture(facts(**BARE)) == ""


def test_equal_facts_give_equal_cards():
    """The same numbers are the same bytes."""
    assert html(facts(), title="base") == html(facts(), title="base")
    assert terminal(facts()) == terminal(facts())


def test_a_picture_that_is_too_early_is_faint():
    """Few days may draw fine intervals: they are not drawn like those of an answer."""
    assert 'opacity="0.35"' in picture(facts(days=12, fills=84))
    assert "opacity" not in picture(facts())


def test_only_a_proof_is_green():
    """What is promising has no colour that means go."""
    assert "#1a7f37" not in html(facts(), title="base")
    assert "#1a7f37" in html(facts(forward=Forward(40, 0.5, 0.25)), title="base")
