"""Lines to sums: each fill in its day and bin, whatever the order, and nothing left uncounted."""

import random
from collections import defaultdict
from typing import Any

import pytest

from Edge_Lab.day_sums import gathered
from Edge_Lab.inference import delta, net

KINDS, MODELS = ("shifted", "mirror", "random"), ("touch", "queue", "through")


def made_lines(count, seed):
    """Return lines of trials as their files hold them."""
    rng = random.Random(seed)
    lines = []
    for number in range(count):
        status = rng.choice(["filled", "filled", "unfilled", "missed", "gap", "open"])
        line: dict[str, Any] = {
            "A_utc": f"2025-12-{rng.randint(10, 19)}T{rng.randint(10, 23)}:30:00Z",
            "instId": rng.choice(["BTC-USDT-SWAP", "ETH-USDT-SWAP"]),
            "bin": rng.randrange(8),
            "status": status,
            "families": rng.choice([["base"], ["base", "score60"]]),
            "number": number,
        }
        for model in MODELS:
            net_bps = f"{rng.randint(-200_000, 100_000) / 10_000:.4f}"
            known = {"net_bps": net_bps, "queue_known": rng.random() < 0.7}
            line[model] = known if status == "filled" else None
        rested = status in {"filled", "unfilled"}
        line["placebo"] = {
            kind: {
                model: [
                    [b, 4, fills, rng.randint(-90_000, 90_000) if fills else 0, 1]
                    for b in sorted(rng.sample(range(8), 3))
                    for fills in [rng.randint(0, 4)]
                ]
                for model in MODELS
            }
            for kind in KINDS
            if rested
        }
        lines.append(line)
    return lines


@pytest.mark.parametrize("family", ["base", "score60"])
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("kind", KINDS)
def test_sums_are_those_of_single_lines(family, model, kind):
    """Fills and net results of each day and bin, real and fake, one line after the other."""
    lines = made_lines(200, seed=4)
    found = gathered(lines, family, model, kind)
    real: Any = defaultdict(lambda: [0, 0])
    fake: Any = defaultdict(lambda: [0, 0])
    for line in lines:
        if family not in line["families"]:
            continue
        day = line["A_utc"][:10]
        if line[model]:
            real[day, line["bin"]][0] += 1
            real[day, line["bin"]][1] += round(float(line[model]["net_bps"]) * 10_000)
        for number, _, fills, total, _ in line["placebo"].get(kind, {}).get(model, []):
            fake[day, number][0] += fills
            fake[day, number][1] += total
    for row, day in enumerate(found.days):
        for number in range(8):
            for sums, plain in ((found.real, real), (found.fake, fake)):
                cell = [int(sums.fills[row, number]), int(sums.total[row, number])]
                assert cell == plain.get((day, number), [0, 0])
    assert found.days == sorted(
        {line["A_utc"][:10] for line in lines if family in line["families"]}
    )


def test_every_trial_is_counted():
    """Missed, over a gap, open and unfilled trials, and fills with an unknown queue."""
    lines = made_lines(200, seed=9)
    found = gathered(lines, "base", "queue")
    counts = [sum(line["status"] == name for line in lines) for name in ("missed", "gap", "open")]
    assert [found.missed, found.gap, found.open] == counts
    assert found.trials == 200
    assert found.unknown == sum(
        line["queue"] is not None and not line["queue"]["queue_known"] for line in lines
    )


def test_the_order_of_the_lines_does_not_matter():
    """Shuffled lines give the same estimates, to the last bit."""
    lines = made_lines(300, seed=2)
    shuffled = random.Random(1).sample(lines, len(lines))
    first, second = gathered(lines, "base", "queue"), gathered(shuffled, "base", "queue")

    def estimates(found) -> list[Any]:
        return [net(found.real), delta(found.real, found.fake)]

    for one, other in zip(estimates(first), estimates(second), strict=True):
        assert (one.value, one.se, one.p) == (other.value, other.se, other.p)


def test_no_line_has_no_estimate():
    """A family that was never taken: no day, and nothing to say."""
    found = gathered(made_lines(9, seed=1), "whales", "touch")
    assert (found.days, found.trials) == ([], 0)
    assert net(found.real) is delta(found.real, found.fake) is None
