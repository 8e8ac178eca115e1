"""OKX's published files of the past, as one `Publisher`."""

from typing import Final

from ravequant.exchanges.archive.publisher import Publisher
from ravequant.exchanges.okx.archive import listing, names, probe

TERMS: Final = (
    "OKX's API agreement (9.4) allows its market data for your own, non-commercial use only.",
    "It forbids passing them on: files, and data made of them, stay with you.",
)
PUBLISHER: Final = Publisher(
    terms=TERMS,
    everybody=names.ALL_SWAPS,
    listing=listing.OkxListing,
    labels_of=names.labels_of,
    month_of=names.month_of,
    probe=probe.probe,
)
