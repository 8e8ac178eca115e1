"""tests/support/screen_judge.py: a claim that is wrong is found, a right one is none."""

from dataclasses import replace

import pytest

from tests.support.screen_judge import LIMITS_S, Claim, Truth, most_s, wrong

AGES = {"trades": 3.0, "buckets": 4.0, "wicks": 50.0, "volume": 50.0, "cvd": 50.0, "vwap": 50.0}
STREAMS = {
    "trades": ("fresh", "3s"), "buckets": ("fresh", "4s"), "wicks": ("fresh", "50s"),
    "volume": ("fresh", "50s"), "cvd": ("fresh", "50s"), "vwap": ("partial", "50s"),
}  # fmt: skip
REASONS = {"wick": "met", "volume_tier": "met", "wall": "not_met", "cvd": "far", "vwap": "partial"}
RIGHT = Claim(
    level="fresh",
    words="✓ data fresh, oldest 50s",
    mode="LIVE",
    streams=STREAMS,
    price=("96500.05", "mid", ""),
    worth="MAX (x3, not tested)",
    reasons=REASONS,
    others=2,
    tags=("▼ SHORT 97137.3 MAX",),
    book=True,
    recorders=("● trades_exporter up 1m, 2 trades/s", "● l2_exporter up 1m, 0 breaks"),
    tabs=("BTC-USDT-SWAP BTC", "ETH-USDT-SWAP ETH▼MAX 4bps"),
)
VOID = replace(
    RIGHT, level="void", words="✕ no connection since 05:03:12, trying", mode="NOT LIVE",
    worth="void", reasons={}, others=0, tags=("97137.3 void",), tabs=("BTC-USDT-SWAP BTC",),
    recorders=("recorders and disk: not known now",),
)  # fmt: skip
NOW = Truth(ages_s=AGES, price_age_s=1.0, elsewhere_s={"ETH-USDT-SWAP": 2.0})


def older(**ages):
    """Return the truth in which some streams are older than the screen says."""
    return replace(NOW, ages_s={**AGES, **ages})


def said(claim=RIGHT, **streams):
    """Return a claim in which some streams are told another way."""
    return replace(claim, streams={**STREAMS, **streams})


@pytest.mark.parametrize("claim", [RIGHT, VOID])
def test_a_right_claim(claim):
    """Ages as they are, and a card that rests on them."""
    assert wrong(claim, NOW) == []


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0s", 1), ("59s", 60), ("1m", 120), ("19m", 1_200), ("2h10m", 7_860), ("3d04h", 277_200)],
)
def test_the_most_that_an_age_says(text, seconds):
    """A text stands for a span of ages, and this is its end."""
    assert most_s(text) == seconds


@pytest.mark.parametrize("text", ["", "fresh", "s", "12", "-3s"])
def test_no_age(text):
    """A text that says no age is not taken for a small one."""
    with pytest.raises(ValueError, match="is no age"):
        most_s(text)


@pytest.mark.parametrize("name", LIMITS_S)
def test_a_stream_beyond_its_limit(name):
    """It is stale two seconds after its limit at the latest: shown in time, and in whole ones."""
    limit = LIMITS_S[name]
    claim = said(**{name: ("fresh", "1d02h")})
    shown = replace(claim, words="✓ data fresh", book=False)
    assert wrong(shown, older(**{name: limit + 2.9})) == []
    found = wrong(shown, older(**{name: limit + 3.1}))
    assert f"{name} is fresh, and is {limit + 3.1:.1f} s old" in found


@pytest.mark.parametrize("name", LIMITS_S)
def test_an_age_that_stands_still(name):
    """A shown age is never younger than the true one by more than the time to show it."""
    at = {"trades": "3s", "buckets": "4s"}.get(name, "50s")
    most = most_s(at)
    quiet = replace(RIGHT, words="✓ data fresh")
    assert wrong(quiet, older(**{name: most + 2.9})) == []
    assert wrong(quiet, older(**{name: most + 3.1})) == [
        f"{name} is said to be {at} old, and is {most + 3.1:.1f} s"
    ]


def test_at_another_rate_the_time_to_show_it_is_longer():
    """Two seconds on the wall are two minutes of a market that runs at sixty."""
    fast = replace(older(trades=4 + 120 + 0.9), rate=60.0)
    assert wrong(RIGHT, fast) == []
    assert wrong(RIGHT, replace(fast, ages_s={**AGES, "trades": 4 + 120 + 1.1})) != []
    assert wrong(RIGHT, replace(older(trades=4 + 5 + 0.9), slack_s=3.0)) == []
    assert wrong(RIGHT, replace(older(trades=4 + 2 + 7.9), leap_s=7.0)) == []


def test_a_stream_that_is_left_out_or_invented():
    """Each stream is shown; one of which nothing was recorded is missing."""
    lacking = replace(RIGHT, streams={k: v for k, v in STREAMS.items() if k != "cvd"})
    assert wrong(lacking, NOW) == ["cvd is not shown"]
    assert wrong(RIGHT, older(vwap=None)) == ["vwap is partial, and nothing was recorded"]


def test_a_verdict_that_forgets_a_stream():
    """The words stay fresh while a stream is stale; and its oldest age is the oldest."""
    claim = said(cvd=("stale", "19m"))
    assert any("are expired" in text for text in wrong(claim, older(cvd=1_140.0)))
    claim = said(vwap=("partial", "1m"))
    assert wrong(claim, older(vwap=53.9)) == []
    assert wrong(claim, older(vwap=54.1)) == ["the oldest is said to be 50s old, and is 54.1 s"]


@pytest.mark.parametrize("name", ["trades", "wicks"])
def test_a_screen_that_must_be_void(name):
    """Without trades or wicks nobody knows whether a level was touched: no card, no tag."""
    claim = said(replace(RIGHT, level="partly", words="⚠"), **{name: ("stale", "9m")})
    found = wrong(claim, older(**{name: 540.0}))
    for part in ("make it void", "the card is usable", "the chart says"):
        assert any(part in text for text in found), part


@pytest.mark.parametrize(
    "part", [{"worth": "HIGH x2"}, {"go": True}, {"reasons": REASONS}, {"others": 1}]
)
def test_a_card_that_is_usable_while_the_screen_is_void(part):
    """Whatever says that there is something to trade."""
    assert any("must be void" in text for text in wrong(replace(VOID, **part), NOW))


def test_a_tag_that_outlives_the_screen():
    """The chart says `void` too."""
    claim = replace(VOID, tags=("▼ SHORT 97137.3 MAX",))
    assert wrong(claim, NOW) == ["the chart says '▼ SHORT 97137.3 MAX', and must be void"]


@pytest.mark.parametrize(("layer", "name"), [("volume_tier", "volume"), ("cvd", "cvd")])
def test_a_reason_that_rests_on_stale_rows(layer, name):
    """It is stale, or the card says that its stream does not count."""
    claim = said(replace(RIGHT, level="partly", words="⚠"), **{name: ("stale", "9m")})
    truth = older(**{name: 540.0})
    assert wrong(claim, truth) == [
        f"reason {layer} counts as {REASONS[layer]}, and {name} is 540.0 s old"
    ]
    assert wrong(replace(claim, warnings=f"Does not count: {name} STALE 9m"), truth) == []
    assert wrong(replace(claim, reasons={**REASONS, layer: "stale"}), truth) == []


def test_a_book_of_another_time():
    """Bands and walls are of now, or marked."""
    claim = said(replace(RIGHT, level="partly", words="⚠", reasons={}), buckets=("stale", "5m"))
    truth = older(buckets=300.0)
    assert wrong(claim, truth) == ["the book is shown as of now, and is 300.0 s old"]
    assert wrong(replace(claim, book=False), truth) == []


def test_the_price():
    """Without an age it is five seconds old at most; with one, no older than that says."""
    assert wrong(RIGHT, replace(NOW, price_age_s=7.9)) == []
    assert wrong(RIGHT, replace(NOW, price_age_s=8.1)) != []
    aged = replace(RIGHT, price=("96500.05", "mid", "8s"))
    assert wrong(aged, replace(NOW, price_age_s=11.9)) == []
    assert wrong(aged, replace(NOW, price_age_s=12.1)) != []
    assert wrong(RIGHT, replace(NOW, price_age_s=None)) != []
    assert wrong(replace(VOID, price=("", "no price", "")), replace(NOW, price_age_s=None)) == []


def test_a_server_that_is_gone():
    """After twelve seconds without a word, and two to show it, the screen is void."""
    assert wrong(RIGHT, replace(NOW, down_s={"server": 13.9})) == []
    assert wrong(RIGHT, replace(NOW, down_s={"server": 14.1})) != []
    assert wrong(VOID, replace(NOW, down_s={"server": 14.1})) == []
    for part in ({"mode": "LIVE"}, {"level": "partly"}, {"recorders": RIGHT.recorders}):
        assert wrong(replace(VOID, **part), replace(NOW, down_s={"server": 14.1})) != []


@pytest.mark.parametrize("name", ["trades_exporter", "l2_exporter"])
def test_a_recorder_that_stands(name):
    """Thirty seconds without a heartbeat, ten until it is looked for: no entry any more."""
    dead = replace(NOW, down_s={name: 42.1})
    assert len(wrong(RIGHT, dead)) == 2
    assert wrong(RIGHT, replace(NOW, down_s={name: 41.9})) == []
    words = "⚠ no entry: NOT RECORDING trades"
    claim = replace(RIGHT, level="partly", words=words, recorders=(f"✕ {name} is gone",))
    assert wrong(claim, dead) == []
    assert wrong(replace(claim, go=True), dead) != []


def test_a_tab_that_outlives_its_trades():
    """The nearest signal of another instrument goes with the trades of that one."""
    assert wrong(RIGHT, replace(NOW, elsewhere_s={"ETH-USDT-SWAP": 122.9})) == []
    assert wrong(RIGHT, replace(NOW, elsewhere_s={"ETH-USDT-SWAP": 123.1})) != []
    quiet = replace(RIGHT, tabs=("BTC-USDT-SWAP BTC", "ETH-USDT-SWAP ETH"))
    assert wrong(quiet, replace(NOW, elsewhere_s={"ETH-USDT-SWAP": 900.0})) == []


@pytest.mark.parametrize("level", ["reading", "empty"])
def test_a_screen_that_shows_nothing_yet(level):
    """It claims nothing, and is not live yet."""
    claim = Claim(level=level, words="reading", mode="")
    nothing = replace(NOW, price_age_s=None, down_s={"server": 99.0})
    assert wrong(claim, nothing) == []
    assert wrong(replace(claim, price=("", "", "")), nothing) == []
    assert wrong(replace(claim, mode="LIVE"), nothing) == [f"the screen is LIVE, and {level}"]
