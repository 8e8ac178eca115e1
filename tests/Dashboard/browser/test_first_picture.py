"""The page says what find_signals says at the same moment: word for word, digit for digit."""

import json
import random

import pytest

from ravequant import times
from tests.support.examples import often
from tests.support.exchange_clock import exchange_clock
from tests.support.notes_market import AT, BTC, A, ask
from tests.support.screen import Screen

TEST_CLOCK = "RAVEQUANT_TEST_CLOCK"
CONVICTIONS = {"MAX", "HIGH", "WATCH", "NONE"}
FIELDS = ("stop", "target", "net R/R", "must win")  # of the plan, in their order
DASH = "\N{EN DASH}"
SIGNS = {"met": "✓", "not_met": DASH, "missing": "?", "stale": "⚠", "gap": "⚠", "partial": "▨"}


def plan(signal):
    """Return the plan of a signal as the card words it."""
    even = signal["break_even_pct"]
    last = DASH if signal["reward_risk_net"] is None else "never" if even is None else f"{even} %"
    return [signal["stop"], signal["target"], signal["reward_risk_net"], last]


def check_card(page: Screen, signals):
    """Compare each field of the card, and each line of the others, with the objects of --json."""
    nearest = signals[0]
    card = page.text("#card")
    mark = {"SHORT": "▼ SHORT", "LONG": "▲ LONG"}[nearest["direction"]]
    assert f"{mark} {nearest['wick_price']}" in card
    assert f"{nearest['distance_bps']} bps from price" in card
    assert page.page.locator(".badge").inner_text().startswith(nearest["conviction"])
    assert f"x{nearest['size_shown']}" in card
    names = page.page.locator("#card .plan dt").all_inner_texts()
    assert [name.lower() for name in names] == [name.lower() for name in FIELDS]
    shown = page.page.locator("#card .plan dd").all_inner_texts()
    assert shown == [value or DASH for value in plan(nearest)]
    untouched = f"{nearest['age_minutes']} min untouched, {nearest['touched']} of"
    assert f"{untouched} {nearest['surrounding']} around it touched" in card
    rows = page.page.locator("#card .reasons tbody tr").all()
    assert len(rows) == len(nearest["layers"]) == 8
    for row, layer in zip(rows, nearest["layers"], strict=True):
        cells = row.locator("td").all_inner_texts()
        rate = layer["base_rate_pct"]
        value = layer["value"] or DASH
        if layer["state"] not in ("met", "not_met"):
            value = cells[2]
            assert "does not count" in value
        weak = layer["state"] == "met" and (
            layer["points"] < layer["of"] or layer["layer"] == "young_wall"
        )
        assert cells == [
            "~" if weak else SIGNS.get(layer["state"], DASH),
            layer["layer"].replace("_", " "),
            value,
            "too few to say" if rate is None else f"{rate} %",
        ]
    others = page.page.locator("#others-list li").all_inner_texts()
    assert len(others) == len(signals) - 1
    for line, other in zip(others, signals[1:], strict=True):
        assert other["wick_price"] in line
        assert other["conviction"] in line


def test_the_first_picture_of_now_is_the_answer_of_now(notes, screen):
    """Verdict, card and legend at a moment; no console line, no request to another host."""
    with exchange_clock() as clock:
        clock.now_ms = A + 7_000
        page = screen(notes, "--no-refresh", "--instId", BTC, variables={TEST_CLOCK: clock.url})
        page.wait_level("fresh")
        page.wait_painted()
        (signal,) = ask(notes, at=None, refresh=False)
        assert signal["conviction"] == "MAX"
        check_card(page, [signal])
        verdict = page.text("#verdict-words")
        assert verdict.startswith("✓ data fresh, oldest ")
        assert page.text("#price-value") == signal["last_price"]
        assert page.text("#price-source") == signal["last_price_from"]
        assert page.text("#mode-word") == "LIVE"
        for name, stream in signal["data"].items():
            line = page.page.locator(f"#streams [data-stream={name}]")
            assert line.get_attribute("data-state") == stream["state"]
        legend = page.text("#legend")
        newest = newest_row(notes, "volume", "volume_1m.jsonl")
        for name in ("open", "high", "low", "close"):
            assert newest[name] in legend


def newest_row(vault, metric, name):
    """Return the newest line of a derived file."""
    lines = (vault.derived(metric, BTC) / name).read_bytes().splitlines()
    return json.loads(lines[-1])


def test_any_minute_in_replay_reads_as_the_command_says(notes, screen):
    """Random minutes of the recording, jumped to: each field; and no byte later than the minute."""
    chance = random.Random(11)
    first, last = A - 200 * times.MINUTE_MS, A
    every = range(first, last, times.MINUTE_MS)
    moments = [A, *chance.sample(every, often(4, 199))]
    page = screen(notes, "--no-refresh", "--instId", BTC, query=f"?inst={BTC}&at={AT}")
    met = 0
    for moment in moments:
        at = times.iso(moment)
        page.read_at(BTC, at)
        signals = ask(notes, at=at)
        assert page.text("#mode-word").startswith("REPLAY")
        if page.level == "void":
            assert not CONVICTIONS & set(page.text("body").split())
        elif signals:
            met += 1
            check_card(page, signals)
        else:
            assert page.text("#card").startswith("No signal")
        page.check_nothing_after(moment)
    assert met


@pytest.mark.parametrize("field", ["wick_price", "stop", "target"])
def test_a_number_is_the_text_of_the_answer(notes, screen, field):
    """Not a float's idea of it: the decimal text is handed through."""
    page = screen(notes, "--no-refresh", "--instId", BTC, query=f"?inst={BTC}&at={AT}")
    page.read_at(BTC, AT)
    (signal,) = ask(notes, at=AT)
    assert signal[field] in page.text("#card")
