"""Your recordings as columns, in Python: ``from ravequant import read``.

``api`` holds the functions, ``columns`` the table that they return.
"""

from ravequant.read.api import (
    blocks,
    books,
    buckets,
    cvd,
    follow,
    minutes,
    signals,
    trades,
    volume,
    vwap,
    wicks,
)
from ravequant.read.columns import Column
from ravequant.read.table import Counts, Table

__all__ = [
    "Column",
    "Counts",
    "Table",
    "blocks",
    "books",
    "buckets",
    "cvd",
    "follow",
    "minutes",
    "signals",
    "trades",
    "volume",
    "vwap",
    "wicks",
]
