"""One screen: is everything well with this computer, the vault and its programs? PASS, WARN, FAIL.

Exit code 1 if anything failed. Nothing is changed; nothing is posted without ``--post``.
"""

if __name__ == "__main__":
    exec(__import__("pathlib").Path(__file__, "../../scripts/begin.py").resolve().read_bytes())

import argparse
import logging
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any, Final, TypeVar

import orjson

from ravequant import cli, exchanges, times
from ravequant.checks import disk, programs, records
from ravequant.checks.check import Check, made
from ravequant.errors import DONE, FAILED, shown
from ravequant.vault import heartbeat
from ravequant.vault.paths import Vault
from scripts.checks import computer, imports, service
from scripts.checks import vault as inside

PROGRAM: Final = "doctor"
_STEP_S: Final = 1.0
_Found = TypeVar("_Found")  # a check, or some


def parser() -> argparse.ArgumentParser:
    """Return the options of the command."""
    options = cli.parser(PROGRAM, "Look at everything once: PASS, WARN or FAIL, with the remedy.")
    cli.add_instruments(options)
    options.add_argument("--rest-url", metavar="URL", help="default: okx.rest_url of the settings")
    options.add_argument("--offline", action="store_true", help="do not ask the exchange")
    text = 'send the test message "RaveQuant can reach you" to Discord'
    options.add_argument("--post", action="store_true", help=text)
    text = "then watch for S seconds whether records come"
    options.add_argument("--live", type=cli.seconds, default=0.0, metavar="S", help=text)
    return options


def looks(args: argparse.Namespace, vault: Vault) -> Iterator[Check]:
    """Yield every check; a check that cannot be made is a failure of its own."""
    chosen, found = computer.chosen_settings()
    yield from computer.python()
    yield found
    yield computer.discord(chosen, post=args.post)
    yield computer.terminal()
    yield from made("service", service.start)
    usable = computer.vault_usable(vault)
    yield usable
    rest = None
    if not args.offline:
        url = args.rest_url or chosen.okx.addresses()[1]
        rest = exchanges.load(vault.exchange).rest(url, attempts=1)
        yield computer.clock(rest)
    if not vault.root.is_dir():
        return
    if args.offline:
        yield from made("clock", partial(_now, computer.measured_clock, vault))
    yield from made("disk", partial(_now, disk.disk, vault, chosen))
    yield from made("exporters", partial(_now, programs.exporters, vault))
    yield from made("extras", partial(_now, programs.extras, vault))
    yield from made("run_all", partial(_now, programs.run_all, vault))
    yield from made("dashboard", partial(_now, programs.screen, vault))
    yield from made("alerts", partial(_now, programs.alerts, vault))
    yield from made("code", partial(_now, programs.code, vault))
    yield from made("lab", partial(_now, inside.lab, vault))
    for inst_id in cli.instruments_of(args, chosen.instruments):
        for name, look in (
            ("records", partial(_now, records.records, vault, inst_id)),
            ("lines", partial(_now, inside.last_hour, vault, inst_id)),
            ("holes", partial(inside.open_gaps, vault, inst_id)),
            ("imports", partial(imports.imports, vault, inst_id)),
            ("metadata", partial(_now, inside.contract, vault, inst_id, rest=rest)),
            ("sleep", partial(_now, inside.asleep, vault, inst_id)),
        ):
            yield from made(f"{name} {inst_id}", look)
    if args.live:
        inst_ids = cli.instruments_of(args, chosen.instruments)
        yield from made("live", partial(watch, vault, inst_ids, args.live))


def _now(look: Callable[..., _Found], *words: Any, **more: Any) -> _Found:
    """Make a check as of this moment: those before it may have waited for a network."""
    return look(*words, times.utc_now_ms(), **more)


def watch(vault: Vault, inst_ids: Sequence[str], span_s: float) -> Iterator[Check]:
    """Check for a while that records come and heartbeats go on."""
    before = {
        (stream, inst_id): records.newest_raw(vault, stream, inst_id)
        for inst_id in inst_ids
        for stream in ("trades", "l2")
    }
    pids: dict[str, set[str]] = {name: set() for name in programs.STREAMS}
    end = time.monotonic() + span_s
    while time.monotonic() < end:
        for name, met in pids.items():
            beat = heartbeat.read(vault, name)
            if heartbeat.alive(beat, times.utc_now_ms()) and beat is not None:
                met.add(shown(beat.get("pid")))
        time.sleep(min(_STEP_S, max(0.0, end - time.monotonic())))
    for name, met in pids.items():
        if len(met) > 1:
            text = f"{len(met)} of them write its heartbeat: pids {', '.join(sorted(met))}"
            yield Check(f"live {name}", "FAIL", text, "stop all but one")
    for (stream, inst_id), earlier in before.items():
        newest = records.newest_raw(vault, stream, inst_id)
        name = f"live {stream} {inst_id}"
        if newest is None or newest == earlier:
            yield Check(name, "FAIL", f"no new record in {span_s:g} s", "see its exporter's log")
        else:
            yield Check(name, "PASS", f"newest record {times.iso(newest)}")


def body(args: argparse.Namespace) -> int:
    """Make all checks and print them."""
    logging.getLogger().setLevel(logging.ERROR)  # the table holds all that matters
    vault, found = cli.vault_of(args), list[Check]()
    for look in looks(args, vault):
        check = look if args.vault is None else look.naming(vault)
        found.append(check)
        if not args.json:
            _show(check)
    failed = sum(check.level == "FAIL" for check in found)
    if args.json:
        facts = {"healthy": not failed, "checks": [asdict(check) for check in found]}
        sys.stdout.write(orjson.dumps(facts).decode() + "\n")
    else:
        bad = [check for check in found if check.level != "PASS"]
        names = f": {', '.join(check.name for check in bad)}" if bad else ""
        count = f"{len(found)} checks: {failed} FAIL, {len(bad) - failed} WARN"
        sys.stdout.write(f"\n{count}{names}\n")
    return FAILED if failed else DONE


def _show(check: Check) -> None:
    sys.stdout.write(f"{check.level}  {check.name:<32}  {check.text}\n")
    if check.remedy:
        sys.stdout.write(f"{'':6}{'':32}  -> {check.remedy}\n")
    sys.stdout.flush()


def main(argv: Sequence[str] | None = None) -> int:
    """Make all checks; return the exit code."""
    return cli.run(parser(), body, argv)


if __name__ == "__main__":
    sys.exit(main())
