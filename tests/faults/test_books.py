"""E5: what may be wrong with a book; gaps stand where it was, and never a torn book in the file."""

from typing import Any

import pytest

from tests.faults import invariants
from tests.faults.exporters import BOOK, BOOKS, BTC, book_tape, lively, truth_of
from tests.support import box
from tests.support.plain_book import lines_of, received

SPEED = 4
CADENCE_MS = 500
APART = 40  # frames from one to the next, about: a feed that breaks all the time is asked less
LEEWAY = 12
FAULTS: list[dict[str, Any]] = [
    {"kind": "gap", "length": 3},
    {"kind": "drop"},
    {"kind": "duplicate"},
    {"kind": "reorder"},
    {"kind": "corrupt", "how": "missing", "field": "prevSeqId"},
]


def spoil_tape(made, rng):
    """Put wrong checksums, deletes of unknown levels and two crossed books into the messages."""
    for number in range(17, len(made) - 1, 17):
        row = made[number][1]
        if rng.random() < 0.5:
            row["checksum"] = 77
        else:
            row["bids"].append(["42", "0", "0", "0"])
    for number in rng.sample(range(len(made) // 2, len(made) - 50), 2):
        made[number][1]["bids"] = [["101.5", "9", "0", "1"]]  # the exchange's own book is crossed
        made[number + 1][1]["bids"] = [["101.5", "0", "0", "0"]]  # for the tenth of a second


def begin_anew(made, number):
    """Let the exchange begin its sequence anew, below all that it used before."""
    for away, (_, row) in enumerate(made[number:]):
        row["seqId"] = 5_000 + away
        row["prevSeqId"] = row["seqId"] - 1 if away else made[number - 1][1]["seqId"]


def spoiled(row, _):
    """Return what becomes of a corrupted frame."""
    return {field: value for field, value in row.items() if field != "prevSeqId"}


@pytest.mark.first
@pytest.mark.parts(4)
def test_what_may_be_wrong_with_a_book(faults, tmp_path, vault, part):
    """Gap, duplicate, reorder, reset, crossed, checksum: the lines of SPEC 9, no more, no fewer."""
    fact = faults.row("E5", "gap, drop, duplicate, reorder, no prevSeqId, reset, crossed, checksum")
    rng, rounds = faults.random, faults.count(8, 75)
    made = lively(rounds * APART + 60, rng=rng, start="2025-12-14T21:59:30.000Z")
    for _, row in made:  # room for the sequence to begin anew, further down
        row["seqId"] += 1_000_000
        row["prevSeqId"] += 1_000_000 if row["prevSeqId"] >= 0 else 0
    begin_anew(made, rng.randrange(len(made) // 3, len(made) // 2))
    spoil_tape(made, rng)
    spots: dict[int, list[int]] = {number: [] for number in range(len(FAULTS))}
    for turn in range(rounds):
        spots[rng.randrange(len(FAULTS))].append(20 + turn * APART + rng.randrange(LEEWAY))
    spoils = [
        {**one, **BOOKS, "at": spots[number]} for number, one in enumerate(FAULTS) if spots[number]
    ]
    tape = book_tape(tmp_path / "tape.jsonl", made)
    words = ("--books", tape, "--wait-for-books", 1, "--speed", SPEED)
    with box.exchange(tmp_path, *words, faults=spoils, seed=faults.seed) as there:
        log = BOOK.run(vault, there, "--cadence", f"{CADENCE_MS}ms", "--deep-every", 0,
                       "--stop-when-idle", 2)  # fmt: skip
    truth = truth_of(made)
    rows = {row["seqId"]: row for _, row in made}
    found = invariants.books(vault, BTC, truth, tmp_path, cadence_ms=CADENCE_MS)
    sent = received(box.logged(tmp_path, ""), rows, truth, spoiled)
    assert found == lines_of(sent, CADENCE_MS)
    breaks = log.count("GAP DETECTED")
    asked = len(box.logged(tmp_path, "subscribe"))
    said = ("message rejected", "began its sequence anew", "no snapshot has come")
    assert asked <= 1 + breaks + sum(map(log.count, said))  # never two recoveries for one break
    assert breaks >= rounds // 3
    fact.times += rounds
    fact.add("breaks", breaks)
    fact.add("gaps in the file", sum(gap for _, gap, _ in found))
    fact.add("recoveries asked for", asked - 1)
