"""A vault for the tests of SQL and Parquet: seven hours over midnight, with all that goes wrong."""

import json
import random
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import orjson

from Context_Bot import liquidations_1m
from ravequant import times
from ravequant.contract import Contract
from ravequant.records import Trade, TradeEncoder
from ravequant.vault.paths import Vault
from scripts import sql
from tests.support import chain_desk, context_days
from tests.support.book_lines import put, put_metadata, snapshot
from tests.support.notes_market import CALCULATORS, CONTRACT, Market, record
from tests.support.trade_streams import write_raw
from Untouch_Wick.find_signals import find_hidden_signals
from Volume_Analyzer import footprint

BTC, ETH, USD = "BTC-USDT-SWAP", "ETH-USDT-SWAP", "BTC-USD-SWAP"
START = times.parse_iso("2025-12-14T18:30:00Z")
INVERSE = Contract("100", "1", "inverse")
FOLDERS = {"buckets": "liquidity_buckets", "liquidations_1m": "liquidations"}
NAMES = {"vwap": "vwap_1m", "cvd": "cvd_1m", "volume": "volume_1m", "wicks": "wicks_events",
         "signals": "signals", "profile": "profile"}  # fmt: skip


def trade_lines(
    inst_id: str = BTC, contract: Contract = CONTRACT, minutes: int = 420, seed: int = 5
) -> list[bytes]:
    """Return a walk of price: whales, idle minutes, a hole, a late line, a repeated one."""
    chance, encoder, lines = random.Random(seed), TradeEncoder(inst_id, contract), []
    price, trade_id, before = 1_010_509, 1_000, START
    for minute in range(minutes):
        if chance.random() < 0.05:
            continue
        for second in sorted(chance.sample(range(55), chance.randint(1, 4))):
            price += chance.choice((-9, -4, -1, 0, 1, 4, 9))
            trade_id += 60 if minute == 200 else 1  # a hole
            qty = f"{chance.lognormvariate(2.5, 1.5):.2f}".replace("0.00", "0.01")
            ts = START + minute * times.MINUTE_MS + second * 1_000 + chance.randint(0, 999)
            late = before - 2 * times.MINUTE_MS if chance.random() < 0.01 else ts
            text = f"{price // 10}.{price % 10}"
            trade = Trade(late, trade_id, chance.choice(("buy", "sell")), text, qty)
            lines.append(encoder.line(trade))
            before = ts
    return [*lines[:300], *lines[290:291], *lines[300:]]


def books() -> list[dict[str, Any]]:
    """Return the book of the notes, and the same an hour later with a break and a wide spread."""
    rows = cast("list[dict[str, Any]]", list(Market().snapshots()))
    for row in list(rows):
        ts = times.parse_iso(row["timestamp_utc"]) + times.HOUR_MS
        asks = [["101055.5", "5", "0", "1"], *row["asks_top400"][1:]]
        rows.append(snapshot(ts, row["bids_top400"], asks, gap=ts % 30_000 == 0))
    return rows


def make(vault: Vault, elsewhere: Vault) -> None:
    """Fill a vault: three instruments, everything computed, signals of the notes' market."""
    for inst_id, contract, seed in ((BTC, CONTRACT, 5), (ETH, CONTRACT, 6), (USD, INVERSE, 7)):
        put_metadata(vault, inst_id, contract)
        write_raw(vault, inst_id, trade_lines(inst_id, contract, seed=seed))
    put(vault.snapshots(BTC), books())
    context_days.put(vault, BTC, CONTRACT)
    chain_desk.put(vault)
    calculate(vault)
    record(elsewhere, Market())
    found = find_hidden_signals(BTC, at="2025-12-14T21:35:00Z", vault=elsewhere.root)
    folder = vault.derived("signals", BTC)
    folder.mkdir(parents=True)
    shown = {"size_shown", "verdict"}  # of answers alone
    kept = [{name: row[name] for name in row if name not in shown} for row in found]
    lines = [orjson.dumps(row) + b"\n" for row in kept]
    (folder / "signals.jsonl").write_bytes(b"".join(lines * 2))
    assert lines


def calculate(vault: Vault) -> None:
    """Bring everything up to date; one without raw data has nothing to do."""
    names = [word for name in (BTC, ETH, USD) for word in ("--instId", name)]
    for module in (*CALCULATORS, footprint, liquidations_1m):
        known = ["--vault", str(vault.root), "--log-level", "error", *names]
        assert module.main(known) in {0, 3}, module.__name__


def rows_of(vault: Vault, table: str, *inst_ids: str) -> list[dict[str, Any]]:
    """Return what the calculators wrote, read by the library's JSON alone."""
    found = []
    for inst_id in inst_ids or (BTC, ETH, USD):
        folder = vault.derived(FOLDERS.get(table, table), inst_id)
        name = NAMES.get(table, "*")
        for path in sorted(folder.glob(f"{name}.jsonl")):
            found += [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return found


def raw_rows(vault: Vault, inst_id: str = BTC) -> list[dict[str, Any]]:
    """Return the raw trades as they stand in the files."""
    paths = sorted(vault.trades(inst_id).glob("*.jsonl"))
    return [json.loads(line) for path in paths for line in path.read_bytes().splitlines()]


def canonical(value: Any) -> Any:
    """Return a value with its numbers in canonical form: no plus, no trailing zeros."""
    if isinstance(value, dict):
        return {key: canonical(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [canonical(inner) for inner in value]
    if isinstance(value, str) and value.strip("+-.0123456789") == "" and value.strip("+-."):
        return text(Decimal(value))
    if isinstance(value, str) and value.endswith(".000Z"):
        return value.replace(".000Z", "Z")
    return value


def text(value: Decimal) -> str:
    written = f"{value:f}"
    written = written.rstrip("0").rstrip(".") if "." in written else written
    return "0" if written == "-0" else written


Asker = Callable[..., list[dict[str, Any]]]


def asker(vault: Vault, capsys: Any) -> Asker:
    """Return what asks a question in this process and gives the rows."""

    def ask(question: str, *options: str, code: int = 0) -> list[dict[str, Any]]:
        capsys.readouterr()
        met = sql.main(["--vault", str(vault.root), "--json", *options, question])
        out, err = capsys.readouterr()
        assert met == code, err
        return [json.loads(line) for line in out.splitlines()]

    return ask


def run(vault: Vault, capsys: Any, *arguments: str) -> tuple[int, str, str]:
    """Return (exit code, stdout, stderr) of the command in this process."""
    capsys.readouterr()
    code = sql.main(["--vault", str(vault.root), *arguments])
    return code, *capsys.readouterr()


def parquet_files(folder: Path) -> dict[str, int]:
    """Return each Parquet file below a folder and when it was written."""
    return {
        path.relative_to(folder).as_posix(): path.stat().st_mtime_ns
        for path in sorted(folder.rglob("*.parquet"))
    }
