"""The chain desk on a socket, at a market time that a test sets, and what must stand on disk."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson

from Context_Bot.chain_recorder import ChainRecorder
from ravequant.exchanges.chain_rows import transfer_row
from ravequant.exchanges.mempool_space import MempoolSpace
from ravequant.sim import chain
from ravequant.sim.replies import HttpAnswer
from ravequant.vault.line_file import lines_forward
from ravequant.vault.paths import ON_CHAIN, Vault, day_files

TWELFTH = 891_240  # a block that is replaced, with the one before it
LEAST = 100 * 10**8


@dataclass
class Desk:
    """The time of the desk, the answers that a test puts in place of its own, and the requests."""

    now: int
    url: str = ""
    spoil: Callable[[str, HttpAnswer], HttpAnswer | None] = lambda _, answer: answer
    paths: list[str] = field(default_factory=list)


@contextmanager
def serving(height: int) -> Iterator[Desk]:
    """Serve the chain as it stands when the block of a height is found."""
    desk = Desk(chain.found_ms(height))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            desk.paths.append(self.path)
            answer = desk.spoil(self.path, chain.answer(self.path, desk.now))
            if answer is None:
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        desk.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield desk
        finally:
            server.shutdown()


def spoiled(part: str, change: Callable[[Any], Any]) -> Callable[[str, HttpAnswer], HttpAnswer]:
    """Return a spoiler that changes the JSON of the answers to paths that hold ``part``."""

    def spoil(path: str, answer: HttpAnswer) -> HttpAnswer:
        if part not in path or answer.status != 200:
            return answer
        row = orjson.loads(answer.body)
        changed = change(row)
        return answer._replace(body=orjson.dumps(row if changed is None else changed))

    return spoil


def lines(vault: Vault) -> list[dict[str, Any]]:
    """Return the transfers on disk, in the order of the files."""
    files = day_files(vault.btc_transfers(ON_CHAIN))
    return [orjson.loads(line) for _, path in files for line in lines_forward(path)]


def blocks(vault: Vault) -> list[dict[str, Any]]:
    """Return the lines about blocks."""
    return [orjson.loads(line) for line in lines_forward(vault.btc_blocks(ON_CHAIN))]


def check(vault: Vault, least: int = LEAST) -> int:
    """Hold the disk to the chain: each block that was read whole and once; return the transfers.

    The heights rise by one; where they fall a branch was replaced. What stands by the rule of the
    SPEC is what the chain holds.
    """
    log, met = blocks(vault), lines(vault)
    standing: dict[int, str] = {}
    for before, row in zip([None, *log], log, strict=False):
        if before is not None and row["height"] != before["height"] + 1:
            assert row["height"] <= before["height"]
            assert row["generation"] == before["generation"] + 1
        standing = {height: name for height, name in standing.items() if height < row["height"]}
        standing[row["height"]] = row["hash"]
    assert list(standing) == list(range(min(standing), max(standing) + 1))
    wanted = {}
    for row in log:
        stale = chain.block(row["height"])["id"] != row["hash"]
        made = chain.transactions(row["height"], stale=stale)
        large = [one for at, tx in enumerate(made) if (one := transfer_row(tx, at)).sent >= least]
        assert row["transfers"] == len(large)
        wanted.update({(row["hash"], one.place): one for one in large})
    found = {(row["block"], row["index"]): row for row in met}
    assert len(found) == len(met)  # each once
    unfinished = {row["block"] for row in met} - {row["hash"] for row in log}
    assert len(unfinished) <= 1
    for place, one in wanted.items():
        amounts = (str(one.sent), str(one.returned), str(one.fee))
        row = found[place]
        assert (row["sent_sat"], row["returned_sat"], row["fee_sat"]) == amounts
    assert {place for place in found if place[0] not in unfinished} == set(wanted)
    return len(wanted)


def put(vault: Vault) -> None:
    """Record some blocks through a reorganisation."""
    with serving(TWELFTH) as desk:
        made = ChainRecorder(vault, MempoolSpace(desk.url, limit_factor=10_000), LEAST)
        for height in (TWELFTH, TWELFTH + 1):
            desk.now = chain.found_ms(height)
            while made.step():
                pass
        made.close()
