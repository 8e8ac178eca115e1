"""The end of a log of trades, where a recorder goes on."""

from time import monotonic
from typing import Final

from ravequant.exchanges.exchange_time import ExchangeTime, is_past
from ravequant.records import RecordError, parse_trade
from ravequant.vault.append_log import DayLog

_JUDGED: Final = 1_000  # newest lines that are held against the exchange's time of now


def end_of_log(
    days: DayLog, inst_id: str, exchange: str, time: ExchangeTime
) -> tuple[int | None, int]:
    """Return the newest id on disk, None without any, and the time (Unix ms) to go on from.

    A row that is ahead of its time counts for its id alone; so does one that an earlier version
    wrote without saying so, if it lies past the exchange's time. Without a time it is 0.
    """
    known, judged = time.at(monotonic()), 0
    newest_id: int | None = None
    ts = 0

    def counts_for_time(line: bytes) -> bool:
        nonlocal judged, newest_id, ts
        try:
            trade = parse_trade(line, inst_id, exchange)[0]
        except RecordError:
            return False
        judged += 1
        newest_id = trade.trade_id if newest_id is None else newest_id
        ts = trade.ts
        return not trade.ahead and not (judged <= _JUDGED and is_past(trade.ts, known))

    return (newest_id, ts) if days.last_line(counts_for_time) else (newest_id, 0)
