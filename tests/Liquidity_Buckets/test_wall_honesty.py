"""Whether walls were filled or pulled, held against a market that knows who changed them."""

from fractions import Fraction

import pytest

from ravequant import times
from ravequant.sim.market import START_MS
from ravequant.vault.paths import Vault
from tests.support import box, l2_box, trades_box
from tests.support.examples import often
from tests.support.wall_truth import SOL, WALL, Score, WallEnd, called, ends, record, score

SHARE = 0.98  # of the walls, at least


def judged(vault: Vault, seed: int, minutes: int, *, lag_ms: int, busy: bool) -> Score:
    """Return how the walls of a market were called."""
    acts = record(vault, seed, minutes, lag_ms=lag_ms, busy=busy)
    until = START_MS + (minutes - 2) * times.MINUTE_MS
    return score(ends(acts, Fraction(WALL)), called(vault), until, late=lag_ms)


@pytest.mark.parametrize("lag_ms", [0, 400])
def test_walls_are_called_as_their_market_knows_them(tmp_path, lag_ms):
    """Filled by takers or pulled by the owner: 98 of 100 are right, also with late books."""
    right, misses = 0, []
    seeds = often(1, 8)
    for seed in range(seeds):
        for busy in (True,) if seeds == 1 else (True, False):
            vault = Vault(tmp_path / f"{seed}{busy}")
            found = judged(vault, 3 + seed, often(6, 60), lag_ms=lag_ms, busy=busy)
            right += found.right
            misses += found.misses
    assert right >= often(1, 100)
    assert right >= SHARE * (right + len(misses)), "\n".join(misses)


@pytest.mark.skipif(not often(0, 1), reason="records for minutes: long run only")
def test_the_log_of_the_exchange_is_the_truth_about_a_recording(tmp_path, vault):
    """Both exporters, real sockets, books up to 400 ms late; the frame log says who did it."""
    words = f"--instId {SOL} --rows-per-second 40 --history 10m --until 1500s --speed 12"
    words += " --wait-for-clients 1 --wait-for-books 1 --exit-at-end"
    late = [{"kind": "book_lag", "delay": "400ms"}]
    with box.exchange(tmp_path / "box", *words.split(), faults=late) as where:
        idle = ("--instId", SOL, "--stop-when-idle", "3")
        trades = trades_box.start(vault, *where, *idle)
        books = l2_box.started(vault, where, *idle)
        for process in (books, trades):
            process.communicate(timeout=600)
            assert process.returncode == 0
    first, *_, last = (l2_box.moment(line) for line in l2_box.lines(vault, SOL))
    found = score(
        ends(box.logged(tmp_path / "box", "wall"), Fraction(WALL)), called(vault),
        last - times.MINUTE_MS, late=400, since=first + 4_000,
    )  # fmt: skip
    assert found.right >= 5
    assert found.share() >= SHARE, "\n".join(found.misses)


def test_the_truth_follows_from_the_acts_alone():
    """The act that leaves less than a wall ends it, by what went since it was largest."""

    def act(ts: int, how: str, size: str, left: str) -> dict[str, object]:
        return {"ts": ts, "side": "ask", "px": "100", "how": how, "sz": size, "left": left}

    story = [act(1, "placed", "20", "20"), act(2, "taken", "5", "15"), act(3, "pulled", "15", "0")]
    assert ends(story, Fraction(1_000)) == [WallEnd("ask", "100", 1, 3, "mixed")]
    story[2] = act(3, "taken", "7", "8")
    assert ends([*story, act(4, "pulled", "8", "0")], Fraction(1_000)) == [
        WallEnd("ask", "100", 1, 3, "filled")
    ]
    again = [act(1, "placed", "20", "20"), act(5, "placed", "9", "29"), act(6, "pulled", "29", "0")]
    assert ends(again, Fraction(1_000)) == [WallEnd("ask", "100", 5, 6, "pulled")]


def test_a_wrong_call_is_seen():
    """The comparison fails for another word, and for none."""
    truth = [WallEnd("ask", "100", START_MS, START_MS + 10_000, "pulled")]
    end = times.iso(START_MS + 10_000)
    row = {"side": "ask", "price": "100", "end": "pulled", "end_utc": end}
    until = START_MS + 60_000
    assert score(truth, [row], until).share() == 1
    for wrong in ({**row, "end": "filled"}, {**row, "price": "101"}):
        assert score(truth, [wrong], until).share() == 0
