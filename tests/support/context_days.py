"""A few lines of each context feed, as the recorder writes them."""

from Context_Bot.coinalyze_exporter import log_of
from Context_Bot.context_lines import ContextLines
from Context_Bot.context_recorder import ContextRecorder
from Context_Bot.statistics_log import StatisticsLog, statistic_of
from ravequant import catalog, exchanges, times
from ravequant.contract import Contract
from ravequant.exchanges import coinalyze
from ravequant.exchanges.context_feeds import (
    FundingRow,
    InterestRow,
    LiquidationRow,
    MarkRow,
    PeriodRow,
)
from ravequant.vault.paths import Vault, coinalyze_symbol

START = times.parse_iso("2025-12-14T21:30:00.000Z")
MINUTES = 8


def put(vault: Vault, inst_id: str, contract: Contract, start: int = START) -> None:
    """Record some minutes: a mark price a second, a liquidation each half minute."""
    feeds = exchanges.load_context(vault.exchange)
    lines = ContextLines(vault.exchange, inst_id, contract)
    made = ContextRecorder(vault, feeds, inst_id, lines)
    made.subscribed(1)
    funding = FundingRow(
        start, "0.0001", start + 9_000_000, start + 37_800_000, start - 19_800_000, "", "x", "0"
    )
    for second in range(60 * MINUTES):
        ts = start + 1_000 * second
        if second % 30 == 7:
            row = LiquidationRow(inst_id, ts - 100, "sell", "net", "97000.5", "3", "0")
            made.liquidated([row])
        if second % 3 == 0:
            made.interest(InterestRow(ts, f"{second}.5", "0.1", "10"))
        if second % 60 == 0:
            made.funding(funding._replace(ts=ts, rate=f"0.000{second // 60}"))
        made.mark(MarkRow(ts, "97000"), 1)
    made.close()
    for series, values in feeds.series.items():
        log = StatisticsLog(vault, statistic_of(vault, feeds, inst_id, series, lines))
        rows = [PeriodRow(start - n * feeds.period_ms, ("1.5",) * values) for n in (3, 2, 1)]
        log.add(rows, start + 60_000)
    for data, (series, end) in catalog.COINALYZE.items():
        many = len(coinalyze.FIELDS[series])
        rows = [PeriodRow(start - n * coinalyze.INTERVAL_MS, ("1.5",) * many) for n in (3, 2, 1)]
        log_of(vault, inst_id, data, coinalyze_symbol(inst_id, end)).add(rows, start + 60_000)
