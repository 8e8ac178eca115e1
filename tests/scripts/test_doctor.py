"""The doctor finds each planted fault, and has nothing to say of a healthy vault."""

import gzip
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ravequant import times
from ravequant.alerts.webhook import WEBHOOK_VARIABLE
from ravequant.exchanges.okx.rest import OkxRest
from ravequant.records import Trade, TradeEncoder
from ravequant.settings import SETTINGS_VARIABLE
from ravequant.vault import instruments
from ravequant.vault.atomic import replace_file
from ravequant.vault.gap_ledger import Gap, GapLedger, LedgerEntry
from ravequant.vault.heartbeat import Heartbeat
from ravequant.vault.lock import writer_lock
from ravequant.vault.paths import CHECKOUT, Vault
from scripts import doctor
from scripts.checks import computer
from tests.support.trades_box import BTC, exchange

MINUTES = ("vwap", "cvd", "volume")
GOOD_WEBHOOK = "https://discord.com/api/webhooks/123456789012345678/" + "a" * 68


@pytest.fixture(scope="module")
def there(tmp_path_factory) -> Iterator[list[str]]:
    """An exchange in a box whose clock is right; the options that lead there."""
    folder = tmp_path_factory.mktemp("exchange")
    with exchange(folder, "--start", "now", "--wait-for-clients", "0", "--instId", BTC) as found:
        yield found[2:]


@pytest.fixture(scope="module")
def row(there):
    """What the exchange says of the instrument."""
    return OkxRest(there[1]).instrument(BTC)


def put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(data)


def book(ts: int) -> bytes:
    line = {
        "timestamp_utc": times.iso(ts), "exchange": "okx", "market": "perp", "channel": "books",
        "instId": BTC, "bids_top400": [["100", "1", "0", "1"]],
        "asks_top400": [["101", "1", "0", "1"]], "best_bid": "100", "best_ask": "101",
        "mid_price": "100.5", "checksum": 0, "seqId": 2, "prevSeqId": 1, "gap_detected": False,
    }  # fmt: skip
    return json.dumps(line, separators=(",", ":")).encode() + b"\n"


def beat(vault: Vault, *names: str) -> None:
    for name in names or ("trades_exporter", "l2_exporter"):
        Heartbeat(vault, name).write({"connections": 1, "instruments": {}})


def put_trades(vault: Vault, contract, moments: range) -> None:
    encoder = TradeEncoder(BTC, contract)
    for number, ts in enumerate(moments, 1):
        line = encoder.line(Trade(ts, number, "buy", "101250", "4"))
        put(vault.trades(BTC) / f"{times.day(ts)}.jsonl", line)


def put_books(vault: Vault, moments: range) -> None:
    for ts in moments:
        put(vault.snapshots(BTC) / f"{times.hour(ts)}.jsonl", book(ts))


def put_derived(vault: Vault, now: int) -> None:
    for metric in MINUTES:
        line = json.dumps({"timestamp_utc": times.iso_minute(now // 60_000 - 3)}).encode() + b"\n"
        put(vault.derived(metric, BTC) / f"{metric}_1m.jsonl", line)
    buckets = json.dumps({"timestamp_utc": times.iso(now - 100_000)}).encode() + b"\n"
    put(vault.derived("liquidity_buckets", BTC) / f"{times.day(now)}.jsonl", buckets)
    active = json.dumps({"as_of_utc": times.iso_minute(now // 60_000 - 2)}).encode()
    put(vault.derived("wicks", BTC) / "wicks_active.json", active)


@pytest.fixture
def healthy(vault: Vault, row) -> Vault:
    """Two exporters that live, fresh records, calculators that keep up."""
    now = times.utc_now_ms()
    meta = instruments.parse_instrument(row)
    instruments.save(vault, meta, None)
    put_trades(vault, meta.contract, range(now - 2 * times.HOUR_MS, now, 5_000))
    put_books(vault, range(now - 4 * times.HOUR_MS, now, 20_000))
    put_derived(vault, now)
    beat(vault)
    return vault


def look(vault: Vault, there, capsys, *words: str) -> tuple[int, dict[str, tuple[str, str]]]:
    """Run it; the exit code, and (level, text and remedy) of each check that did not pass."""
    code = doctor.main(["--vault", str(vault.root), "--instId", BTC, "--json", *there, *words])
    facts = json.loads(capsys.readouterr().out)
    assert facts["healthy"] is (code == 0)
    assert all(check["remedy"] for check in facts["checks"] if check["level"] != "PASS")
    return code, {
        check["name"]: (
            check["level"],
            f"{check['text']} -> {check['remedy'].replace(f' --vault {vault.root}', '')}",
        )
        for check in facts["checks"]
        if check["level"] != "PASS"
    }


def only(found: tuple[int, dict[str, tuple[str, str]]], name: str, level: str, *said: str) -> None:
    """Assert that this one thing was found, and nothing else."""
    code, checks = found
    assert list(checks) == [name]
    assert checks[name][0] == level
    for text in said:
        assert text in checks[name][1]
    assert code == (level == "FAIL")


def test_a_healthy_vault_gives_no_cause_for_words(healthy, there, capsys):
    """Every check passes; for people too, one line each."""
    assert look(healthy, there, capsys) == (0, {})
    assert doctor.main(["--vault", str(healthy.root), "--instId", BTC, *there]) == 0
    out = capsys.readouterr().out
    assert "checks: 0 FAIL, 0 WARN" in out
    assert "PASS  trades BTC-USDT-SWAP " in out


def test_the_computer_slept_for_three_hours(vault, healthy, there, capsys):
    """A day's books with three hours missing: when, and how to forbid it."""
    now = times.utc_now_ms()
    for path in vault.snapshots(BTC).rglob("*.jsonl"):
        path.unlink()
    put_books(vault, range(now - 6 * times.HOUR_MS, now - 5 * times.HOUR_MS, 20_000))
    put_books(vault, range(now - 2 * times.HOUR_MS, now, 20_000))
    only(look(vault, there, capsys), f"sleep {BTC}", "WARN", "no book ", "asleep or off?",
         "-> powercfg /change" if os.name == "nt" else "-> sudo systemctl mask")  # fmt: skip


def test_the_clock_is_off(healthy, there, tmp_path, capsys):
    """Ninety seconds: orders of events and ages cannot be trusted."""
    start = times.iso(times.utc_now_ms() + 90_000)
    with exchange(tmp_path, "--start", start, "--wait-for-clients", "0", "--instId", BTC) as found:
        code, checks = look(healthy, found[2:], capsys)
    assert (code, checks["clock"][0]) == (1, "FAIL")
    remedy = "w32tm" if os.name == "nt" else "sudo timedatectl"
    assert f"behind the exchange -> {remedy}" in checks["clock"][1]


def test_a_check_that_waits_makes_no_record_one_of_the_future(healthy, there, capsys, monkeypatch):
    """The network kept the clock's check for 35 s; all others look at what is there by then."""
    real, late = times.utc_now_ms, list[int]()

    def waits(_):
        late.append(35_000)
        beat(healthy)
        return computer.clock_off(0)

    monkeypatch.setattr(times, "utc_now_ms", lambda: real() + sum(late))
    monkeypatch.setattr(computer, "clock", waits)
    assert look(healthy, there, capsys) == (0, {})


@pytest.mark.parametrize(
    "address",
    [
        GOOD_WEBHOOK,
        "https://discord.com/api/webhooks/",
        "http://discord.com/api/webhooks/123456789012345678/" + "a" * 68,
        "https://example.com/hook",
        "secret-token",
    ],
)
def test_a_malformed_webhook_is_told_and_never_shown(healthy, there, capsys, monkeypatch, address):
    """By its form alone; the address is a secret."""
    monkeypatch.setenv(WEBHOOK_VARIABLE, address)
    found = look(healthy, there, capsys)
    if address == GOOD_WEBHOOK:
        assert found == (0, {})
    else:
        only(found, "webhook", "FAIL", "is not like https://discord.com/api/webhooks/",
             "-> copy it again from")  # fmt: skip
        assert address not in found[1]["webhook"][1].partition("like")[0]


def test_metadata_of_an_instrument_is_missing(healthy, there, capsys):
    """Which, and who fetches it."""
    healthy.metadata(BTC).unlink()
    only(look(healthy, there, capsys), f"metadata {BTC}", "FAIL", "there is no metadata of BTC",
         "-> restart the trade exporter")  # fmt: skip


def test_the_tick_size_changed(healthy, row, there, capsys):
    """At the exchange and not on file; and lately, on file."""
    other = {**row, "tickSz": "0.5"}
    instruments.save(healthy, instruments.parse_instrument(other), times.utc_now_ms() - 60_000)
    code, checks = look(healthy, there, capsys)
    assert code == 1
    assert "the exchange now has tick 0.1" in checks[f"metadata {BTC}"][1]
    instruments.save(healthy, instruments.parse_instrument(row), times.utc_now_ms())
    found = look(healthy, there, capsys)
    only(found, f"metadata {BTC}", "WARN", "tick 0.5", "became tick 0.1", "-> nothing, if you knew")


@pytest.mark.parametrize("metric", [*MINUTES, "wicks", "liquidity_buckets"])
def test_a_calculator_is_dead_while_the_exporter_lives(healthy, there, capsys, metric):
    """Its output is older than the raw records by more than 20 minutes, or not there at all."""
    old = times.iso_minute(times.utc_now_ms() // 60_000 - 90)
    (path,) = healthy.derived(metric, BTC).iterdir()
    name = "as_of_utc" if metric == "wicks" else "timestamp_utc"
    path.write_text(json.dumps({name: old}) + "\n")
    only(look(healthy, there, capsys), f"{metric} {BTC}", "FAIL", "behind the raw", "run_all.py")
    path.unlink()
    only(look(healthy, there, capsys), f"{metric} {BTC}", "FAIL", "has made nothing yet")


def test_a_calculator_fails_under_run_all(healthy, there, capsys):
    """At once, not after twenty minutes, and with its own remedy in place of "run it"."""
    words = "2026-01-01T00:00:00Z ERROR vwap: vwap_1m.jsonl is 3 bytes; run again with --rebuild"
    failing = {"runs": 3, "failures": 2, "last_code": 1, "last_words": words}
    Heartbeat(healthy, "run_all").write({"tasks": {f"vwap.{BTC}": failing}})
    only(look(healthy, there, capsys), f"vwap {BTC}", "FAIL",
         "failed 2 times in a row, code 1: vwap_1m.jsonl is 3 bytes -> run again with --rebuild: "
         f"python VWAP/vwap_calculator.py --instId {BTC} --rebuild")  # fmt: skip


def test_an_exporter_is_dead(healthy, there, capsys):
    """No heartbeat any more, stopped, or never started: each in its own words."""
    start = "-> start it: python Trades_Bot/trades_exporter.py"
    path = healthy.health("trades_exporter")
    facts = json.loads(path.read_bytes())
    path.write_text(json.dumps({**facts, "heartbeat_utc": times.iso(times.utc_now_ms() - 600_000)}))
    only(
        look(healthy, there, capsys),
        "trades_exporter",
        "FAIL",
        "gave no sign of life since 10 m",
        start,
    )
    path.write_text(json.dumps({**facts, "stopped": True}))
    only(look(healthy, there, capsys), "trades_exporter", "FAIL", "was stopped", start)
    path.unlink()
    only(look(healthy, there, capsys), "trades_exporter", "FAIL", "has never run", start)


def test_the_commands_of_a_remedy_name_the_vault_that_was_named(tmp_path, capsys):
    """In quotes if its path has a blank; a command that takes none has none."""
    vault = Vault(tmp_path / "my vault")
    vault.root.mkdir()
    doctor.main(["--vault", str(vault.root), "--instId", BTC, "--offline", "--json"])
    remedies = [check["remedy"] for check in json.loads(capsys.readouterr().out)["checks"]]
    named = f'python Trades_Bot/trades_exporter.py --vault "{vault.root}"'
    assert f"start it: {named}" in remedies
    assert not any("environment.py --vault" in remedy for remedy in remedies)


def test_an_exporter_lives_but_is_silent(healthy, there, capsys):
    """Its heartbeat is fresh, its newest record is not."""
    contract = instruments.load(healthy, BTC).contract
    for path in healthy.trades(BTC).iterdir():
        path.unlink()
    now = times.utc_now_ms()
    put_trades(healthy, contract, range(now - times.HOUR_MS, now - 5 * times.MINUTE_MS, 5_000))
    only(look(healthy, there, capsys), f"trades {BTC}", "FAIL",
         "newest record is 5 min old, though trades_exporter lives",
         "-> look for its last words: python scripts/peek.py log trades_exporter")  # fmt: skip


def test_the_disk_is_full_in_two_days(healthy, there, capsys):
    """Measured from the files of the last days and what is left."""
    folder, now = healthy.trades(BTC), times.utc_now_ms()
    ended = 4 + (folder / f"{times.day(now - times.DAY_MS)}.jsonl").exists()  # it counts as a day
    for back in (5, 4, 3, 2):
        plain = folder / f"{times.day(now - back * times.DAY_MS)}.jsonl"
        plain.unlink(missing_ok=True)
        packed = plain.with_name(f"{plain.name}.gz")
        packed.write_bytes(gzip.compress(b"{}\n"))
        os.truncate(packed, shutil.disk_usage(healthy.root).free * ended // 9)  # sparse
    code, checks = look(healthy, there, capsys)
    assert (code, checks["disk"][0]) == (1, "FAIL")
    assert "full in 2 days" in checks["disk"][1]
    assert "-> free space, set retention.keep_gb" in checks["disk"][1]


def test_a_torn_line_is_found(healthy, there, capsys):
    """Half a line at the end that does not go on; one set aside within the hour."""
    newest = max(healthy.trades(BTC).iterdir())
    whole = newest.read_bytes()
    newest.write_bytes(whole + b'{"timestamp_utc":')
    said = ("a torn last line of 17 bytes", "-> python scripts/verify_vault.py --days 2")
    only(look(healthy, there, capsys), f"trades lines {BTC}", "FAIL", *said)
    newest.write_bytes(whole)
    newest.with_name(f"{newest.name}.torn").write_bytes(b"x")
    only(look(healthy, there, capsys), f"trades lines {BTC}", "FAIL", "a torn line, set aside")


@pytest.mark.parametrize("stream", ["trades", "l2"])
def test_lines_out_of_order_and_bad_ones_are_found(healthy, there, capsys, stream):
    """Two neighbours exchanged, one made unreadable, in the last hour."""
    folder = healthy.trades(BTC) if stream == "trades" else healthy.snapshots(BTC)
    newest = max(folder.rglob("*.jsonl"))
    lines = newest.read_bytes().splitlines(keepends=True)
    if len(lines) < 5:
        pytest.skip("the day or hour has just begun")
    newest.write_bytes(b"".join([*lines[:-3], lines[-2], lines[-3], b"{}\n", lines[-1]]))
    found = look(healthy, there, capsys)
    only(found, f"{stream} lines {BTC}", "FAIL", "1 bad lines, 1 lines out of order")


def test_an_open_hole_is_found(healthy, there, capsys):
    """How many trades, and what fetches them."""
    ledger = GapLedger(healthy.gap_ledger(BTC), BTC)
    ledger.append(LedgerEntry(Gap(10, 19), "open", "test", 0))
    ledger.append(LedgerEntry(Gap(10, 12), "repaired", "test", 0))
    said = ("7 trades are missing", "repair_gaps.py")
    only(look(healthy, there, capsys), f"holes {BTC}", "FAIL", *said)
    ledger.append(LedgerEntry(Gap(13, 19), "id_hole", "test", 0))
    assert look(healthy, there, capsys) == (0, {})


def test_a_second_exporter_is_found(healthy, there, capsys):
    """Two programs record into one vault: both pids; what a killed one left is nobody."""
    held = healthy.lock("trades_perps", "ETH-USDT-SWAP").with_suffix(".json")
    code = (
        "import sys, time; from pathlib import Path; from ravequant.vault.lock import *\n"
        f"with writer_lock(Vault(Path({str(healthy.root)!r})), 'trades_perps', 'ETH-USDT-SWAP'):\n"
        "    print(flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with writer_lock(healthy, "trades_perps", BTC):
            found = look(healthy, there, capsys)
        only(found, "trades_exporter", "FAIL", "a second one runs", str(other.pid),
             "-> stop one of them")  # fmt: skip
        other.kill()
    assert held.exists()
    assert look(healthy, there, capsys) == (0, {})


def test_an_unknown_setting_is_found(healthy, there, capsys, tmp_path, monkeypatch):
    """By name; the rest is looked at with the defaults."""
    path = tmp_path / "own.toml"
    path.write_text("[trades]\nsync_evry_ms = 5\n")
    monkeypatch.setenv(SETTINGS_VARIABLE, str(path))
    only(look(healthy, there, capsys), "settings", "FAIL",
         "did you mean trades.sync_every_ms?", "-> correct that line")  # fmt: skip


def test_a_vault_that_cannot_be_written_is_found(healthy, there, capsys, monkeypatch):
    """The disk says read-only, whoever asks."""

    def refuse(*_args, **_options):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "open", refuse)
    only(look(healthy, there, capsys, "--offline"), "vault", "FAIL", "Read-only file system",
         "-> allow writing")  # fmt: skip


def test_a_vault_that_is_not_there_is_one_clear_failure(tmp_path, there, capsys):
    """And none is made."""
    only(look(Vault(tmp_path / "no"), there, capsys), "vault", "FAIL", "is not there")
    assert not (tmp_path / "no").exists()


def test_live_it_watches_whether_records_come(healthy, there, capsys):
    """A record that comes while it watches, none in the other stream, heartbeats of two pids."""
    code = doctor.__file__
    command = [sys.executable, code, "--vault", healthy.root, "--instId", BTC, "--json", "--live",
               "4", *there]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        contract, end = instruments.load(healthy, BTC).contract, time.monotonic() + 20
        number = 1_000_000
        while process.poll() is None and time.monotonic() < end:
            number += 1
            line = TradeEncoder(BTC, contract).line(
                Trade(times.utc_now_ms(), number, "buy", "101250", "4")
            )
            put(max(healthy.trades(BTC).glob("*.jsonl")), line)
            path = healthy.health("l2_exporter")
            now = {"pid": number, "heartbeat_utc": times.iso(times.utc_now_ms())}
            replace_file(path, json.dumps({**json.loads(path.read_bytes()), **now}).encode())
            time.sleep(0.1)
        assert process.stdout is not None
        facts = json.loads(process.stdout.read())
    levels = {check["name"]: check["level"] for check in facts["checks"]}
    assert levels[f"live trades {BTC}"] == "PASS"
    assert levels[f"live l2 {BTC}"] == levels["live l2_exporter"] == "FAIL"
    assert str(CHECKOUT) in code
