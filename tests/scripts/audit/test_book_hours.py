"""Audits of book hours: the seconds that they cover."""

import json

from ravequant import times
from ravequant.vault.paths import Vault
from tests.scripts.test_verify_vault import DAY, certify
from tests.support.trades_box import BTC


def book(ts: int, *, broken: bool = False) -> bytes:
    line = {
        "timestamp_utc": times.iso(ts), "exchange": "okx", "market": "perp", "channel": "books",
        "instId": BTC, "bids_top400": [["100", "1", "0", "1"]],
        "asks_top400": [["101", "1", "0", "1"]], "best_bid": "100", "best_ask": "101",
        "mid_price": "100.5", "checksum": 0, "seqId": 2, "prevSeqId": 1, "gap_detected": broken,
    }  # fmt: skip
    return json.dumps(line, separators=(",", ":")).encode() + b"\n"


def put_books(vault: Vault, moments: dict[int, bool]) -> None:
    for ts, broken in moments.items():
        text = times.iso(ts)
        path = vault.snapshots(BTC) / text[:10] / f"{text[11:13]}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(book(ts, broken=broken))


def test_book_seconds_are_counted(vault, capsys):
    """What lies between snapshots is covered, unless a break or more than 10 s says otherwise."""
    begin = times.day_start_ms(DAY) + 23 * times.HOUR_MS
    every = dict.fromkeys(range(begin, begin + 2 * times.HOUR_MS, 2000), False)
    put_books(vault, every)
    code, days = certify(vault, capsys)
    assert (code, days[f"books {DAY}"]["expected"], days[f"books {DAY}"]["present"]) == (
        0, 3600, 3600,
    )  # fmt: skip
    assert days["books 2025-12-15"]["present"] == 3598
    for path in vault.snapshots(BTC).rglob("*.jsonl"):
        path.unlink()
    every[begin + 100_000] = True  # 2 s without a book
    for ts in range(begin + 200_000, begin + 230_000, 2000):
        del every[ts]  # 32 s without one
    put_books(vault, every)
    code, days = certify(vault, capsys, "--renew")
    day = days[f"books {DAY}"]
    assert (code, day["missing"], day["holes"], day["problems"]) == (1, 34, 2, [])


def test_a_missing_evening_and_a_missing_day_of_books_are_charged(vault, capsys):
    """What is not there counts for its own day, whole days without a file included."""
    begin = times.day_start_ms(DAY) + 23 * times.HOUR_MS
    later = times.day_start_ms("2025-12-16") + 60_000
    put_books(vault, dict.fromkeys((begin, begin + 2000, later, later + 2000), False))
    _, days = certify(vault, capsys)
    missing = {day: facts["missing"] for day, facts in days.items()}
    assert missing == {f"books {DAY}": 3598, "books 2025-12-15": 86_400, "books 2025-12-16": 60}
