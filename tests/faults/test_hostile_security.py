"""Nothing leaves the vault, no other host is believed, no secret is written, nobody listens out.

Names and addresses that try to, a redirect, a certificate that nobody signed, text that drives a
terminal: with real processes, sockets and files.
"""

import asyncio
import os
import shutil
import ssl
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from L2_Bot import l2_retention
from ravequant.errors import FeedError, UsageError, VaultError
from ravequant.exchanges import load
from ravequant.exchanges.base import Channel, RefusedError
from ravequant.exchanges.client import Client
from ravequant.exchanges.okx.messages import TRADES
from ravequant.exchanges.okx.rest import OkxRest
from ravequant.vault import commit, trade_repair
from ravequant.vault.instruments import parse_instrument
from ravequant.vault.paths import CHECKOUT, Vault
from tests.faults.calculators import BTC, CALCULATORS
from tests.faults.disk import Order
from tests.faults.tapes import EXPORTERS
from tests.support import box

SECRET = "S3CRET-S3CRET-S3CRET-S3CRET"  # noqa: S105 - to be looked for
HOOK = f"https://discord.com/api/webhooks/1234567890/{SECRET}"
EVIL = "\x1b[2J\x07\n2026-01-01T00:00:00Z ERROR forged: line\r\x9b31m"
posix = pytest.mark.skipif(os.name == "nt", reason="permissions as POSIX has them")


@contextmanager
def serving(
    answer: tuple[int, dict[str, str], bytes], context: ssl.SSLContext | None = None
) -> Iterator[Any]:
    """Serve one answer to every request; yields (port, requests)."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(answer[0])
            for name, value in answer[1].items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer[2])))
            self.end_headers()
            self.wfile.write(answer[2])

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: Any) -> None:
            pass  # a client that does not believe us hangs up

    with Server(("127.0.0.1", 0), Handler) as server:
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server.server_address[1], asked
        server.shutdown()


def test_a_redirect_to_another_host_is_not_followed(faults):
    """The other host is never asked, whatever kind of redirect it is."""
    fact = faults.row("B2", "security: redirects")
    with serving((200, {}, b'{"code":"0","msg":"","data":[]}')) as (elsewhere, visits):
        for status in (301, 302, 303, 307, 308):
            target = {"Location": f"http://localhost:{elsewhere}/api/v5/public/time"}
            with serving((status, target, b"")) as (port, asked):
                with pytest.raises(RefusedError, match="redirected to"):
                    OkxRest(f"http://127.0.0.1:{port}").server_time()
                assert len(asked) == 1
            fact.times += 1
        assert visits == []


@pytest.fixture(scope="module")
def unsigned(tmp_path_factory):
    """Return a server's side of TLS with a certificate that nobody signed."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl here to make a certificate with")
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    made = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-keyout",
        key,
        "-out",
        certificate,
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=DNS:localhost,IP:127.0.0.1",
    ]
    subprocess.run([*map(str, made)], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def test_tls_is_verified(unsigned, caplog, faults):
    """A certificate that nobody signed: neither REST nor the socket says a word to its holder."""
    fact = faults.row("B2", "security: TLS verification")
    with serving((200, {}, b'{"code":"0","data":[{"ts":"1"}]}'), unsigned) as (port, asked):
        for host in ("127.0.0.1", "localhost"):
            with pytest.raises(FeedError, match=r"SSLError.*CERTIFICATE_VERIFY_FAILED"):
                OkxRest(f"https://{host}:{port}", attempts=1).server_time()
            fact.times += 1

        async def connecting() -> None:
            channel = Channel(TRADES, BTC)
            url = f"wss://localhost:{port}/a"
            client = Client(load("okx"), url, [channel], spread=lambda _low, _high: 0.0)
            task = asyncio.create_task(client.run())
            async with asyncio.timeout(20):
                while caplog.text.count("CERTIFICATE_VERIFY_FAILED") < 2:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            assert client.connects == 0
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

        asyncio.run(connecting())
        fact.times += 1
        assert asked == []


NAMES = [
    "../../../x",
    "..",
    "/etc/passwd",
    "BTC-USDT/../../x",
    "BTC\\..\\..\\x-USDT",
    "C:\\x-USDT",
    "BTC-USDT-SWAP\0",
    "BTC-USDT\n-SWAP",
    "btc-usdt",
    "-",
    "CON",
    "\u202eBTC-USDT",
    ".-.",
    "BTC-USDT-SWAP/",
    "BTC-USDT-SWAP.json",
    "%2e%2e-%2f",
    "~-x",
    "$HOME-X",
]


def test_instrument_names_cannot_leave_the_vault(tmp_path, faults, capsys):
    """From the command line, the settings, the exchange: refused before any path is built."""
    fact = faults.row("B2", "security: names that try to leave the vault")
    vault = Vault(tmp_path / "in" / "vault")
    vault.root.mkdir(parents=True)
    for name in NAMES:
        for calculator in CALCULATORS.values():
            assert calculator.module.main(["--vault", str(vault.root), "--instId", name]) == 2
        with pytest.raises(FeedError):
            parse_instrument({"instId": name, "ctVal": "1", "ctMult": "1", "ctType": "linear"})
        for build in (vault.trades, vault.metadata, vault.snapshots, vault.gap_ledger):
            with pytest.raises(UsageError):
                build(name)
        fact.times += 1
    assert "\n-SWAP" not in capsys.readouterr().err
    assert [path.name for path in tmp_path.rglob("*")] == ["in", "vault"]


def test_sealed_files_cannot_lead_out_of_the_vault(tmp_path, faults, capsys):
    """A state or a repair note that names a file elsewhere is refused; that file stays as it is."""
    fact = faults.row("B2", "security: names that try to leave the vault")
    calculator, vault = CALCULATORS["vwap"], Vault(tmp_path / "vault")
    calculator.fill(vault)
    assert calculator.run(vault) == 0
    output = vault.derived("vwap", BTC) / "vwap_1m.jsonl"
    target = tmp_path / "x.jsonl"
    target.write_bytes(output.read_bytes() + b"more\n")
    before = target.read_bytes()
    state = vault.state("vwap", BTC)
    facts = commit.read_state(state, "vwap", BTC)
    assert facts is not None
    for name in (str(target), os.path.relpath(target, output.parent)):
        commit.write_state(state, {**facts, "output": {**facts["output"], "file": name}})
        assert calculator.run(vault) == 1
        assert "is no file name" in capsys.readouterr().err
        day = {"key": name.removesuffix(".jsonl"), "inserts": [[0, None, "{}\n"]]}
        note = {
            "metric": trade_repair.METRIC,
            "instId": BTC,
            "generation": 0,
            "entries": [],
            "days": [day],
        }
        commit.write_state(trade_repair.note_path(vault, BTC), note)
        with pytest.raises(VaultError, match="no repair that can be carried out"):
            trade_repair.finish(vault, BTC)
        trade_repair.note_path(vault, BTC).unlink()
        assert target.read_bytes() == before
        fact.times += 1


def test_files_that_are_none_of_ours_are_left_alone(tmp_path, faults):
    """Strange names among the raw files: not read, not compressed, not deleted."""
    fact = faults.row("B2", "security: file names")
    calculator, vault, clean = (
        CALCULATORS["vwap"],
        Vault(tmp_path / "vault"),
        Vault(tmp_path / "clean"),
    )
    calculator.fill(vault)
    calculator.fill(clean)
    first = calculator.raw(clean)[0].read_bytes().splitlines(keepends=True)[0]
    early = first.replace(b'"trade_id":"', b'"trade_id":"1').replace(b'"price":"', b'"price":"2')
    strange = [
        "2025-12-13.jsonl.bak",
        "2025-12-13",
        "2025-12-13.jsonl.gz.tmp",
        "x",
        "2025-12-14.jsonl.bak",
        "2025-13-45.jsonl",
        "..jsonl",
        "2025-12-14.jsonl.gz.gz",
        "2025-12-14 .jsonl",
        "2025-12-14.JSONL",
        "-rf",
        "2025-12-14.jsonl\x1b[2J",
    ]
    left = {}
    for name in strange:
        with suppress(OSError):  # this system has no such names
            (vault.trades(BTC) / name).write_bytes(early)
            left[name] = early
    (vault.trades(BTC).parent / "EVIL\x1b-USDT").mkdir()
    assert calculator.run(vault) == 0
    assert l2_retention.main(["--vault", str(vault.root), "--log-level", "error"]) == 0
    assert calculator.run(clean) == 0
    mine, wanted = calculator.made(vault), calculator.made(clean)
    assert mine["vwap_1m.jsonl"] == wanted["vwap_1m.jsonl"]
    for name, data in left.items():
        assert (vault.trades(BTC) / name).read_bytes() == data
        fact.times += 1


def test_what_the_exchange_says_cannot_drive_a_terminal_or_forge_a_line(tmp_path, faults):
    """Control characters in an answer stand escaped in the log, on its one line."""
    fact = faults.row("B2", "security: control characters in the log")
    text = EVIL.encode("unicode_escape").replace(b"\\x", b"\\u00")
    body = b'{"code":"51000","msg":"' + text + b'","data":[]}'
    vault, log = tmp_path / "vault", tmp_path / "own.log"
    with serving((200, {}, body)) as (port, asked):
        command = [
            sys.executable,
            "-m",
            "Trades_Bot.trades_exporter",
            "--vault",
            str(vault),
            "--instId",
            BTC,
            "--rest-url",
            f"http://127.0.0.1:{port}",
            "--log-file",
            str(log),
            "--max-seconds",
            "3",
            "--ws-url",
            f"ws://127.0.0.1:{port}/{EVIL[:6]}",
        ]
        done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, check=False, timeout=30)
    assert asked
    assert done.returncode in {1, 2}, done.stderr
    for written in (log.read_bytes() if log.exists() else b"", done.stderr):
        shown = written.decode("utf-8")
        assert not {sign for sign in shown if ord(sign) < 32 or 127 <= ord(sign) < 160} - {"\n"}
        assert not any(line.startswith("2026-01-01") for line in shown.splitlines())
    assert b"forged: line" in done.stderr
    fact.times += 1


@posix
@pytest.mark.parametrize(("mask", "forbidden"), [(0o022, 0o033), (0o077, 0o077)])
def test_permissions_of_what_is_written(tmp_path, mask, forbidden, faults):
    """Files are as the user's umask wants them: never writable for others, never executable."""
    fact = faults.row("B2", "security: permissions of written files")
    vault, exporter = Vault(tmp_path / "vault"), EXPORTERS["trades"]
    before = os.umask(mask)
    try:
        with exporter.exchange(tmp_path / "box") as where:
            assert exporter.run(vault, where, Order("")).code == 0
        for calculator in CALCULATORS.values():
            calculator.fill(other := Vault(tmp_path / calculator.metric))
            assert calculator.run(other) == 0
        assert l2_retention.main(["--vault", str(other.root), "--log-level", "error"]) == 0
    finally:
        os.umask(before)
    for path in tmp_path.rglob("*"):
        if "box" in path.parts:
            continue
        mode = stat.S_IMODE(path.stat().st_mode)
        wrong = forbidden if path.is_dir() else forbidden | 0o111
        assert not mode & (wrong & ~0o011 if path.is_dir() and mask == 0o022 else wrong), path
        fact.times += 1


def test_secrets_are_never_written(tmp_path, monkeypatch, capfd, faults):
    """A webhook and a proxy's password: in no file of the vault, no log, no output, no error."""
    fact = faults.row("B2", "security: secrets in logs, errors and heartbeats")
    own = tmp_path / "own.toml"
    own.write_text(f'[alerts]\ndiscord_webhook = "{HOOK}"\n', encoding="utf-8")
    monkeypatch.setenv("RAVEQUANT_SETTINGS", str(own))
    monkeypatch.setenv("RAVEQUANT_DISCORD_WEBHOOK", HOOK)
    proxy = f"http://user:{SECRET}@127.0.0.1:9"
    for name in ("https_proxy", "HTTPS_PROXY", "http_proxy", "all_proxy"):
        monkeypatch.setenv(name, proxy)
    vault = Vault(tmp_path / "vault")
    for name, exporter in EXPORTERS.items():
        with exporter.exchange(tmp_path / name) as where:
            capfd.readouterr()
            ended = exporter.run(vault, where, Order(""))
            assert ended.code == 0, ended.log
            assert SECRET not in ended.log
    said = ""
    programs = [
        [
            "L2_Bot.l2_exporter",
            "--max-seconds",
            "2",
            "--rest-url",
            "https://ravequant.invalid",
            "--ws-url",
            "wss://ravequant.invalid/a",
        ],
        ["scripts.doctor", "--offline"],
        ["L2_Bot.l2_retention"],
        ["scripts.run_all", "--check"],
        *([calculator.module.__name__] for calculator in CALCULATORS.values()),
        [
            "L2_Bot.l2_exporter",
            "--max-seconds",
            "2",
            "--ws-url",
            f"wss://me:{SECRET}@ravequant.invalid",
            "--rest-url",
            f"https://me:{SECRET}@ravequant.invalid",
        ],
    ]
    for module, *words in programs:
        command = [sys.executable, "-m", module, "--vault", str(vault.root), *words]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False, timeout=60)
        said += (done.stdout + done.stderr).decode()
        fact.times += 1
    assert said
    assert SECRET not in said, said[max(0, said.index(SECRET) - 300) :][:600]
    for path in tmp_path.rglob("*"):
        if path.is_file() and path != own:
            assert SECRET.encode() not in path.read_bytes(), path
            fact.add("files searched")


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="Linux says who listens where")
def test_the_exchange_in_a_box_listens_on_loopback_only(tmp_path, faults):
    """Unless it is told another host."""
    fact = faults.row("B2", "security: the exchange in a box on loopback")

    def listening(port: int) -> set[str]:
        found = set()
        for table in ("/proc/net/tcp", "/proc/net/tcp6"):
            for row in Path(table).read_text().splitlines()[1:]:
                place, state = row.split()[1], row.split()[3]
                if state == "0A" and int(place.rpartition(":")[2], 16) == port:
                    found.add(place.rpartition(":")[0])
        return found

    for words, wanted in (((), {"0100007F"}), (("--host", "0.0.0.0"), {"00000000"})):  # noqa: S104
        with box.exchange(tmp_path / str(len(words)), "--instId", BTC, *words) as where:
            port = urlsplit(where[1]).port
            assert port is not None
            assert listening(port) == wanted
        fact.times += 1
