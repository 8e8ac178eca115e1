"""The certificate of a day, held to the notes of the run before."""

import gzip
import random

import pytest

from ravequant import times
from ravequant.vault.gap_ledger import raise_generation
from scripts import verify_vault
from scripts.audit.day_certificate import DayVerdict
from tests.scripts.audit.test_book_hours import put_books
from tests.scripts.test_verify_vault import DAY, START, certify, note, put, trades
from tests.support.trades_box import BTC


def test_a_repair_is_accepted_and_anything_else_is_not(vault, capsys):
    """What was lacking may have come; other bytes are still told, also those hidden by a repair."""
    lines = trades(1, 50)
    path = put(vault, lines[:20] + lines[21:40] + lines[43:])
    assert certify(vault, capsys)[0] == 1
    noted = vault.state("verify", BTC).read_bytes()
    put(vault, lines)
    assert certify(vault, capsys)[0] == 0
    for changed in (30, 49):
        vault.state("verify", BTC).write_bytes(noted)
        put(vault, [*lines[:changed], lines[changed].replace(b"101250.5", b"101250.6"),
                    *lines[changed + 1 :]])  # fmt: skip
        for _ in range(2):
            code, days = certify(vault, capsys)
            assert (code, days[f"trades {DAY}"]["missing"]) == (1, 0)
            assert "are not those of an earlier run" in days[f"trades {DAY}"]["problems"][0]
    path.write_bytes(b"".join(lines))
    assert certify(vault, capsys)[0] == 0


def test_a_repair_is_accepted_whenever_its_day_is_looked_at_again(vault, capsys):
    """Runs over the newest days alone, in between, make no difference."""
    lines = trades(1, 50)
    put(vault, lines[:20] + lines[21:])
    put(vault, trades(51, 5, START + times.DAY_MS), "2025-12-15")
    assert certify(vault, capsys)[0] == 1
    put(vault, lines)
    raise_generation(vault.generation(BTC))
    assert certify(vault, capsys, "--days", "1")[0] == 0
    assert certify(vault, capsys)[0] == 0


def test_notes_that_are_damaged_are_refused_with_the_way_out(vault, capsys):
    """Exit code 1 until somebody decides; the remedy is an option that this program has."""
    put(vault, trades(1, 50))
    assert certify(vault, capsys)[0] == 0
    vault.state("verify", BTC).write_bytes(b"")
    assert verify_vault.main(["--vault", str(vault.root)]) == 1
    assert capsys.readouterr().err.endswith(
        "is damaged: not a sealed state; run again with --renew to accept the files as they are\n"
    )
    assert certify(vault, capsys, "--renew")[0] == 0
    assert certify(vault, capsys)[0] == 0


@pytest.mark.parametrize("packed", [False, True])
def test_any_flipped_byte_is_found(vault, capsys, packed):
    """Wherever it is, in a plain file or in a packed one."""
    path = put(vault, trades(1, 50))
    put(vault, trades(51, 50, START + times.DAY_MS), "2025-12-15")
    if packed:
        plain, path = path, path.with_suffix(".jsonl.gz")
        path.write_bytes(gzip.compress(plain.read_bytes(), mtime=0))
        plain.unlink()
    assert certify(vault, capsys)[0] == 0
    whole, chance = path.read_bytes(), random.Random(5)
    for place in (12, *(chance.randrange(10, len(whole)) for _ in range(25))):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << chance.randrange(8)])
                         + whole[place + 1 :])  # fmt: skip
        assert certify(vault, capsys)[0] == 1, place
    assert certify(vault, capsys)[0] == 1  # until somebody decides
    path.write_bytes(whole)
    assert certify(vault, capsys)[0] == 0
    if not packed:
        path.write_bytes(whole.replace(b"101250.5", b"101250.6", 1))
        assert certify(vault, capsys)[0] == 1
        assert certify(vault, capsys, "--renew")[0] == 0


def test_book_hours_that_vanish_are_named_unless_they_are_the_oldest(vault, capsys):
    """Retention deletes the oldest; any other hour that is gone was deleted by somebody else."""
    begin = times.day_start_ms(DAY) + 20 * times.HOUR_MS
    put_books(vault, dict.fromkeys(range(begin, begin + 3 * times.HOUR_MS, 2000), False))
    assert certify(vault, capsys)[0] == 0
    (vault.snapshots(BTC) / DAY / "20.jsonl").unlink()
    assert certify(vault, capsys)[0] == 0
    (vault.snapshots(BTC) / DAY / "22.jsonl").unlink()
    code, days = certify(vault, capsys)
    assert (code, "is gone" in days[f"books {DAY}/22"]["problems"][0]) == (1, True)


def test_ids_that_the_ledger_calls_repaired_count_only_if_they_are_there(vault, capsys):
    """Of five of them two are missing: three are repaired, two are missing, none counts twice."""
    lines = trades(1, 20)
    put(vault, [line for at, line in enumerate(lines, 1) if at not in (5, 6)])
    note(vault, 5, 6, "repaired")
    note(vault, 10, 12, "repaired")
    code, facts = certify(vault, capsys)
    day = facts[f"trades {DAY}"]
    assert code == 1
    assert (day["repaired"], day["missing"], day["present"]) == (3, 2, 18)
    assert day["missing_by_status"] == {"repaired": 2}


def test_a_good_day_of_deep_books_is_in_order_and_not_complete():
    """Nobody knows how many there should be; what is wrong with it is said as of any other."""
    made = [DayVerdict("A-B", name, DAY, "seconds", 60, 60) for name in ("books", "deep")]
    assert [verdict.cells()[3] for verdict in made] == ["complete", "in order"]
    made[1].problems.append("1 lines out of order")
    assert made[1].cells()[3] == "WRONG"
