"""Names of settings: the first 12 hex digits of SHA-256 over their canonical JSON. Pure."""

import json
from collections.abc import Mapping
from typing import Any, Final

from ravequant.errors import shown

ID_DIGITS: Final = 12


def canonical_json(value: Any) -> str:
    """Return JSON with sorted keys and no spaces. ValueError for a binary float, anywhere in it."""
    refuse_floats(value)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def setting_id(settings: Mapping[str, Any]) -> str:
    """Return the name of settings, decimals as text: of all that bear on a result."""
    from hashlib import sha256  # noqa: PLC0415 - loads OpenSSL, which a query without a verdict spares

    return sha256(canonical_json(settings).encode()).hexdigest()[:ID_DIGITS]


def refuse_floats(value: Any) -> None:
    """Raise ValueError for a binary float and for a key that is no text, anywhere in a value."""
    if isinstance(value, float):
        raise ValueError(f"{value!r} is a binary float; write a decimal as text")  # noqa: TRY004
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise ValueError(f"{shown(key)} is a key and no text")  # noqa: TRY004
            refuse_floats(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            refuse_floats(inner)
