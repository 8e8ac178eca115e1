"""Runs functions of the page's modules in node, without a browser."""

import json
import shutil
import subprocess
from typing import Any, Final

from ravequant.vault.paths import CHECKOUT

NODE: Final = shutil.which("node") or ""
NOT_RUN: Final = "node is not installed"
_STATIC: Final = CHECKOUT / "Dashboard" / "static"
_RUNNER: Final = """
let text = "";
for await (const part of process.stdin) text += part;
const { module, calls } = JSON.parse(text);
const found = await import(module);
const made = calls.map(([code, given]) => (0, eval)(code)(found, ...given));
process.stdout.write(JSON.stringify(made));
"""


def called(module: str, *calls: tuple[str, list[Any]]) -> list[Any]:
    """Return what functions of a module return, each with its arguments, in one process.

    A call names a function that the module exports, or is an arrow function of the module and the
    arguments.
    """
    codes = [
        (name if "=>" in name else f"(found, ...given) => found.{name}(...given)", given)
        for name, given in calls
    ]
    asked = {"module": (_STATIC / module).as_uri(), "calls": codes}
    made = subprocess.run(
        [NODE, "--input-type=module", "--eval", _RUNNER],
        input=json.dumps(asked),
        capture_output=True,
        check=True,
        encoding="utf-8",
    )
    found: list[Any] = json.loads(made.stdout)
    return found
