"""Shows every setting with its value and where that came from, or says what is wrong with them."""

if __name__ == "__main__":
    exec(__import__("pathlib").Path(__file__, "../../scripts/begin.py").resolve().read_bytes())

import argparse
import os
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

from ravequant import cli, settings, settings_schema, tables
from ravequant.alerts import webhook
from ravequant.errors import DONE, UsageError
from ravequant.vault.paths import VAULT_VARIABLE

PROGRAM: Final = "settings"
PERPETUAL: Final = "-SWAP"  # the end of its name
DEFAULT: Final = "default"
_TABLE: Final = re.compile(r"\s*\[\s*([^\[\]]+?)\s*\]")
_KEY: Final = re.compile(r"\s*([\w\s.\"'-]+?)\s*=")


class Shown(NamedTuple):
    """One setting: its value as JSON, and where it came from."""

    name: str
    value: Any
    source: str


def parser() -> argparse.ArgumentParser:
    """Return the options of the command."""
    made = cli.parser(PROGRAM, __doc__ or "")
    choice = made.add_mutually_exclusive_group()
    choice.add_argument("--show", action="store_true", help="every setting (without options too)")
    text = "only say whether they are valid, and no file of them unread: exit code 0, else 2"
    choice.add_argument("--check", action="store_true", help=text)
    return made


def lines_of(text: str) -> dict[str, int]:
    """Return the line of each key of a TOML text by its full name; keys in odd forms lack."""
    found: dict[str, int] = {}
    table = ""
    for number, line in enumerate(text.splitlines(), 1):
        if match := _TABLE.match(line):
            table = _plain(match[1]) + "."
        elif match := _KEY.match(line):
            found.setdefault(table + _plain(match[1]), number)
    return found


def _plain(key: str) -> str:
    return re.sub(r"[\s\"']", "", key)


def flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the full name of each key that a TOML table sets."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key


def sources(path: Path) -> dict[str, str]:
    """Return ``file:line`` (the file alone, if the line is unknown) of each key the file sets."""
    if not path.is_file():
        return {}
    text = path.read_text(encoding="utf-8-sig")
    lines = lines_of(text)
    found = {}
    for name in flat(tomllib.loads(text)):
        line = lines.get(name) or lines.get(name.rpartition(".")[0])  # an inline table is one line
        found[name] = f"{path.name}:{line}" if line else path.name
    return found


def everything(chosen: settings.Settings, path: Path) -> Iterator[Shown]:
    """Yield every setting; an amount of each asset is one of its own."""
    where = sources(path)
    addresses = dict(zip(("okx.ws_url", "okx.rest_url"), chosen.okx.addresses(), strict=True))
    for name in settings_schema.names(settings.Settings):
        value: Any = chosen
        for key in name.split("."):
            value = getattr(value, key)
        if isinstance(value, Mapping):
            for start, amount in value.items():
                full = f"{name}.{start}"
                yield Shown(full, amount.text, where.get(full, DEFAULT))
        elif name == webhook.SETTING:
            yield _secret(chosen, where)
        elif name in addresses and not value:
            yield Shown(name, addresses[name], "okx.region")
        else:
            yield Shown(name, settings_schema.as_typed(value), where.get(name, DEFAULT))


def _secret(chosen: settings.Settings, where: Mapping[str, str]) -> Shown:
    """Return whether there is a webhook address, and never the address."""
    address, found_in = webhook.find(chosen)
    in_file = found_in == webhook.SETTING
    source = where.get(webhook.SETTING, DEFAULT) if in_file else f"${found_in}"
    return Shown(webhook.SETTING, "set" if address else "not set", source)


def places(args: argparse.Namespace, path: Path) -> Iterator[Shown]:
    """Yield which file is read and where the data goes."""
    named = os.environ.get(settings.SETTINGS_VARIABLE)
    absent = "" if path.is_file() else ", absent"
    source = f"${settings.SETTINGS_VARIABLE}" if named else "checkout"
    yield Shown("file", str(path), source + absent)
    chosen = "--vault" if args.vault else f"${VAULT_VARIABLE}"
    in_checkout = not args.vault and not os.environ.get(VAULT_VARIABLE)
    yield Shown("vault", str(cli.vault_of(args).root), "checkout" if in_checkout else chosen)


def body(args: argparse.Namespace) -> int:
    """Show or check."""
    chosen, path = settings.load(), settings.file_in_use()
    if args.check:
        count = len(sources(path))
        text = f"valid, {count} keys set" if path.is_file() else "absent: the defaults hold"
        sys.stdout.write(f"{path}: {text}\n")
        others = [name for name in chosen.instruments if not name.endswith(PERPETUAL)]
        for name in others:
            meant = f"; did you mean {name}{PERPETUAL}?" if name.count("-") == 1 else ""
            sys.stdout.write(f"{path}: {name} is no perpetual and is not recorded{meant}\n")
        bad = settings.unread() or settings.no_instruments() or others
        return UsageError.exit_code if bad else DONE
    rows = [*places(args, path), *everything(chosen, path)]
    if args.json:
        facts = {row.name: {"value": row.value, "from": row.source} for row in rows}
        sys.stdout.write(orjson.dumps(facts).decode() + "\n")
    else:
        cells = [(row.name, orjson.dumps(row.value).decode(), row.source) for row in rows]
        tables.write(("setting", "value", "from"), cells, words=3)
    return DONE


def main(argv: Sequence[str] | None = None) -> int:
    """Show or check; return the exit code."""
    return cli.run(parser(), body, argv)


if __name__ == "__main__":
    sys.exit(main())
