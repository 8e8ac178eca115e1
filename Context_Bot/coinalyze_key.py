"""Where Coinalyze's key is: in the environment, or in a file outside the vault."""

import os
from typing import Final

from ravequant.errors import UsageError
from ravequant.exchanges.coinalyze import Key
from ravequant.settings import Coinalyze
from ravequant.vault.paths import Vault, user_path

VARIABLE: Final = "RAVEQUANT_COINALYZE_KEY"
SETTING: Final = "coinalyze.key_file"
_MOST_BYTES: Final = 4_096


def is_named(chosen: Coinalyze) -> bool:
    """Return True if the environment or the settings name a key."""
    return bool(os.environ.get(VARIABLE, "").strip() or chosen.key_file)


def find(chosen: Coinalyze, vault: Vault) -> Key | None:
    """Return the key; None if none is set. UsageError, without the key, for one of another form.

    A vault is copied and shared, so a file in it is refused, under any name that leads there.
    """
    if text := os.environ.get(VARIABLE, "").strip():
        return _checked(text, f"${VARIABLE}")
    if not chosen.key_file:
        return None
    path = user_path(chosen.key_file)
    if not path.is_absolute():  # perhaps the key itself: it is not shown
        raise UsageError(f"{SETTING} is no whole path; expected one like ~/coinalyze.key")
    root = vault.root.resolve()
    if path.is_relative_to(vault.root) or path.resolve().is_relative_to(root):
        raise UsageError(f"{SETTING}: {path} is inside the vault; move it elsewhere")
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES).decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        text = ""
    except OSError as error:
        raise UsageError(
            f"{SETTING}: {path} cannot be read ({error.strerror}); expected a file with the key"
        ) from None
    return _checked(text, str(path))


def _checked(text: str, place: str) -> Key:
    if Key.FORM.fullmatch(text) is None:
        raise UsageError(
            f"{place} holds no key: expected 8 to 100 letters, digits, - or _; copy it again from "
            "your account at coinalyze.net"
        )
    return Key(text)
