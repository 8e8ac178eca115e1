"""Errors: the exit code of each, and values of any size in a short message."""

import pytest

from ravequant import errors
from ravequant.errors import shown


@pytest.mark.parametrize(
    ("error", "code", "parents"),
    [
        (errors.RaveQuantError, 1, {errors.RaveQuantError}),
        (errors.FeedError, 1, {errors.RaveQuantError}),
        (errors.VaultError, 1, {errors.RaveQuantError}),
        (errors.UsageError, 2, {errors.RaveQuantError}),
        (errors.NoDataError, 3, {errors.RaveQuantError, errors.VaultError}),
        (errors.LockedError, 4, {errors.RaveQuantError, errors.VaultError}),
    ],
)
def test_each_error_has_its_exit_code_and_place(error, code, parents):
    """As the tree in the module's docstring draws it."""
    assert error.exit_code == code
    ours = {kind for kind in error.__mro__ if issubclass(kind, errors.RaveQuantError)}
    assert ours == parents | {error}
    assert error.__name__ in (errors.__doc__ or "")


def test_small_values_are_shown_whole():
    """As Python writes them."""
    for value in ("BTC-USDT-SWAP", 5, None, 1.5, ["1", "2"], {"a": "b"}):
        assert shown(value) == repr(value)


def test_hostile_values_are_shown_short():
    """Megabytes of text, a long list, a number of many digits, a deep nest."""
    nest: list[object] = []
    for _ in range(5_000):
        nest = [nest]
    for value in (
        "x" * 10_000_000,
        ["x"] * 1_000_000,
        10**4000,
        {n: n for n in range(10**5)},
        nest,
    ):
        assert len(shown(value)) < 400
    assert shown("x" * 100) == "'" + "x" * 27 + "..." + "x" * 28 + "'"


def test_the_remedy_of_a_line_of_a_log():
    """Time, level and program are another log's; the remedy stands behind the last semicolon."""
    line = "2026-11-29T09:00:00Z ERROR vwap: x: 3 bytes; 5 expected; run again"
    assert errors.message_of(line) == "x: 3 bytes; 5 expected; run again"
    assert errors.remedy_of(line) == "run again"
    assert errors.message_of("Traceback: 12Z ERROR x") == "Traceback: 12Z ERROR x"
    assert errors.remedy_of("KeyError: 'x'") == "KeyError: 'x'"
