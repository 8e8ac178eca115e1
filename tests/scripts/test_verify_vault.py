"""The certificate: nothing that is missing or changed passes, and a whole vault does."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from ravequant import times
from ravequant.contract import Contract
from ravequant.records import Trade, TradeEncoder
from ravequant.vault.gap_ledger import Gap, GapLedger, LedgerEntry
from ravequant.vault.paths import Vault
from scripts import verify_vault
from tests.scripts.test_doctor import put_books
from tests.support.trades_box import BTC

DAY = "2025-12-14"
START = times.day_start_ms(DAY) + 60_000
ENCODER = TradeEncoder(BTC, Contract("0.01", "1", "linear"))


def trades(first: int, count: int, start: int = START, step: int = 7) -> list[bytes]:
    """Return lines of one id each, ``step`` ms apart."""
    return [
        ENCODER.line(Trade(start + n * step, first + n, "buy", "101250.5", "4"))
        for n in range(count)
    ]


def put(vault: Vault, lines: list[bytes], day: str = DAY) -> Path:
    path = vault.trades(BTC) / f"{day}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(lines))
    return path


def certify(vault: Vault, capsys, *words: str) -> tuple[int, dict[str, Any]]:
    """Run it; the exit code and each verdict by stream and day."""
    code = verify_vault.main(["--vault", str(vault.root), "--json", *words])
    facts = json.loads(capsys.readouterr().out)
    assert facts["complete"] is (code == 0)
    return code, {f"{day['stream']} {day['day']}": day for day in facts["days"]}


def note(vault: Vault, first: int, last: int, status) -> None:
    GapLedger(vault.gap_ledger(BTC), BTC).append(LedgerEntry(Gap(first, last), status, "test", 0))


def test_a_whole_vault_is_certified_and_certified_again(vault, capsys):
    """Two days, the first one packed: complete, also after they have grown."""
    first = put(vault, trades(1, 500))
    put(vault, trades(501, 300, START + times.DAY_MS), "2025-12-15")
    code, days = certify(vault, capsys)
    assert (code, days[f"trades {DAY}"]["expected"], days[f"trades {DAY}"]["present"]) == (
        0,
        500,
        500,
    )
    first.with_suffix(".jsonl.gz").write_bytes(gzip.compress(first.read_bytes()))
    first.unlink()
    put(vault, trades(501, 400, START + times.DAY_MS), "2025-12-15")
    code, again = certify(vault, capsys)
    assert (code, again["trades 2025-12-15"]["present"]) == (0, 400)
    sums = [list(found[f"trades {DAY}"]["files"].values()) for found in (days, again)]
    assert sums[0] == sums[1]  # of what it holds, packed or not


def test_one_trade_missing_among_a_million_and_one_flipped_byte(vault, capsys):
    """The planted hole is named to the id, the flipped digit by the hash of the run before."""
    lines = trades(7_000_000, 1_000_000, step=80)
    del lines[654_321]
    path = put(vault, lines)
    code, days = certify(vault, capsys)
    day = days[f"trades {DAY}"]
    assert (code, day["expected"], day["present"], day["missing"], day["holes"]) == (
        1, 1_000_000, 999_999, 1, 1,
    )  # fmt: skip
    assert day["missing_by_status"] == {"unknown": 1}
    note(vault, 7_654_321, 7_654_321, "id_hole")  # so that only the hash can tell
    with path.open("r+b") as file:
        file.seek(sum(map(len, lines[:500_000])) + lines[500_000].index(b'"101250.5"') + 5)
        file.write(b"1")
    code, days = certify(vault, capsys)
    assert code == 1
    assert "are not those of an earlier run" in days[f"trades {DAY}"]["problems"][0]


def test_each_status_of_the_ledger_is_told_apart(vault, capsys):
    """Open, unrecoverable and unknown ids are missing; id holes are not; repaired ones count."""
    lines = trades(1, 100)
    gone = {*range(10, 20), *range(40, 43), 60, *range(80, 90)}
    put(vault, [line for number, line in enumerate(lines, 1) if number not in gone])
    note(vault, 10, 19, "open")
    note(vault, 40, 42, "unrecoverable")
    note(vault, 80, 89, "open")
    note(vault, 80, 89, "id_hole")
    note(vault, 30, 35, "repaired")
    code, days = certify(vault, capsys)
    day = days[f"trades {DAY}"]
    assert code == 1
    assert day["missing_by_status"] == {"open": 10, "unrecoverable": 3, "unknown": 1}
    facts = [day[name] for name in ("expected", "present", "repaired", "missing", "id_holes")]
    assert facts == [90, 76, 6, 14, 10]


def test_a_missing_day_and_a_vanished_one(vault, capsys):
    """A day that never was shows as missing ids; one that was there before is named."""
    for number, day in enumerate((DAY, "2025-12-15", "2025-12-16")):
        put(vault, trades(1 + 50 * number, 50, START + number * times.DAY_MS), day)
    assert certify(vault, capsys)[0] == 0
    (vault.trades(BTC) / "2025-12-15.jsonl").unlink()
    code, days = certify(vault, capsys)
    assert (code, days["trades 2025-12-16"]["missing"]) == (1, 50)
    assert "is gone" in days["trades 2025-12-15"]["problems"][0]
    assert certify(vault, capsys, "--days", "1")[1]["trades 2025-12-16"]["missing"] == 50


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda lines: [*lines[:9], lines[9], *lines[9:]], "1 lines whose id is not above"),
        (lambda lines: [*lines[:4], lines[5], lines[4], *lines[6:]], "1 lines whose id is not"),
        (lambda lines: [*lines, b'{"price":1}\n'], "1 bad lines"),
        (lambda lines: [*lines, *trades(51, 1, START + times.DAY_MS)], "1 records of a later"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_day_is_said(vault, capsys, change, said):
    """Doubled, disordered, bad and misplaced lines: each named, exit code 1."""
    put(vault, change(trades(1, 50)))
    code, days = certify(vault, capsys)
    assert code == 1
    assert said in days[f"trades {DAY}"]["problems"][0]


def test_a_line_still_being_written_is_no_fault_but_an_old_torn_one_is(vault, capsys):
    """Only the newest file may end in half a line."""
    torn = [*trades(1, 50), b'{"timestamp_utc":"2025-']
    put(vault, torn)
    assert certify(vault, capsys)[0] == 0
    put(vault, trades(51, 5, START + times.DAY_MS), "2025-12-15")
    code, days = certify(vault, capsys)
    assert (code, days[f"trades {DAY}"]["problems"]) == (1, ["23 bytes of a torn last line"])


@pytest.mark.parametrize("days", ["0", "-1"])
def test_no_days_are_refused(vault, capsys, days):
    """Exit code 2, and what to write."""
    put(vault, trades(1, 5))
    assert verify_vault.main(["--vault", str(vault.root), "--days", days]) == 2
    assert f"--days {days}: expected 1 or more" in capsys.readouterr().err


def test_the_table_says_the_same(vault, capsys):
    """For people: one row a day, and what is wrong below."""
    put(vault, trades(1, 5) + trades(8, 5))
    assert verify_vault.main(["--vault", str(vault.root)]) == 1
    out = capsys.readouterr().out
    assert "MISSING" in out
    assert f"{BTC} trades {DAY}: 2 ids missing: unknown" in out
    assert "scripts/repair_gaps.py" in out


def test_files_of_other_names_and_of_days_to_come_are_named(vault, capsys):
    """They make no day wrong: no reader looks at them, or only the clock is against them."""
    put(vault, trades(1, 50))
    (vault.trades(BTC) / "2025-02-31.jsonl").write_bytes(b"")
    book = vault.snapshots(BTC) / "2098-01-01" / "10.jsonl"
    book.parent.mkdir(parents=True)
    book.write_bytes(b"")
    verify_vault.main(["--vault", str(vault.root)])
    err = capsys.readouterr().err
    assert "2025-02-31.jsonl: no reader looks at it" in err
    assert f"{book}: is of a day that this computer's clock has not reached" in err


def test_names_of_sound_files_are_not_named(vault, capsys):
    """The day that is being written, what a kill has left, and what is being packed."""
    path = put(vault, trades(1, 50, times.day_start_ms(DAY) + 1), DAY)
    for name in (f"{path.name}.torn", f".{path.name}.gz.tmp"):
        path.with_name(name).write_bytes(b"{")
    put(vault, trades(60, 1, times.utc_now_ms()), times.day(times.utc_now_ms()))
    verify_vault.main(["--vault", str(vault.root)])
    err = capsys.readouterr().err
    assert "no reader looks at it" not in err
    assert "has not reached" not in err


def test_an_empty_vault_has_nothing_to_certify(vault, capsys):
    """Exit code 3, and what to do."""
    assert verify_vault.main(["--vault", str(vault.root)]) == 3
    assert "start an exporter" in capsys.readouterr().err


def seal(vault: Vault, capsys) -> str:
    """Seal, and return the line that was printed."""
    assert verify_vault.main(["--vault", str(vault.root), "--seal"]) == 0
    printed: str = capsys.readouterr().out
    return printed.rstrip("\n")


def test_each_finished_day_is_sealed_once(vault, capsys):
    """The day that still grows is not; the next run of all finds a digit changed since."""
    path = put(vault, trades(1, 500))
    assert seal(vault, capsys) == ""
    put(vault, trades(501, 300, START + times.DAY_MS), "2025-12-15")
    assert seal(vault, capsys) == f"sealed {DAY}: all complete"
    assert seal(vault, capsys) == ""
    put(vault, trades(801, 5, START + 3 * times.DAY_MS), "2025-12-17")
    assert seal(vault, capsys) == "sealed 2025-12-15: all complete"
    path.write_bytes(path.read_bytes().replace(b'"101250.5"', b'"191250.5"', 1))
    assert seal(vault, capsys) == ""
    code, days = certify(vault, capsys)
    assert code == 1
    assert "are not those of an earlier run" in days[f"trades {DAY}"]["problems"][0]


def test_a_seal_names_what_its_day_lacks(vault, capsys):
    """Missing trades are counted; so are the seconds of books; several days are a span."""
    put(vault, trades(1, 100) + trades(111, 90))
    put(vault, trades(201, 10, START + times.DAY_MS), "2025-12-15")
    put(vault, trades(211, 10, START + 2 * times.DAY_MS), "2025-12-16")
    assert seal(vault, capsys) == (
        f"sealed {DAY} to 2025-12-15: {BTC} trades of {DAY}: 10 ids missing"
    )


def test_books_are_sealed_by_their_own_days(vault, capsys):
    """Also the hours without a book at the ends of a day: a seal of each day misses none."""
    put(vault, trades(1, 100))
    put_books(vault, range(START, START + 10_000, 2_000))
    assert seal(vault, capsys) == ""
    missing = []
    for number in (1, 2, 3):
        begin = START + number * times.DAY_MS
        put_books(vault, range(begin, begin + 4_000, 2_000))
        missing.append(seal(vault, capsys))
    assert missing == [
        f"sealed {DAY}: {BTC} books: 86,332 seconds missing",
        f"sealed 2025-12-15: {BTC} books: 86,398 seconds missing",
        f"sealed 2025-12-16: {BTC} books: 86,398 seconds missing",
    ]
    code, days = certify(vault, capsys, "--days", "2")
    assert (code, days["books 2025-12-16"]["missing"]) == (1, 86_398)


@pytest.mark.parametrize("words", [("--renew",), ("--days", "2")])
def test_a_seal_takes_days_as_they_are(vault, words):
    """Options of another kind of run are refused."""
    put(vault, trades(1, 5))
    assert verify_vault.main(["--vault", str(vault.root), "--seal", *words]) == 2
