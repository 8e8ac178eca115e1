"""The schema of settings: the type and range of each key, and messages that name a slip.

A TOML table becomes a named tuple: every short program declares all of them, and dataclasses take
five times as long to declare. The type and the default of a field are those of its key. A decimal
stands in quotes and is parsed here, once: from then on it is a whole number, which mypy knows by
name.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple, Self, get_type_hints

from ravequant import exact
from ravequant.errors import UsageError, masked, shown

_LONGEST: Final = 80  # characters of a key that a message shows and a search compares
_INST_ID_START: Final = r"default|[A-Z0-9_]+(-[A-Z0-9_]+)*"


class ExactDecimal(int):
    """A decimal setting as a whole number of units of ``10**-places`` of its ``DecimalField``.

    It computes and compares as that number. ``text`` is the decimal as it was written;
    states, messages and lists of settings show it.
    """

    text: str
    field: "DecimalField"

    def __new__(cls, units: int, text: str, field: "DecimalField") -> Self:
        """Return ``units``, written as ``text``, of a setting in the range of ``field``."""
        made = super().__new__(cls, units)
        made.text, made.field = text, field
        return made

    def __reduce__(self) -> tuple[type[Self], tuple[int, str, "DecimalField"]]:
        """Copy and pickle the number with its text and range."""
        return type(self), (int(self), self.text, self.field)


class Amounts(dict[str, ExactDecimal]):
    """Decimals by the start of an instrument's name (``BTC``, ``BTC-USD``), and ``default``."""

    def of(self, inst_id: str) -> ExactDecimal:
        """Return the decimal of the longest start of ``inst_id`` in whole words, or the default."""
        words = inst_id.split("-")
        starts = ("-".join(words[:count]) for count in range(len(words), 0, -1))
        return next((self[start] for start in starts if start in self), self["default"])


class DecimalField(NamedTuple):
    """The range of a decimal setting: text in quotes, a whole number of ``10**-places``."""

    places: int
    most: int | None = None
    zero: bool = True  # may it be 0
    empty: bool = False  # may it be left empty, which counts as 0

    def parse(self, text: str, name: str) -> ExactDecimal:
        """Return decimal text as a number; UsageError names the setting ``name``."""
        if self.empty and not text:
            return ExactDecimal(0, text, self)
        units = decimal(text, name, self.places)
        if not units and not self.zero:
            raise UsageError(f"{name} = {masked(shown(text))} is not above 0")
        if self.most is not None and units > self.most * 10**self.places:
            raise UsageError(f"{name} = {masked(shown(text))} is above {self.most:,}")
        return ExactDecimal(units, text, self)

    def default(self, text: str) -> ExactDecimal:
        """Return the default of a key."""
        return self.parse(text, "default")

    def defaults(self, **texts: str) -> Amounts:
        """Return the default of a table of amounts."""
        return Amounts({start: self.parse(text, start) for start, text in texts.items()})


def as_typed(value: Any) -> Any:
    """Return settings as their TOML has them: tables as dicts, decimals as they were written."""
    return _plain(value, lambda decimal: decimal.text)


def canonical(value: Any) -> Any:
    """Return settings as ``as_typed``, but one text for a number: ``1`` for 1.0 too."""
    return _plain(value, lambda decimal: exact.text(decimal, decimal.field.places))


def _plain(value: Any, text_of: Callable[[ExactDecimal], str]) -> Any:
    if is_table(value):
        return {key: _plain(inner, text_of) for key, inner in value._asdict().items()}
    if isinstance(value, Mapping):
        return {key: _plain(inner, text_of) for key, inner in value.items()}
    return text_of(value) if isinstance(value, ExactDecimal) else value


def is_table(value: Any) -> bool:
    """Return True if ``value`` is a named tuple, or the class of one."""
    return hasattr(value, "_fields")


def build(kind: Any, table: Mapping[str, Any]) -> Any:
    """Return a ``kind`` made of a table and its inner tables; UsageError names a bad key."""
    return _build(kind, kind, table, "")


def _build(root: Any, kind: Any, table: Mapping[str, Any], prefix: str) -> Any:
    hints = get_type_hints(kind)
    values: dict[str, Any] = dict(kind._field_defaults)
    for key, value in table.items():
        name = prefix + key[:_LONGEST]
        if key not in hints:
            raise UsageError(f"{name} is unknown{_nearest(root, key, prefix, sorted(hints))}")
        default = values[key]
        if isinstance(default, Amounts):  # keys absent from the file keep their defaults
            amounts = _amounts(value, name, default["default"].field)
            values[key] = Amounts({**default, **amounts})
        elif isinstance(default, ExactDecimal):
            values[key] = default.field.parse(_quoted(value, name), name)
        else:
            values[key] = _value(root, hints[key], value, name)
    return kind(**values)


def _nearest(root: Any, key: str, prefix: str, known: list[str]) -> str:
    """Return the key that was meant, perhaps of another table."""
    import difflib  # noqa: PLC0415 - for slips alone

    key = key[:_LONGEST]
    if close := difflib.get_close_matches(key, known, 1):
        return f"; did you mean {prefix}{close[0]}?"
    elsewhere = {name.rpartition(".")[2]: name for name in names(root)}
    if close := difflib.get_close_matches(key, elsewhere, 1, 0.8):
        table, _, inner = elsewhere[close[0]].rpartition(".")
        place = f"{inner} below [{table}]" if table else f"{inner} above the first [table]"
        return f" here; did you mean {place}?"
    return f"; expected one of {', '.join(known)}"


def names(root: Any) -> Iterator[str]:
    """Yield the full name of every key, like ``instruments`` and ``okx.region``."""
    for name, default in root._field_defaults.items():
        inner = default._fields if is_table(default) else ()
        yield from (f"{name}.{key}" for key in inner) if inner else (name,)


def _value(root: Any, hint: Any, value: Any, name: str) -> Any:
    if is_table(hint):
        if not isinstance(value, dict):
            raise UsageError(f"{name} is not a table [{name}]")  # the value may be a secret
        return _build(root, hint, value, f"{name}.")
    if hint == tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise UsageError(f"{name} = {masked(shown(value))} is not a list of names")
        return tuple(value)
    if hint is int and (not isinstance(value, int) or isinstance(value, bool) or value <= 0):
        raise UsageError(f"{name} = {masked(shown(value))} is not a whole number above 0")
    if hint is bool and not isinstance(value, bool):
        raise UsageError(f"{name} = {masked(shown(value))} is not true or false")
    return _quoted(value, name) if hint is str else value


def _quoted(value: Any, name: str) -> str:
    if not isinstance(value, str):
        met = f" = {value}" if isinstance(value, (int, float)) else ""  # a text may be a secret
        raise UsageError(f'{name}{met} must stand in quotes, like "50"')
    return value


def _amounts(value: Any, name: str, field: DecimalField) -> dict[str, ExactDecimal]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise UsageError(f'{name} = {masked(shown(value))} is not a table like BTC = "300000"')
    for start in value:
        if re.fullmatch(_INST_ID_START, start) is None:
            raise UsageError(
                f"{name}: {masked(shown(start))} is not the start of an instrument's name; "
                "expected one like BTC or BTC-USDT, or default"
            )
    return {start: field.parse(text, f"{name}.{start}") for start, text in value.items()}


def decimal(text: str, name: str, places: int) -> int:
    """Return a decimal of a setting or a flag in units of ``10**-places``; UsageError names it."""
    try:
        return exact.units(text, places)
    except ValueError as error:
        words = masked(str(error))
        wanted = "" if words.endswith("decimals") else "; expected 0 or more, like 12.5"
        raise UsageError(f"{name}: {words}{wanted}") from None
