"""The verdict: each word with its sentence, the order of the words, the six numbers."""

from typing import Any

import pytest

from Edge_Lab.verdict import (
    TRADES_ALONE,
    Agreement,
    Forward,
    besides,
    decide,
    missing,
    nothing,
    number,
    one_line,
    six_numbers,
    with_interval,
)
from tests.support.edge_facts import claims, estimate, facts

LOSING = claims((-6.9, 1.1), (0.3, 0.9))
UNCLEAR = claims((-0.4, 1.5), (0.3, 0.9))


SENTENCES = {
    "LAB BROKEN": "Do not read any number here. Run `edge_lab.py check`.",
    "NO DATA": "No finished day was judged yet: run_all judges each day after 03:00 UTC; by hand "
    "`edge_lab.py judge`.",
    "TOO EARLY": "12 of 30 days, 84 of 200 fills. At this spread +1 bp needs 50 days. Trade "
    "nothing because of this page.",
    "DISAGREES": "What you were shown and what the backtest says you were shown differ in 7 of "
    "212 signals. Find out why first.",
    "LOSES": "With the best luck in the queue a fill still lost 6.9 bps (-8.0 to -5.8). Fees alone "
    "are 7. Stop trading this as it is.",
    "QUEUE DECIDES": "It pays only if you are early in the queue, which nobody can see. Treat as "
    "not proven.",
    "PROMISING": "Past days pay: +2.1 bps a fill (0.8 to 3.4), +2.6 over fake levels. Not proven "
    "until day 20 of the forward test agrees. Size: zero or smallest.",
    "PROVEN": "Pays after costs, more than fake levels, on days that nobody had seen. Size by the "
    "low end (+0.8), not the middle.",
    "NOT PROVEN": "Net -0.4 (-1.9 to 1.1). Over fake levels +0.3 (-0.6 to 1.2). Both could be "
    "nothing.",
}
CASES: dict[str, dict[str, Any]] = {
    "LAB BROKEN": {"intact": False},
    "NO DATA": {"days": 0, "claims": nothing()},
    "TOO EARLY": {"days": 12, "fills": 84, "claims": claims((-3.0, 0.7), (0.3, 0.648))},
    "DISAGREES": {"agreement": Agreement(212, 7)},
    "LOSES": {"claims": LOSING},
    "QUEUE DECIDES": {"claims": claims((2.1, 1.3), through=((-0.1, 1.0), None))},
    "PROMISING": {},
    "PROVEN": {"forward": Forward(48, 0.1, 0.2)},
    "NOT PROVEN": {"claims": UNCLEAR, "p_net": 0.7, "p_lead": 0.25, "sharpe": 0.1},
}


@pytest.mark.parametrize("word", SENTENCES)
def test_each_word_says_what_to_do(word):
    """The nine words with the sentences of the card."""
    assert decide(facts(**CASES[word])) == (word, SENTENCES[word])


def test_other_sentences_of_a_word():
    """An unequal outcome, a small lead, and a proof that fails for a reason that is not chance."""
    unequal = decide(facts(agreement=Agreement(212, 0, 1)))
    assert unequal.what_to_do.startswith("1 of 212 signals were the same and ended otherwise")
    small = facts(claims=claims((-0.4, 1.5), (0.3, 0.5)), p_net=0.7, p_lead=0.1)
    assert decide(small).what_to_do.endswith("Both could be nothing. The tip adds less than 1 bp.")
    lucky = decide(facts(sharpe=0.949))
    assert lucky.what_to_do == (
        "Net +2.1 (0.8 to 3.4). Over fake levels +2.6 (1.4 to 3.8). The best of so many trials "
        "without an edge would look as good."
    )
    others = decide(facts(all_kinds=False, mirror=None, random=None))
    assert others.word == "NOT PROVEN"
    assert others.what_to_do.endswith("Mirrored levels were not judged with the chosen exits.")
    late = decide(facts(forward=Forward(25, -0.1, 0.2)))
    assert "until day 26 of the forward test" in late.what_to_do


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"intact": False, "days": 0}, "LAB BROKEN"),
        ({"days": 29, "agreement": Agreement(9, 9)}, "TOO EARLY"),
        ({"fills": 199, "claims": LOSING}, "TOO EARLY"),
        ({"agreement": Agreement(9, 9), "claims": LOSING}, "DISAGREES"),
        ({"agreement": Agreement(700, 7)}, "PROMISING"),
        ({"agreement": Agreement(0, 0)}, "PROMISING"),
        ({"claims": claims((-6.9, 7.0))}, "QUEUE DECIDES"),
        ({"claims": claims((2.0, 1.0), touch=((-6.9, 1.0), None)), "p_net": 1.0}, "LOSES"),
        ({"claims": claims((2.1, 1.3), through=((-1.0, 0.5), None)), "p_lead": 0.03}, "NOT PROVEN"),
        ({"forward": None}, "PROMISING"),
        ({"forward": Forward(48, 0.1, 0.0)}, "PROMISING"),
        ({"forward": Forward(48, None, 0.2)}, "PROMISING"),
        ({"forward": Forward(48, 0.1, 0.2), "sharpe": 0.9}, "NOT PROVEN"),
    ],
)
def test_words_are_decided_in_their_order(changed, word):
    """An earlier word hides the later ones; the limits themselves still count as met."""
    assert decide(facts(**changed)).word == word


@pytest.mark.parametrize(
    ("changed", "lacking"),
    [
        ({}, []),
        ({"lost_series": 1}, ["series"]),
        ({"p_net": 0.0251}, ["net"]),
        ({"all_kinds": False}, ["kinds"]),
        ({"p_lead": 0.0251}, ["lead"]),
        ({"p_net": 0.025, "p_lead": 0.025, "sharpe": 0.95}, []),
        ({"mirror": estimate(-0.1, 1)}, ["mirror"]),
        ({"random": None}, ["random"]),
        ({"gap_share": 0.2, "unknown_share": 0.2}, []),
        ({"gap_share": 0.21}, ["gap"]),
        ({"unknown_share": 0.21}, ["unknown"]),
        ({"claims": claims((1.0, 0.5), through=(None, None))}, ["through"]),
    ],
)
def test_each_condition_of_a_proof_can_fail(changed, lacking):
    """One condition at a time, at its limit and beyond it."""
    assert missing(facts(**changed)) == lacking
    if lacking and lacking != ["through"]:
        assert decide(facts(**changed)).word == "NOT PROVEN"


def test_trades_alone_prove_nothing():
    """Without books the second line says what that costs; that it loses they can show."""
    alone = {"books": False, "unknown_share": 1.0}
    assert decide(facts(**alone)) == ("NOT PROVEN", TRADES_ALONE)
    assert decide(facts(**alone, days=9)) == ("TOO EARLY", TRADES_ALONE)
    assert decide(facts(**alone, claims=LOSING)).word == "LOSES"


def test_numbers_are_written_for_people():
    """A sign for all that is not 0, and no -0.0."""
    assert [number(value) for value in (2.06, -0.4, 0.04, -0.04, 0)] == [
        "+2.1", "-0.4", "0.0", "0.0", "0.0",
    ]  # fmt: skip
    assert number(3.4, sign=False) == "3.4"
    assert with_interval(None) == "unknown"
    assert with_interval(estimate(1.0, 2.0)) == "+1.0 (-1.0 to 3.0)"


def test_the_six_numbers():
    """Six of them, an unknown value named as unknown, and a target that never pays as never."""
    assert six_numbers(facts()) == [
        ("fills and days", "2,000 on 60 days (40 clean, 20 seen)"),
        ("net a fill, bps", "+2.1 (0.8 to 3.4), +0.12 R"),
        ("over fake levels", "+2.6 (1.4 to 3.8)"),
        ("wins (target met)", "61.2 %; by chance 33.3 %, to pay the fees 56.7 %"),
        ("worst", "day -14.2 bps in all, 9 losing fills in a row"),
        ("trials in the ledger", "24"),
    ]
    bare = facts(
        claims=nothing(), wins_pct=None, chance_pct=None, break_even_pct=None, mean_r=None,
        worst_day=None, losing_run=0,
    )  # fmt: skip
    assert [value for _, value in six_numbers(bare)][1:5] == [
        "unknown", "unknown", "unknown; by chance unknown, to pay the fees unknown",
        "day unknown in all, 0 losing fills in a row",
    ]  # fmt: skip


def test_a_mean_r_has_an_interval_beside_it():
    """The R of a single day, whose net has none, is not shown."""
    lone = facts(days=1, fills=5, claims=nothing(), mean_r=-1.28)
    assert six_numbers(lone)[1] == ("net a fill, bps", "unknown")


def test_what_stands_beside_the_numbers():
    """One position at a time, with its interval, and the rank among random levels."""
    assert besides(facts()) == []
    assert besides(facts(alone=estimate(-5.4, 2.2), rank=0.081)) == [
        "One position at a time: net -5.4 (-7.6 to -3.2) on 2,000 fills.",
        "Random levels did as well in 8.1 % of 1,000 draws.",
    ]
    assert six_numbers(facts(break_even_pct=None))[3][1].endswith("to pay the fees never")


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"fills": 84}, "base: TOO EARLY, 84 of 200 fills"),
        ({"days": 12}, "base: TOO EARLY, 12 of 30 days"),
        ({"days": 0}, "base: NO DATA"),
        ({"claims": LOSING}, "base: LOSES, net -6.9 (-8.0 to -5.8) bps a fill"),
    ],
)
def test_one_line_for_other_programs(changed, line):
    """The word with the number that it stands on."""
    assert one_line("base", facts(**changed)) == line
