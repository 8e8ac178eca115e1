"""A day built aside: part and facts, written durably, found again, refused if damaged."""

import gzip
from typing import Any

import pytest

from ravequant.errors import VaultError
from ravequant.vault.imports import built_day
from ravequant.vault.imports.built_day import BuiltDay
from ravequant.vault.raw_content import RawContent
from tests.vault.imports.test_provenance import BTC, DAY

LINES = [b"one\n", b"two\n"]


def built(vault, **changes) -> BuiltDay:
    part = built_day.write_part(vault, BTC, DAY.day, LINES, packed=True)
    values: dict[str, Any] = {
        "base": RawContent(5, 6), "content": part.content, "packed": True, "size": part.size,
        "before_id": 4, "first_id": 6, "last_id": 9, "missing": ((5, 5), (7, 7)),
        "id_holes": ((7, 7),), "line": DAY,
    }  # fmt: skip
    return BuiltDay(**(values | changes))


@pytest.mark.parametrize("packed", [False, True])
def test_a_part_holds_its_lines(vault, packed):
    """Its content is measured, and the same lines give the same bytes."""
    part = built_day.write_part(vault, BTC, DAY.day, LINES, packed=packed)
    path = built_day.part_path(vault, BTC, DAY.day)
    data = path.read_bytes()
    assert (gzip.decompress(data) if packed else data) == b"".join(LINES)
    assert (part.lines, part.content.length, part.size) == (2, 8, len(data))
    assert built_day.write_part(vault, BTC, DAY.day, LINES, packed=packed) == part
    assert path.read_bytes() == data


def test_an_error_of_the_lines_leaves_nothing(vault):
    """A damaged source file: no part, no facts."""

    def lines():
        yield b"one\n"
        raise VaultError("damaged")

    built_day.keep(vault, BTC, built(vault))
    with pytest.raises(VaultError, match="damaged"):
        built_day.write_part(vault, BTC, DAY.day, lines(), packed=True)
    assert list(vault.import_parts(BTC).iterdir()) == []


@pytest.mark.parametrize("base", [None, RawContent(7, 8)])
def test_facts_are_found_again(vault, base):
    """Every field, and the list of days."""
    kept = built(vault, base=base)
    built_day.keep(vault, BTC, kept)
    assert built_day.load(vault, BTC, DAY.day) == kept
    assert built_day.days_built(vault, BTC) == [DAY.day]
    built_day.drop(vault, BTC, DAY.day)
    assert built_day.load(vault, BTC, DAY.day) is None
    assert built_day.days_built(vault, BTC) == []


def test_damaged_facts_are_refused(vault):
    """By name, with the remedy."""
    built_day.keep(vault, BTC, built(vault))
    path = built_day.facts_path(vault, BTC, DAY.day)
    path.write_bytes(path.read_bytes().replace(b'"packed":true', b'"packed":null'))
    with pytest.raises(VaultError, match="changed by something else"):
        built_day.load(vault, BTC, DAY.day)
