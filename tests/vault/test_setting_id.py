"""The names of settings: by their meaning, whatever order they come in, and never of floats."""

import pytest

from ravequant.vault.setting_id import canonical_json, refuse_floats, setting_id

SETTINGS = {
    "wall_notional": None,
    "reach_bps": "500",
    "min_touched": 10,
    "latency_ms": 10000,
    "hold_max_min": 60,
    "fill": "queue",
    "age_min": 20,
    "age_max": 40,
}


def test_the_worked_name_of_settings():
    """The example, whatever order the keys came in."""
    text = canonical_json(SETTINGS)
    assert text.startswith('{"age_max":40,"age_min":20,"fill":"queue","hold_max_min":60,')
    assert setting_id(SETTINGS) == "8b5096857f9b"
    assert setting_id(dict(reversed(SETTINGS.items()))) == "8b5096857f9b"


@pytest.mark.parametrize("value", [0.5, {"a": [1, {"b": 1.0}]}, ("x", float("nan"))])
def test_a_binary_float_has_no_name(value):
    """Decimals are text: a float would be written differently elsewhere."""
    with pytest.raises(ValueError, match="is a binary float; write a decimal as text"):
        canonical_json(value)


def test_keys_are_texts():
    """A number as a key would become text and no longer be one."""
    with pytest.raises(ValueError, match="1 is a key and no text"):
        canonical_json({1: "a"})


def test_what_is_no_float_passes():
    """Whole numbers, truth, nothing and text, in lists and tables."""
    refuse_floats({"a": [1, True, None, "0.5", {"b": ()}]})
