"""The context in words: one short line, only what is known."""

import pytest

from ravequant.signals.context.fields import NOTHING
from ravequant.signals.context.words import context_line
from tests.support.flow_rows import wall
from tests.support.made_signals import A

WALL, SHARES = "wall 2.50M at 101250", "25% filled, 0% pulled, 5% refilled"
LATELY = {"ended": 51, "pulled": 34, "pulled_pct": "66.7"}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, ""),
        ({"wall": wall(A - 1, "101250")}, f"{WALL} stands since 21:32:25: {SHARES}"),
        (
            {"wall": wall(A - 1, "101250", placed_known=False)},
            f"{WALL} stands since 21:32:25 or longer: {SHARES}",
        ),
        (
            {"wall": wall(A - 1, "101250", end="pulled"), "walls_24h": LATELY},
            f"{WALL} ended 21:34:30 (pulled): {SHARES}; 34 of 51 walls pulled in 24 h (66.7%)",
        ),
        ({"walls_24h": LATELY | {"pulled_pct": None}}, ""),
    ],
)
def test_what_is_known_is_said(fields, said):
    """Shares are of the wall's largest size; too few ends say nothing."""
    assert context_line({**NOTHING, **fields}) == said
