"""verify_vault before and after import_trades puts days into those that it had noted."""

import gzip

import pytest

from ravequant.errors import DONE
from ravequant.vault.gap_ledger import GapLedger, read_generation, status_ranges
from ravequant.vault.paths import Vault, day_files
from tests.scripts.test_verify_vault import certify, note
from tests.support.import_market import BTC, WHOLE, archive, of_days, put, raw
from Trades_Bot import import_trades

HALF = of_days(WHOLE[1])
BEGUN = HALF[len(HALF) // 2 :]  # the recording begins in the middle of the first noted day


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return archive(tmp_path_factory.mktemp("archive"))


def recorded(vault: Vault) -> Vault:
    """Record from the middle of a day on; the rest of the day has no hole."""
    return put(vault, BEGUN + of_days(WHOLE[2]))


def imports(vault: Vault, folder, *words: str) -> None:
    options = ["--vault", str(vault.root), "--dir", str(folder), "--log-level", "warning"]
    assert import_trades.main([*options, *words]) == DONE


def spoil(vault: Vault, day: str, at: int) -> None:
    """Change one digit of a line's price, and keep the form of its file."""
    path = dict(day_files(vault.trades(BTC)))[day]
    lines = raw(vault)[day].splitlines(keepends=True)
    digit = lines[at].index(b'"price":"') + len(b'"price":"')
    new = b"2" if lines[at][digit : digit + 1] == b"1" else b"1"
    lines[at] = lines[at][:digit] + new + lines[at][digit + 1 :]
    data = b"".join(lines)
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)


@pytest.mark.parametrize("words", [("--from", WHOLE[1], "--to", WHOLE[1]), ()])
def test_a_noted_day_into_which_an_import_came_is_not_changed(vault, folder, capsys, words):
    """Verified, imported, verified: exit code 0 each time, and the source is said."""
    assert certify(recorded(vault), capsys)[0] == 0
    imports(vault, folder, *words)
    capsys.readouterr()
    assert read_generation(vault.generation(BTC)) == 1
    assert len(raw(vault)[WHOLE[1]].splitlines()) == len(HALF)
    for _ in range(2):
        code, days = certify(vault, capsys)
        assert (code, [day["problems"] for day in days.values() if day["problems"]]) == (0, [])
        day = days[f"trades {WHOLE[1]}"]
        assert (day["missing"], day["provenance"]["source"]) == (0, "OKX archive, personal use")


def test_holes_of_a_noted_day_that_an_import_fills_are_no_change(vault, folder, capsys):
    """They are open before and repaired after; the recorded lines are as noted."""
    put(vault, BEGUN[:50] + BEGUN[53:90] + BEGUN[91:] + of_days(WHOLE[2]))
    lacking = [BEGUN[50].first_id, BEGUN[52].trade_id], [BEGUN[90].first_id, BEGUN[90].trade_id]
    for first, last in lacking:
        note(vault, first, last, "open")
    assert certify(vault, capsys)[0] == 1
    imports(vault, folder)
    capsys.readouterr()
    code, days = certify(vault, capsys)
    assert (code, [day["problems"] for day in days.values() if day["problems"]]) == (0, [])
    entries = GapLedger(vault.gap_ledger(BTC), BTC).entries()
    for first, last in lacking:
        assert {found.status for found in status_ranges(entries, first, last)} == {"repaired"}


@pytest.mark.parametrize("at", [5, -5])
@pytest.mark.parametrize("day", WHOLE[:2])
@pytest.mark.parametrize("noted", [True, False])
def test_a_byte_changed_afterwards_is_named(vault, folder, capsys, at, day, noted):  # noqa: PLR0917
    """Of a line that came or that was recorded; also if no run has noted the merged day."""
    assert certify(recorded(vault), capsys)[0] == 0
    imports(vault, folder)
    capsys.readouterr()
    if noted:
        assert certify(vault, capsys)[0] == 0
    spoil(vault, day, at)
    for _ in range(2):
        code, days = certify(vault, capsys)
        assert code == 1
        wrong = {name: found["problems"] for name, found in days.items() if found["problems"]}
        assert list(wrong) == [f"trades {day}"]
        assert all(f"{day}.jsonl" in said for said in wrong[f"trades {day}"])
