"""Records large transfers of bitcoin from confirmed blocks; off until the settings name a node."""

if __name__ == "__main__":
    exec(__import__("pathlib").Path(__file__, "../../scripts/begin.py").resolve().read_bytes())

import argparse
import logging
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final

from Context_Bot.chain_recorder import ChainRecorder
from ravequant import catalog, cli, settings
from ravequant.errors import DONE, RaveQuantError, VaultError
from ravequant.exchanges.mempool_space import MempoolSpace
from ravequant.exchanges.recorder_options import add_flags
from ravequant.processes.lifeline import on_stop
from ravequant.vault.heartbeat import Heartbeat
from ravequant.vault.lock import writer_lock
from ravequant.vault.paths import ON_CHAIN, TRANSFERS, Vault

PROGRAM: Final = catalog.BTC_TRANSFERS_RECORDER.name
_LOOK_EVERY_S: Final = 30.0  # for a new block: one comes in ten minutes or so
_HEARTBEAT_S: Final = 5.0
_END_WITHIN_S: Final = 20.0  # an answer that is under way
_OFF: Final = "off: btc_transfers.url is empty; set it to https://mempool.space in the settings"
_log = logging.getLogger(PROGRAM)


class TransfersFollower:
    """Follows the chain in a thread of its own until it is stopped."""

    def __init__(self, vault: Vault, rest: MempoolSpace, least_sat: int, look_s: float) -> None:
        self._vault, self._rest, self._least, self._look_s = vault, rest, least_sat, look_s
        self.stop = threading.Event()
        self.problem: str | None = None
        self._recorder: ChainRecorder | None = ChainRecorder(vault, rest, least_sat)
        self._facts: dict[str, Any] = self._recorder.facts()
        self._thread = threading.Thread(target=self._follow, name="chain", daemon=True)

    def facts(self) -> dict[str, Any]:
        """Return the state as it stands in the heartbeat."""
        return {"problem": self.problem, "instruments": {ON_CHAIN: self._facts}}

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def end(self) -> None:
        """Stop, wait for the block that is being written, and close the files; VaultError."""
        self.stop.set()
        self._rest.close()
        self._thread.join(_END_WITHIN_S)
        if self._recorder is not None and not self._thread.is_alive():
            self._recorder.close()

    def _follow(self) -> None:
        while not self.stop.is_set():
            found = False
            try:
                self._recorder = self._recorder or ChainRecorder(
                    self._vault, self._rest, self._least
                )
                found = self._recorder.step()
                self._facts, self.problem = self._recorder.facts(), None
            except RaveQuantError as error:
                self._fail(error)
            if not found:
                self.stop.wait(self._look_s)

    def _fail(self, error: RaveQuantError) -> None:
        if self.stop.is_set():
            return  # the client was closed
        if str(error) != self.problem:
            _log.error("%s", error)
        self.problem = str(error)
        if isinstance(error, VaultError) and self._recorder is not None:
            with suppress(VaultError):
                self._recorder.close()
            self._recorder = None  # the next recorder reads the disk


def parser() -> argparse.ArgumentParser:
    """Return the options of the command."""
    made = cli.parser(PROGRAM, __doc__ or "")
    add_flags(
        made,
        (
            ("--log-file", cli.path_arg, None, "FILE", "the log (default: beside the program)"),
            ("--url", str, None, "URL", "default: btc_transfers.url of the settings"),
            ("--max-seconds", cli.seconds, 0.0, "S", "stop after S seconds; 0 (default): never"),
            ("--rest-limit-factor", cli.factor, 1.0, "X", "ask X times a second; for a box"),
        ),
    )
    return made


def body(args: argparse.Namespace) -> int:
    """Run the recorder with the parsed arguments."""
    chosen, vault = settings.load().btc_transfers, cli.vault_of(args)
    logging.getLogger("urllib3").setLevel(logging.WARNING)
    url, beat = args.url or chosen.url, Heartbeat(vault, PROGRAM)
    if not url:
        _log.info(_OFF)
        beat.write({"problem": _OFF, "stopped": True})
        return DONE
    rest = MempoolSpace(url, limit_factor=args.rest_limit_factor)
    with writer_lock(vault, TRANSFERS, ON_CHAIN):
        look_s = _LOOK_EVERY_S / args.rest_limit_factor
        follower = TransfersFollower(vault, rest, chosen.min_btc, look_s)
        ends_at = time.monotonic() + args.max_seconds if args.max_seconds else None
        asked = SimpleQueue[None]()  # unlike an event, safe to use in the handler of a signal
        with on_stop(lambda: asked.put(None)):
            follower.start()
            while ends_at is None or time.monotonic() < ends_at:
                beat.write(follower.facts())
                left = _HEARTBEAT_S if ends_at is None else ends_at - time.monotonic()
                with suppress(Empty):
                    asked.get(timeout=max(0.0, min(_HEARTBEAT_S, left)))
                    break
        try:
            follower.end()
        finally:
            beat.write({**follower.facts(), "stopped": True})
    _log.info("stopped: %s", follower.facts()["instruments"][ON_CHAIN])
    return DONE


def main(argv: Sequence[str] | None = None) -> int:
    """Record large transfers; return the exit code."""
    return cli.run(parser(), body, argv, log_file=Path(__file__).with_suffix(".log"))


if __name__ == "__main__":
    sys.exit(main())
