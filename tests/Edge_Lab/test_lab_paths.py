"""Names of the lab's files: one instrument's beside another's, and only real days."""

import pytest

from Edge_Lab.lab_paths import LabPaths
from ravequant.errors import UsageError
from ravequant.vault.paths import Vault

BTC, DAY = "BTC-USDT-SWAP", "2025-12-14"


def test_each_name(tmp_path):
    """As SPEC section 17 lists them."""
    vault = Vault(tmp_path)
    paths = LabPaths(vault)
    names = [
        path.relative_to(tmp_path / "lab").as_posix()
        for path in (
            paths.cache(BTC, DAY), paths.trials(BTC, "0123456789ab", DAY),
            paths.execution(BTC, "0123456789ab"), paths.judged(BTC, DAY), paths.paper(BTC),
            paths.ledger, paths.registered, paths.model, paths.series("a", "b"), paths.card(DAY),
        )
    ]  # fmt: skip
    own = f"{vault.exchange}/perps/{BTC}"
    assert names == [
        f"{own}/cache/{DAY}", f"{own}/trials/0123456789ab/{DAY}.jsonl",
        f"{own}/trials/0123456789ab/settings.json", f"{own}/judged/{DAY}.json",
        f"{own}/paper.jsonl", "ledger.jsonl", "registered.jsonl", "model.json",
        "series/a.b.jsonl", f"cards/{DAY}.html",
    ]  # fmt: skip
    assert paths.judged(BTC, DAY) == vault.judged(BTC, DAY)


@pytest.mark.parametrize("day", ["2025-12-1", "../x", "2025-02-30", ""])
def test_what_is_no_day_has_no_file(tmp_path, day):
    """A name from outside never becomes a path."""
    with pytest.raises(ValueError, match="is not a day like"):
        LabPaths(Vault(tmp_path)).judged(BTC, day)
    with pytest.raises(UsageError):
        LabPaths(Vault(tmp_path)).judged("../x", DAY)
