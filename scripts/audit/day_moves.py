"""Plans which lines of a day file move to an earlier one: a record ahead of its time opened it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from ravequant.records import RecordError, parse_trade
from ravequant.trades.bar_reader import end_of
from ravequant.vault.gap_ledger import read_generation
from ravequant.vault.paths import Vault
from ravequant.vault.trade_repair import Move, Repair, planned_move
from scripts.audit.trade_days import TradeDayAudit

_AHEAD_KEY: Final = b'"ahead"'


@dataclass(slots=True)
class _Part:
    """Lines of one file that belong to another: from a byte on, and the marks that they get."""

    to: str
    start: int
    marks: list[int] = field(default_factory=list)


def plan_moves(vault: Vault, inst_id: str, days: Mapping[str, TradeDayAudit]) -> Repair | None:
    """Return the repair that puts the records of a day file into those of their days.

    It is the oldest file with such records; None if there is none.
    """
    day = next((found for found in days.values() if found.misfiled), None)
    if day is None:
        return None
    parts, end = _parts(day, inst_id, vault.exchange)
    ends = [*(part.start for part in parts[1:]), end]
    moves = [
        planned_move(_move(day.key, part, until, _length(days, part.to)), day.path)
        for part, until in zip(parts, ends, strict=True)
    ]
    generation = read_generation(vault.generation(inst_id)) + 1
    return Repair(inst_id, (), (), generation, tuple(moves))


def _move(key: str, part: _Part, end: int, at: int) -> Move:
    return Move(key, part.start, end, part.to, at, 0, 0, tuple(part.marks))


def _length(days: Mapping[str, TradeDayAudit], key: str) -> int:
    return days[key].length if key in days else 0


def _parts(day: TradeDayAudit, inst_id: str, exchange: str) -> tuple[list[_Part], int]:
    """Return the parts at the start of a day's file that belong elsewhere, and where they end."""
    homes, found = dict(day.parts), list[_Part]()
    number, last = 0, (day.first_id or 0) - 1
    for offset, line in _lines(day):
        try:
            trade, _ = parse_trade(line, inst_id, exchange)
        except RecordError:
            continue
        if trade.trade_id <= last:
            continue
        last = trade.trade_id
        home = homes.get(number)
        if home == day.key:
            return found, offset
        if home is not None:
            found.append(_Part(home, offset if found else 0))
        number += 1
        if trade.ts >= end_of(found[-1].to) and _AHEAD_KEY not in line:
            found[-1].marks.append(offset + line.rindex(b"}"))
    return found, day.length


def _lines(day: TradeDayAudit) -> Iterator[tuple[int, bytes]]:
    audit = TradeDayAudit(day.key, day.path)
    for block in audit.blocks():
        offset = audit.length
        for line in block.split(b"\n")[:-1]:
            yield offset, line
            offset += len(line) + 1
