"""Checks of a vault: its records are fresh, whole and in order."""

import os
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Final

from ravequant import times
from ravequant.catalog import ACTIVE_WICKS, BUCKETS, CVD, VOLUME, VWAP
from ravequant.checks import programs
from ravequant.checks.check import Check
from ravequant.errors import FeedError, VaultError
from ravequant.exchanges.base import RestClient
from ravequant.records import RecordError, parse_trade
from ravequant.signals import lab_verdict
from ravequant.signals.proof import START, UNTESTED, counting, not_tested
from ravequant.vault import heartbeat, instruments, tail
from ravequant.vault.gap_ledger import GapLedger, ids_by_status, status_ranges
from ravequant.vault.line_file import lines_backward, record_time, whole_length
from ravequant.vault.paths import Vault, book_files, day_files, hour_files
from scripts.audit import book_hours

_STREAMS: Final = (("trades", "trades_exporter", 120), ("l2", "l2_exporter", 60))  # s of silence
_DERIVED: Final = (VWAP, CVD, VOLUME, ACTIVE_WICKS, BUCKETS)
_AHEAD_MS: Final = heartbeat.AHEAD_MS
_LAG_MS: Final = 20 * times.MINUTE_MS  # calculators run every 5 to 15 minutes
_HOUR_LINES: Final = 200_000
_ASLEEP_MS: Final = 10 * times.MINUTE_MS
_CHANGED_MS: Final = 7 * times.DAY_MS
_LOOK_TWICE_S: Final = 0.4


def lab(vault: Vault, now: int) -> Check:
    """Check that the lab's verdict can be read, and say how old it is."""
    path = lab_verdict.verdict_file(vault)
    if not path.exists():
        return Check("lab", "PASS", not_tested().short)
    try:
        found = lab_verdict.load_verdict(path)
    except VaultError as error:
        said, _, remedy = str(error).rpartition("; ")
        return Check("lab", "WARN", said, remedy)
    text = f"{found.short}, {programs.rough(max(0, now - (found.made_ms or now)))} old"
    if found.word == "LAB BROKEN":
        return Check("lab", "WARN", text, "python Edge_Lab/edge_lab.py check names what is broken")
    if counting(found, now).word == UNTESTED:
        return Check("lab", "WARN", f"{text}: the answers say `not tested`", START)
    return Check("lab", "PASS", text)


def open_gaps(vault: Vault, inst_id: str) -> Check:
    """Check that the ledger calls no gap open."""
    name = f"holes {inst_id}"
    ledger = GapLedger(vault.gap_ledger(inst_id), inst_id)
    entries = ledger.entries()
    last = max((entry.gap.to_id for entry in entries), default=0)
    missing = ids_by_status(status_ranges(entries, 0, last))["open"]
    if missing:
        text = f"{missing:,} trades are missing and may still be had"
        return Check(name, "FAIL", text, "python scripts/repair_gaps.py")
    if ledger.rejected:
        text = f"{ledger.rejected} bad lines in the gap ledger"
        return Check(name, "WARN", text, f"look at {ledger.path}")
    return Check(name, "PASS", "none open")


def last_hour(vault: Vault, inst_id: str, now: int) -> Iterator[Check]:
    """Check the lines of the last hour: torn, bad, out of order."""
    for stream, files in (
        ("trades", list(day_files(vault.trades(inst_id)))),
        ("l2", list(book_files(vault.snapshots(inst_id)))),
    ):
        if not files:
            continue
        found = _ordered(vault.exchange, stream, inst_id, files)
        if torn := _torn(files[-1][1], now):
            found.append(torn)
        name = f"{stream} lines {inst_id}"
        if found:
            remedy = "python scripts/verify_vault.py --days 2"
            yield Check(name, "FAIL", ", ".join(found), remedy)
        else:
            yield Check(name, "PASS", "whole and in order in the last hour")


def _ordered(exchange: str, stream: str, inst_id: str, files: list[tuple[str, Path]]) -> list[str]:
    bad = disordered = 0
    later: int | None = None  # id, or time, of the line behind
    for line in _newest_hour(files):
        try:
            if stream == "trades":
                trade, _ = parse_trade(line, inst_id, exchange)
                first, last = trade.first_id, trade.trade_id
            else:
                first = last = book_hours.parse(line, inst_id, deep=False, exchange=exchange)[0]
        except (RecordError, KeyError, TypeError, IndexError):
            bad += 1
            continue
        disordered += later is not None and last >= later
        later = first
    found = [(bad, "bad lines"), (disordered, "lines out of order")]
    return [f"{count} {what}" for count, what in found if count]


def _newest_hour(files: list[tuple[str, Path]]) -> Iterator[bytes]:
    """Yield the lines of the newest hour of event time, newest first."""
    count, begin = 0, None
    for key, path in reversed(files):
        try:
            for line in lines_backward(path):
                moment = record_time(line, key)
                if moment is not None:
                    begin = moment - times.HOUR_MS if begin is None else begin
                    if moment < begin:
                        return
                count += 1
                if count > _HOUR_LINES:
                    return
                yield line
        except VaultError:
            return  # packed and damaged: verify_vault.py names it


def _torn(path: Path, now: int) -> str:
    """Describe a torn line: at the end of a file that does not grow, or set aside lately."""
    before = _tail_of(path)
    if before[1]:
        time.sleep(_LOOK_TWICE_S)
        if _tail_of(path) == before:
            return f"a torn last line of {before[1]} bytes"
    aside = path.with_name(f"{path.name}.torn")
    try:
        lately = now - aside.stat().st_mtime * 1000 < times.HOUR_MS
    except OSError:
        return ""
    return "a torn line, set aside" if lately else ""


def _tail_of(path: Path) -> tuple[int, int]:
    if path.suffix == ".gz":
        return 0, 0
    with path.open("rb") as file:
        whole = whole_length(file)
        return whole, file.seek(0, os.SEEK_END) - whole


def contract(vault: Vault, inst_id: str, now: int, rest: RestClient | None) -> Check:
    """Check that the metadata exists, has not changed, and is that of the exchange."""
    name, remedy = f"metadata {inst_id}", "restart the trade exporter, it fetches it again"
    try:
        meta = instruments.load(vault, inst_id)
        history = instruments.history(vault, inst_id)
    except VaultError as error:
        return Check(name, "FAIL", str(error), remedy)
    if not history or history[-1][1].terms != meta.terms:
        return Check(name, "FAIL", "differs from the newest line of its history", remedy)
    if rest is not None:
        try:
            theirs = instruments.parse_instrument(rest.instrument(inst_id))
        except FeedError as error:
            return Check(name, "WARN", f"not compared: {error}", "see whether the network is up")
        if theirs.terms != meta.terms:
            text = f"the exchange now has {_terms(theirs)}, on file is {_terms(meta)}"
            return Check(name, "FAIL", text, remedy)
    since = history[-1][0]
    if len(history) > 1 and since is not None and now - since < _CHANGED_MS:
        text = f"changed at {times.iso(since)}: {_terms(history[-2][1])} became {_terms(meta)}"
        return Check(name, "WARN", text, "nothing, if you knew; older records keep the old terms")
    return Check(name, "PASS", _terms(meta))


def _terms(meta: instruments.Metadata) -> str:
    return f"tick {meta.tick_sz}, lot {meta.lot_sz}, ctVal {meta.contract.ct_val}"


def asleep(vault: Vault, inst_id: str, now: int) -> Check:
    """Check the last day for long spans without a book: the computer slept, or was off."""
    spans = list(_recorded_spans(vault, inst_id, now - times.DAY_MS))
    gaps = [
        f"{times.iso(end)[:16]}Z to {times.iso(begin)[:16]}Z"
        for (_, end), (begin, _) in pairwise(spans)
        if begin - end > _ASLEEP_MS
    ]
    name = f"sleep {inst_id}"
    if not gaps:
        return Check(name, "PASS", "no long silence in the last day")
    remedy = (
        "powercfg /change standby-timeout-ac 0"
        if os.name == "nt"
        else "sudo systemctl mask sleep.target suspend.target"
    )
    return Check(name, "WARN", f"no book {', '.join(gaps)}: asleep or off?", remedy)


def _recorded_spans(vault: Vault, inst_id: str, since: int) -> Iterator[tuple[int, int]]:
    """Yield first and last moment of each book hour; of packed ones their hour's end."""
    for key, path in hour_files(vault.snapshots(inst_id)):
        hour = times.file_start_ms(key)
        if hour + times.HOUR_MS < since:
            continue
        files = lambda key=key, path=path: iter([(key, path)])  # noqa: E731
        try:
            first = tail.first_time(files)
            last = None if path.suffix == ".gz" else tail.newest_time(files)
        except VaultError:
            continue
        if first is not None:
            yield first, hour + times.HOUR_MS if last is None else last
