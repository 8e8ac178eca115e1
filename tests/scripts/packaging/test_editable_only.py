"""Tests of scripts.packaging.editable_only: what pip asks of the project, and what it gets."""

import importlib.util
import re
import subprocess
import sys
import tomllib

import pytest

from ravequant.vault.paths import CHECKOUT

BACKEND = CHECKOUT / "scripts" / "packaging" / "editable_only.py"
CONFIG = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))


def loaded():
    """Return the module as pip loads it: by its folder, not as part of `scripts`."""
    pytest.importorskip("setuptools", reason="this environment cannot build")
    spec = importlib.util.spec_from_file_location("editable_only", BACKEND)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_is_the_backend():
    """Pip finds it where the project says."""
    system = CONFIG["build-system"]
    assert (system["build-backend"], system["backend-path"]) == (
        BACKEND.stem, [BACKEND.parent.relative_to(CHECKOUT).as_posix()],
    )  # fmt: skip


@pytest.mark.parametrize("hook", ["prepare_metadata_for_build_wheel", "build_wheel", "build_sdist"])
def test_a_wheel_is_refused_with_the_remedy(hook, tmp_path):
    """Nothing is built; the sentence says what to type."""
    module = loaded()
    with pytest.raises(SystemExit) as refused:
        getattr(module, hook)(str(tmp_path))
    assert "git clone" in str(refused.value)
    assert "-m pip install -e ." in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_an_editable_installation_is_setuptools_own():
    """The hooks of PEP 660 are those of setuptools."""
    module = loaded()
    meta = pytest.importorskip("setuptools.build_meta")
    assert module.build_editable is meta.build_editable


def test_pip_shows_the_sentence(tmp_path):
    """`pip install .` and `pip wheel .` end at once, with the sentence among pip's own words."""
    pytest.importorskip("setuptools", minversion="64", reason="pip would fetch it")
    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", str(CHECKOUT),
         "-w", str(tmp_path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "RaveQuant is used from its checkout, not from a wheel" in done.stdout + done.stderr


def test_every_package_of_the_library_is_installed():
    """A new folder of the library stands in the list of packages; its types are shipped."""
    found = {
        ".".join(path.parent.relative_to(CHECKOUT).parts)
        for path in (CHECKOUT / "ravequant").rglob("__init__.py")
    }
    listed = {name for name in CONFIG["tool"]["setuptools"]["packages"] if "ravequant" in name}
    assert found == listed
    assert (CHECKOUT / "ravequant" / "py.typed").is_file()
    assert CONFIG["tool"]["setuptools"]["package-data"] == {"ravequant": ["py.typed"]}


def test_each_extra_has_its_use_and_is_all_that_is_named():
    """SQL needs one package alone; every extra named in a page or a message exists."""
    extras = CONFIG["project"]["optional-dependencies"]
    names = {name: {line.partition("==")[0] for line in lines} for name, lines in extras.items()}
    assert names["sql"] == {"duckdb"}
    assert names["scale"] == {"dask", "distributed"}
    page = (CHECKOUT / "scripts" / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `\[([\w-]+)\]` \|", page, re.MULTILINE)) == set(extras)
    sources = [*CHECKOUT.glob("*.md"), *CHECKOUT.glob("[A-Zrst]*/**/*.md")]
    sources += list(CHECKOUT.glob("[A-Zrst]*/**/*.py"))
    named = {
        extra
        for path in sources
        for found in re.findall(r"-e ['\"]?\.\[([\w,-]+)\]", path.read_text(encoding="utf-8"))
        for extra in found.split(",")
    }
    assert {"sql", "scale", "bench", "frames"} <= named <= set(extras)
