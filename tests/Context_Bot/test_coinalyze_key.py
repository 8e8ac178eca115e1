"""The key: from the environment, or a file outside the vault; never shown."""

import os

import pytest

from Context_Bot import coinalyze_key
from ravequant.errors import UsageError
from ravequant.settings import Coinalyze

SECRET = "1234abcd-the-secret-key"  # noqa: S105 - of no server


@pytest.fixture(autouse=True)
def _no_variable(monkeypatch):
    monkeypatch.delenv(coinalyze_key.VARIABLE, raising=False)


def found(vault, path="") -> str | None:
    key = coinalyze_key.find(Coinalyze(key_file=str(path)), vault)
    return None if key is None else key.value


def test_the_environment_goes_before_the_file(vault, tmp_path, monkeypatch):
    """Blanks and a byte order mark around it go; without either there is none."""
    path = tmp_path / "coinalyze.key"
    path.write_text(f" {SECRET}\n", encoding="utf-8-sig")
    assert found(vault) is None
    assert found(vault, path) == SECRET
    monkeypatch.setenv(coinalyze_key.VARIABLE, " another-key ")
    assert found(vault, path) == "another-key"


def test_a_file_inside_the_vault_is_refused(vault, tmp_path):
    """By any name that leads there, and a link in it that leads elsewhere."""
    vault.root.mkdir(exist_ok=True)
    inside, outside = vault.root / "a.key", tmp_path / "b.key"
    inside.write_text(SECRET, encoding="utf-8")
    places = [inside, vault.root / "x" / ".." / "a.key"]
    if os.name == "posix":
        outside.symlink_to(inside)
        link = vault.root / "c.key"
        link.symlink_to(tmp_path / "d.key")
        (tmp_path / "d.key").write_text(SECRET, encoding="utf-8")
        places += [outside, link]
    for place in places:
        with pytest.raises(UsageError, match="is inside the vault; move it elsewhere"):
            found(vault, place)


@pytest.mark.parametrize("text", ["", "short", f"{SECRET}\n{SECRET}", "with blank in it", "é" * 20])
def test_a_key_of_another_form_is_refused(vault, tmp_path, text, monkeypatch):
    """In a file and in the environment, and the message does not hold it."""
    path = tmp_path / "coinalyze.key"
    path.write_bytes(text.encode("utf-16") if "é" in text else text.encode())
    with pytest.raises(UsageError, match="holds no key") as failed:
        found(vault, path)
    assert not text or text not in str(failed.value)


def test_a_file_that_is_absent_and_a_key_in_its_place(vault, tmp_path):
    """The first is named; the second is not shown."""
    with pytest.raises(UsageError, match=r"absent\.key cannot be read"):
        found(vault, tmp_path / "absent.key")
    with pytest.raises(UsageError, match="is no whole path") as failed:
        found(vault, SECRET)
    assert SECRET not in str(failed.value)
