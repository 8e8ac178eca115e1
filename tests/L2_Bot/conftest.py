"""What tests of the import of books share."""

from pathlib import Path

import pytest

from tests.support.book_imports import two_days


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the files of two days of books."""
    return two_days(tmp_path / "fetched files")
