"""Tests of ravequant.vault.fields: every field of the files is listed, each of a known kind."""

import json

import pytest

from ravequant.vault.fields import FIELDS, PLACES
from ravequant.vault.paths import CHECKOUT
from tests.support.readme_blocks import fences

KINDS = {"time", "text", "flag", "count", *PLACES}
BOOK_LEVELS = {"channel", "bids_top400", "asks_top400", "checksum"}  # not in the listed columns
ADDED = {"base", "notional", "ahead"}  # of a trade: computed, and of few records


def examples() -> dict[frozenset[str], set[str]]:
    """Return the fields of each example line of the data book."""
    blocks = fences(CHECKOUT / "Rave_Quant_Vault" / "README.md", "json")
    return {frozenset(json.loads(block)): set(json.loads(block)) for block in blocks}


@pytest.mark.parametrize(
    "name", ["trades", "vwap", "cvd", "volume", "wicks", "buckets", "book", "footprint"]
)
def test_each_field_of_a_line_is_listed(name):
    """The example lines of the data book have these fields, and no other."""
    listed = {field.name for field in FIELDS[name]} - ADDED
    nearest = min(examples().values(), key=lambda fields: len(fields ^ listed))
    assert nearest - BOOK_LEVELS == listed


@pytest.mark.parametrize("name", FIELDS)
def test_each_kind_is_known(name):
    """A kind is one of the plain ones, a list of them, walls, or json."""
    kinds = {field.kind for field in FIELDS[name]}
    lists = {f"{kind}s" for kind in KINDS}
    assert kinds <= KINDS | lists | {"walls", "cells", "tpo_cells", "json"}
