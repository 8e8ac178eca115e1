"""One screen: is everything well with this computer, the vault and its programs? PASS, WARN, FAIL.

Exit code 1 if anything failed. Nothing is changed; nothing is posted without ``--post``.
"""

if __name__ == "__main__":
    exec(__import__("pathlib").Path(__file__, "../../scripts/begin.py").resolve().read_bytes())

import argparse
import logging
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Final

import orjson

from ravequant import cli, exchanges, times
from ravequant.errors import DONE, FAILED, RaveQuantError, shown
from ravequant.vault import heartbeat
from ravequant.vault.paths import Vault
from scripts.checks import computer, imports, programs, service
from scripts.checks import vault as inside
from scripts.checks.computer import Check

PROGRAM: Final = "doctor"
_STEP_S: Final = 1.0
_COMMAND: Final = re.compile(r"python (?!scripts/(?:environment|settings)\.py)[\w/]+\.py")
Look = Callable[[], Check | Iterable[Check]]


def parser() -> argparse.ArgumentParser:
    """Return the options of the command."""
    made = cli.parser(PROGRAM, "Look at everything once: PASS, WARN or FAIL, with the remedy.")
    cli.add_instruments(made)
    made.add_argument("--rest-url", metavar="URL", help="default: okx.rest_url of the settings")
    made.add_argument("--offline", action="store_true", help="do not ask the exchange")
    text = 'send the test message "RaveQuant can reach you" to Discord'
    made.add_argument("--post", action="store_true", help=text)
    text = "then watch for S seconds whether records come"
    made.add_argument("--live", type=cli.seconds, default=0.0, metavar="S", help=text)
    return made


def looks(args: argparse.Namespace, vault: Vault) -> Iterator[Check]:
    """Yield every check; a check that cannot be made is a failure of its own."""
    now = times.utc_now_ms()
    chosen, found = computer.chosen_settings()
    yield from computer.python()
    yield found
    yield computer.discord(chosen, post=args.post)
    yield computer.terminal()
    yield from _made("service", service.start)
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
        yield from _made("clock", partial(programs.clock, vault, now))
    yield from _made("disk", partial(computer.disk, vault, chosen, now))
    yield from _made("exporters", partial(programs.exporters, vault, now))
    yield from _made("run_all", partial(programs.run_all, vault, now))
    yield from _made("alerts", partial(programs.alerts, vault, now))
    yield from _made("code", partial(programs.code, vault, now))
    yield from _made("lab", partial(inside.lab, vault, now))
    for inst_id in cli.instruments_of(args, chosen.instruments):
        for name, look in (
            ("records", partial(inside.records, vault, inst_id, now)),
            ("lines", partial(inside.last_hour, vault, inst_id, now)),
            ("holes", partial(inside.open_gaps, vault, inst_id)),
            ("imports", partial(imports.imports, vault, inst_id)),
            ("metadata", partial(inside.contract, vault, inst_id, now, rest)),
            ("sleep", partial(inside.asleep, vault, inst_id, now)),
        ):
            yield from _made(f"{name} {inst_id}", look)
    if args.live:
        inst_ids = cli.instruments_of(args, chosen.instruments)
        yield from _made("live", partial(watch, vault, inst_ids, args.live))


def _made(name: str, look: Look) -> Iterator[Check]:
    try:
        found = look()
        yield from [found] if isinstance(found, Check) else found
    except (RaveQuantError, OSError) as error:
        yield Check(name, "FAIL", str(error), "mend that file, then look again")
    except Exception as error:  # noqa: BLE001 - a bad file does not stop the other checks
        text = f"cannot be looked at: {type(error).__name__}: {error}"
        yield Check(name, "FAIL", text, "python scripts/verify_vault.py names the bad file")


def watch(vault: Vault, inst_ids: Sequence[str], span_s: float) -> Iterator[Check]:
    """Check for a while that records come and heartbeats go on."""
    before = {
        (stream, inst_id): inside.newest_raw(vault, stream, inst_id)
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
        newest = inside.newest_raw(vault, stream, inst_id)
        name = f"live {stream} {inst_id}"
        if newest is None or newest == earlier:
            yield Check(name, "FAIL", f"no new record in {span_s:g} s", "see its exporter's log")
        else:
            yield Check(name, "PASS", f"newest record {times.iso(newest)}")


def body(args: argparse.Namespace) -> int:
    """Make all checks and print them."""
    logging.getLogger().setLevel(logging.ERROR)  # the table holds all that matters
    vault, found = cli.vault_of(args), list[Check]()
    for made in looks(args, vault):
        named = args.vault is not None
        check = replace(made, remedy=_for_vault(made.remedy, vault)) if named else made
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


def _for_vault(remedy: str, vault: Vault) -> str:
    """Return a remedy whose commands name the vault."""
    return _COMMAND.sub(lambda met: f"{met[0]}{vault.option}", remedy)


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
