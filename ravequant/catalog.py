"""Every data set of a vault and every program that a person starts, each of them once.

Other lists of data sets or programs are made of these. ``Vault`` builds the paths; SPEC
defines the fields of each file.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Literal, NamedTuple

from ravequant.vault import paths
from ravequant.vault.paths import Vault

# days: a file for each UTC day. hours: a file for each hour, or for each day, of a book.
# log: one file, to whose end lines are appended. document: one file, which is replaced whole.
Kind = Literal["days", "hours", "log", "document"]


class Program(NamedTuple):
    """A program that a person or the supervisor starts."""

    name: str  # in logs, heartbeats and schedules; a calculator has that of its metric
    script: str  # from the folder of the checkout


class DataSet(NamedTuple):
    """Files of one form, for each instrument of a vault."""

    name: str
    kind: Kind
    stream: str  # its folder in the vault, and the name of its writer's lock
    place: Callable[[Vault, str], Path]  # of an instrument: the folder of days and hours, else file
    maker: Program
    key: str = "timestamp_utc"  # the field by whose time the lines are ordered
    options: str = ""  # that make its maker write it

    @property
    def dated(self) -> bool:
        """True for files by day or hour, False for a single file."""
        return self.kind in ("days", "hours")

    @property
    def made_by(self) -> str:
        """The words that a person types to have it, after the name of the Python."""
        return f"{self.maker.script} {self.options}".rstrip()

    def files(
        self, vault: Vault, inst_id: str, *, newest_first: bool = False
    ) -> Iterator[tuple[str, Path]]:
        """Yield (key, file) of each file of an instrument that exists, oldest first.

        The key is ``2025-12-14`` or ``2025-12-14/21``; of a single file it is the file's name.
        """
        place = self.place(vault, inst_id)
        if self.kind == "days":
            yield from paths.day_files(place, newest_first=newest_first)
        elif self.kind == "hours":
            yield from paths.book_files(place, newest_first=newest_first)
        elif place.exists():
            yield place.name, place


def _derived(metric: str, file: str = "") -> Callable[[Vault, str], Path]:
    return lambda vault, inst_id: vault.derived(metric, inst_id) / file


def _statistic(name: str, series: str) -> DataSet:
    def place(vault: Vault, inst_id: str) -> Path:
        return vault.statistics(inst_id, series)

    return DataSet(name, "days", paths.STATISTICS, place, CONTEXT_EXPORTER)


def _coinalyze(name: str, series: str, end: str) -> DataSet:
    def place(vault: Vault, inst_id: str) -> Path:
        return vault.coinalyze(series, paths.coinalyze_symbol(inst_id, end))

    return DataSet(name, "days", paths.COINALYZE, place, COINALYZE_EXPORTER)


TRADES_EXPORTER: Final = Program("trades_exporter", "Trades_Bot/trades_exporter.py")
L2_EXPORTER: Final = Program("l2_exporter", "L2_Bot/l2_exporter.py")
CONTEXT_EXPORTER: Final = Program("context_exporter", "Context_Bot/context_exporter.py")
BTC_TRANSFERS_RECORDER: Final = Program("btc_transfers", "Context_Bot/btc_transfers.py")
COINALYZE_EXPORTER: Final = Program("coinalyze_exporter", "Context_Bot/coinalyze_exporter.py")
LIQUIDATION_MINUTES: Final = Program("liquidations", "Context_Bot/liquidations_1m.py")
VWAP_CALCULATOR: Final = Program("vwap", "VWAP/vwap_calculator.py")
CVD_CALCULATOR: Final = Program("cvd", "CVD/run_cvd_from_jsonl.py")
VOLUME_ANALYZER: Final = Program("volume", "Volume_Analyzer/volume_analyzer.py")
UNTOUCH_WICK: Final = Program("wicks", "Untouch_Wick/untouch_wick.py")
FOOTPRINT_MAKER: Final = Program("footprint", "Volume_Analyzer/footprint.py")
PROFILE_MAKER: Final = Program("profile", "Volume_Analyzer/profile.py")
L2_BUCKETIZER: Final = Program("liquidity_buckets", "Liquidity_Buckets/l2_bucketizer.py")
BOOK_FLOW_MAKER: Final = Program("book_flow", "Liquidity_Buckets/book_flow.py")
FIND_SIGNALS: Final = Program("find_signals", "Untouch_Wick/find_signals.py")
L2_RETENTION: Final = Program("l2_retention", "L2_Bot/l2_retention.py")
IMPORT_BOOKS: Final = Program("import_books", "L2_Bot/import_books.py")
EXPORT_PARQUET: Final = Program("export_parquet", "scripts/export_parquet.py")
VERIFY_VAULT: Final = Program("verify_vault", "scripts/verify_vault.py")
OKX_EXCHANGE: Final = Program("okx_exchange", "scripts/okx_exchange.py")
IMPORT_TRADES: Final = Program("import_trades", "Trades_Bot/import_trades.py")
DASHBOARD: Final = Program("dashboard", "Dashboard/dashboard.py")
REPAIR_GAPS: Final = Program("repair_gaps", "scripts/repair_gaps.py")

EXPORTERS: Final = (TRADES_EXPORTER, L2_EXPORTER, CONTEXT_EXPORTER)
TRADE_CALCULATORS: Final = (VWAP_CALCULATOR, CVD_CALCULATOR, VOLUME_ANALYZER, UNTOUCH_WICK)
ASKED_CALCULATORS: Final = (*TRADE_CALCULATORS, L2_BUCKETIZER)  # the query reads their records
CALCULATORS: Final = (
    *ASKED_CALCULATORS,
    BOOK_FLOW_MAKER,
    FOOTPRINT_MAKER,
    PROFILE_MAKER,
    LIQUIDATION_MINUTES,
)
JUDGE: Final = Program("edge_lab", "Edge_Lab/edge_lab.py")  # judges finished days of books
PROGRAMS: Final = (
    *EXPORTERS,
    BTC_TRANSFERS_RECORDER,
    COINALYZE_EXPORTER,
    *CALCULATORS,
    FIND_SIGNALS,
    DASHBOARD,
    L2_RETENTION,
    IMPORT_BOOKS,
    EXPORT_PARQUET,
    OKX_EXCHANGE,
    IMPORT_TRADES,
    Program("anchored_vwap", "VWAP/anchored_vwap.py"),
    Program("l2_query", "L2_Bot/l2_query.py"),
    JUDGE,
    Program("candle_builder", "Untouch_Wick/candle_builder.py"),
    Program("run_all", "scripts/run_all.py"),
    Program("install_service", "scripts/install_service.py"),
    Program("doctor", "scripts/doctor.py"),
    VERIFY_VAULT,
    REPAIR_GAPS,
    Program("recompute", "scripts/recompute.py"),
    Program("sql", "scripts/sql.py"),
    Program("peek", "scripts/peek.py"),
    Program("settings", "scripts/settings.py"),
    Program("demo", "scripts/demo.py"),
    Program("benchmark", "scripts/benchmark.py"),
    Program("test", "scripts/test.py"),
    Program("environment", "scripts/environment.py"),
    Program("ravequant", "scripts/main.py"),
)
SHORT_NAMES: Final = {  # of programs, behind the command ``ravequant``
    "run": "run_all",
    "signals": "find_signals",
    "buckets": "liquidity_buckets",
    "retention": "l2_retention",
    "verify": "verify_vault",
    "repair": "repair_gaps",
    "service": "install_service",
    "parquet": "export_parquet",
    "exchange": "okx_exchange",
}

TRADES: Final = DataSet("trades", "days", paths.TRADES, Vault.trades, TRADES_EXPORTER)
BOOK: Final = DataSet("book", "hours", paths.BOOKS, Vault.snapshots, L2_EXPORTER)
DEEP: Final = DataSet("deep", "hours", paths.DEEP_BOOKS, Vault.deep_snapshots, L2_EXPORTER)
METADATA: Final = DataSet(
    "metadata", "document", "metadata", Vault.metadata, TRADES_EXPORTER, "fetched_utc"
)
HISTORY: Final = DataSet(
    "history", "log", "metadata", Vault.metadata_history, TRADES_EXPORTER, "from_utc"
)
GAPS: Final = DataSet(
    "gaps", "log", paths.TRADES, Vault.gap_ledger, TRADES_EXPORTER, "detected_utc"
)
IMPORTS: Final = DataSet(
    "imports", "log", "import", Vault.imports, IMPORT_TRADES, "imported_utc", options="--dir FOLDER"
)
FUNDING: Final = DataSet(
    "funding",
    "log",
    paths.SETTLED_FUNDING,
    Vault.settled_funding,
    IMPORT_TRADES,
    options="--dir FOLDER",
)
LIQUIDATIONS: Final = DataSet(
    "liquidations", "days", paths.LIQUIDATIONS, Vault.liquidations, CONTEXT_EXPORTER, "known_utc"
)
OPEN_INTEREST: Final = DataSet(
    "open_interest", "days", paths.OPEN_INTEREST, Vault.open_interest, CONTEXT_EXPORTER
)
FUNDING_ESTIMATES: Final = DataSet(
    "funding_estimates", "days", paths.FUNDING_ESTIMATES, Vault.funding_estimates, CONTEXT_EXPORTER
)
MARKS: Final = DataSet("marks", "days", paths.MARKS, Vault.marks, CONTEXT_EXPORTER)
LS_ACCOUNTS: Final = _statistic("ls_accounts", "ls_accounts")
LS_TOP_ACCOUNTS: Final = _statistic("ls_top_accounts", "ls_top_accounts")
LS_TOP_POSITIONS: Final = _statistic("ls_top_positions", "ls_top_positions")
INTEREST_5M: Final = _statistic("interest_5m", "oi")
TAKER_5M: Final = _statistic("taker_5m", "taker")
BTC_TRANSFERS: Final = DataSet(
    "btc_transfers", "days", paths.TRANSFERS, Vault.btc_transfers, BTC_TRANSFERS_RECORDER
)
BTC_BLOCKS: Final = DataSet(
    "btc_blocks", "log", paths.TRANSFERS, Vault.btc_blocks, BTC_TRANSFERS_RECORDER
)
_OF_COINALYZE: Final = {  # -> the series, and the end of the symbol: the venue
    "long_short_binance": ("long_short", "_PERP.A"),
    "long_short_bybit": ("long_short", ".6"),
    "liquidated_okx": ("liquidations", "_PERP.3"),
    "liquidated_binance": ("liquidations", "_PERP.A"),
    "liquidated_bybit": ("liquidations", ".6"),
}
COINALYZE: Final = {
    _coinalyze(name, series, end): (series, end) for name, (series, end) in _OF_COINALYZE.items()
}
COINALYZE_GAPS: Final = DataSet(
    "coinalyze_gaps",
    "log",
    paths.COINALYZE,
    lambda vault, inst_id: Vault(vault.root, paths.COINALYZE).grid_gaps(inst_id),
    COINALYZE_EXPORTER,
    "detected_utc",
)
COVERAGE: Final = DataSet(
    "coverage",
    "log",
    paths.LIQUIDATIONS,
    lambda vault, inst_id: vault.coverage("liquidations", inst_id),
    CONTEXT_EXPORTER,
    "from_utc",
)
GRID_GAPS: Final = DataSet(
    "grid_gaps", "log", paths.STATISTICS, Vault.grid_gaps, CONTEXT_EXPORTER, "detected_utc"
)
VWAP: Final = DataSet("vwap", "log", "vwap", _derived("vwap", "vwap_1m.jsonl"), VWAP_CALCULATOR)
CVD: Final = DataSet("cvd", "log", "cvd", _derived("cvd", "cvd_1m.jsonl"), CVD_CALCULATOR)
VOLUME: Final = DataSet(
    "volume", "log", "volume", _derived("volume", "volume_1m.jsonl"), VOLUME_ANALYZER
)
WICKS: Final = DataSet(
    "wicks", "log", "wicks", _derived("wicks", "wicks_events.jsonl"), UNTOUCH_WICK, "known_utc"
)
ACTIVE_WICKS: Final = DataSet(
    "active", "document", "wicks", _derived("wicks", "wicks_active.json"), UNTOUCH_WICK, "as_of_utc"
)
BUCKETS: Final = DataSet(
    "buckets", "days", "liquidity_buckets", _derived("liquidity_buckets"), L2_BUCKETIZER
)
BOOK_FLOW: Final = DataSet("book_flow", "days", "book_flow", _derived("book_flow"), BOOK_FLOW_MAKER)
FOOTPRINT: Final = DataSet("footprint", "days", "footprint", _derived("footprint"), FOOTPRINT_MAKER)
PROFILE: Final = DataSet(
    "profile", "log", "profile", _derived("profile", "profile.jsonl"), PROFILE_MAKER, "known_utc"
)
LIQUIDATIONS_1M: Final = DataSet(
    "liquidations_1m",
    "log",
    "liquidations",
    _derived("liquidations", "liquidations_1m.jsonl"),
    LIQUIDATION_MINUTES,
)
SIGNALS: Final = DataSet(
    "signals",
    "log",
    "signals",
    _derived("signals", "signals.jsonl"),
    FIND_SIGNALS,
    "as_of_utc",
    options="--record",
)
ASKED: Final = DataSet(
    "asked",
    "log",
    "signals",
    _derived("signals", "asked.jsonl"),
    FIND_SIGNALS,
    "as_of_utc",
    options="--watch 30",
)

DERIVED: Final = (
    VWAP, CVD, VOLUME, WICKS, ACTIVE_WICKS, BUCKETS, BOOK_FLOW, FOOTPRINT, PROFILE,
    LIQUIDATIONS_1M, SIGNALS, ASKED,
)  # fmt: skip
CONTEXT: Final = (  # raw days of the context feeds
    LIQUIDATIONS,
    MARKS,
    OPEN_INTEREST,
    FUNDING_ESTIMATES,
    LS_ACCOUNTS,
    LS_TOP_ACCOUNTS,
    LS_TOP_POSITIONS,
    INTEREST_5M,
    TAKER_5M,
    *COINALYZE,
)
_NOTES: Final = (
    GAPS,
    GRID_GAPS,
    COINALYZE_GAPS,
    COVERAGE,
    BTC_BLOCKS,
    HISTORY,
    METADATA,
    IMPORTS,
)
DATA_SETS: Final = {
    data.name: data
    for data in (TRADES, BOOK, DEEP, *CONTEXT, BTC_TRANSFERS, *DERIVED, *_NOTES, FUNDING)
}
