"""The build backend: setuptools for an editable installation, a sentence for any other.

The programs, their settings and their data stand in the checkout; a wheel would hold none of it.
pip calls these functions by their names (PEP 517 and 660).
"""

from typing import Any, NoReturn

from setuptools import build_meta
from setuptools.build_meta import (
    build_editable,
    get_requires_for_build_editable,
    prepare_metadata_for_build_editable,
)

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

REFUSAL = (
    "RaveQuant is used from its checkout, not from a wheel: programs, settings and data stand "
    "there. Clone it with `git clone`, then in its folder: python -m pip install -e ."
)


def _refuse(*_arguments: Any, **_settings: Any) -> NoReturn:
    raise SystemExit(REFUSAL)


get_requires_for_build_wheel = build_meta.get_requires_for_build_wheel
get_requires_for_build_sdist = build_meta.get_requires_for_build_sdist
prepare_metadata_for_build_wheel = _refuse
build_wheel = _refuse
build_sdist = _refuse
