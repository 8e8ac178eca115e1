"""The result of a check, in words for a screen."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final, Literal

from ravequant.errors import RaveQuantError
from ravequant.vault.paths import Vault

Level = Literal["PASS", "WARN", "FAIL"]
_COMMAND: Final = re.compile(r"python (?!scripts/(?:environment|settings)\.py)[\w/]+\.py")


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check; ``remedy`` is empty if it passed."""

    name: str
    level: Level
    text: str
    remedy: str = ""

    @property
    def sentence(self) -> str:
        """The finding and the remedy in one line."""
        return f"{self.text}; {self.remedy}" if self.remedy else self.text

    def naming(self, vault: Vault) -> "Check":
        """Return the check with a remedy whose commands name the vault."""
        return replace(
            self, remedy=_COMMAND.sub(lambda met: f"{met[0]}{vault.option}", self.remedy)
        )


def made(name: str, look: Callable[[], Check | Iterable[Check]]) -> Iterator[Check]:
    """Yield the checks that ``look`` makes; one that cannot be made is a failure of its own."""
    try:
        found = look()
        yield from [found] if isinstance(found, Check) else found
    except (RaveQuantError, OSError) as error:
        yield Check(name, "FAIL", str(error), "mend that file, then look again")
    except Exception as error:  # noqa: BLE001 - a bad file does not stop the other checks
        text = f"cannot be looked at: {type(error).__name__}: {error}"
        yield Check(name, "FAIL", text, "python scripts/verify_vault.py names the bad file")


def rebuild_all(options: str) -> str:
    """Return the remedy that rebuilds all; ``options`` of run_all, with a blank before each."""
    return f"end run_all, then: python scripts/run_all.py{options} --rebuild"
