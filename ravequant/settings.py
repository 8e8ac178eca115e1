"""Settings: one optional ``ravequant.toml``, every threshold named once with its default.

The file stands at the root of the checkout (or where ``$RAVEQUANT_SETTINGS`` says). All keys are
optional; flags go before the file. Unknown keys and wrong types are refused, by name.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Final, get_type_hints

from ravequant import exact
from ravequant.errors import UsageError
from ravequant.records import check_inst_id

SETTINGS_VARIABLE: Final = "RAVEQUANT_SETTINGS"
_DEFAULT_FILE: Final = Path(__file__).resolve().parents[1] / "ravequant.toml"

# base WebSocket address (a path is added) and REST address of each region (port 443)
REGIONS: Final[Mapping[str, tuple[str, str]]] = {
    "global": ("wss://ws.okx.com/ws/v5", "https://openapi.okx.com"),
    "us": ("wss://wsus.okx.com/ws/v5", "https://us.okx.com"),
    "eea": ("wss://wseea.okx.com/ws/v5", "https://eea.okx.com"),
}


@dataclass(frozen=True, slots=True)
class Okx:
    """Where the exchange is. Empty addresses mean those of the region."""

    region: str = "global"
    ws_url: str = ""
    rest_url: str = ""

    def addresses(self) -> tuple[str, str]:
        """Return (WebSocket base, REST base); UsageError for an unknown region."""
        if self.region not in REGIONS:
            raise UsageError(
                f"okx.region = {self.region!r} is unknown: choose one of {', '.join(REGIONS)}"
            )
        ws_url, rest_url = REGIONS[self.region]
        return self.ws_url or ws_url, self.rest_url or rest_url


@dataclass(frozen=True, slots=True)
class Trades:
    """The trade exporter."""

    backfill_buffer_rows: int = 100_000  # live rows that wait while a gap is filled
    rest_patience_s: int = 900  # REST failing this long makes a hole `open`
    sync_every_ms: int = 500  # write to fsync: at most a second


@dataclass(frozen=True, slots=True)
class Bars:
    """Minute bars."""

    whale_notional: str = "100000"  # quote currency, a record at or above it is a whale


@dataclass(frozen=True, slots=True)
class Vwap:
    """The VWAP calculator."""

    extended_bps: str = "50"  # |deviation from the 4h VWAP| above this is extended


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings, with the defaults that hold without a file."""

    instruments: tuple[str, ...] = ("BTC-USDT-SWAP", "ETH-USDT-SWAP")
    okx: Okx = field(default_factory=Okx)
    trades: Trades = field(default_factory=Trades)
    bars: Bars = field(default_factory=Bars)
    vwap: Vwap = field(default_factory=Vwap)


def load(path: Path | None = None) -> Settings:
    """Return the settings of ``path``, ``$RAVEQUANT_SETTINGS`` or the checkout; defaults if absent.

    Raises UsageError that names the file, the key and the expectation.
    """
    chosen = None if path else os.environ.get(SETTINGS_VARIABLE)
    path = path or Path(chosen or _DEFAULT_FILE)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        if chosen:
            raise UsageError(f"{path}: ${SETTINGS_VARIABLE} names a file that is absent") from None
        return Settings()
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path}: cannot be read as TOML: {error}") from None
    settings: Settings = _build(Settings, table, path, "")
    for inst_id in settings.instruments:
        try:
            check_inst_id(inst_id)
        except UsageError as error:
            raise UsageError(f"{path}: instruments: {error}") from None
    return settings


def _build(kind: Any, table: Mapping[str, Any], path: Path, prefix: str) -> Any:
    hints = get_type_hints(kind)
    known = {item.name for item in fields(kind)}
    values: dict[str, Any] = {}
    for key, value in table.items():
        name = prefix + key
        if key not in known:
            raise UsageError(
                f"{path}: {name} is unknown; expected one of {', '.join(sorted(known))}"
            )
        values[key] = _value(hints[key], value, path, name)
    return kind(**values)


def _value(hint: Any, value: Any, path: Path, name: str) -> Any:
    if is_dataclass(hint):
        if not isinstance(value, dict):
            raise UsageError(f"{path}: {name} = {value!r} is not a table [{name}]")
        return _build(hint, value, path, f"{name}.")
    if hint == tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise UsageError(f"{path}: {name} = {value!r} is not a list of names")
        return tuple(value)
    if hint is int and (not isinstance(value, int) or isinstance(value, bool) or value <= 0):
        raise UsageError(f"{path}: {name} = {value!r} is not a whole number above 0")
    if hint is str and not isinstance(value, str):
        raise UsageError(f'{path}: {name} = {value!r} must stand in quotes, like "50"')
    return value


def decimal_setting(text: str, name: str, places: int) -> int:
    """Return a decimal setting in units of ``10**-places``; UsageError names the setting."""
    try:
        return exact.units(text, places)
    except ValueError as error:
        raise UsageError(f"{name}: {error}") from None
