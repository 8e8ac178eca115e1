"""Three days of fills as a recorder and as an archive have them, and the vaults made of them."""

import gzip
import random
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

from ravequant import times
from ravequant.contract import Contract
from ravequant.records import Side, Trade, TradeEncoder, join_fills
from ravequant.vault import instruments
from ravequant.vault.paths import Vault, day_files
from tests.support.archive_files import trade_file

BTC = "BTC-USDT-SWAP"
ENCODER = TradeEncoder(BTC, Contract("0.01", "1", "linear"))
LABELS = ("2025-12-12", "2025-12-13", "2025-12-14", "2025-12-15")
WHOLE = ("2025-12-12", "2025-12-13", "2025-12-14")  # days with both their labels
BEGIN = times.parse_iso("2025-12-11T16:00:00.000Z")
END = times.parse_iso("2025-12-15T16:00:00.000Z")
ROW = {
    "instId": BTC, "ctVal": "0.01", "ctMult": "1", "ctType": "linear", "ctValCcy": "BTC",
    "settleCcy": "USDT", "tickSz": "0.1", "lotSz": "0.01", "minSz": "0.01", "state": "live",
}  # fmt: skip


def market(step_ms: int = 200_000, seed: int = 5) -> list[Trade]:
    """Return single fills: orders of one to six, whose times and prices repeat within an order."""
    chance, ts, last, made = random.Random(seed), BEGIN, 1_000, list[Trade]()
    while True:
        ts += chance.randrange(1, step_ms)
        if ts >= END:
            return made
        price = f"{100_000 + chance.randrange(2_000)}.{chance.randrange(1, 10)}"
        side: Side = "buy" if chance.random() < 0.5 else "sell"
        for _ in range(chance.randrange(1, 7)):
            last += 1
            made.append(Trade(ts, last, side, price, str(chance.randrange(1, 5_000))))


FILLS = market()
RECORDS = list(join_fills(FILLS))


def label_of(trade: Trade) -> str:
    """Return the label of a fill's file: its day in UTC+8."""
    return times.day(trade.ts + 8 * times.HOUR_MS)


def archive(
    folder: Path,
    labels: Sequence[str] = LABELS,
    fills: Iterable[Trade] = FILLS,
    form: str = "source",
) -> Path:
    """Write the archive files of these labels into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for label, rows in groupby(fills, label_of):
        if label in labels:
            trade_file(folder, label, rows, form)
    return folder


def put(vault: Vault, records: Iterable[Trade]) -> Vault:
    """Write records as the recorder does, and the metadata of their contract."""
    vault.trades(BTC).mkdir(parents=True, exist_ok=True)
    day = ""
    for trade in records:
        day = max(day, times.day(trade.ts))
        with (vault.trades(BTC) / f"{day}.jsonl").open("ab") as file:
            file.write(ENCODER.line(trade))
    with_metadata(vault)
    return vault


def with_metadata(vault: Vault) -> Vault:
    """Save the metadata of the contract."""
    instruments.save(vault, instruments.parse_instrument(ROW, 0), None)
    return vault


def of_days(*days: str) -> list[Trade]:
    """Return the records of some UTC days."""
    return [trade for trade in RECORDS if times.day(trade.ts) in days]


def with_holes(records: Sequence[Trade], holes: int = 12, seed: int = 3) -> list[Trade]:
    """Return records without some runs of them."""
    chance, gone = random.Random(seed), set[int]()
    for _ in range(holes):
        at = chance.randrange(1, len(records) - 40)
        gone |= set(range(at, at + chance.randrange(1, 40)))
    return [trade for at, trade in enumerate(records) if at not in gone]


def raw(vault: Vault) -> dict[str, bytes]:
    """Return the uncompressed bytes of each day."""
    return {
        day: gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        for day, path in day_files(vault.trades(BTC))
    }


def files(vault: Vault) -> dict[str, bytes]:
    """Return every file of raw trades, ledgers and imports, whose bytes are the same each time."""
    kept = (path for path in vault.root.rglob("*") if path.is_file())
    return {
        str(path.relative_to(vault.root)): path.read_bytes()
        for path in kept
        if "locks" not in path.parts
    }
