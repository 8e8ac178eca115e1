"""Data of a test are written without waiting for the disk: the power does not go meanwhile."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock


@contextmanager
def without_sync() -> Iterator[None]:
    """Let no file be synced by this process."""
    with mock.patch.object(os, "fsync"):
        yield
