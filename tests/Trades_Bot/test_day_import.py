"""One day of an import: its candles, its contract, its account."""

import gzip
import logging

import pytest

from ravequant import exchanges, times
from ravequant.contract import Contract
from ravequant.records import parse_trade
from ravequant.vault.imports import built_day
from tests.support.archive_files import candle_file, candle_rows
from tests.support.import_market import BTC, FILLS, LABELS, WHOLE, archive, label_of, with_metadata
from Trades_Bot.archive_files import ArchiveFolder
from Trades_Bot.day_import import DayOptions, TradeDayBuilder

OKX = exchanges.load_archive("okx")
NOW = Contract("0.01", "1", "linear")


def candles(folder, fills=FILLS, worth="0.01"):
    for label in LABELS:
        rows = candle_rows([one for one in fills if label_of(one) == label], worth)
        candle_file(folder, label, rows)
    return folder


@pytest.fixture
def folder(tmp_path):
    return candles(archive(tmp_path / "archive"))


def build(vault, folder, days=WHOLE, **options):
    with_metadata(vault)
    builder, there = TradeDayBuilder(vault, BTC, OKX, NOW, DayOptions(**options)), None
    there = ArchiveFolder(folder, OKX)
    return builder, [builder.build(there.day(BTC, day)) for day in days]


def test_candles_prove_a_day(vault, folder):
    """Each minute equals its candle, and the contract in force is the known one."""
    _, found = build(vault, folder)
    assert [(one.outcome, one.line.proof, one.line.contract) for one in found] == [
        ("built", "candles", "candles")
    ] * 3
    assert [one.line.differing_minutes for one in found] == [0, 0, 0]


def test_what_was_built_waits_for_the_next_run(vault, folder):
    """Nothing is read again while files, neighbours and the recorded day are the same."""
    build(vault, folder)
    assert [one.outcome for one in build(vault, folder)[1]] == ["waits"] * 3
    part = built_day.part_path(vault, BTC, WHOLE[0])
    part.write_bytes(b"")
    assert [one.outcome for one in build(vault, folder)[1]] == ["built", "waits", "waits"]


def test_a_candle_that_differs_is_named_and_stops_nothing(vault, tmp_path, caplog):
    """A fill of another size by one lot: its minute is named, the day unproved."""
    at = next(n for n, one in enumerate(FILLS) if times.day(one.ts) == WHOLE[1])
    other = list(FILLS)
    qty = str(int(FILLS[at].qty) + 1)
    other[at] = type(FILLS[at])(
        FILLS[at].ts, FILLS[at].trade_id, FILLS[at].side, FILLS[at].price, qty
    )
    folder = candles(archive(tmp_path / "archive"), other)
    with caplog.at_level(logging.WARNING):
        _, found = build(vault, folder)
    assert [one.line.proof for one in found] == ["candles", "unproved", "candles"]
    assert found[1].line.differing_minutes == 1
    assert times.iso(FILLS[at].ts)[:16] in caplog.text
    assert [one.line.proof for one in build(vault, folder, check=False)[1]] == [
        "candles", "unproved", "candles",
    ]  # fmt: skip


def test_candles_settle_ids_that_never_were(vault, tmp_path):
    """A jump that the candles agree with is an id hole, over midnight too; else it is open."""
    midnight = next(n for n, one in enumerate(FILLS) if times.day(one.ts) == WHOLE[1])
    gone = {2500, midnight}
    kept = [one for n, one in enumerate(FILLS) if n not in gone]
    folder = candles(archive(tmp_path / "archive", fills=kept), kept)
    build(vault, folder)
    for day, index in ((WHOLE[0], 2500), (WHOLE[1], midnight)):
        built = built_day.load(vault, BTC, day)
        hole = (FILLS[index].trade_id, FILLS[index].trade_id)
        assert built is not None
        assert (built.missing, built.id_holes) == ((hole,), (hole,))


def test_the_contract_in_force_is_that_of_the_candles(vault, tmp_path, caplog):
    """Ten times as much a contract: written on the lines, and known for the history."""
    folder = candles(archive(tmp_path / "archive"), worth="0.1")
    with caplog.at_level(logging.WARNING):
        builder, found = build(vault, folder, WHOLE[:1])
    assert builder.contracts == {WHOLE[0]: Contract("0.1", "1", "linear")}
    assert found[0].line.contract == "candles"
    assert "a contract was worth 0.1 then" in caplog.text
    line = gzip.decompress(built_day.part_path(vault, BTC, WHOLE[0]).read_bytes())
    assert parse_trade(line.split(b"\n")[0], BTC)[1] == Contract("0.1", "1", "linear")


def test_without_candles_the_metadata_are_assumed(vault, tmp_path):
    """And the account says so."""
    _, found = build(vault, archive(tmp_path / "archive"))
    assert [(one.line.proof, one.line.contract) for one in found] == [("ids", "assumed")] * 3
