"""H2: append, tear, kill, rotate, compress, calculate in any order end in the same files (I4)."""

import gzip
import random
import tempfile
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, Final

import hypothesis
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from ravequant import times
from ravequant.contract import Contract
from ravequant.records import Side, Trade, TradeEncoder
from ravequant.vault import compress as compress_module
from ravequant.vault.append_log import DayLog
from ravequant.vault.paths import Vault, day_files
from tests.faults import invariants
from tests.faults.calculators import CALCULATORS, OF_TRADES
from tests.faults.exporters import BTC
from tests.support import book_lines, crashes

LINEAR = Contract("0.01", "1", "linear")
START = times.parse_iso("2025-12-14T22:00:00Z")
SIDES: Final[tuple[Side, Side]] = ("buy", "sell")
some_metric = st.sampled_from(OF_TRADES)


class Sequences(RuleBasedStateMachine):
    """One vault and whatever happens to it; ``taken`` counts the steps of all machines."""

    taken: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="fault-sequences-")
        self.vault = Vault(Path(self.folder.name) / "vault")
        book_lines.put_metadata(self.vault, BTC, LINEAR)
        self.encoder = TradeEncoder(BTC, LINEAR)
        self.ts, self.trade_id = START, 1_000
        self.lines: list[bytes] = []
        self.append(7, 20)

    def count(self, step: str) -> None:
        self.taken[step] += 1

    @rule(seed=st.integers(0, 1 << 20), size=st.integers(1, 80))
    def append(self, seed, size):
        """The exporter writes, late rows and a jump of ids among them."""
        self.count("append")
        rng, log = random.Random(seed), DayLog(self.vault.trades(BTC))
        for _ in range(size):
            self.ts += rng.choice([50, 3_000, 20_000, 70_000])
            self.trade_id += rng.choice([1, 1, 1, 30])
            shown = self.ts - rng.choice([0, 0, 0, 4_000, 90_000])
            price, side = f"{100 + rng.randrange(9)}.5", rng.choice(SIDES)
            line = self.encoder.line(Trade(shown, self.trade_id, side, price, "3"))
            log.append(shown - shown % times.DAY_MS, line)
            self.lines.append(line)
        log.close()

    @rule(size=st.integers(1, 120))
    def tear(self, size):
        """The power goes in the middle of a write: a piece of a line stays at the end."""
        self.count("tear")
        newest = list(day_files(self.vault.trades(BTC)))[-1][1]
        if newest.suffix == ".jsonl" and newest.read_bytes().endswith(b"\n"):
            with newest.open("ab") as file:
                file.write(self.lines[-1][:-1][:size])

    @rule(metric=some_metric)
    def calculate(self, metric):
        """A calculator's run."""
        self.count("calculate")
        assert CALCULATORS[metric].run(self.vault) == 0

    @rule(metric=some_metric, at=st.integers(1, 14))
    def kill(self, metric, at):
        """A calculator's run that ends before one of its steps towards the disk."""
        self.count("kill")
        with suppress(crashes.Stopped), crashes.steps(at):
            assert CALCULATORS[metric].run(self.vault) == 0

    @rule()
    def rotate(self):
        """The next day begins."""
        self.count("rotate")
        self.ts += times.DAY_MS
        self.append(3, 2)

    @rule(seed=st.integers(0, 1 << 20))
    def compress(self, seed):
        """A day that is over is compressed, or both forms stand there after a kill."""
        self.count("compress")
        over = [path for _, path in day_files(self.vault.trades(BTC))][:-1]
        plain = [path for path in over if path.suffix == ".jsonl"]
        if plain:
            path = random.Random(seed).choice(plain)
            content = path.read_bytes()
            compress_module.pack(path)
            if seed % 3 == 0:
                path.write_bytes(content)

    def teardown(self):
        """Every line is there once; every derived file is that of one run."""
        DayLog(self.vault.trades(BTC)).last_line(lambda _: True)
        self.rotate()  # the profile of a day is known then
        kept = [line for _, path in day_files(self.vault.trades(BTC)) for line in _lines(path)]
        assert kept == self.lines
        invariants.derived(self.vault, BTC, OF_TRADES)
        self.folder.cleanup()


def _lines(path: Path) -> list[bytes]:
    data = path.read_bytes()
    data = gzip.decompress(data) if path.suffix == ".gz" else data
    return data.splitlines(keepends=True)


def test_any_sequence_ends_in_the_same_files(faults):
    """I4 after any sequence."""
    fact = faults.row("H2", "append, tear, kill, rotate, compress, calculate in any order")
    Sequences.taken = Counter()
    machine = hypothesis.seed(faults.seed)(Sequences)
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=faults.count(6, 250), stateful_step_count=25,
            database=None, print_blob=False, suppress_health_check=list(hypothesis.HealthCheck),
        ),
    )  # fmt: skip
    fact.times += sum(Sequences.taken.values())
    for step, number in sorted(Sequences.taken.items()):
        fact.add(step, number)
