"""Raw days of the context feeds, as verify_vault judges them."""

import gzip

from ravequant import catalog
from ravequant.contract import Contract
from scripts.audit.context_days import context_days
from tests.support import context_days as made

BTC = "BTC-USDT-SWAP"


def put(vault):
    made.put(vault, BTC, Contract("0.01", "1", "linear"))
    return {data.name: next(data.files(vault, BTC))[1] for data in catalog.CONTEXT}


def problems(vault) -> dict[str, list[str]]:
    return {one.stream: one.problems for one in context_days(vault, BTC) if one.problems}


def test_what_the_recorder_wrote_is_in_order(vault):
    """Each feed has its row, with the lines that are there."""
    put(vault)
    found = {one.stream: one for one in context_days(vault, BTC)}
    assert set(found) == {data.name for data in catalog.CONTEXT}
    assert all(one.whole and not one.notes for one in found.values())
    assert {one.cells()[3] for one in found.values()} == {"in order"}  # never: complete
    assert (found["marks"].expected, found["marks"].present) == (480, 480)
    assert found["taker_5m"].present == 3
    assert list(context_days(vault, "ETH-USDT-SWAP")) == []


def test_what_is_wrong_is_named(vault):
    """A bad line, a time that falls, a line of another instrument, a packed file that is cut."""
    files = put(vault)
    lines = files["marks"].read_bytes().splitlines(keepends=True)
    files["marks"].write_bytes(b"".join([*lines[:3], b"{}\n", lines[1], *lines[4:]]))
    other = files["open_interest"].read_bytes().replace(b"BTC-USDT-SWAP", b"ETH-USDT-SWAP", 1)
    files["open_interest"].write_bytes(other)
    whole = gzip.compress(files["taker_5m"].read_bytes())
    files["taker_5m"].unlink()
    files["taker_5m"].with_name("2025-12-14.jsonl.gz").write_bytes(whole[:-9])
    found = problems(vault)
    assert set(found) == {"marks", "open_interest", "taker_5m"}
    assert "1 lines are none of marks" in found["marks"][0]
    assert "1 times (timestamp_utc) fall" in found["marks"][1]
    assert "whole gzip file" in found["taker_5m"][0]


def test_an_unfinished_line_is_a_note(vault):
    """Its writer may be at it."""
    files = put(vault)
    files["liquidations"].write_bytes(files["liquidations"].read_bytes() + b'{"timestamp')
    (one,) = (day for day in context_days(vault, BTC) if day.stream == "liquidations")
    assert one.whole
    assert "11 bytes of an unfinished line" in one.notes[0]


def test_the_newest_days_alone(vault):
    """As many as are asked for."""
    files = put(vault)
    files["marks"].with_name("2025-12-13.jsonl").write_bytes(b"")
    days = [one.day for one in context_days(vault, BTC, 1) if one.stream == "marks"]
    assert days == ["2025-12-14"]
