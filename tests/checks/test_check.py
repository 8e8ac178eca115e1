"""The result of a check: its sentence, its remedy, and a check that cannot be made."""

from ravequant.checks.check import Check, made, rebuild_all
from ravequant.errors import VaultError


def test_a_sentence_holds_the_finding_and_the_remedy():
    """A check that passed has no remedy to add."""
    assert Check("disk", "PASS", "12.0 GB free").sentence == "12.0 GB free"
    assert Check("disk", "FAIL", "full", "free space").sentence == "full; free space"


def test_a_remedy_names_the_vault(vault):
    """Each command of it that reads one; settings and environment know of none."""
    remedy = "python scripts/settings.py, then: python scripts/run_all.py --rebuild"
    named = Check("x", "FAIL", "y", remedy).naming(vault).remedy
    assert named == (
        f"python scripts/settings.py, then: python scripts/run_all.py{vault.option} --rebuild"
    )


def test_a_check_that_cannot_be_made_is_a_failure():
    """With the error of the file, or the kind of any other; those before it stand."""

    def broken(error: Exception):
        yield Check("x", "PASS", "well")
        raise error

    first, second = made("y", lambda: broken(VaultError("/v/a: torn")))
    assert (first.name, first.level) == ("x", "PASS")
    assert second == Check("y", "FAIL", "/v/a: torn", "mend that file, then look again")
    text = "cannot be looked at: KeyError: 'a'"
    assert list(made("y", lambda: broken(KeyError("a"))))[1].text == text
    assert list(made("y", lambda: first)) == [first]


def test_the_rebuild_of_all_names_the_options():
    """They come before the flag."""
    assert rebuild_all(" --demo") == "end run_all, then: python scripts/run_all.py --demo --rebuild"
