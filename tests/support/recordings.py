"""Recordings of trades and books: those of this project, and real ones where they are at hand.

``tests/data/recordings`` holds a few minutes and hours of the model market in the form of recorded
data (``make_recordings`` writes them); ``../shared/data``, beside a checkout, holds trades and
books of a real market. A test that takes a recording as a parameter runs on the real ones where
they are at hand, else on those of this project; in the long run on both.
"""

import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from ravequant.vault.paths import CHECKOUT
from tests.support.examples import often

MADE: Final = CHECKOUT / "tests" / "data" / "recordings"
REAL: Final = CHECKOUT.parent / "shared" / "data"
BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"


@dataclass(frozen=True, slots=True)
class Recording:
    """The trades of an instrument, some with the frames of its book."""

    root: Path
    inst_id: str
    days: tuple[str, ...]  # the files of its trades
    tick: str = "0.1"
    ct_val: str = "0.01"  # base currency a contract
    book: str = ""  # the days in the name of the file of its frames

    def __str__(self) -> str:
        return f"{self.inst_id}-{self.days[0]}"

    @property
    def trade_files(self) -> list[Path]:
        """The day files, oldest first."""
        folder = self.root / "trades" / self.inst_id
        return [folder / f"{day}.jsonl.gz" for day in self.days]

    @property
    def book_file(self) -> Path:
        """The frames of the ``books`` channel."""
        return self.root / "books" / f"{self.inst_id}.{self.book}.books.frames.jsonl.gz"

    def lines(self) -> list[bytes]:
        """Return all raw lines, oldest first."""
        return [
            line
            for path in self.trade_files
            for line in gzip.decompress(path.read_bytes()).splitlines(keepends=True)
        ]


# each of them made up and, in the same place, its real counterpart
EIGHT_HOURS: Final = (
    Recording(MADE, BTC, ("2025-12-01",)),
    Recording(REAL, BTC, ("2020-02-22.part",), tick="0.01"),
)
MIDNIGHT: Final = (
    Recording(MADE, BTC, ("2025-12-02", "2025-12-03"), book="2025-12-02_03"),
    Recording(REAL, BTC, ("2023-04-04", "2023-04-05"), book="2023-04-04_05"),
)
EVENING: Final = (
    Recording(MADE, BTC, ("2025-12-04",), book="2025-12-04"),
    Recording(REAL, BTC, ("2024-08-08",), book="2024-08-08"),
)
EVENING_ETH: Final = (
    Recording(MADE, ETH, ("2025-12-04", "2025-12-05"), "0.01", "0.1", "2025-12-04"),
    Recording(REAL, ETH, ("2024-08-08", "2024-08-09"), "0.01", "0.1", "2024-08-08"),
)
EVERY: Final = (*EIGHT_HOURS, *MIDNIGHT, *EVENING, *EVENING_ETH)
BOOKS: Final = (*MIDNIGHT, *EVENING, *EVENING_ETH)


def at_hand(recordings: Sequence[Recording]) -> list[Recording]:
    """Return those whose files are there; the ordinary run leaves their made-up doubles out."""
    found = [recording for recording in recordings if recording.root.is_dir()]
    real = [recording for recording in found if recording.root == REAL]
    return often(0, 1) * found or real or found


def each(*recordings: Recording) -> pytest.MarkDecorator:
    """Run a test with each of these that is at hand, as its parameter ``recording``."""
    return pytest.mark.parametrize("recording", at_hand(recordings), ids=str)
