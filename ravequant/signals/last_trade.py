"""The newest raw trade as of a moment (SPEC section 11, "As of").

That is the last valid line, in the order of the file and repetitions left out, that is not later
than the moment and stands before the first line 5 s past it, which is what closes the minute.
"""

import re
from collections.abc import Iterable
from itertools import chain, islice
from pathlib import Path
from typing import Final

from ravequant import exact, times
from ravequant.records import RecordError, parse_trade
from ravequant.signals.inputs import LastTrade
from ravequant.vault.line_file import LineFile
from ravequant.vault.paths import Vault, day_files

CLOSING_MS: Final = 5_000  # a minute closes this long after its end
DISORDER_MS: Final = 60_000  # raw lines are out of order by less than this
OVERLAP: Final = 64  # lines before those that are read which a repetition may repeat
PACKED_BYTES: Final = 16 << 20  # of a packed day that are looked at

_ID = re.compile(rb'"trade_id"\s*:\s*"([0-9]{1,18})"')


def newest_trade(vault: Vault, inst_id: str, until: int) -> tuple[Path, LastTrade | None]:
    """Return the newest trade as of ``until`` (Unix ms), None if there is none, and its file."""
    folder, closing = vault.trades(inst_id), until + CLOSING_MS
    files = [path for day, path in day_files(folder) if day <= times.day(closing)][::-1]
    for number, path in enumerate(files):
        with _open(path, closing) as file:
            start = file.after(closing - DISORDER_MS)
            before = list(islice(file.backward(start), OVERLAP))
            if len(before) < OVERLAP:
                before += _tail(files[number + 1 : number + 2])
            trade = _last(file, chain(reversed(before), file.forward(start)), inst_id, until)
            if trade is None:
                older = (_trade(line, inst_id) for line in file.backward(start))
                trade = next((found for found in older if found and found.ts <= until), None)
        if trade is not None:
            return path, trade
    return files[0] if files else folder, None


def _open(path: Path, until: int | None = None) -> LineFile:
    return LineFile(path, "timestamp_utc", until=until, keep=PACKED_BYTES)


def _tail(files: Iterable[Path]) -> list[bytes]:
    """Return the newest lines of the first of these files, the newest first."""
    for path in files:
        with _open(path) as file:
            return list(islice(file.backward(file.size), OVERLAP))
    return []


def _last(file: LineFile, lines: Iterable[bytes], inst_id: str, until: int) -> LastTrade | None:
    """Return the last trade of ``lines`` not later than ``until``, before the one that closes it.

    Whether what raised the id is a valid record is asked only where a lower id casts doubt on it.
    """
    raised: list[tuple[int, bytes]] = []
    found: list[bytes] = []
    for line in lines:
        time, match = file.time_of(line), _ID.search(line)
        if time is None or match is None:
            continue
        trade_id = int(match[1])
        while raised and raised[-1][0] >= trade_id and _trade(raised[-1][1], inst_id) is None:
            raised.pop()
        if raised and raised[-1][0] >= trade_id:
            continue
        if time >= until + CLOSING_MS and _trade(line, inst_id) is not None:
            break
        raised.append((trade_id, line))
        if time <= until:
            found.append(line)
    trades = (_trade(line, inst_id) for line in reversed(found))
    return next((trade for trade in trades if trade is not None), None)


def _trade(line: bytes, inst_id: str) -> LastTrade | None:
    try:
        trade, _ = parse_trade(line, inst_id)
    except RecordError:
        return None
    return LastTrade(trade.ts, exact.units(trade.price, exact.PRICE_PLACES))
