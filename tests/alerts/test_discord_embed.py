"""What an alert says on Discord: all that its data lack, and nothing that calls anybody."""

import json
from dataclasses import replace

import pytest

from ravequant.alerts import discord_embed
from ravequant.alerts.dispatcher import signal_seen
from ravequant.alerts.doubts import DoubtMessage, RecordingStop, Sequel
from ravequant.alerts.policy import AlertMessage, AlertPolicy
from ravequant.settings import Settings
from ravequant.signals.inputs import VwapRow, price
from ravequant.signals.proof import not_tested
from ravequant.signals.wording import DEFENDED
from ravequant.vault.paths import CHECKOUT
from tests.support.alert_cases import MINUTE, NOW, as_text
from tests.support.made_signals import (
    LIMITS,
    WORTH,
    A,
    absorbing,
    ask,
    book,
    hidden,
    made_verdict,
    only,
    set_up,
    surrounding,
    wick,
)

APPROACH = Settings().alerts.approach_bps
README = CHECKOUT / "Untouch_Wick" / "README.md"


def at(bps_away):
    """Return the set-up with price so far below the tip."""
    facts = set_up()
    tip = hidden().tip
    return replace(facts, book=book(mid=round(tip / (1 + bps_away / 10_000))))


# --- the embed ------------------------------------------------------------------------------


def readme_signal():
    """The notes' set-up, with a VWAP that stopped half an hour ago and a low to aim at."""
    vwap = (VwapRow(A - 31, price("101050"), price("101058"), gap=False),)
    wicks = [*surrounding(), wick(50, "100900.5", "low")]
    return only(set_up(wicks, vwap=vwap, verdict=not_tested()))


def test_the_embed_in_the_readme_is_the_embed():
    """The text there is what is posted, line by line."""
    signal = readme_signal()
    text = as_text(discord_embed.embed(signal, LIMITS, signal.state.ms + 42_000))
    assert text in README.read_text(encoding="utf-8"), text


def test_the_embed_says_that_the_vwap_is_of_a_young_recording():
    """It stands above all else, like what is stale."""
    (row,) = set_up().vwap
    signal = only(set_up(vwap=(row._replace(traded=64, whole=False),)))
    words = discord_embed.embed(signal, LIMITS, signal.state.ms)["embeds"][0]
    assert words["description"].startswith("**does not count: vwap PARTIAL**\n")


def test_the_embed_says_what_its_data_lack():
    """STALE, GAP and MISSING stand above all else; old data too."""
    facts = set_up()
    signal = only(replace(facts, cvd=(), vwap=(), book=book(gap=True), volume=facts.volume[:-9]))
    words = discord_embed.embed(signal, LIMITS, signal.state.ms)["embeds"][0]
    first, *rest = words["description"].splitlines()
    assert first == (
        "**does not count: volume_tier STALE, absorption STALE, wall GAP, imbalance GAP, "
        "young_wall GAP, cvd MISSING, vwap MISSING**"
    )
    ages, lacks = rest
    assert ages == (
        "<t:1765748100:R>, age at 21:35 UTC: trades 2s, buckets 1s GAP, wicks 0s, volume 9m00s "
        "STALE, cvd vwap MISSING"
    )
    assert lacks == (
        "no target within 60 bps; the evidence alone: WATCH; MAX by the notes; book not whole: "
        "WATCH at most, else HIGH; defended to the tick"
    )
    late = discord_embed.embed(signal, LIMITS, signal.state.ms + 6 * MINUTE)
    assert "**OLD: the data end 6m00s before now**" in late["embeds"][0]["description"]


def test_an_approach_says_how_near():
    """In its title, and in the first line."""
    embed = discord_embed.embed(only(at(3)), LIMITS, NOW, "near")["embeds"][0]
    assert embed["title"] == "NEAR BTC-USDT-SWAP SHORT 101250 MAX x3"
    assert embed["description"].splitlines()[0] == "price is 3.00 bps from the tip"


@pytest.mark.parametrize(("word", "worth"), WORTH.items())
def test_each_verdict_in_an_alert(word, worth):
    """A phone shows the title alone: a size that is no go stands in brackets there; x0 is grey."""
    signal = only(set_up(verdict=made_verdict(word)))
    (embed,) = discord_embed.embed(signal, LIMITS, NOW)["embeds"]
    assert embed["title"] == f"BTC-USDT-SWAP SHORT 101250 {worth}"
    lines = embed["description"].splitlines()
    stops = "x0" in worth
    assert lines[0].startswith(f"**{word}: Stop trading" if stops else "<t:")
    assert lines[-1] == (DEFENDED if stops else f"base: {word}, 84 of 200 fills")
    assert (embed["color"] == 0x808080) == stops


def test_the_way_is_the_colour():
    """Red sells, green buys."""
    from tests.support.made_signals import mirrored

    short = discord_embed.embed(only(set_up()), LIMITS, NOW)["embeds"][0]
    long = discord_embed.embed(only(mirrored(set_up())), LIMITS, NOW)["embeds"][0]
    assert (short["color"], long["color"]) == (0xD9534F, 0x3C9D5B)
    assert "LONG" in long["title"]


def size(embed):
    """Return how many characters Discord counts."""
    fields = [len(item["name"]) + len(item["value"]) for item in embed.get("fields", ())]
    footer = len(embed.get("footer", {}).get("text", ""))
    return len(embed["title"]) + len(embed["description"]) + footer + sum(fields)


def within_limits(embed):
    assert len(embed["title"]) <= 256
    assert len(embed["description"]) <= 4_096
    assert len(embed.get("fields", ())) <= 25
    assert all(0 < len(item["value"]) <= 1_024 for item in embed.get("fields", ()))
    assert size(embed) <= 6_000


def test_nobody_is_called_and_nothing_is_too_long():
    """Whatever stands in the files: no mention, no code that ends early, Discord's limits."""
    evil = "@everyone <@&1> ``` \u202e" * 500
    facts = set_up(the_wick=hidden(tip_strength=evil, event_id=evil))
    signal = only(replace(facts, volume=[*facts.volume[:-2], absorbing(ratio=evil)]))
    signal = signal._replace(tags=(evil,))
    message = discord_embed.embed(signal, LIMITS, NOW, "near")
    assert message["allowed_mentions"] == {"parse": []}
    (embed,) = message["embeds"]
    within_limits(embed)
    text = json.dumps(embed, ensure_ascii=False)
    assert "everyone" in text
    for word in ("@", "<@", "\u202e"):
        assert word not in text
    for item in embed["fields"]:
        assert item["value"].count("```") in (0, 2)
    shown = {item["name"]: item["value"] for item in embed["fields"]}
    assert shown["tip"].endswith("...")
    assert "..." in shown["for it"]


def test_the_list():
    """One line an alert with the moment it was due, and how many it had no room for."""
    policy = AlertPolicy(1)
    signal = readme_signal()
    policy.add([signal_seen(signal, APPROACH)], NOW)
    (message,) = policy.due({signal.wick.event_id}, NOW)
    embed = discord_embed.digest(message._replace(is_list=True))["embeds"][0]
    assert embed["title"] == "1 earlier alert"
    assert embed["description"].splitlines()[1:] == [
        "<t:1765748130:t> BTC-USDT-SWAP SHORT 101250 MAX (x3, not tested), score 95"
    ]
    (alert,) = message.alerts
    many = AlertMessage(
        (replace(alert, line="x" * 200, kind="near"),) * 100, is_list=True, left_out=7
    )
    embed = discord_embed.digest(many)["embeds"][0]
    within_limits(embed)
    lines = embed["description"].splitlines()
    assert embed["title"] == "107 earlier alerts"
    assert lines[-1] == f"and {107 - len(lines[1:-1])} more"
    assert lines[-2] == f"<t:1765748130:t> NEAR {'x' * 200}"


def test_signals_in_doubt_have_a_message_for_all():
    """Since when and why; several stand, and no word of a reason can call anybody."""
    levels = {"BTC|high": "SHORT 97137.3", "BTC|low": "LONG 95000"}
    message = DoubtMessage("BTC", stands=True, levels=levels)
    stop = RecordingStop(NOW, "NOT RECORDING trades: @everyone has ended")
    assert as_text(discord_embed.doubted(message, stop)) == (
        "BTC: NOT RECORDING since 21:35:30 UTC\n\n"
        "nobody knows whether SHORT 97137.3, LONG 95000 still stand; do not use\n"
        "trades: (at)everyone has ended\n"
        f"<t:{NOW // 1000}:R>\n\n\n"
        "BTC|high, BTC|low\n"
    )
    sequels = {"BTC|high": Sequel(stands=True, words="still stands"),
               "BTC|low": Sequel(stands=False, words="is no signal any more")}  # fmt: skip
    again = discord_embed.trusted(message._replace(stands=False), sequels)
    assert as_text(again) == (
        "BTC: RECORDING AGAIN\n\n"
        "SHORT 97137.3 still stands\nLONG 95000 is no signal any more\n\n\n"
        "BTC|high, BTC|low\n"
    )
    assert "flags" not in again
    gone = dict.fromkeys(levels, sequels["BTC|low"])
    assert discord_embed.trusted(message, gone)["flags"] == 4096  # SUPPRESS_NOTIFICATIONS


def test_signals_without_price_or_plan_have_an_embed():
    """Nothing to stand on but the wick: it is said, nothing fails."""
    facts = replace(set_up(), book=None, trade=None, vwap=(), cvd=(), tick=None)
    (signal,) = ask(facts).signals
    within_limits(discord_embed.embed(signal, LIMITS, NOW)["embeds"][0])
    assert not signal_seen(signal, APPROACH).near
