"""Fetches missing trades again and puts each where it belongs; calculators then rebuild.

It asks for the ids that the gap ledger calls open, and for every gap in the files that the ledger
does not know. While the trade exporter runs, the exporter does the writing, between two appends.
Exit code 1 if ids are still missing that the exchange may have.
"""

if __name__ == "__main__":
    exec(__import__("pathlib").Path(__file__, "../../scripts/begin.py").resolve().read_bytes())

import argparse
import logging
import sys
import time
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import orjson

from ravequant import cli, exchanges, settings, tables
from ravequant.catalog import TRADES
from ravequant.errors import DONE, FAILED, FeedError, LockedError, NoDataError, RaveQuantError
from ravequant.exchanges.base import PageLimits, RestClient
from ravequant.vault import trade_repair
from ravequant.vault.imports import hand_over
from ravequant.vault.lock import writer_lock
from ravequant.vault.paths import Vault, held, instruments
from ravequant.vault.set_aside import set_aside
from scripts.audit.day_certificate import forget
from scripts.audit.day_moves import plan_moves
from scripts.audit.gap_plan import RepairPlan, fetch, judged, look

PROGRAM: Final = "repair_gaps"
HEADERS: Final = ("instId", "holes", "asked for", "repaired", "id holes", "lost", "still open")
MOVED: Final = (
    "%s: a record ahead of its time had opened the file of %s: %d records are moved to the files "
    "of their days; calculators rebuild at their next run"
)
_LOOK_AGAIN_S: Final = 0.2
_log = logging.getLogger(PROGRAM)


def parser() -> argparse.ArgumentParser:
    """Return the options of the command."""
    made = cli.parser(PROGRAM, "Fetch missing trades again and put each where it belongs.")
    cli.add_instruments(made)
    made.add_argument("--rest-url", metavar="URL", help="default: okx.rest_url of the settings")
    text = "ask X times as often as OKX allows; for an exchange in a box that allows it"
    made.add_argument("--rest-limit-factor", type=cli.factor, default=1.0, metavar="X", help=text)
    text = "a hole stays open after S seconds without an answer of use (default: 30)"
    made.add_argument("--patience", type=cli.seconds, default=30.0, metavar="S", help=text)
    text = "instead: keep this instrument's stream in set_aside/, and begin a new one"
    made.add_argument("--set-aside", metavar="INSTID", help=text)
    text = "how long a running exporter may take (default: 60)"
    made.add_argument("--wait", type=cli.seconds, default=60.0, metavar="S", help=text)
    return made


def repair(
    vault: Vault,
    inst_id: str,
    rest: RestClient,
    *,
    pages: PageLimits,
    patience_s: float,
    wait_s: float,
) -> dict[str, Any]:
    """Repair one instrument; return the ids asked for, by their status."""
    with writer_lock(vault, trade_repair.METRIC, inst_id):
        if trade_repair.is_noted(vault, inst_id):
            _log.info("%s: an earlier repair was not finished; it is taken up", inst_id)
            carry_out(vault, inst_id, wait_s)
        hand_over.carry_out(vault, inst_id, wait_s)  # of an import that was stopped
        found, gaps, asked_for = look(vault, inst_id), 0, 0
        while (moves := plan_moves(vault, inst_id, found.days)) is not None:
            trade_repair.note(vault, moves)
            carry_out(vault, inst_id, wait_s)
            key = moves.moves[0].key
            _log.warning(MOVED, inst_id, key, found.days[key].misfiled)
            forget(vault, inst_id, key)
            found = look(vault, inst_id)
        plan = RepairPlan(vault, inst_id, found)
        history = judged(partial(rest.history_trades, inst_id), _exchange_ms(rest))
        for missing in found.missing:
            for gap in found.wanted(missing):
                _log.info("%s: asking for ids %d to %d", inst_id, gap.from_id, gap.to_id)
                gaps, asked_for = gaps + 1, asked_for + gap.missing
                came = fetch(
                    history,
                    gap,
                    missing.before.ts,
                    found.newest_ts,
                    pages=pages,
                    patience_s=patience_s,
                )
                plan.add(missing, came)
        planned = plan.repair()
        if planned is not None:
            trade_repair.note(vault, planned)
            carry_out(vault, inst_id, wait_s)
            text = (
                "%s: %d records put in, repair generation %d: calculators rebuild at their next run"
            )
            _log.info(text, inst_id, plan.records, planned.generation)
    ids = {
        "repaired": plan.ids["repaired"],
        "id_holes": plan.ids["id_hole"],
        "unrecoverable": plan.ids["unrecoverable"],
        "open": plan.ids["open"],
    }
    return {"instId": inst_id, "holes": gaps, "asked": asked_for, **ids, "records": plan.records}


def _exchange_ms(rest: RestClient) -> int | None:
    try:
        return rest.server_time()
    except FeedError as error:
        _log.warning("the exchange's time cannot be had: %s", error)
        return None


def carry_out(vault: Vault, inst_id: str, wait_s: float) -> None:
    """Finish the repair that is noted, or let the exporter do it that holds the log.

    If the exporter ends meanwhile, the repair is done here. Raises LockedError if the exporter
    does not take it in time, or cannot; the repair stays noted for the next run, since a part of
    it may be done.
    """
    deadline = time.monotonic() + wait_s
    while trade_repair.is_noted(vault, inst_id):
        try:
            with writer_lock(vault, TRADES.stream, inst_id):
                trade_repair.finish(vault, inst_id)
                return
        except LockedError as error:
            held = error
        if trade_repair.too_large(vault, inst_id):
            raise LockedError(
                f"{held}. This repair is not one for a running exporter: stop it, then run "
                "repair_gaps again; what is planned is kept"
            )
        if time.monotonic() >= deadline:
            raise LockedError(
                f"{held}. It did not carry out the repair within {wait_s:g} s, its log may say "
                "why. Stop it, then run repair_gaps again"
            )
        time.sleep(_LOOK_AGAIN_S)


def cells(facts: dict[str, Any]) -> list[str]:
    """Return a row of the table."""
    return [facts["instId"], *(f"{facts[name]:,}" for name in list(facts)[1:-1])]


def body(args: argparse.Namespace) -> int:
    """Repair each instrument and print the result; a failure stops no other instrument."""
    chosen, vault = settings.load(), cli.vault_of(args)
    if args.set_aside:
        target = set_aside(vault, args.set_aside)
        _log.info("%s: its stream is kept in %s", args.set_aside, target)
        return DONE
    there = instruments(vault.trades)
    if not set(args.inst_ids or there) & set(there):
        raise NoDataError(
            f"no raw trades of {', '.join(args.inst_ids or ['any instrument'])} in {vault.root}; "
            f"start the trade exporter, or name another vault with --vault{held(vault.trades)}"
        )
    names = cli.instruments_of(args, there)
    url = args.rest_url or chosen.okx.addresses()[1]
    exchange = exchanges.load(vault.exchange)
    rest = exchange.rest(url, attempts=3, limit_factor=args.rest_limit_factor)
    rows, code = [], DONE
    for inst_id in names:
        try:
            facts = repair(
                vault,
                inst_id,
                rest,
                pages=exchange.pages,
                patience_s=args.patience,
                wait_s=args.wait,
            )
            rows.append(facts)
        except RaveQuantError as error:
            cli.report(PROGRAM, error)
            code = code or error.exit_code
    if args.json:
        sys.stdout.writelines(orjson.dumps(row).decode() + "\n" for row in rows)
    elif rows:
        tables.write(HEADERS, [cells(row) for row in rows])
    return code or (FAILED if any(row["open"] for row in rows) else DONE)


def main(argv: Sequence[str] | None = None) -> int:
    """Repair; return the exit code."""
    return cli.run(parser(), body, argv)


if __name__ == "__main__":
    sys.exit(main())
