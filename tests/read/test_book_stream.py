"""Tests of ravequant.read.book_stream: spans of snapshots, repeated ones, sides without a level."""

import numpy as np

from ravequant import read, times
from ravequant.vault.paths import Vault
from tests.support.book_lines import put, snapshot
from tests.support.trade_streams import BTC, START

BIDS, ASKS = [["100.5", "3", "0", "1"], ["100", "2.25", "0", "4"]], [["101", "7", "0", "2"]]


def at(seconds: int) -> str:
    return times.iso(START + 1_000 * seconds)


def test_a_span_of_snapshots(tmp_path):
    """From its beginning, without its end, over hours; a repeated time is dropped and counted."""
    vault = Vault(tmp_path)
    moments = [*range(0, 4_000, 2), 3_998]
    put(vault.snapshots(BTC), (snapshot(START + 1_000 * n, BIDS, ASKS) for n in moments))
    met = read.books(BTC, at(1_000), at(3_000), vault=tmp_path)
    wanted = [np.datetime64(at(n).removesuffix("Z")) for n in range(1_000, 3_000, 2)]
    assert met["timestamp_utc"].values.tolist() == [one.astype(object) for one in wanted]
    assert met.complete
    whole = read.books(BTC, vault=tmp_path)
    assert (len(whole), whole.counts.duplicates) == (2_000, 1)
    assert whole["mid_price"].text()[0] == "100.75"
    assert whole["bids"]["qty_contracts"].text().tolist()[:2] == ["3", "2.25"]


def test_a_side_without_a_good_level_has_no_best(tmp_path):
    """Malformed levels are left out, as the bucketizer leaves them out."""
    row = snapshot(START, BIDS, ASKS)
    row["asks_top400"] = [["-101", "7", "0", "2"]]
    put(Vault(tmp_path).snapshots(BTC), [row, snapshot(START + 2_000, BIDS, ASKS)])
    met = read.books(BTC, vault=tmp_path)
    assert met["best_ask"].text().tolist() == [None, "101"]
    assert [len(levels) for levels in met["asks"].rows()] == [0, 1]
    assert met["best_bid"].text().tolist() == ["100.5", "100.5"]
