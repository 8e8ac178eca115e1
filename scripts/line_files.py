"""Where the vault keeps its lines: files by day or hour, and single files that grow."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from ravequant.vault.paths import Vault, book_files, day_files

DATED: Final[dict[str, Callable[[Vault, str], Iterator[tuple[str, Path]]]]] = {
    "trades": lambda vault, name: day_files(vault.trades(name)),
    "book": lambda vault, name: book_files(vault.snapshots(name)),
    "deep": lambda vault, name: book_files(vault.deep_snapshots(name)),
    "buckets": lambda vault, name: day_files(vault.derived("liquidity_buckets", name)),
}
GROWING: Final[dict[str, Callable[[Vault, str], Path]]] = {
    "vwap": lambda vault, name: vault.derived("vwap", name) / "vwap_1m.jsonl",
    "cvd": lambda vault, name: vault.derived("cvd", name) / "cvd_1m.jsonl",
    "volume": lambda vault, name: vault.derived("volume", name) / "volume_1m.jsonl",
    "wicks": lambda vault, name: vault.derived("wicks", name) / "wicks_events.jsonl",
    "signals": lambda vault, name: vault.derived("signals", name) / "signals.jsonl",
}
