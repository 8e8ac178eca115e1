"""The name of a query: two answers under one name were found by the same rules (SPEC 11). Pure.

It covers the arguments of the query and every setting that decides which wicks are signals, their
evidence, and their prices. Settings that only size a signal are left out: the edge lab counts them
among those of an outcome.
"""

from typing import Final

from ravequant.settings_schema import canonical
from ravequant.signals.candidates import Query
from ravequant.signals.limits import SignalLimits
from ravequant.vault.setting_id import setting_id

# no wick becomes a signal by these, and none of its prices: the fees and the sizes of a trade
OF_SIZES: Final = frozenset(
    {"maker_bps", "taker_bps", "break_even_max_pct", "max_rule", "size_by_verdict"}
)


def query_id(query: Query, limits: SignalLimits) -> str:
    """Return the name of a query under these limits, the same for each instrument."""
    signals = canonical(limits)
    buckets = {"confirm_s": limits.young_from_s, "young_s": limits.young_to_s}
    return setting_id(
        {
            "query": query._asdict(),
            "signals": {name: signals[name] for name in signals.keys() - OF_SIZES},
            "buckets": buckets,
        }
    )
