"""The forms of settings: what a key of a TOML table may be, and how a slip is named.

A table becomes a dataclass. Its fields' types say what each key may be; a decimal is text whose
type carries its ``Form``.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Annotated, Any, Final, get_type_hints

from ravequant import exact
from ravequant.errors import UsageError, shown

_LONGEST: Final = 80  # signs of a key that a message shows and a search looks at
_INST_ID_START: Final = re.compile(r"default|[A-Z0-9]+(-[A-Z0-9]+)*")


@dataclass(frozen=True, slots=True)
class Form:
    """What a decimal setting may be: text in quotes, a whole number of ``10**-places``."""

    places: int
    most: int | None = None
    zero: bool = True  # may it be 0
    empty: bool = False  # may it be left empty


Notional = Annotated[str, Form(exact.NOTIONAL_PLACES, zero=False)]  # quote currency
Bps = Annotated[str, Form(exact.SIZE_PLACES, most=10_000)]
Distance = Annotated[str, Form(exact.SIZE_PLACES, most=9_999, zero=False)]  # bps, never the price
Percent = Annotated[str, Form(exact.SIZE_PLACES, most=100)]
Ratio = Annotated[str, Form(exact.SIZE_PLACES)]
Imbalance = Annotated[str, Form(2, most=1, zero=False)]
Gigabytes = Annotated[str, Form(9, zero=False, empty=True)]
# start of an instId (``BTC``), or ``default`` -> decimal text
Amounts = Annotated[Mapping[str, str], Form(exact.NOTIONAL_PLACES, zero=False)]


def build(kind: Any, table: Mapping[str, Any]) -> Any:
    """Return the dataclass ``kind`` made of a table and its tables; UsageError names a bad key."""
    return _build(kind, kind, table, "")


def _build(root: Any, kind: Any, table: Mapping[str, Any], prefix: str) -> Any:
    hints = get_type_hints(kind, include_extras=True)
    values: dict[str, Any] = {}
    for key, value in table.items():
        name = prefix + key[:_LONGEST]
        if key not in hints:
            raise UsageError(f"{name} is unknown{_nearest(root, key, prefix, sorted(hints))}")
        values[key] = _value(root, hints[key], value, name)
        if hints[key] == Amounts:  # what the file leaves out keeps its default
            values[key] = {**getattr(kind(), key), **values[key]}
    return kind(**values)


def _nearest(root: Any, key: str, prefix: str, known: list[str]) -> str:
    """Say which key was meant; one that stands in the wrong table is looked for in the others."""
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
    for item in fields(root):
        table = getattr(root(), item.name)
        inner = fields(table) if is_dataclass(table) else ()
        yield from (f"{item.name}.{key.name}" for key in inner) if inner else (item.name,)


def _value(root: Any, hint: Any, value: Any, name: str) -> Any:
    if is_dataclass(hint):
        if not isinstance(value, dict):
            raise UsageError(f"{name} is not a table [{name}]")  # the value may be a secret
        return _build(root, hint, value, f"{name}.")
    if hint == Amounts:
        return _amounts(value, name)
    if hint == tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise UsageError(f"{name} = {shown(value)} is not a list of names")
        return tuple(value)
    if hint is int and (not isinstance(value, int) or isinstance(value, bool) or value <= 0):
        raise UsageError(f"{name} = {shown(value)} is not a whole number above 0")
    form = _form(hint)
    if (hint is str or form) and not isinstance(value, str):
        met = f" = {value}" if isinstance(value, (int, float)) else ""  # not what may be a secret
        raise UsageError(f'{name}{met} must stand in quotes, like "50"')
    if form:
        units(value, name, form)
    return value


def _amounts(value: Any, name: str) -> Mapping[str, str]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise UsageError(f'{name} = {shown(value)} is not a table like BTC = "300000"')
    for start, text in value.items():
        if _INST_ID_START.fullmatch(start) is None:
            raise UsageError(
                f"{name}: {shown(start)} is not the start of an instrument's name; "
                "expected one like BTC or BTC-USDT, or default"
            )
        units(text, f"{name}.{start}", _form(Amounts))
    return value


def _form(hint: Any) -> Any:
    """Return the Form of a decimal setting's type; None for any other type."""
    return next(
        (item for item in getattr(hint, "__metadata__", ()) if isinstance(item, Form)), None
    )


def form_of(kind: Any, key: str) -> Form:
    """Return the form of a decimal key of the dataclass ``kind``."""
    found: Form = _form(get_type_hints(kind, include_extras=True)[key])
    return found


def units(text: str, name: str, form: Form) -> int:
    """Return decimal text in units of its form; UsageError says what is wrong with ``name``."""
    if form.empty and not text:
        return 0
    found = decimal(text, name, form.places)
    if not found and not form.zero:
        raise UsageError(f"{name} = {shown(text)} is not above 0")
    if form.most is not None and found > form.most * 10**form.places:
        raise UsageError(f"{name} = {shown(text)} is above {form.most:,}")
    return found


def decimal(text: str, name: str, places: int) -> int:
    """Return a decimal of a setting or a flag in units of ``10**-places``; UsageError names it."""
    try:
        return exact.units(text, places)
    except ValueError as error:
        raise UsageError(f"{name}: {error}") from None
