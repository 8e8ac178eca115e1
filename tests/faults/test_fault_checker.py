"""The checker of the fault suite: what it must accuse, and what it must not."""

import json

import pytest

from ravequant import times
from tests.faults import invariants
from tests.support.box import FRAMES

BTC = "BTC-USDT-SWAP"
START = times.parse_iso("2025-12-14T21:00:00.000Z")
CADENCE_MS = 500


def sent(folder, *frames):
    """Write the exchange's log: of each frame the connection, tenths of a second, seqId, prev."""
    rows = [
        {
            "kind": "frame",
            "channel": "books",
            "instId": BTC,
            "connection": connection,
            "ts": START + 100 * tenths,
            "seqId": seq,
            "prevSeqId": prev,
            "fate": "sent",
        }
        for connection, tenths, seq, prev in frames
    ]
    text = "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows)
    (folder / FRAMES).write_text(text, encoding="ascii")


def wrote(vault, *lines):
    """Write snapshot lines: of each the tenths of a second, gap_detected, seqId."""
    path = vault.snapshots(BTC) / f"{times.hour(START)}.jsonl"
    path.parent.mkdir(parents=True)
    rows = [
        {"timestamp_utc": times.iso(START + 100 * tenths), "gap_detected": gap, "seqId": seq}
        for tenths, gap, seq in lines
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="ascii")


def held(vault, folder):
    return invariants.books(vault, BTC, None, folder, cadence_ms=CADENCE_MS)


def chain(connection, first, last):
    """Return updates, one each tenth of a second, whose seqId is that tenth."""
    return [(connection, number, number, number - 1) for number in range(first, last)]


def test_what_was_sent_to_a_broken_book_is_not_asked_for(vault, tmp_path):
    """It broke at 14; 15 and 16 were on their way when it asked again; the snapshot shows 16."""
    sent(tmp_path, (1, 0, 0, -1), *chain(1, 1, 17), (1, 16, 16, -1), *chain(1, 17, 30))
    wrote(
        vault,
        (0, False, 0),
        (5, False, 5),
        (10, False, 10),
        (14, True, 13),
        (16, False, 16),
        (20, False, 20),
        (25, False, 25),
    )
    assert len(held(vault, tmp_path)) == 7


def test_what_a_lost_connection_was_still_sent_is_not_asked_for(vault, tmp_path):
    """The second connection began at 16, while the exchange still served the first one."""
    sent(tmp_path, (1, 0, 0, -1), *chain(1, 1, 30), (2, 16, 16, -1), *chain(2, 17, 30))
    wrote(
        vault,
        (0, False, 0),
        (5, False, 5),
        (6, True, 5),
        (16, False, 16),
        (20, False, 20),
        (25, False, 25),
    )
    assert len(held(vault, tmp_path)) == 6


@pytest.mark.parametrize("away", [5, 20])
def test_a_boundary_left_out_is_found(vault, tmp_path, away):
    """Before the break and behind it."""
    sent(tmp_path, (1, 0, 0, -1), *chain(1, 1, 17), (1, 16, 16, -1), *chain(1, 17, 30))
    lines = [
        (0, False, 0),
        (5, False, 5),
        (10, False, 10),
        (14, True, 13),
        (16, False, 16),
        (20, False, 20),
        (25, False, 25),
    ]
    lines.remove((away, False, away))
    wrote(vault, *lines)
    with pytest.raises(AssertionError, match="left out"):
        held(vault, tmp_path)


def test_a_later_book_than_the_first_one_of_its_boundary_is_found(vault, tmp_path):
    sent(tmp_path, (1, 0, 0, -1), *chain(1, 1, 30))
    wrote(vault, (0, False, 0), (5, False, 5), (11, False, 11), (15, False, 15))
    with pytest.raises(AssertionError, match="left out"):
        held(vault, tmp_path)
