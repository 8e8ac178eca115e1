"""Holds a vault's context feeds against the frame log of the exchange in a box."""

import itertools
from collections import Counter
from pathlib import Path
from typing import Any

import orjson

from ravequant import times
from ravequant.sim import funding, statistics
from ravequant.vault.paths import Vault, day_files
from tests.support import box

Row = tuple[int, str, str, str]  # ts, side, px, sz
PATH_OF = {
    "ls_accounts": statistics.PATHS[0], "ls_top_accounts": statistics.PATHS[1],
    "ls_top_positions": statistics.PATHS[2], "oi": statistics.PATHS[3],
    "taker": statistics.PATHS[4],
}  # fmt: skip


def lines(folder: Path) -> list[dict[str, Any]]:
    """Return the lines of all day files, in order; each ends with a newline."""
    found = []
    for _, path in day_files(folder):
        data = path.read_bytes()
        assert not data or data.endswith(b"\n")
        found += [orjson.loads(line) for line in data.splitlines()]
    return found


def ms(row: dict[str, Any], key: str = "timestamp_utc") -> int:
    return times.parse_iso(row[key])


def spans(vault: Vault, inst_id: str) -> list[tuple[int, int]]:
    """Return the spans of coverage; each must have ended."""
    found: dict[int, int | None] = {}
    for line in vault.coverage("liquidations", inst_id).read_bytes().splitlines():
        row = orjson.loads(line)
        found[ms(row, "from_utc")] = None if row["to_utc"] is None else ms(row, "to_utc")
    assert None not in found.values(), "a span was left open"
    made = [(begin, end or 0) for begin, end in found.items()]
    for (_, end), (begin, _) in itertools.pairwise(made):
        assert end <= begin, "spans overlap"
    return made


def check(vault: Vault, folder: Path, inst_id: str) -> dict[str, int]:
    """Assert that an instrument's files are what was pushed; return some figures."""
    noted = box.logged(folder, "liquidations")
    published: dict[Row, int] = {}
    twins: Counter[Row] = Counter()
    covered = lost = 0
    on_disk = [
        (ms(row), row["side"], row["px"], row["qty_contracts"])
        for row in lines(vault.liquidations(inst_id))
    ]
    there, listened = Counter(on_disk), spans(vault, inst_id)
    for frame in noted:
        own = Counter(
            (ts, side, px, sz) for name, ts, side, px, sz in frame["rows"] if name == inst_id
        )
        held = any(begin < frame["ts"] <= end for begin, end in listened)
        for row, count in own.items():
            published.setdefault(row, frame["ts"])
            twins[row] = max(twins[row], count)
            covered += held
            lost += held and not there[row]
    assert lost == 0, f"{lost} of {covered} liquidations of covered time are not on disk"
    assert not set(there) - set(published), "a liquidation that was never pushed"
    assert all(count <= twins[row] for row, count in there.items()), "a liquidation twice"
    marks = check_marks(vault, folder, inst_id)
    known = [ms(row, "known_utc") for row in lines(vault.liquidations(inst_id))]
    assert known == sorted(known)
    assert all(at >= published[row] for at, row in zip(known, on_disk, strict=True))
    periods = check_statistics(vault, inst_id, marks)
    check_settlements(vault, inst_id)
    return {"covered": covered, "liquidations": len(on_disk), "spans": len(listened),
            "marks": len(marks), "periods": periods}  # fmt: skip


def check_marks(vault: Vault, folder: Path, inst_id: str) -> list[int]:
    """Return the mark prices on disk, in rising seconds; each was pushed at its price."""
    pushed = {
        (frame["ts"], frame["px"])
        for frame in box.logged(folder)
        if (frame["channel"], frame["instId"]) == ("mark-price", inst_id)
    }
    found = [(ms(row), row["markPx"]) for row in lines(vault.marks(inst_id))]
    assert set(found) <= pushed
    seconds = [ts // 1_000 for ts, _ in found]
    assert seconds == sorted(set(seconds))
    return [ts for ts, _ in found]


def check_statistics(vault: Vault, inst_id: str, marks: list[int]) -> int:
    """Return the periods on disk: each once, final, and known no earlier than it could be."""
    number = 0
    for series, path in PATH_OF.items():
        rows = lines(vault.statistics(inst_id, series))
        starts = [ms(row) for row in rows]
        step = 5 * times.MINUTE_MS
        assert all(later - earlier == step for earlier, later in itertools.pairwise(starts))
        for row in rows:
            assert row["values"] == statistics.final_values(path, inst_id, ms(row))
            assert ms(row, "known_utc") >= ms(row) + step + times.MINUTE_MS
            assert ms(row, "known_utc") in marks
        number += len(rows)
    return number


def check_settlements(vault: Vault, inst_id: str) -> None:
    """Assert that the settlements on disk are a chain of the exchange's, with its rates."""
    rows = [orjson.loads(line) for line in vault.settled_funding(inst_id).read_bytes().splitlines()]
    moments = [ms(row) for row in rows]
    assert all(
        funding.settled_after(earlier) == later for earlier, later in itertools.pairwise(moments)
    )
    assert [row["rate"] for row in rows] == [funding.rate(inst_id, ts) for ts in moments]
