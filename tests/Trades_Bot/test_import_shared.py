"""The shared files in the exchange's own form, imported by the program: each fill exactly once."""

import csv
import io
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from ravequant import times
from ravequant.errors import DONE
from ravequant.records import parse_trade
from ravequant.vault import instruments
from ravequant.vault.gap_ledger import GapLedger
from ravequant.vault.imports import provenance
from ravequant.vault.line_file import open_lines
from ravequant.vault.paths import CHECKOUT, Vault, day_files
from tests.support.import_market import BTC, ROW, with_metadata
from Trades_Bot import import_trades

ETH = "ETH-USDT-SWAP"
SHARED = CHECKOUT.parent / "shared" / "data" / "okx_archive" / "reshaped" / "trades"
FILLS = {BTC: 81_484, ETH: 14_076}
LINES = {  # of each UTC day, once joined
    BTC: {"2020-02-22": 39_278, "2023-04-04": 863, "2023-04-05": 4_389, "2024-08-08": 10_447},
    ETH: {"2024-08-08": 6_194, "2024-08-09": 15},
}
HOLES = {  # the stretches between the files, and the one id that lacks in a file
    BTC: [(42_425_181, 3_535_186_031), (3_535_191_080, 3_535_191_080),
          (3_535_198_967, 5_266_583_934)],
    ETH: [],
}  # fmt: skip
pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared files are not here")
Fill = tuple[Decimal, str]  # price and side


@pytest.fixture(scope="module")
def vault(tmp_path_factory) -> Vault:
    """Return a vault into which the program has imported the files."""
    made = with_metadata(Vault(tmp_path_factory.mktemp("shared") / "vault"))
    row = {**ROW, "instId": ETH, "ctVal": "0.1", "ctValCcy": "ETH"}
    instruments.save(made, instruments.parse_instrument(row, 0), None)
    words = ["--vault", str(made.root), "--dir", str(SHARED), "--partial"]
    assert import_trades.main([*words, "--log-level", "warning"]) == DONE
    return made


def published(inst_id: str) -> Iterator[tuple[str, int, Decimal, Fill]]:
    """Yield (UTC day, id, size, fill) of each row, read without any code of the importer."""
    for path in sorted(SHARED.glob(f"{inst_id}-trades-*.zip")):
        with zipfile.ZipFile(path) as file:
            text = file.read(file.namelist()[0]).decode()
        for row in csv.DictReader(io.StringIO(text)):
            fill = Decimal(row["price"]), row["side"]
            day = times.day(int(row["created_time"]))
            yield day, int(row["trade_id"]), Decimal(row["size"]), fill


def lines_of(path: Path) -> list[bytes]:
    with open_lines(path) as stream:
        return stream.read().splitlines()


@pytest.mark.parametrize("inst_id", [BTC, ETH])
def test_each_fill_of_the_files_is_there_exactly_once(vault, inst_id):
    """Ids, prices, sides and sums of each UTC day are those of the rows."""
    ids, sums = defaultdict[str, list[tuple[int, Fill]]](list), defaultdict[str, Decimal](Decimal)
    for day, number, size, fill in published(inst_id):
        ids[day].append((number, fill))
        sums[day] += size
    assert sum(map(len, ids.values())) == FILLS[inst_id]
    files = dict(day_files(vault.trades(inst_id)))
    assert list(files) == sorted(ids)
    for day, path in files.items():
        records = [parse_trade(line, inst_id)[0] for line in lines_of(path)]
        assert len(records) == LINES[inst_id][day]
        assert [
            (number, (Decimal(one.price), one.side))
            for one in records
            for number in range(one.first_id, one.trade_id + 1)
        ] == ids[day]
        assert sum(Decimal(one.qty) for one in records) == sums[day]
        assert all(times.day(one.ts) == day for one in records)


@pytest.mark.parametrize("inst_id", [BTC, ETH])
def test_what_the_files_lack_stands_in_the_ledger_and_nothing_else(vault, inst_id):
    """One jump of one id, and the stretches between days; no candle proves any of them."""
    entries = GapLedger(vault.gap_ledger(inst_id), inst_id).entries()
    found = [(entry.gap.from_id, entry.gap.to_id) for entry in entries]
    assert found == HOLES[inst_id]
    assert {entry.status for entry in entries} <= {"open"}
    days = provenance.newest(vault, inst_id)
    assert {day: line.records for day, line in days.items()} == LINES[inst_id]
    assert sum(line.rows for line in days.values()) == FILLS[inst_id]
    assert {line.proof for line in days.values()} == {"partial"}
    assert [ids for line in days.values() for ids in line.jumps] == HOLES[inst_id]


def test_another_import_of_them_changes_nothing(vault):
    """Every day is there, with the bytes that it had."""
    before = {path: path.read_bytes() for path in vault.root.rglob("*.jsonl*")}
    words = ["--vault", str(vault.root), "--dir", str(SHARED), "--partial"]
    assert import_trades.main([*words, "--log-level", "warning"]) == DONE
    assert {path: path.read_bytes() for path in vault.root.rglob("*.jsonl*")} == before
