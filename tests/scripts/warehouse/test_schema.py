"""Tests of scripts.warehouse.schema: what the manifests of exported days are compared with."""

from dataclasses import replace

from scripts.warehouse.schema import TABLES

# what the manifests of days that were exported long ago hold
EXPORTED = {
    "trades": "5783a2a887e262da",
    "bars": "c2362d9a7e1b5a2f",
    "book": "7aa905fa207a2d14",
    "vwap": "cc08034b5ef04d6d",
    "cvd": "51a98af93e33f7b2",
    "volume": "558f2d6fcf9bbf00",
    "wicks": "c617475dbc140c64",
    "buckets": "b8498839ed15fecd",
    "signals": "de66ab3a1b7c5d5a",
}


def test_exported_days_stay_as_they_are():
    """The fingerprint of each table is that of the days exported so far."""
    assert {name: table.fingerprint for name, table in TABLES.items()} == EXPORTED


def test_another_column_is_another_fingerprint():
    """A changed name, kind or unit of any column, or a column less, makes all days again."""
    table = TABLES["vwap"]
    first, *others = table.columns
    changed = [
        replace(table, columns=(column, *others))
        for column in (
            replace(first, name="other"),
            replace(first, kind="text"),
            replace(first, unit="s"),
        )
    ]
    changed.append(replace(table, columns=tuple(others)))
    assert len({table.fingerprint, *(one.fingerprint for one in changed)}) == 5
