"""How a trial is executed: the 18 ways that every day is judged in, and the name of each. Pure.

The plan at the settings' own stop and target, 15 other exits, and the plan at two other latencies.
An exec_id names every setting that bears on a result: a changed setting has another name, and with
it other trials.
"""

from dataclasses import dataclass, replace
from typing import Any, Final, Literal, cast

from Edge_Lab.exits import ExitRules
from Edge_Lab.families import EXITS, ExitChoice, WickFilter, default_filter
from Edge_Lab.lab_paths import LAB_VERSION
from Edge_Lab.trial_ledger import setting_id
from Edge_Lab.trials import TrialRules
from ravequant.settings import Settings
from ravequant.settings_schema import as_typed, canonical

LATENCIES_MS: Final = (500, 60_000)  # besides that of the settings; with the default exit
_BEARING: Final = ("bars", "vwap", "volume", "buckets", "signals", "edge")
# of [signals]: keys that bear on no trial's result
_OF_SIZE: Final = frozenset({"max_rule", "size_by_verdict", "break_even_max_pct"})


@dataclass(frozen=True, slots=True)
class Execution:
    """One way to execute the trials of a day."""

    exec_id: str
    settings: dict[str, Any]  # whose name it is; a decimal has one text
    rules: TrialRules
    exit: ExitChoice  # EXITS[0]: the stop and the target of the plan, as the settings make them
    default: bool = False  # all candidates, all kinds of placebo, and the facts

    @property
    def default_filter(self) -> WickFilter:
        """The filter of the query under its settings."""
        return default_filter(self.rules.reach_bps)


def executions(chosen: Settings) -> tuple[Execution, ...]:
    """Return the 18 executions of the settings, the default first."""
    own = chosen.edge.latency_ms
    default = _execution(chosen, EXITS[0], own, default=True)
    exits = (_execution(chosen, choice, own) for choice in EXITS[1:])
    return (default, *exits, *(_execution(chosen, EXITS[0], late) for late in LATENCIES_MS))


def _execution(
    chosen: Settings, choice: ExitChoice, latency_ms: int, *, default: bool = False
) -> Execution:
    tables = {table: _written(getattr(chosen, table)) for table in _BEARING}
    for key in _OF_SIZE:
        tables["signals"].pop(key, None)
    tables["edge"]["latency_ms"] = latency_ms
    settings = {
        "lab": LAB_VERSION,
        "part": "all" if default else "families",
        **tables,
        "depth_levels": chosen.l2.depth_levels,
        "exit": "plan" if choice == EXITS[0] else list(choice),
    }
    rules = replace(rules_of(chosen), latency_ms=latency_ms)
    return Execution(setting_id(settings), settings, rules, choice, default)


def _written(table: Any) -> dict[str, Any]:
    """Return a table of settings as it is named: a decimal has one text, however it was written.

    The values of the defaults keep the text of the defaults, and with it the name.
    """
    usual = table._field_defaults
    return {
        key: as_typed(usual[key]) if value == usual[key] else canonical(value)
        for key, value in table._asdict().items()
    }


def rules_of(chosen: Settings) -> TrialRules:
    """Return the rules of a trial as the settings have them."""
    edge, signals = chosen.edge, chosen.signals
    return TrialRules(
        latency_ms=edge.latency_ms,
        reach_bps=int(signals.reach_bps),
        placebos=edge.placebos,
        exits=ExitRules(
            stop_arm_ms=edge.stop_arm_ms,
            stop_latency_ms=edge.stop_latency_ms,
            hold_max_min=edge.hold_max_min,
            target_order=cast("Literal['taker', 'maker']", edge.target_order),
            maker_bps=int(signals.maker_bps),
            taker_bps=int(signals.taker_bps),
            slippage_bps=int(edge.slippage_bps),
            funding_bps=int(edge.funding_bps),
        ),
    )
