"""Raw trades as closed minutes with price levels: the source of footprint and profile.

Kept minutes have no levels, so these calculators read every raw line. The buckets of an instrument
are the same in all its minutes, so that days can be compared.
"""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from ravequant import exact
from ravequant.pipeline import trade_source
from ravequant.pipeline.job import Source
from ravequant.pipeline.runner import SupersededStateError
from ravequant.pipeline.trade_source import TRADES
from ravequant.settings import Settings
from ravequant.trades.bar_builder import Closed
from ravequant.trades.parallel_scan import read_ahead
from ravequant.vault import instruments
from ravequant.vault.paths import Vault
from ravequant.vault.tail import Listing

TICKS: Final = 100  # of a bucket whose height no setting says
_STATE: Final = ("bucket", "tick")


class PriceBuckets(NamedTuple):
    """The buckets of an instrument: all of the same height, the lowest begins at 0."""

    height: int  # units of exact.PRICE_PLACES
    tick: str | None = None  # the tick size of which the height is TICKS; None: a setting says it

    def state(self) -> dict[str, Any]:
        """Return all that later records depend on."""
        return {"bucket": exact.price_text(self.height), "tick": self.tick}

    def check(self, state: dict[str, Any]) -> None:
        """Raise SupersededStateError if a state was made with buckets of another tick size."""
        height, tick = (state[name] for name in _STATE)
        if None not in (tick, self.tick) and tick != self.tick:
            raise SupersededStateError(
                f"the buckets were {height} high, {TICKS} ticks of {tick}, now of {self.tick}"
            )


def buckets_of(vault: Vault, inst_id: str, chosen: Settings) -> PriceBuckets:
    """Return the buckets of an instrument: as the settings say, else 100 of its first known ticks.

    Raises VaultError if its metadata are needed and absent, or cannot be read.
    """
    height = chosen.footprint.bucket.of(inst_id)
    if height:
        return PriceBuckets(int(height))
    tick = instruments.InstrumentHistory(vault, inst_id).at(0).tick_sz
    return PriceBuckets(TICKS * exact.units(tick, exact.PRICE_PLACES), tick)


class LevelInput:
    """The raw trades of a vault, for a fold that needs price levels."""

    record: Final = "trade"

    def files(self, vault: Vault, inst_id: str) -> Listing:
        """Return the listing of the raw trade files."""
        return TRADES.files(vault, inst_id)

    def folder(self, vault: Vault, inst_id: str) -> Path:
        """Return the folder of the raw trades."""
        return TRADES.folder(vault, inst_id)

    def source(self, vault: Vault, inst_id: str, chosen: Settings) -> Source[Closed]:
        """Return the source of one instrument."""
        height = buckets_of(vault, inst_id, chosen).height
        whale = chosen.bars.whale_notional
        ahead = partial(read_ahead, inst_id, whale, exchange=vault.exchange, bucket=height)
        found = self.source_of(vault, inst_id, chosen, self.files(vault, inst_id))
        return replace(found, read_ahead=ahead)

    def source_of(
        self, vault: Vault, inst_id: str, chosen: Settings, files: Listing
    ) -> Source[Closed]:
        """Return the source of an instrument whose raw files are ``files``; none is read ahead."""
        height = buckets_of(vault, inst_id, chosen).height
        return Source(
            files,
            trade_source.decoder(vault, inst_id, chosen, bucket=height),
            first_ms=lambda at: trade_source.first_bar_ms(files, inst_id, at, vault.exchange),
        )


LEVELS: Final = LevelInput()
