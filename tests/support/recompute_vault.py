"""Vaults for the tests of recompute: of the model market with bad lines and gaps, of recordings."""

import gzip
import shutil
from collections.abc import Sequence
from pathlib import Path

from ravequant import settings, times
from ravequant.contract import Contract
from ravequant.pipeline import runner
from ravequant.records import TradeEncoder
from ravequant.sim.instruments import swap_row
from ravequant.sim.market import START_MS, ModelMarket
from ravequant.vault import instruments
from ravequant.vault.paths import MINUTES, Vault
from scripts.batch.jobs import CALCULATORS, OF_TRADES
from tests.support import book_lines, context_days
from tests.support.recordings import Recording
from tests.support.trade_streams import link_recording

NAMES = ("BTC-USDT-SWAP", "ETH-USDT-SWAP", "SOL-USDT-SWAP", "XRP-USDT-SWAP")
METRICS = tuple(CALCULATORS)
FIRST = START_MS // times.DAY_MS * times.DAY_MS


def make(root: Path, names: Sequence[str], days: int, rate: float, snapshots: int) -> Vault:
    """Write whole days of trades, every second one packed, and some minutes of books a day."""
    vault = Vault(root)
    market = ModelMarket(11, names, start_ms=FIRST, rows_per_second=rate)
    encoders = {}
    for name in names:
        meta = instruments.parse_instrument(market.instruments[name])
        instruments.save(vault, meta, None)
        encoders[name] = TradeEncoder(name, meta.contract)
        if name in NAMES[:2]:
            context_days.put(vault, name, meta.contract)
    for day in range(days):
        begin = FIRST + day * times.DAY_MS
        lines: dict[str, list[bytes]] = {name: [] for name in names}
        for second in range(0, 2 * snapshots, 2):
            moment = begin + 60_000 + second * 1_000
            take(market, moment, lines, encoders)
            for name in names[:2]:
                book(vault, market, name, deep=second % 30 == 0)
        take(market, begin + times.DAY_MS, lines, encoders)
        for name, found in lines.items():
            if day == 1 and name in names[:2]:
                spoil(found)
            write_day(vault, name, times.day(begin), found, packed=day % 2 == 0)
    return vault


def recorded(root: Path, recording: Recording) -> Vault:
    """Return a vault of recorded trades as they are, and of what their recorded book gives."""
    vault, name = Vault(root), recording.inst_id
    link_recording(vault, recording)
    row = swap_row(name, Contract(recording.ct_val, "1", "linear"), recording.tick, "0.01")
    instruments.save(vault, instruments.parse_instrument(row, fetched_ms=0), None)
    if recording.book:
        rows = list(book_lines.recorded(recording.book_file))
        book_lines.put(vault.snapshots(name), rows)
        book_lines.put(vault.deep_snapshots(name), book_lines.deepened(rows, seed=3))
        contract = Contract(recording.ct_val, "1", "linear")
        start = times.day_start_ms(recording.days[0][:10])
        context_days.put(vault, name, contract, start)
    return vault


def calculated(root: Path, source: Vault, recording: Recording) -> dict[str, bytes]:
    """Return what the ordinary calculators make of a recording: something of every one."""
    name = recording.inst_id
    vault = copied(source, root, "raw", "meta")
    metrics = METRICS if recording.book else OF_TRADES
    for metric in metrics:
        run_room(vault, metric, name)
    found = outputs(root)
    for metric in metrics:
        assert found[str(vault.state(metric, name).relative_to(root))]
        folder = str(vault.derived(metric, name).relative_to(root))
        rows = sum(data.count(b"\n") for file, data in found.items() if folder in file)
        assert rows >= (0 if metric == "profile" else 4)  # a profile has one each half hour
    return found


def take(market, until, lines, encoders) -> None:
    """Let the market go on; its times never go back, as in what the exchange sends."""
    for name, trade in market.trades(until):
        line = encoders[name].line(trade)
        if not lines[name] or stamp(line) >= stamp(lines[name][-1]):
            lines[name].append(line)


def stamp(line: bytes) -> bytes:
    """Return the time of a line of ours."""
    return line[18:42]


def spoil(lines: list[bytes]) -> None:
    """Put a bad line, a repeated one, a late one and a hole into the middle of a day."""
    middle = len(lines) // 2
    lines[middle:middle] = [b'{"no":"trade"}\n', lines[middle - 1]]
    lines[middle + 4], lines[middle + 5] = lines[middle + 5], lines[middle + 4]
    del lines[middle + 9 : middle + 12]


def book(vault: Vault, market: ModelMarket, name: str, *, deep: bool) -> None:
    """Record the book as it is."""
    found = market.snapshot(name, 1_000 if deep else 400)
    if found is None:
        return
    bids, asks = (
        [[price, size, "0", str(count)] for price, size, count in side]
        for side in (found.bids, found.asks)
    )
    row = book_lines.snapshot(found.ts, bids[:400], asks[:400], inst_id=name)
    book_lines.put(vault.snapshots(name), [row])
    if deep:
        book_lines.put(
            vault.deep_snapshots(name), [book_lines.deep(found.ts, found.ts, bids, asks, name)]
        )


def write_day(vault: Vault, name: str, day: str, lines: list[bytes], *, packed: bool) -> None:
    """Write a day file."""
    vault.trades(name).mkdir(parents=True, exist_ok=True)
    path, data = vault.trades(name) / f"{day}.jsonl", b"".join(lines)
    if packed:
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(data, 3))
    else:
        path.write_bytes(data)


def calculate(vault: Vault, names: Sequence[str]) -> None:
    """Run the ordinary calculators, one after the other."""
    for metric in METRICS:
        for name in names:
            if metric in OF_TRADES or name in NAMES[:2]:
                run_room(vault, metric, name)


def run_room(vault: Vault, metric: str, name: str) -> None:
    """Run one of them."""
    runner.run(CALCULATORS[metric].job(vault, name, settings.load()))


def copied(vault: Vault, root: Path, *parts: str) -> Vault:
    """Return a vault with some folders of another one."""
    for part in parts:
        shutil.copytree(vault.root / part, root / part, dirs_exist_ok=True)
    return Vault(root)


def outputs(root: Path) -> dict[str, bytes]:
    """Return all outputs and states of a vault, by their names; kept minutes are no output."""
    kept = root / "derived" / MINUTES
    return {
        str(path.relative_to(root)): path.read_bytes()
        for part in ("derived", *(f"state/{metric}" for metric in METRICS))
        for path in sorted((root / part).rglob("*"))
        if path.is_file() and kept not in path.parents
    }
