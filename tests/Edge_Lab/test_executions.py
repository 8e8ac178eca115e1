"""The 18 executions: which they are, and that a changed setting has another name."""

from typing import Any

import pytest

from Edge_Lab.executions import executions
from Edge_Lab.families import EXITS, ExitChoice
from ravequant import exact, settings, settings_schema
from ravequant.settings import BPS, Settings


def ids(chosen=None):
    """Return the names of the executions of some settings."""
    return [one.exec_id for one in executions(chosen or Settings())]


def test_eighteen_ways():
    """The default first; 15 other exits at its latency, then two latencies with its exit."""
    made = executions(Settings())
    assert len({one.exec_id for one in made}) == len(made) == 18
    assert [one.default for one in made] == [True] + [False] * 17
    assert [one.exit for one in made] == [*EXITS, EXITS[0], EXITS[0]]
    assert EXITS[0] == ExitChoice("1", None)
    assert EXITS[-1] == ExitChoice("10", "40")
    assert [one.rules.latency_ms for one in made] == [10_000] * 16 + [500, 60_000]


def test_the_rules_are_those_of_the_settings(tmp_path):
    """Each key of [edge], and the fees and the reach of [signals]."""
    path = tmp_path / "ravequant.toml"
    path.write_text(
        '[edge]\nlatency_ms = 1\nstop_arm_ms = 2\nstop_latency_ms = 3\nhold_max_min = 4\n'
        'slippage_bps = "5"\nfunding_bps = "6"\ntarget_order = "maker"\nplacebos = 7\n'
        '[signals]\nmaker_bps = "8"\ntaker_bps = "9"\nreach_bps = "10"\n',
        encoding="utf-8",
    )  # fmt: skip
    rules = executions(settings.load(path))[0].rules
    assert (rules.latency_ms, rules.placebos, rules.reach_bps) == (1, 7, 10 * exact.SIZE_ONE)
    exits = rules.exits
    assert (exits.stop_arm_ms, exits.stop_latency_ms, exits.hold_max_min) == (2, 3, 4)
    assert exits.target_order == "maker"
    assert [
        value // exact.SIZE_ONE
        for value in (exits.slippage_bps, exits.funding_bps, exits.maker_bps, exits.taker_bps)
    ] == [5, 6, 8, 9]


@pytest.mark.parametrize(
    ("table", "key", "value"),
    [
        ("edge", "latency_ms", 10_001),
        ("edge", "size_usd", settings.NOTIONAL.parse("1001", "size_usd")),
        ("signals", "maker_bps", BPS.parse("2.1", "maker_bps")),
        ("signals", "surrounding_minutes", 11),
        ("buckets", "confirm_s", 31),
        ("volume", "min_records", 21),
        ("vwap", "extended_bps", BPS.parse("51", "extended_bps")),
        ("bars", "whale_notional", settings.NOTIONAL.parse("1", "whale_notional")),
        ("l2", "depth_levels", 399),
    ],
)
def test_a_changed_setting_has_another_name(table, key, value):
    """No trial of an old setting can answer for a new one."""
    chosen = Settings()
    changed = chosen._replace(**{table: getattr(chosen, table)._replace(**{key: value})})
    same = set(ids()) & set(ids(changed))
    assert len(same) == (2 if key == "latency_ms" else 0)  # those at latencies of their own


def test_a_number_is_one_however_it_is_written():
    """The days that were judged under the one spelling stand under the other."""
    usual: dict[str, Any] = {
        "signals": {"reach_bps": "500.0", "imbalance": "0.7",
                    "wall_notional": {"default": "2000000.00"}},
        "edge": {"size_usd": "1000.000"},
        "buckets": {"delta_ratio": "0.1"},
    }  # fmt: skip
    near: list[dict[str, Any]] = [{"signals": {"reach_bps": text}} for text in ("400", "400.0")]
    one, same, default = (settings_schema.build(Settings, each) for each in (*near, usual))
    assert ids(one) == ids(same) != ids(default) == ids()


def test_the_names_of_the_usual_settings():
    """They stand in vaults, so that they must not change by a version that judges the same."""
    assert ids()[:2] == ["f36a87f46ee0", "8bcadb96b9b8"]


def test_what_bears_on_no_result_keeps_the_name():
    """Where programs listen, and how much a person stakes, changes no trial."""
    chosen = Settings()
    other = chosen._replace(
        instruments=("X-Y-SWAP",), signals=chosen.signals._replace(max_rule="notes")
    )
    assert ids(other) == ids()
