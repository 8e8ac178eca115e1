"""Recomputes months of many instruments at once, on several processes or a Dask cluster.

The same folds and files as those of the calculators, which go on from what this leaves.
"""

if __name__ == "__main__":
    exec(__import__("pathlib").Path(__file__, "../../scripts/begin.py").resolve().read_bytes())

import argparse
import sys
from collections.abc import Sequence

import orjson

from ravequant import cli
from ravequant.errors import DONE, RaveQuantError
from scripts.batch.executors import engine_of
from scripts.batch.jobs import Outcome
from scripts.batch.options import add_options, tasks_of
from scripts.batch.scheduler import Drive, Totals
from scripts.batch.storage import Remote

PROGRAM = "recompute"


def parser() -> argparse.ArgumentParser:
    """Return the options of the command."""
    made = cli.parser(PROGRAM, (__doc__ or "").partition("\n")[0])
    add_options(made)
    return made


def body(args: argparse.Namespace) -> int:
    """Recompute and say what was done."""
    tasks = tasks_of(args)
    codes: list[int] = []

    def told(outcome: Outcome) -> None:
        codes.append(outcome.code)
        _show(outcome, as_json=args.json)

    places = tasks[0].source, tasks[0].target
    shared = not any(isinstance(one, Remote) and one.url.startswith("memory:") for one in places)
    engine = engine_of(args.engine, args.scheduler, args.workers, shared=shared)
    try:
        totals = Drive(engine, told).run(tasks)
    finally:
        engine.close()
    _show_totals(totals, args.engine, engine.width, as_json=args.json)
    return next(filter(None, codes), DONE)


def _show(outcome: Outcome, *, as_json: bool) -> None:
    if outcome.error:
        cli.report(PROGRAM, RaveQuantError(outcome.error))
    elif as_json:
        sys.stdout.write(orjson.dumps(outcome.facts).decode() + "\n")
    else:
        newest = outcome.facts.get("newest_utc") or "nothing new"
        records = outcome.facts["records"]
        print(f"{outcome.metric} {outcome.inst_id}: {records:,} new records, {newest}")
    sys.stdout.flush()


def _show_totals(totals: Totals, engine: str, width: int, *, as_json: bool) -> None:
    facts = totals.facts(engine, width)
    if as_json:
        sys.stdout.write(orjson.dumps(facts).decode() + "\n")
    else:
        print(f"{totals.outputs} outputs, {totals.failed} failed, {totals.parts} parts read "
              f"({totals.parts_kept} kept), {totals.wall_s:.1f} s with {width} workers, "
              f"{totals.cpu_s:.1f} s CPU, {facts['idle_share']:.0%} idle")  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Recompute; the exit code."""
    return cli.run(parser(), body, argv)


if __name__ == "__main__":
    sys.exit(main())
