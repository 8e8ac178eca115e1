"""Lines of trials as a judged day holds them, drawn from seeds: without an edge, or with one."""

import random
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from Edge_Lab.executions import Execution, executions
from Edge_Lab.exits import BPS
from Edge_Lab.families import FAMILIES, FILTERS, WickFilter, name_of
from Edge_Lab.fills import MODELS
from Edge_Lab.placebo import BIN_EDGES, KINDS
from Edge_Lab.trial_files import DayNote, write_day
from Edge_Lab.trial_ledger import canonical_json, setting_id
from ravequant import exact, times
from ravequant.settings import Settings
from ravequant.vault.paths import Vault
from tests.support.quick_disk import without_sync

BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"
TIP, STOP, TARGET = "100000", "100100", "99700"  # a SHORT: 10 bps to the stop, 30 to the target
FIRST_DAY = "2025-12-14"
PLANTED = -7.0  # net of a fill, bps, of a market without an edge


def day_of(number: int) -> str:
    """Return the UTC day ``number`` days after the first."""
    return times.day(times.day_start_ms(FIRST_DAY) + number * times.DAY_MS)


def day_lines(
    day: str,
    inst_id: str = BTC,
    *,
    trials: int = 40,
    edge: float = 0.0,
    of: str = "base",
    seed: int = 0,
    placebos: int = 20,
) -> list[dict[str, Any]]:
    """Return a day's lines by (A, event_id): ``edge`` bps more for the fills of a family or filter.

    Every line is in `base` and in the default filter, and in about a third of the other groups.
    """
    rng = random.Random(f"{day}|{inst_id}|{seed}")
    common = rng.gauss(0, 0.5)
    start = times.day_start_ms(day) // times.MINUTE_MS
    minutes = sorted(rng.sample(range(times.DAY_MINUTES), trials))
    return [
        _line(rng, inst_id, start + minute, _Drawn(common, edge, of, placebos))
        for minute in minutes
    ]


class _Drawn:
    """What the lines of a day have in common."""

    def __init__(self, common: float, edge: float, of: str, placebos: int) -> None:
        self.common, self.edge, self.of, self.placebos = common, edge, of, placebos


def _line(rng: random.Random, inst_id: str, minute: int, drawn: _Drawn) -> dict[str, Any]:
    families = [name for name in FAMILIES if name == "base" or rng.random() < 0.3]
    default = name_of(WickFilter())
    names = map(name_of, FILTERS)
    filters = [name for name in names if name == default or rng.random() < 0.3]
    status = rng.choices(("filled", "unfilled", "missed", "gap", "open"), (60, 20, 10, 5, 5))[0]
    more = drawn.edge * (drawn.of in {*families, *filters})
    started = minute * times.MINUTE_MS
    line: dict[str, Any] = {
        "event_id": f"{inst_id}|1m|{times.iso_minute(minute - 20)}|high",
        "A_utc": times.iso_minute(minute),
        "K_utc": times.iso(started + 5_200),
        "T0_utc": times.iso(started + 15_200),
        "X_utc": times.iso(started + (21 + 61) * times.MINUTE_MS),
        "instId": inst_id,
        "side": "SHORT",
        "entry": TIP,
        "stop": STOP,
        "target": TARGET,
        "distance_bps": "12.0000",
        "bin": rng.randrange(len(BIN_EDGES)),
        "status": status,
        "families": families,
        "filters": filters,
        "facts": {},
    }
    target = rng.random() < 0.25
    net = PLANTED + drawn.common + more + (30 if target else -10) + rng.gauss(0, 0.5)
    for model, better in zip(MODELS, (0.5, 0.0, -0.5), strict=True):
        line[model] = None
        if status == "filled" and (model != "through" or rng.random() < 0.9):
            line[model] = _result(rng, started, net + better, target=target)
    rested = status in {"filled", "unfilled"}
    line["placebo"] = _placebos(rng, drawn) if rested else {}
    return line


def _result(rng: random.Random, started: int, net: float, *, target: bool) -> dict[str, Any]:
    filled = started + rng.randint(20_000, 20 * times.MINUTE_MS)
    life = rng.randint(1_000, 30 * times.MINUTE_MS)
    units = round(net * BPS)
    return {
        "fill_utc": times.iso(filled),
        "exit_utc": times.iso(filled + life),
        "exit": "target" if target else "stop",
        "exit_price": TARGET if target else STOP,
        "gross_bps": exact.fixed(units + 7 * BPS, 4),
        "net_bps": exact.fixed(units, 4),
        "net_r": exact.fixed(units // 17, 4),
        "mae_bps": "1.0000",
        "mfe_bps": "1.0000",
        "overshoot_bps": "0.0000",
        "funding_bps": "0.0000",
        "life_s": exact.fixed(life, 3),
        "depth": "book",
        "queue_known": rng.random() < 0.95,
    }


def _placebos(rng: random.Random, drawn: _Drawn) -> dict[str, Any]:
    part: dict[str, Any] = {}
    for kind in KINDS:
        part[kind] = {}
        single: list[int | None] = []
        for model in MODELS:
            rows: dict[int, list[int]] = {}
            for _ in range(drawn.placebos):
                number = rng.randrange(len(BIN_EDGES))
                row = rows.setdefault(number, [number, 0, 0, 0, 0])
                row[1] += 1
                net = None
                if rng.random() < 0.6:
                    gross = 30 if rng.random() < 0.25 else -10
                    net = round((PLANTED + drawn.common + gross) * BPS)
                    row[2:] = [row[2] + 1, row[3] + net, row[4] + net**2]
                if (kind, model) == ("random", "queue"):
                    single.append(net)
            part[kind][model] = [rows[number] for number in sorted(rows)]
        if kind == "random":
            part["random_queue"] = single
    return part


def judge_days(
    vault: Vault,
    days: Iterable[str],
    *,
    instruments: Iterable[str] = (BTC, ETH),
    books: bool = True,
    whole: bool = False,
    **drawn: Any,
) -> None:
    """Write judged days under the settings' default execution, or under all 18 of them."""
    made = executions(Settings())[: None if whole else 1]
    with without_sync():
        _judge_days(vault, days, instruments, made, books=books, **drawn)


def _judge_days(
    vault: Vault,
    days: Iterable[str],
    instruments: Iterable[str],
    made: Sequence[Execution],
    *,
    books: bool,
    **drawn: Any,
) -> None:
    for inst_id in instruments:
        for day in days:
            lines = day_lines(day, inst_id, **drawn)
            data_id = setting_id({"day": day, "of": inst_id, "drawn": canonical_json(str(drawn))})
            note = DayNote(data_id, {}, books, f"{day}T23:59:59.999Z")
            write_day(vault, inst_id, day, note, [(made[0], lines), *_others(made[1:], lines)])


def _others(
    made: Iterable[Execution], lines: list[dict[str, Any]]
) -> Iterator[tuple[Execution, list[dict[str, Any]]]]:
    """Yield lines of the smaller executions: of families, with shifted placebos alone."""
    kept = [
        line | {"filters": [], "facts": {}, "placebo": _shifted(line["placebo"])} for line in lines
    ]
    for execution in made:
        yield execution, kept


def _shifted(placebo: dict[str, Any]) -> dict[str, Any]:
    return {kind: part for kind, part in placebo.items() if kind == "shifted"}
