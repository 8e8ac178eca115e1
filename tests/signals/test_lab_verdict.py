"""The verdict in a vault: read once, hostile until parsed, and that of any time before."""

import os
from typing import Any

import orjson
import pytest

from ravequant import times
from ravequant.errors import VaultError
from ravequant.signals import lab_verdict
from ravequant.signals.lab_verdict import (
    load_verdict,
    read_verdict,
    verdict_by,
    verdict_file,
    verdict_history,
    verdict_of,
    write_verdict,
)
from ravequant.signals.proof import LabVerdict

MADE = times.parse_iso("2025-12-14T20:00:00.000Z")
ROW: dict[str, Any] = {
    "version": 1, "made_utc": "2025-12-14T20:00:00.000Z", "code": "0123456789ab",
    "instruments": ["BTC-USDT-SWAP"], "days": ["2025-12-01", "2025-12-13"], "word": "TOO EARLY",
    "what_to_do": "13 of 30 days, 84 of 200 fills. Trade nothing because of this page.",
    "short": "TOO EARLY, 84 of 200 fills", "numbers": [["fills", "84"]] * 6, "family": "base",
    "config_id": "8b5096857f9b", "facts": {"days": 13}, "card": "lab/cards/2025-12-14.html",
}  # fmt: skip
FOUND = LabVerdict(
    "TOO EARLY", "TOO EARLY, 84 of 200 fills", MADE, ROW["what_to_do"], ("BTC-USDT-SWAP",)
)


def later(minutes, word="LOSES"):
    """Return a verdict that was made so much later."""
    made = times.iso(MADE + minutes * times.MINUTE_MS)
    return {**ROW, "made_utc": made, "word": word, "short": word}


def put(vault, data):
    path = verdict_file(vault)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data if isinstance(data, bytes) else orjson.dumps(data))


def test_the_newest_verdict(vault, caplog):
    """None before there is a lab, without a word about it."""
    assert read_verdict(vault) is None
    write_verdict(vault, ROW)
    assert read_verdict(vault) == FOUND
    assert orjson.loads(verdict_file(vault).read_bytes()) == ROW
    write_verdict(vault, later(1))
    assert (read_verdict(vault) or FOUND).word == "LOSES"
    assert caplog.text == ""


def test_a_file_that_does_not_change_is_read_once(vault, monkeypatch):
    """A round costs one look at its time and size."""
    write_verdict(vault, ROW)
    reads = []

    def counted(path):
        reads.append(path)
        return load_verdict(path)

    monkeypatch.setattr(lab_verdict, "load_verdict", counted)
    assert [read_verdict(vault) for _ in range(3)] == [FOUND] * 3
    assert len(reads) == 1
    status = verdict_file(vault).stat()
    os.utime(verdict_file(vault), ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert read_verdict(vault) == FOUND
    assert len(reads) == 2


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "line 1 column 1"),
        (b"[]", "list indices must be integers"),
        (b"\xff" * 40, "str is not valid UTF-8"),
        (b"[" * 5_000, "depth limit"),
        ({**ROW, "version": 2}, "version 2, expected 1"),
        ({name: ROW[name] for name in ROW if name != "short"}, "'short' is missing"),
        ({**ROW, "word": "BUY"}, "word 'BUY' is none of DISAGREES, LAB BROKEN, LOSES, NO DATA"),
        ({**ROW, "word": ["PROVEN"]}, "word ['PROVEN'] is none of"),
        ({**ROW, "word": "not tested"}, "word 'not tested' is none of"),
        ({**ROW, "made_utc": "yesterday"}, "'yesterday' is not a UTC time"),
        ({**ROW, "made_utc": 1}, "expected string"),
        ({**ROW, "short": "x" * 201}, "short: expected a text of at most 200 characters"),
        ({**ROW, "what_to_do": "\x1b[2J"}, "what_to_do: expected printable ASCII"),
        ({**ROW, "what_to_do": None}, "what_to_do: expected a text"),
        ({**ROW, "instruments": "BTC"}, "expected a list of instruments"),
        ({**ROW, "instruments": ["../x"]}, "instrument '../x' is not a legal name"),
        ({**ROW, "instruments": [1]}, "expected string"),
    ],
)
def test_a_damaged_verdict_is_none(vault, caplog, data, why):
    """One warning for as long as the file stays so: the file, the reason, the remedy."""
    put(vault, data)
    assert [read_verdict(vault) for _ in range(3)] == [None] * 3
    (record,) = caplog.records
    said = record.getMessage()
    assert said.startswith(f"{verdict_file(vault)}: is no verdict of the lab: ")
    assert why in said
    assert said.endswith(
        "; expected its JSON object of version 1; the answers say `not tested`; "
        "python Edge_Lab/edge_lab.py verdict"
    )
    put(vault, ROW)
    assert read_verdict(vault) == FOUND


def test_the_verdict_of_a_time(vault):
    """The newest that had been made by then; damaged lines of the history are passed over."""
    assert verdict_by(vault, MADE) is None
    for row in (ROW, later(10), later(20, "PROVEN")):
        write_verdict(vault, row)
        with verdict_history(vault).open("ab") as file:
            file.write(b'{"word":"PROVEN"}\n[]\n\xff\n')
    minutes = (-1, 0, 9, 10, 19, 20, 99)
    by = [verdict_by(vault, MADE + minute * times.MINUTE_MS) for minute in minutes]
    assert [one and one.word for one in by] == [
        None, "TOO EARLY", "TOO EARLY", "LOSES", "LOSES", "PROVEN", "PROVEN",
    ]  # fmt: skip


def test_the_verdict_that_was_made_at_a_time(vault, caplog):
    """And none other: one that is gone is named."""
    write_verdict(vault, ROW)
    write_verdict(vault, later(10))
    assert verdict_of(vault, MADE) == FOUND
    assert (verdict_of(vault, MADE + 600_000) or FOUND).word == "LOSES"
    assert caplog.text == ""
    assert verdict_of(vault, MADE + 1) is None
    assert "the verdict of 2025-12-14T20:00:00.001Z is not among its lines" in caplog.text


def test_a_verdict_that_no_reader_would_take_is_not_written(vault):
    """The file before it stands, and the history has no line of it."""
    write_verdict(vault, ROW)
    with pytest.raises(VaultError, match="is not written: word 'BUY' is none of"):
        write_verdict(vault, {**ROW, "word": "BUY"})
    assert read_verdict(vault) == FOUND
    assert len(verdict_history(vault).read_bytes().splitlines()) == 1
