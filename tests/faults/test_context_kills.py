"""A1 for the context exporter: killed at random instants, its coverage says what it may lack."""

import time

import pytest

from Context_Bot.liquidations_1m import CALCULATOR
from ravequant.pipeline import runner
from ravequant.settings import Settings
from ravequant.vault.paths import Vault
from tests.faults.exporters import BTC, CONTEXT, alive, grows, market
from tests.support import box, context_oracle

ETH = "ETH-USDT-SWAP"
NAMES = (BTC, ETH)
WORDS = ("--instId", BTC, "--instId", ETH)
KILLS = 3
LONG_KILLS = 300
START = "2025-12-14T15:55:00Z"  # a settlement comes five minutes later


@pytest.mark.first
def test_the_context_exporter_is_killed(faults, tmp_path, vault):
    """All that was pushed while it listened is on disk once, and its minutes are those of one run.

    What the exchange pushed, without the time that no span of coverage holds, equals the raw lines;
    nothing is there twice, and nothing is known before it could be.
    """
    fact = faults.row("A1", "context exporter, SIGKILL at random instants")
    seed = faults.seed % 1000
    words = (*WORDS, "--wait-for-clients", 0, "--start", START)
    with market(tmp_path, *words, seed=seed, speed=20) as there:
        for number in range(faults.count(KILLS, LONG_KILLS)):
            more = grows(CONTEXT, vault)
            with alive(CONTEXT.start(vault, there, *WORDS)) as process:
                if number == 0 or faults.random.random() < 0.7:
                    box.wait_for(more, process)
                    time.sleep(faults.random.uniform(0, 4))
                else:
                    time.sleep(faults.random.uniform(0.05, 1.2))
                process.kill()
            fact.times += 1
            fact.add("kills survived")
            compute(vault)
        CONTEXT.run(vault, there, *WORDS, "--max-seconds", 8)
        compute(vault)
    for name in NAMES:
        for figure, value in context_oracle.check(vault, tmp_path, name).items():
            fact.add(figure, value)
        once = Vault(tmp_path / "once")
        once.root.mkdir(exist_ok=True)
        for part in ("raw", "meta"):
            if not (once.root / part).exists():
                (once.root / part).symlink_to(vault.root / part)
        runner.run(CALCULATOR.job(once, name, Settings()))
        assert minutes(vault, name) == minutes(once, name)
    assert fact.sums["covered"] > 0


def compute(vault):
    """Bring the minutes of both instruments up to date, as far as there is something."""
    for name in NAMES:
        if any(vault.marks(name).glob("*.jsonl")):
            runner.run(CALCULATOR.job(vault, name, Settings()))


def minutes(vault, name):
    return (vault.derived("liquidations", name) / "liquidations_1m.jsonl").read_bytes()
