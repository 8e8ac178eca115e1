"""The recorder of large transfers as a program: processes, sockets, the exchange in a box."""

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ravequant.errors import LockedError
from ravequant.vault.paths import CHECKOUT, ON_CHAIN, Vault
from tests.faults.exporters import alive, stop
from tests.support import box, chain_desk

SCRIPT = CHECKOUT / "Context_Bot" / "btc_transfers.py"
FAST = 100  # times the limit of a request a second
# two seconds for each block: a recorder that is behind meets none that is replaced later
MARKET = (
    "--wait-for-clients", 0, "--start", "2025-12-14T21:20:00Z", "--speed", 300,
    "--rows-per-second", 1, "--rest-limit-factor", FAST,
)  # fmt: skip


@contextmanager
def desk(folder: Path, faults: Any = ()) -> Iterator[str]:
    """Run the exchange in a box; yields the address of its chain desk."""
    with box.exchange(folder, *MARKET, faults=faults) as there:
        yield there[3]


def start(vault: Vault, *options: Any) -> subprocess.Popen[bytes]:
    vault.root.mkdir(parents=True, exist_ok=True)
    words = [SCRIPT, "--vault", vault.root, "--log-file", vault.root.parent / "own.log", *options]
    with (vault.root.parent / "transfers.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, *map(str, words)], stderr=log, stdout=log, cwd=vault.root.parent
        )


def there(vault: Vault, url: str) -> subprocess.Popen[bytes]:
    return start(vault, "--url", url, "--rest-limit-factor", FAST)


def said(vault: Vault) -> str:
    return (vault.root.parent / "transfers.log").read_text(encoding="utf-8")


def count(vault: Vault) -> int:
    path = vault.btc_blocks(ON_CHAIN)
    return path.read_bytes().count(b"\n") if path.exists() else 0


def grown(vault: Vault, before: int) -> bool:
    return count(vault) > before


def beat(vault: Vault) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(vault.health("btc_transfers").read_bytes())
    return found


def reorganised(vault: Vault) -> bool:
    return count(vault) > 0 and chain_desk.blocks(vault)[-1]["generation"] > 0


def test_it_is_off_until_it_is_configured(tmp_path, vault, monkeypatch):
    """Without an address: exit code 0, one line in its health file, nothing asked or written."""
    monkeypatch.setenv("RAVEQUANT_SETTINGS", str(tmp_path / "ravequant.toml"))
    (tmp_path / "ravequant.toml").write_text("", encoding="utf-8")
    assert start(vault).wait(30) == 0
    assert "btc_transfers.url is empty" in beat(vault)["problem"]
    assert not (vault.root / "raw").exists()


def test_blocks_are_recorded_through_refusals_and_a_reorganisation(tmp_path, vault, monkeypatch):
    """429, 503, an HTML page, lost answers, jumps of the height, a replaced branch: all is there.

    The settings name address and threshold.
    """
    faults = [
        {"kind": "rest-status", "status": 429, "path": "/api/block", "at": [3, 40]},
        {"kind": "rest-status", "status": 503, "path": "/txs/", "every": 9},
        {"kind": "rest-html", "path": "/tip/", "every": 7},
        {"kind": "rest-timeout", "delay": "100ms", "path": "/txs/", "every": 11},
    ]
    with desk(tmp_path, faults) as url:
        text = f'[btc_transfers]\nurl = "{url}"\nmin_btc = "250"\n'
        (tmp_path / "ravequant.toml").write_text(text, encoding="utf-8")
        monkeypatch.setenv("RAVEQUANT_SETTINGS", str(tmp_path / "ravequant.toml"))
        with alive(start(vault, "--rest-limit-factor", FAST)) as process:
            box.wait_for(lambda: reorganised(vault), process)
            stop(process)
    assert chain_desk.check(vault, 250 * 10**8) > 0
    facts = beat(vault)["instruments"][ON_CHAIN]
    assert beat(vault)["stopped"]
    assert facts["last_block"] == chain_desk.blocks(vault)[-1]["height"]
    assert "Traceback" not in said(vault)
    assert "Reorganisation: block " in said(vault)


def test_killed_at_any_instant_it_has_each_transfer_once(tmp_path, vault):
    """SIGKILL again and again while it writes, then a run to the end."""
    chance = random.Random(7)
    with desk(tmp_path) as url:
        for _ in range(5):
            with alive(there(vault, url)) as process:
                box.wait_for(partial(grown, vault, count(vault)), process)
                time.sleep(chance.uniform(0, 0.4))
                process.kill()
        with alive(there(vault, url)) as process:
            box.wait_for(lambda: reorganised(vault), process)
            stop(process)
    assert chain_desk.check(vault) > 0


def test_the_limit_is_kept(tmp_path, vault):
    """At the pace of the service it is never refused: the box answers 429 above one a second."""
    words = (*MARKET[:-1], 1)
    with (
        box.exchange(tmp_path, *words) as found,
        alive(start(vault, "--url", found[3], "--max-seconds", 6)) as process,
    ):
        assert process.wait(30) == 0
    rest = [row for row in box.logged(tmp_path, "rest") if row["path"].startswith("/api/block")]
    assert len(rest) >= 4
    assert {row["status"] for row in rest} == {200}


def test_a_second_one_is_refused(tmp_path, vault):
    """One writer; the message names the one that holds the stream."""
    with desk(tmp_path) as url, alive(there(vault, url)) as process:
        box.wait_for(lambda: count(vault) > 0, process)
        assert there(vault, url).wait(30) == LockedError.exit_code
        stop(process)
    assert "btc_transfers of BTC-ONCHAIN has its one writer already" in said(vault)


@pytest.mark.parametrize("url", ["http://mempool.space", "https://a:b@mempool.space", "x"])
def test_an_address_without_tls_or_with_a_password_is_refused(vault, url):
    """Only this machine itself may be asked in plain text."""
    assert start(vault, "--url", url).wait(30) == 2
    assert "a:b" not in said(vault)


def test_while_nobody_answers_the_heartbeat_says_so(vault):
    """It goes on trying, and a stop ends it at once."""
    with alive(there(vault, "http://127.0.0.1:9")) as process:
        box.wait_for(lambda: vault.health("btc_transfers").exists(), process)
        box.wait_for(lambda: beat(vault)["problem"], process)
        assert stop(process) < 10
    assert "/api/blocks/tip/height" in beat(vault)["problem"]
