"""The one checker of I1 to I6: the vault against the frame log of the exchange that filled it.

It shares no code with the exporters but the parsing of a line, and takes the exchange's word alone.

- `trades`: I1, I2, I3 of one instrument's trade log and gap ledger.
- `books`: the book's I1 to I3: no torn book, no time twice, gaps where the exchange made them.
- `derived`: I4, by computing everything again in a copy, in one run.
- `within`: I5, for a process that is to end.
- `resident_mb`, `open_handles`: I6, from /proc; None where there is none (Windows).
"""

import json
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import orjson

from ravequant import times
from ravequant.records import Trade, parse_trade
from ravequant.vault.paths import Vault, day_files
from tests.faults.calculators import CALCULATORS
from tests.faults.table import Fact
from tests.support.box import FRAMES
from tests.support.plain_book import Sides

HANG_S: Final = 30.0
RESIDENT_MB: Final = {"trades_exporter": 60, "l2_exporter": 80, "calculator": 150}
_MISSING: Final = ("open", "id_hole", "unrecoverable")

Chain = dict[int, int]  # time of each seqId


# -- I1, I2, I3 of trades


def published(frame_log: Path, inst_id: str) -> tuple[list[Trade], int]:
    """Return all that the exchange had to show, and the newest id at the newest connection."""
    found: list[Trade] = []
    known = -1
    mine = b'"instId":"%s"' % inst_id.encode()
    with frame_log.open("rb") as lines:  # of a soak it is hundreds of megabytes
        for line in lines:
            if line.startswith(b'{"kind":"connect"'):
                known = found[-1].trade_id if found else -1
            elif line.startswith((b'{"kind":"trade"', b'{"kind":"history"')) and mine in line:
                found.append(_trade(orjson.loads(line)))
    return found, known


def _trade(row: Mapping[str, Any]) -> Trade:
    return Trade(
        row["ts"], row["tradeId"], row["side"], row["px"], row["sz"], row["count"], row["source"]
    )


def written(vault: Vault, inst_id: str) -> list[Trade]:
    """Return all records of the vault; each line is valid, whole, and in the file of SPEC 3."""
    found: list[Trade] = []
    latest = ""
    for day, path in day_files(vault.trades(inst_id)):
        for line in path.read_bytes().splitlines(keepends=True):
            assert line.endswith(b"\n"), f"{path}: torn line {line[-80:]!r}"
            trade = parse_trade(line, inst_id)[0]
            if not trade.ahead:
                latest = max(latest, times.iso(trade.ts)[:10])
            assert day == latest, f"{path.name}: id {trade.trade_id} belongs into {latest}"
            found.append(trade)
    return found


def settled(vault: Vault, inst_id: str) -> list[tuple[int, int, str]]:
    """Return (first id, last id, status) of the ledger, oldest line first."""
    path = vault.gap_ledger(inst_id)
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [(int(row["from_trade_id"]), int(row["to_trade_id"]), row["status"]) for row in rows]


def trades(
    vault: Vault, inst_id: str, folder: Path, fact: Fact, *, whole: bool = False
) -> list[Trade]:
    """Hold one instrument against the frame log in ``folder`` (I1, I2, I3); return its records.

    From the vault's first record on everything must be there: with ``whole`` up to the end of the
    market, else at least up to what had been published when the newest connection was made.
    """
    sent, known = published(folder / FRAMES, inst_id)
    mine = written(vault, inst_id)
    assert mine, f"{inst_id}: nothing was written"
    begin = next((at for at, trade in enumerate(sent) if trade == mine[0]), None)
    assert begin is not None, f"I2: {mine[0]} was never sent"
    end = sent[-1].trade_id if whole else max(known, mine[-1].trade_id)
    wanted = [trade for trade in sent[begin:] if trade.trade_id <= end]
    _count(fact, wanted, mine)
    _same(wanted, mine)
    _holes_are_in_the_ledger(mine, settled(vault, inst_id), fact)
    return mine


def _count(fact: Fact, wanted: Sequence[Trade], mine: Sequence[Trade]) -> None:
    have = {trade.trade_id for trade in mine}
    lost = sum(trade.count for trade in wanted if trade.trade_id not in have)
    fact.add("ids written", sum(trade.count for trade in mine))
    fact.add("ids lost", lost)
    fact.add("ids twice", len(mine) - len(have))


def _same(wanted: Sequence[Trade], mine: Sequence[Trade]) -> None:
    for before, after in pairwise(mine):
        assert before.trade_id < after.first_id, f"I1: {before} before {after}"
    for theirs, ours in zip(wanted, mine, strict=False):
        assert ours == theirs, f"I1/I2: the exchange sent {theirs}, the vault has {ours}"
    assert len(mine) == len(wanted), (
        f"I1: {len(wanted)} records wanted, {len(mine)} written, up to {mine[-1].trade_id} "
        f"of {wanted[-1].trade_id}"
    )


def _holes_are_in_the_ledger(
    mine: Sequence[Trade], lines: Iterable[tuple[int, int, str]], fact: Fact
) -> None:
    status: dict[int, str] = {}
    for first, last, state in lines:
        status.update(dict.fromkeys(range(first, last + 1), state))
    jumped = {
        missing
        for before, after in pairwise(mine)
        for missing in range(before.trade_id + 1, after.first_id)
    }
    said = {trade_id for trade_id, state in status.items() if state in _MISSING}
    assert said == jumped, f"I3: ledger {sorted(said ^ jumped)[:5]} … against the log's jumps"
    fact.add("ids repaired", sum(state == "repaired" for state in status.values()))


# -- I1, I2, I3 of books


def books(
    vault: Vault,
    inst_id: str,
    truth: Mapping[int, Sides] | None,
    folder: Path,
    *,
    cadence_ms: int,
    alone: bool = True,
) -> list[tuple[int, bool, int]]:
    """Hold the snapshot lines against the books as they really were (``truth`` by seqId).

    Without a truth, as of a made-up market, only their form, times and completeness are held;
    without ``alone``, where another vault is filled from the same market, not completeness either.
    Returns (time, gap, seqId) of each. Of each connection every boundary is there from its first
    line to its last one: a kill or a break costs the end of what a connection brought, not a piece.
    """
    found: list[tuple[int, bool, int]] = []
    for path in sorted(vault.snapshots(inst_id).glob("*/*.jsonl")):
        for line in path.read_bytes().splitlines(keepends=True):
            assert line.endswith(b"\n"), f"{path}: torn line"
            row = orjson.loads(line)
            ts = times.parse_iso(row["timestamp_utc"])
            assert times.hour(ts) == f"{path.parent.name}/{path.stem}"
            if truth is not None:
                shown = row["bids_top400"], row["asks_top400"]
                assert shown == truth[row["seqId"]], f"I2: no such book at {row['timestamp_utc']}"
            found.append((ts, row["gap_detected"], row["seqId"]))
    moments = [ts for ts, _, _ in found]
    assert moments == sorted(set(moments)), "a time stands twice, or out of order"
    regular = [(ts, seq) for ts, gap, seq in found if not gap]
    boundaries = [ts // cadence_ms for ts, _ in regular]
    assert boundaries == sorted(set(boundaries)), "two lines for one boundary"
    for chain, mine in _by_chain(regular, _chains(folder, inst_id)) if alone else ():
        _no_boundary_left_out(chain, mine, cadence_ms)
    return found


def _chains(folder: Path, inst_id: str) -> list[Chain]:
    """Return what was sent, as unbroken chains: a snapshot or a break begins a new one."""
    chains: dict[int, Chain] = {}
    every: list[Chain] = []
    newest: dict[int, int] = {}
    mine = b'"channel":"books","instId":"%s"' % inst_id.encode()
    for row in _frames(folder / FRAMES, mine):
        number = row["connection"]
        if row["prevSeqId"] == -1 or row["prevSeqId"] != newest.get(number):
            chains[number] = {}
            every.append(chains[number])
        if row["fate"] == "sent":
            newest[number] = row["seqId"]
            chains[number][row["seqId"]] = row["ts"]
    return every


def _frames(frame_log: Path, having: bytes) -> Iterator[dict[str, Any]]:
    with frame_log.open("rb") as lines:
        for line in lines:
            if line.startswith(b'{"kind":"frame"') and having in line:
                yield orjson.loads(line)


def _by_chain(
    regular: Sequence[tuple[int, int]], chains: Sequence[Chain]
) -> Iterator[tuple[Chain, list[tuple[int, int]]]]:
    """Yield each chain and the lines made of it: of several that have a book, the newest.

    An older one may have it too: sent to a reader that had broken its book and asked for another.
    """
    newest = {(ts, seq): number for number, chain in enumerate(chains) for seq, ts in chain.items()}
    for number, chain in enumerate(chains):
        yield chain, [line for line in regular if newest.get(line) == number]


def _no_boundary_left_out(chain: Chain, mine: Sequence[tuple[int, int]], cadence_ms: int) -> None:
    if not mine:
        return
    due: dict[int, tuple[int, int]] = {}
    for seq, ts in chain.items():
        due.setdefault(ts // cadence_ms, (ts, seq))
    inside = range(mine[0][0] // cadence_ms, mine[-1][0] // cadence_ms + 1)
    wanted = [due[boundary] for boundary in inside if boundary in due]
    assert mine[1:] == wanted[1:], f"I1: {sorted(set(wanted) ^ set(mine))[:3]} … left out"


# -- I4


def derived(vault: Vault, inst_id: str, metrics: Iterable[str]) -> int:
    """Compute again from scratch in a copy, in one run each: every file is the same (I4).

    The calculators of the vault itself are brought up to date first. Returns how many files.
    """
    fresh = Vault(vault.root.with_name("from-scratch"))
    shutil.rmtree(fresh.root, ignore_errors=True)
    for name in ("raw", "meta"):
        shutil.copytree(vault.root / name, fresh.root / name)
    count = 0
    for metric in metrics:
        calculator = CALCULATORS[metric]
        for place in (vault, fresh):
            words = ["--vault", str(place.root), "--log-level", "error", "--instId", inst_id]
            assert calculator.module.main(words) == 0, f"{metric} of {place.root}"
        wanted = _files(fresh, metric, inst_id)
        assert wanted, f"{metric} wrote nothing"
        assert _files(vault, metric, inst_id) == wanted, f"I4: {metric} differs"
        count += len(wanted)
    return count


def _files(vault: Vault, metric: str, inst_id: str) -> dict[str, bytes]:
    folder = vault.derived(metric, inst_id)
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*")) if path.is_file()}


# -- I5, I6


def within(process: subprocess.Popen[Any], seconds: float = HANG_S) -> int:
    """Return the exit code of a process that is to end; fails if it hangs (I5)."""
    try:
        process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise AssertionError(f"I5: still running after {seconds:g} s") from None
    return process.returncode


def resident_mb(pid: int, *, most: bool = False) -> float | None:
    """Return the resident memory of a process now, or the most it ever had; None if unknown."""
    return _status(pid, "VmHWM" if most else "VmRSS")


def _status(pid: int, name: str) -> float | None:
    try:
        text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return None
    found = [line.split()[1] for line in text.splitlines() if line.startswith(f"{name}:")]
    return int(found[0]) / 1024 if found else None


def open_handles(pid: int) -> int | None:
    """Return how many files, sockets and pipes a process holds; None if unknown."""
    try:
        return len(list(Path(f"/proc/{pid}/fd").iterdir()))
    except OSError:
        return None


def small(pid: int, program: str, fact: Fact) -> None:
    """Hold the largest memory of a process against I6, where there is a /proc."""
    most = resident_mb(pid, most=True)
    if most is not None:
        fact.worst(f"{program} MB", round(most, 1))
        assert most <= RESIDENT_MB[program], f"I6: {program} took {most:.0f} MB"
