"""The doctor never crashes, hangs or calls a vault healthy whose files hold anything at all."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ravequant import times
from ravequant.contract import Contract
from ravequant.records import Trade, TradeEncoder
from ravequant.vault import instruments
from ravequant.vault.paths import Vault
from scripts import doctor
from scripts.checks import vault as vault_module
from tests.scripts.test_doctor import beat, put, put_books, put_derived, put_trades
from tests.support.trades_box import BTC

ROW = {
    "instId": BTC, "instType": "SWAP", "ctVal": "0.01", "ctMult": "1", "ctType": "linear",
    "ctValCcy": "BTC", "settleCcy": "USDT", "tickSz": "0.1", "lotSz": "0.01", "minSz": "0.01",
    "state": "live",
}  # fmt: skip
FUTURE = "2999-12-14T21:34:00.000Z"
CONTENTS = {
    "nothing": b"",
    "zeros": bytes(5_000),
    "noise": random.Random(1).randbytes(5_000),
    "another kind": b'[]\n5\nnull\n"x"\n',
    "too deep": b"[" * 100_000 + b"\n",
    "no time": b'{"timestamp_utc":5,"as_of_utc":5,"heartbeat_utc":5}\n',
    "no date": b'{"timestamp_utc":"9999-99-99T99:99:99.999Z","as_of_utc":"","heartbeat_utc":""}\n',
    "the future": json.dumps(
        {"timestamp_utc": FUTURE, "as_of_utc": FUTURE[:17] + "00Z", "heartbeat_utc": FUTURE,
         "pid": [1], "instruments": [1], "connections": "x"}
    ).encode() + b"\n",
    "no text": b'{"timestamp_utc":"\xff\xfe"}\n' * 3,
    "a line without an end": b"x" * 20_000_000,
    "a line of 20 MB": b'{"timestamp_utc":"' + b"9" * 20_000_000 + b'"}\n',
    "a number of 5000 digits": b'{"from_trade_id":1e400,"to_trade_id":1' + b"0" * 5_000 + b"}\n",
    "300000 bad lines": b"{}\n" * 300_000,
}  # fmt: skip
# what the doctor looks at, and how its check is named (the beginning of it)
FILES = {
    "state/health/trades_exporter.json": "trades_exporter",
    "state/health/l2_exporter.json": "l2_exporter",
    f"meta/okx/instruments/{BTC}.json": "metadata",
    f"meta/okx/instruments/{BTC}.history.jsonl": "metadata",
    f"derived/vwap/okx/perps/{BTC}/vwap_1m.jsonl": "vwap",
    f"derived/wicks/okx/perps/{BTC}/wicks_active.json": "wicks",
    "newest trades": "trades",
    "newest books": "l2",
}


@pytest.fixture
def healthy(vault: Vault) -> Vault:
    """Return a vault in which all is well."""
    now = times.utc_now_ms()
    meta = instruments.parse_instrument(ROW)
    instruments.save(vault, meta, None)
    put_trades(vault, meta.contract, range(now - times.HOUR_MS, now, 20_000))
    put_books(vault, range(now - times.HOUR_MS, now, 60_000))
    put_books(vault, range(now - 1_000, now, 1_000))
    put_derived(vault, now)
    beat(vault)
    return vault


def look(vault: Vault, capsys, *words: str) -> dict[str, dict[str, Any]]:
    """Run it; what did not pass, by name. Each says what was met and what to do."""
    arguments = ["--vault", str(vault.root), "--instId", BTC, "--json", "--offline", *words]
    code = doctor.main(arguments)
    facts = json.loads(capsys.readouterr().out)
    assert facts["healthy"] is (code == 0)
    found = {check["name"]: check for check in facts["checks"] if check["level"] != "PASS"}
    for check in found.values():
        assert check["text"]
        assert check["remedy"]
        assert len(check["text"]) < 1_000
    return found


def named(vault: Vault, name: str) -> Path:
    if not name.startswith("newest"):
        return vault.root / name
    folder = vault.trades(BTC) if name == "newest trades" else vault.snapshots(BTC)
    *earlier, newest = sorted(folder.rglob("*.jsonl"))
    for path in earlier:  # just after the hour they would still be fresh
        path.unlink()
    return newest


def test_all_is_well(healthy, capsys):
    """The vault that the others are made of gives no cause for words."""
    assert look(healthy, capsys) == {}


@pytest.mark.parametrize("name", FILES)
def test_whatever_a_file_holds_it_is_told(healthy, capsys, name):
    """By the check that looks at it; the other checks are made all the same."""
    path = named(healthy, name)
    before = path.read_bytes()
    for what, content in CONTENTS.items():
        path.write_bytes(content)
        found = look(healthy, capsys)
        assert any(check.startswith(FILES[name]) for check in found), f"{what}: {found}"
    path.unlink()
    path.mkdir()
    assert look(healthy, capsys)
    path.rmdir()
    path.write_bytes(before)
    assert look(healthy, capsys) == {}


@pytest.mark.parametrize("name", ["trades_perps.ETH-USDT-SWAP.json", "l2_perps.X.lock"])
def test_what_no_check_depends_on_disturbs_nobody(healthy, capsys, name):
    """A broken note of a lock says nothing of who holds it: the system is asked."""
    path = healthy.lock("trades_perps", BTC).with_name(name)
    for content in CONTENTS.values():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        assert look(healthy, capsys) == {}


@pytest.mark.parametrize("content", [b"{}\n" * 3, CONTENTS["no date"], CONTENTS["too deep"]])
def test_a_damaged_ledger_is_told(healthy, capsys, content):
    """How many lines of it are bad."""
    put(healthy.gap_ledger(BTC), content)
    (check,) = look(healthy, capsys).values()
    assert (check["name"], check["level"]) == (f"holes {BTC}", "WARN")
    assert "bad lines in the gap ledger" in check["text"]


def folders(vault: Vault) -> Iterator[Path]:
    yield from sorted(path for path in vault.root.rglob("*") if path.is_dir())


@pytest.fixture(params=["now", "soon after midnight"])
def clock(request, monkeypatch):
    """Let it be now, and the first hour of a day, when the newest hours stand in two folders."""
    if request.param != "now":
        ms = times.day_start_ms(times.day(times.utc_now_ms())) + 20 * times.MINUTE_MS
        monkeypatch.setattr(times, "utc_now_ms", lambda: ms)


@pytest.mark.usefixtures("clock", "healthy")
def test_any_folder_may_be_missing(healthy, capsys, tmp_path):
    """Each in turn, and a file in its place: something is told, nothing crashes."""
    aside = tmp_path / "aside"
    named(healthy, "newest books")  # whether earlier ones were there, nobody can know
    for folder in list(folders(healthy)):
        inner = [path for path in folder.rglob("*") if path.is_file()]
        if not inner or "locks" in folder.parts:
            continue
        folder.rename(aside)
        assert look(healthy, capsys), folder
        if not folder.exists():  # state/ is made by the look itself
            folder.touch()
            assert look(healthy, capsys), folder
            folder.unlink()
        else:
            for left in sorted(folder.rglob("*"), reverse=True):
                left.rmdir() if left.is_dir() else left.unlink()
            folder.rmdir()
        aside.rename(folder)


def test_an_empty_vault_says_what_to_start(vault, capsys):
    """Nothing is there: each check names the program that would make it."""
    vault.root.mkdir()
    found = look(vault, capsys)
    assert {"trades_exporter", "l2_exporter", f"trades {BTC}", f"l2 {BTC}"} <= set(found)
    named = f"start it: python Trades_Bot/trades_exporter.py --vault {vault.root}"
    assert found["trades_exporter"]["remedy"] == named


def test_records_and_signs_of_life_from_the_future_are_no_good_news(healthy, capsys):
    """A clock was wrong: nothing that lies ahead counts as fresh."""
    later = times.utc_now_ms() + times.HOUR_MS
    line = TradeEncoder(BTC, Contract("0.01", "1", "linear")).line(
        Trade(later, 10**9, "buy", "101250", "4")
    )
    newest = named(healthy, "newest trades")
    put(newest.with_name(f"{times.day(later)}.jsonl"), line)  # before midnight another file
    health = healthy.health("l2_exporter")
    facts = json.loads(health.read_bytes())
    health.write_text(json.dumps({**facts, "heartbeat_utc": times.iso(later)}), encoding="utf-8")
    made = json.dumps({"timestamp_utc": times.iso_minute(later // 60_000 + 60)}).encode()
    put(healthy.derived("volume", BTC) / "volume_1m.jsonl", made + b"\n")
    found = look(healthy, capsys)
    said = {name: check["text"] for name, check in found.items()}
    assert "newest record lies " in said[f"trades {BTC}"]
    assert "its last sign of life lies " in said["l2_exporter"]
    assert "min ahead of the raw records" in said[f"volume {BTC}"]


def test_a_file_that_may_not_be_read_is_told(healthy, capsys, monkeypatch):
    """Whoever the system refuses: the check says so, the others are made."""
    reading, refused = Path.open, named(healthy, "newest trades")

    def refuse(self, *args, **options):
        if self == refused:
            raise PermissionError(13, "Permission denied", str(self))
        return reading(self, *args, **options)

    monkeypatch.setattr(Path, "open", refuse)
    found = look(healthy, capsys)
    assert any("Permission denied" in check["text"] for check in found.values())
    assert "l2_exporter" not in found


def test_a_slip_in_a_check_is_one_failure(healthy, capsys, monkeypatch):
    """What nobody thought of is told by its kind, and the others are made."""

    def slip(*_args):
        raise KeyError("what nobody thought of")

    monkeypatch.setattr(vault_module, "open_gaps", slip)
    (check,) = look(healthy, capsys).values()
    assert check["text"] == "cannot be looked at: KeyError: 'what nobody thought of'"


def test_live_takes_any_heartbeat(healthy, capsys):
    """A pid that is none is one more name."""
    path = healthy.health("l2_exporter")
    facts = json.loads(path.read_bytes())
    path.write_text(json.dumps({**facts, "pid": {"a": ["b"] * 10_000}}), encoding="utf-8")
    found = look(healthy, capsys, "--live", "0.1")
    assert set(found) == {f"live trades {BTC}", f"live l2 {BTC}"}
