"""The programs that run_all.py looks after, with their options."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scripts.supervision.schedule import Task

# name, script, and the component whose heartbeat it writes
EXPORTERS: Final = (
    ("trades_exporter", "Trades_Bot/trades_exporter.py"),
    ("l2_exporter", "L2_Bot/l2_exporter.py"),
)
CALCULATORS: Final = (
    ("vwap", "VWAP/vwap_calculator.py"),
    ("cvd", "CVD/run_cvd_from_jsonl.py"),
    ("volume", "Volume_Analyzer/volume_analyzer.py"),
    ("wicks", "Untouch_Wick/untouch_wick.py"),
    ("liquidity_buckets", "Liquidity_Buckets/l2_bucketizer.py"),
)
RETENTION: Final = "L2_Bot/l2_retention.py"
SIGNALS: Final = "Untouch_Wick/find_signals.py"
HOUR_S: Final = 3_600.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asks for; times in seconds."""

    vault: Path
    inst_ids: Sequence[str]
    every_s: float
    limit_s: float
    backfill: str = ""
    watch_s: float = 0.0  # 0: no find_signals
    watch_options: tuple[str, ...] = ()
    exporter_options: tuple[str, ...] = ()

    @property
    def common(self) -> tuple[str, ...]:
        """The options of every program that works for instruments."""
        names = (part for inst_id in self.inst_ids for part in ("--instId", inst_id))
        return ("--vault", str(self.vault), *names)


def exporters(wanted: Wanted) -> list[Task]:
    """Return the two recorders, kept running."""
    more = {"trades_exporter": ("--backfill", wanted.backfill) if wanted.backfill else ()}
    return [
        Task(name, script, (*wanted.common, *wanted.exporter_options, *more.get(name, ())),
             heartbeat=name)
        for name, script in EXPORTERS
    ]  # fmt: skip


def watch(wanted: Wanted) -> list[Task]:
    """Return the signal finder, kept running, if it is wanted; signals.jsonl is what it leaves."""
    options = (*wanted.common, "--watch", f"{wanted.watch_s:g}", *wanted.watch_options)
    return [Task("find_signals", SIGNALS, options, shows=True)] if wanted.watch_s else []


def calculators(wanted: Wanted) -> list[Task]:
    """Return each calculator for each instrument, a program of its own."""
    vault = ("--vault", str(wanted.vault))
    return [
        Task(f"{metric}.{inst_id}", script, (*vault, "--instId", inst_id),
             every_s=wanted.every_s, limit_s=wanted.limit_s)
        for inst_id in wanted.inst_ids
        for metric, script in CALCULATORS
    ]  # fmt: skip


def retention(wanted: Wanted) -> list[Task]:
    """Return what keeps the disk free, hourly."""
    options = ("--vault", str(wanted.vault))
    return [Task("l2_retention", RETENTION, options, every_s=HOUR_S, limit_s=HOUR_S)]
