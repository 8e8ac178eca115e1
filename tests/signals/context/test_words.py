"""The context in words: two short lines, with a sign for what is not known."""

import pytest

from ravequant.signals.context.fields import FEEDS, NOTHING
from ravequant.signals.context.words import context_lines
from tests.support.flow_rows import wall
from tests.support.made_signals import A

WALL, SHARES = "wall 2.50M at 101250", "25% filled, 0% pulled, 5% refilled"
POOR = {
    "side": "high", "price": "101265.5", "session_utc": "2025-12-13T00:00:00Z", "gap": False,
    "distance_bps": "+1.5",
}  # fmt: skip
NEVER = dict.fromkeys(FEEDS, "not recorded")
LATELY = {"ended": 51, "pulled": 34, "pulled_pct": "66.7"}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, None),
        ({"wall": wall(A - 1, "101250")}, f"{WALL} stands since 21:32:25: {SHARES}"),
        (
            {"wall": wall(A - 1, "101250", placed_known=False)},
            f"{WALL} stands since 21:32:25 or longer: {SHARES}",
        ),
        (
            {"wall": wall(A - 1, "101250", end="pulled"), "walls_24h": LATELY},
            f"{WALL} ended 21:34:30 (pulled): {SHARES}; 34 of 51 walls pulled in 24 h (66.7%)",
        ),
        ({"walls_24h": LATELY | {"pulled_pct": None}}, None),
        ({"poor": POOR}, "poor high of 12-13 at 101265.5 (+1.5 bps from the tip)"),
        (
            {"poor": POOR | {"gap": True}},
            "poor high of 12-13 at 101265.5 (+1.5 bps from the tip), over a gap",
        ),
        ({"unknown": NEVER | {"walls_24h": "stale"}}, "walls ? (stale)"),
        ({"unknown": NEVER | {"walls_24h": "not recorded"}}, None),
        ({"unknown": NEVER | {"poor": "stale"}}, "poor highs and lows ? (stale)"),
        ({"unknown": NEVER | {"poor": "not recorded"}}, None),
    ],
)
def test_what_is_known_is_said(fields, said):
    """Shares are of the wall's largest size; too few ends say nothing."""
    assert context_lines({**NOTHING, **fields}) == [said] * (said is not None)


FUNDING = {"estimate": "-0.0000263463215391", "minutes": 133}
INTEREST = {"change_15m_pct": "+0.42", "change_1h_pct": None}
LIQUIDATED = {
    "until_utc": "2025-12-14T21:35:00Z", "long_notional": "1200000", "short_notional": "0",
    "gap": True,
}  # fmt: skip
RATIOS = {
    "until_utc": "2025-12-14T21:25:00.000Z", "accounts": "1.1739", "top_accounts": None,
    "top_positions": "0.996",
}  # fmt: skip
LINE = (
    "funding estimate -0.0026% in 2h13m; OI +0.42% 15m, ? 1h; "
    "seen liquidated 5m longs 1.20M, shorts 0 or more (gap) (to 21:35); "
    "long/short 1.17, top 5% ?, their positions 1.00 (to 21:25)"
)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"ratios": RATIOS}, [LINE]),
        (
            {"funding": FUNDING | {"estimate": "0.00001", "minutes": 9}},
            [
                LINE.replace("-0.0026% in 2h13m", "+0.0010% in 9m").replace(
                    LINE[LINE.index("long/") :], "long/short ? (stale)"
                )
            ],
        ),
    ],
)
def test_of_the_feeds_it_is_said_what_is_not_known(fields, said):
    """A question mark and the reason; a lower bound is said to be one."""
    whole = {"funding": FUNDING, "interest": INTEREST, "liquidated_5m": LIQUIDATED}
    unknown = {} if "ratios" in fields else {"ratios": "stale"}
    assert context_lines({**NOTHING, **whole, **fields, "unknown": unknown}) == said


def test_feeds_that_nobody_records_are_not_spoken_of():
    """As soon as one is recorded, all are."""
    never = dict.fromkeys(FEEDS, "not recorded")
    assert context_lines({**NOTHING, "unknown": never}) == []
    (line,) = context_lines({**NOTHING, "unknown": never | {"funding": "stale"}})
    assert line == (
        "funding estimate ? (stale); OI ? (not recorded); seen liquidated 5m ? (not recorded); "
        "long/short ? (not recorded)"
    )
