"""The exchange's terms for its published files: shown, accepted by the user, noted once."""

from collections.abc import Sequence
from typing import Any

import orjson

from ravequant import times
from ravequant.errors import UsageError
from ravequant.vault.atomic import replace_file
from ravequant.vault.paths import Vault


def require_terms(vault: Vault, terms: Sequence[str], *, accepted: bool) -> None:
    """Return if these terms were accepted, now or for this vault before; UsageError otherwise."""
    path = vault.import_terms()
    if _noted(path) == list(terms):
        return
    if not accepted:
        raise UsageError(
            " ".join(terms) + " Nothing was fetched; if you agree, add --accept-terms (once), or "
            "fetch the files yourself and use --dir"
        )
    row = {"accepted_utc": times.iso(times.utc_now_ms()), "terms": list(terms)}
    replace_file(path, orjson.dumps(row) + b"\n")


def _noted(path: Any) -> Any:
    try:
        row = orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return None
    return row.get("terms") if isinstance(row, dict) else None
