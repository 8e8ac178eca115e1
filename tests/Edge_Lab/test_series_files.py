"""Day series on disk: each float comes back, and a file that does not fit is refused by name."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from Edge_Lab.inference import DaySums, net
from Edge_Lab.lab_paths import LabPaths
from Edge_Lab.series_files import SeriesKey, TrialSeries, read_series, values_of, write_series
from ravequant.errors import VaultError
from ravequant.vault.paths import Vault

KEY = SeriesKey("8b5096857f9b", "0123456789ab")
DAYS = ("2025-12-14", "2025-12-15", "2025-12-16")


def series(family="base", net_values=(1.5, math.nan, -0.1), lead=(0.3, math.nan, 1e-17)):
    """Return the series of a family."""
    return TrialSeries(family, "queue", DAYS, np.array(net_values), np.array(lead))


def written(vault):
    """Return the path of the file."""
    return LabPaths(vault).series(*KEY)


@given(st.lists(st.floats(allow_infinity=False), min_size=3, max_size=3))
def test_each_float_comes_back(tmp_path_factory, values):
    """To the last bit; a day without a fill stays one."""
    vault = Vault(tmp_path_factory.mktemp("v"))
    write_series(vault, KEY, [series(net_values=values)])
    (found,) = read_series(vault, KEY)
    assert (found.family, found.model, found.days) == ("base", "queue", DAYS)
    np.testing.assert_array_equal(found.net, values)
    np.testing.assert_array_equal(found.delta, series().delta)


def test_other_families_stay(tmp_path):
    """A second evaluation adds its family, and replaces what it evaluates again."""
    vault = Vault(tmp_path)
    assert read_series(vault, KEY) == []
    write_series(vault, KEY, [series(), series("wall")])
    before = written(vault).read_bytes()
    write_series(vault, KEY, [series("wall"), series("cvd", (9.0, 8.0, 7.0))])
    assert [found.family for found in read_series(vault, KEY)] == ["base", "cvd", "wall"]
    write_series(Vault(tmp_path / "b"), KEY, [series("wall"), series()])
    assert written(Vault(tmp_path / "b")).read_bytes() == before


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:0],
        lambda data: data[:-2],
        lambda data: data.replace(b"1.5", b"2.5"),
        lambda data: data.replace(b"8b5096857f9b", b"8b5096857f9c"),
        lambda data: data.replace(b'"version": 1', b'"version": 2'),
        lambda data: b"[]\n" + data[:0],
    ],
    ids=["empty", "cut", "number", "name", "version", "list"],
)
def test_a_file_that_does_not_fit_is_refused(tmp_path, damage):
    """Its name, what was expected and the remedy; the next evaluation makes it again."""
    vault = Vault(tmp_path)
    write_series(vault, KEY, [series()])
    whole = written(vault).read_bytes()
    written(vault).write_bytes(damage(whole))
    with pytest.raises(VaultError, match=r"is no file of series: .* delete it, then run edge_lab"):
        read_series(vault, KEY)
    write_series(vault, KEY, [series()])
    assert written(vault).read_bytes() == whole


def test_the_values_of_an_estimate_stand_on_their_days():
    """Their sum is the estimate; a day without a fill has none, and no estimate no value."""
    sums = DaySums(np.array([[2], [0], [1]]), np.array([[50_000], [0], [-20_000]]))
    found = net(sums)
    assert found is not None
    values = values_of(found, 3)
    assert np.isnan(values).tolist() == [False, True, False]
    assert math.isclose(np.nansum(values), found.value)
    assert np.isnan(values_of(None, 2)).all()
