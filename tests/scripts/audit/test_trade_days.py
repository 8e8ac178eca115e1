"""Audits of trade days."""

import gzip

from scripts.audit.trade_days import TradeAudit
from tests.scripts.test_verify_vault import DAY, put, trades
from tests.support.trades_box import BTC


def test_a_file_packed_meanwhile_is_read_all_the_same(vault):
    """Retention may work beside it."""
    path = put(vault, trades(1, 50))
    path.with_suffix(".jsonl.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    found = TradeAudit(BTC).day(DAY, path)
    assert (found.ids, found.damaged) == (50, "")
