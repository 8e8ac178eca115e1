"""Every name on disk, once (SPEC section 1)."""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ravequant import times
from ravequant.errors import UsageError
from ravequant.records import DEFAULT_EXCHANGE, check_inst_id

CHECKOUT: Final = Path(__file__).resolve().parents[2]
VAULT_VARIABLE: Final = "RAVEQUANT_VAULT"
TRADES: Final = "trades_perps"
BOOKS: Final = "l2_perps"
DEEP_BOOKS: Final = "l2_deep_perps"
MINUTES: Final = "bars"
DEMO_MARKER: Final = ".made_by_demo"  # a vault that holds this is a demo's and may be emptied

SETTLED_FUNDING: Final = "funding_settled_perps"
LIQUIDATIONS: Final = "liquidations_perps"
OPEN_INTEREST: Final = "open_interest_perps"
FUNDING_ESTIMATES: Final = "funding_perps"
MARKS: Final = "mark_perps"
STATISTICS: Final = "stats_perps"
TRANSFERS: Final = "btc_transfers"
ON_CHAIN: Final = "BTC-ONCHAIN"  # stands for an instrument where its coins are none of an exchange
COINALYZE: Final = "coinalyze"
IMPORT: Final = "import"

_MOST_NAMED: Final = 8  # instruments in a message
_DAY = re.compile(r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])")
_DAY_FILE = re.compile(rf"({_DAY.pattern})\.jsonl(?:\.gz)?")
_HOUR_FILE = re.compile(r"([01][0-9]|2[0-3])\.jsonl(?:\.gz)?")


StrPath = str | os.PathLike[str]


def user_path(given: StrPath) -> Path:
    """Return a path that a person gave; a ``~`` at its start is the home folder.

    No shell replaces it in a file of variables, nor everywhere behind ``=``. Blanks and quotes
    around it go: ``set NAME="C:/data" & …`` of Windows leaves both. Raises UsageError for an empty
    path, and for the home of an unknown user.
    """
    text = os.fspath(given).strip()
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1].strip()
    if not text:
        raise UsageError("the path is empty; name a folder or file, like ~/vault")
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise UsageError(f"{given}: its ~ has no home folder; write the path whole") from None


def default_root() -> Path:
    """Return ``$RAVEQUANT_VAULT``, else ``Rave_Quant_Vault/`` of this checkout.

    Raises UsageError where the library stands in no checkout: data do not go among packages.
    """
    if named := os.environ.get(VAULT_VARIABLE):
        return user_path(named)
    if not (CHECKOUT / "pyproject.toml").is_file():
        raise UsageError(
            f"no vault is named, and {CHECKOUT} is no checkout of RaveQuant: name one with --vault "
            f"or ${VAULT_VARIABLE}, or use a checkout (git clone, then pip install -e . in it)"
        )
    return CHECKOUT / "Rave_Quant_Vault"


@dataclass(frozen=True, slots=True)
class Vault:
    """The files of one exchange in one vault. Raises UsageError for an illegal instrument name.

    The root is a path or a text, ``~`` the home folder. No two exchanges share a file. Names that
    would not hold the exchange, as those of locks and heartbeats, hold it for each exchange but
    the default one.
    """

    root: Path
    exchange: str

    def __init__(self, root: StrPath, exchange: str = DEFAULT_EXCHANGE) -> None:
        object.__setattr__(self, "root", user_path(root).absolute())
        object.__setattr__(self, "exchange", exchange)

    def trades(self, inst_id: str) -> Path:
        """Folder of raw trade days: ``{YYYY-MM-DD}.jsonl[.gz]``."""
        return self._raw(TRADES, inst_id)

    def snapshots(self, inst_id: str) -> Path:
        """Folder of raw book hours: ``{YYYY-MM-DD}/{HH}.jsonl[.gz]``."""
        return self._raw(BOOKS, inst_id)

    def deep_snapshots(self, inst_id: str) -> Path:
        """Folder of deep book hours, of the same form."""
        return self._raw(DEEP_BOOKS, inst_id)

    def settled_funding(self, inst_id: str) -> Path:
        """Every settled funding rate, each on a line."""
        folder = self._raw(SETTLED_FUNDING, inst_id)
        return folder.with_name(f"{folder.name}.jsonl")

    def liquidations(self, inst_id: str) -> Path:
        """Folder of raw liquidation days, as the exchange showed them: not all there were."""
        return self._raw(LIQUIDATIONS, inst_id)

    def open_interest(self, inst_id: str) -> Path:
        """Folder of raw days of open interest."""
        return self._raw(OPEN_INTEREST, inst_id)

    def funding_estimates(self, inst_id: str) -> Path:
        """Folder of raw days of the running estimates of funding."""
        return self._raw(FUNDING_ESTIMATES, inst_id)

    def marks(self, inst_id: str) -> Path:
        """Folder of raw days of mark prices, one a second at most."""
        return self._raw(MARKS, inst_id)

    def statistics(self, inst_id: str, series: str, period: str = "5m") -> Path:
        """Folder of raw days of a trading statistic."""
        return self._raw(STATISTICS, inst_id) / f"{series}_{period}"

    def btc_transfers(self, inst_id: str) -> Path:
        """Folder of raw days of large transfers of bitcoin; no exchange's."""
        return self.root / "raw/onchain" / TRANSFERS / check_inst_id(inst_id)

    def btc_blocks(self, inst_id: str) -> Path:
        """Every block whose transfers are on disk, in the order in which they were read."""
        return self.root / "meta/onchain/btc_blocks" / f"{check_inst_id(inst_id)}.jsonl"

    def coinalyze(self, series: str, symbol: str) -> Path:
        """Folder of raw days of a series of Coinalyze, of one of its markets."""
        return self.root / "raw" / COINALYZE / series / symbol / "5min"

    def coverage(self, feed: str, inst_id: str) -> Path:
        """The spans of exchange time in which a feed without ids was listened to."""
        return self._meta("coverage", f"{feed}/{check_inst_id(inst_id)}.jsonl")

    def grid_gaps(self, inst_id: str) -> Path:
        """The ledger of missing settlements and steps of statistics."""
        return self._meta("grid_gaps", f"{check_inst_id(inst_id)}.jsonl")

    def _raw(self, stream: str, inst_id: str) -> Path:
        return self.root / "raw" / self.exchange / stream / check_inst_id(inst_id)

    def metadata(self, inst_id: str) -> Path:
        """Contract metadata as it is now."""
        return self._meta("instruments", f"{check_inst_id(inst_id)}.json")

    def metadata_history(self, inst_id: str) -> Path:
        """Every change of the contract metadata, each on a line."""
        return self._meta("instruments", f"{check_inst_id(inst_id)}.history.jsonl")

    def gap_ledger(self, inst_id: str) -> Path:
        """Every gap in the trade ids, and its changes of status."""
        return self._meta("gaps", f"{check_inst_id(inst_id)}.jsonl")

    def generation(self, inst_id: str) -> Path:
        """The file of the repair generation: how often the log was repaired."""
        return self._meta("gaps", f"{check_inst_id(inst_id)}.generation.json")

    def import_terms(self) -> Path:
        """The terms of the exchange's published files that the user has accepted."""
        return self._meta("imports", "terms.json")

    def imports(self, inst_id: str) -> Path:
        """The provenance of every day that was imported, each day and stream on a line."""
        return self._meta("imports", f"{check_inst_id(inst_id)}.jsonl")

    def book_import(self, inst_id: str) -> Path:
        """Folder of an import of books that is under way, and of the vault of its buckets."""
        name = self._of_exchange(check_inst_id(inst_id))
        return self.root / "state" / IMPORT / "books" / name

    def import_note(self, inst_id: str) -> Path:
        """The note of imported days that are being put in their places."""
        return self.root / "state" / IMPORT / f"{self._of_exchange(check_inst_id(inst_id))}.json"

    def import_parts(self, inst_id: str) -> Path:
        """Folder of imported days that are built, and not in their places yet."""
        return self.root / "state" / IMPORT / self._of_exchange(check_inst_id(inst_id))

    def import_downloads(self) -> Path:
        """Folder of published files while they are imported; few are there at a time."""
        return self.root / "state" / IMPORT / self._of_exchange("downloads")

    def _meta(self, folder: str, name: str) -> Path:
        return self.root / "meta" / self.exchange / folder / name

    def derived(self, metric: str, inst_id: str) -> Path:
        """Folder of a calculator's output."""
        return self.root / "derived" / metric / self.exchange / "perps" / check_inst_id(inst_id)

    def minutes(self, inst_id: str) -> Path:
        """Folder of the kept minutes of finished days: ``{YYYY-MM-DD}.json.gz``."""
        return self.derived(MINUTES, inst_id)

    def lab(self, inst_id: str) -> Path:
        """Folder of what the edge lab holds of an instrument."""
        return self.root / "lab" / self.exchange / "perps" / check_inst_id(inst_id)

    def judged(self, inst_id: str, day: str) -> Path:
        """The edge lab's note of a UTC day that it has judged."""
        return self.lab(inst_id) / "judged" / f"{day}.json"

    def state(self, metric: str, inst_id: str) -> Path:
        """A calculator's committed state."""
        name = f"{check_inst_id(inst_id)}.state.json"
        return self.root / "state" / metric / self.exchange / "perps" / name

    def health(self, component: str) -> Path:
        """Heartbeat of a long-running program."""
        return self.root / "state/health" / f"{self._of_exchange(component)}.json"

    def alerts(self) -> Path:
        """The signals that find_signals has alerted, and those that wait."""
        return self.root / "state/alerts" / f"{self._of_exchange('alerts')}.json"

    def lock(self, stream: str, inst_id: str) -> Path:
        """The lock of the only writer of ``stream`` (``trades_perps``, ``vwap``, …)."""
        name = f"{self._of_exchange(stream)}.{check_inst_id(inst_id)}.lock"
        return self.root / "state/locks" / name

    @property
    def option(self) -> str:
        """The option of a command that names this vault, with a blank before it."""
        place = f'"{self.root}"' if " " in str(self.root) else str(self.root)
        return f" --vault {place}"

    @property
    def demo_option(self) -> str:
        """The option with which run_all works in this vault: that of a demo, else nothing."""
        return " --demo" if (self.root / DEMO_MARKER).exists() else ""

    def locks(self, stream: str) -> Iterator[Path]:
        """Yield the locks of a stream's writers that have ever been held, of any instrument."""
        prefix, suffix = f"{self._of_exchange(stream)}.", ".lock"
        for path in sorted(_inside(self.root / "state/locks")):
            name = path.name.removeprefix(prefix).removesuffix(suffix)
            if path.name == f"{prefix}{name}{suffix}" and _is_instrument(name):
                yield path

    def _of_exchange(self, name: str) -> str:
        return name if self.exchange == DEFAULT_EXCHANGE else f"{name}.{self.exchange}"


def coinalyze_symbol(inst_id: str, end: str) -> str:
    """Return Coinalyze's symbol of an instrument; its ``end`` names a venue. Raises UsageError.

    ``BTCUSDT_PERP.A`` for ``BTC-USDT-SWAP`` and ``_PERP.A``.
    """
    words = check_inst_id(inst_id).removesuffix("-SWAP")
    return f"{words.replace('-', '').replace('_', '')}{end}"


def instruments(stream: Callable[[str], Path]) -> list[str]:
    """Return the instruments that have a folder in a stream: ``instruments(vault.trades)``."""
    folder = stream("ANY-NAME").parent
    names = [path.name for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
    return sorted(name for name in names if _is_instrument(name))


def held(stream: Callable[[str], Path]) -> str:
    """Return the instruments of a stream as the end of a message; empty if there are none."""
    names = instruments(stream)
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"; the vault has {', '.join(names[:_MOST_NAMED])}{more}" if names else ""


def _is_instrument(name: str) -> bool:
    try:
        return check_inst_id(name) == name
    except UsageError:
        return False


def hour_files(folder: StrPath) -> Iterator[tuple[str, Path]]:
    """Yield (``2025-12-14/21``, file) of a folder of hour files, oldest first.

    If an hour has a plain and a ``.gz`` form, the plain one counts.
    """
    folder = Path(folder)
    for day in sorted(_names(folder)):
        if _is_day(day):
            yield from _hours_of(folder, day, newest_first=False)


def book_files(folder: StrPath, *, newest_first: bool = False) -> Iterator[tuple[str, Path]]:
    """Yield hour files and, for days that have none, the flat ``{YYYY-MM-DD}.jsonl[.gz]``.

    Oldest first; their keys (``2025-12-14/21`` or ``2025-12-14``) sort in the order of time. The
    hours of a day are listed when the day is reached.
    """
    folder = Path(folder)
    names = _names(folder)
    flat = _forms(names, _DAY_FILE)
    for day in sorted(filter(_is_day, {*names, *flat}), reverse=newest_first):
        hours = list(_hours_of(folder, day, newest_first=newest_first))
        yield from hours
        if not hours and day in flat:
            yield day, folder / flat[day]


def _hours_of(folder: Path, day: str, *, newest_first: bool) -> Iterator[tuple[str, Path]]:
    found = _forms(_names(folder / day), _HOUR_FILE)
    for hour in sorted(found, reverse=newest_first):
        yield f"{day}/{hour}", folder / day / found[hour]


def day_files(folder: StrPath, *, newest_first: bool = False) -> Iterator[tuple[str, Path]]:
    """Yield (date, file) of a folder of day files, oldest first.

    If a day has a plain and a ``.gz`` form, the plain one counts.
    """
    folder = Path(folder)
    found = _forms(_names(folder), _DAY_FILE)
    for day in sorted(found, reverse=newest_first):
        if _is_day(day):
            yield day, folder / found[day]


def _forms(names: Iterable[str], pattern: re.Pattern[str]) -> dict[str, str]:
    """Return the names of files by their day or hour; of two forms the plain one."""
    found: dict[str, str] = {}
    for name in names:
        match = pattern.fullmatch(name)
        if match and (match[1] not in found or name.endswith(".jsonl")):
            found[match[1]] = name
    return found


def strays(folder: StrPath) -> Iterator[Path]:
    """Yield what stands among raw files and has no name of theirs: no reader looks at it."""
    folder = Path(folder)
    for path in sorted(_inside(folder)):
        if path.name.startswith(".") or path.name.endswith(".torn"):
            continue
        if _is_day(path.name):
            yield from (found for found in sorted(_inside(path)) if not _is_hour(found.name))
        elif not _is_day(path.name.partition(".jsonl")[0]) or not _DAY_FILE.fullmatch(path.name):
            yield path


def _is_hour(name: str) -> bool:
    known = name.startswith(".") or name.endswith(".torn")
    return known or _HOUR_FILE.fullmatch(name) is not None


def _is_day(name: str) -> bool:
    """Return True for a date that exists."""
    if _DAY.fullmatch(name) is None:
        return False
    try:
        times.day_start_ms(name)
    except ValueError:
        return False
    return True


def _inside(folder: Path) -> list[Path]:
    """Return the entries of a folder; none if it does not exist, or is being deleted."""
    return [folder / name for name in _names(folder)]


def _names(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries]
    except (FileNotFoundError, NotADirectoryError):
        return []
