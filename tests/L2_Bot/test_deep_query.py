"""The deep levels of l2_query against those of the liquidity buckets."""

import random

import orjson

from L2_Bot import book_queries, l2_query
from Liquidity_Buckets import l2_bucketizer
from ravequant import exact, settings, times
from ravequant.contract import Contract
from ravequant.settings import SETTINGS_VARIABLE
from ravequant.vault.paths import day_files
from tests.support import book_lines

BTC = "BTC-USDT-SWAP"
LINEAR = Contract("0.01", "1", "linear")


def test_it_sees_the_book_of_the_liquidity_buckets(vault, tmp_path, monkeypatch):
    """The same levels of the same deep snapshots: their sum within 500 bps is that of all bands."""
    path = tmp_path / "twelve.toml"
    path.write_text("[l2]\ndepth_levels = 12\n", encoding="utf-8")
    monkeypatch.setenv(SETTINGS_VARIABLE, str(path))
    chance, snapshots = random.Random(5), []
    for number in range(80):
        middle = 100_000 + chance.randint(-40, 40)
        sides = [
            [[str(middle + sign * (2 + 3 * rank)), str(chance.randint(1, 90)), "0", "1"]
             for rank in range(11 if number % 9 == 4 else 12)]
            for sign in (-1, 1)
        ]  # fmt: skip
        snapshots.append(book_lines.snapshot(1_765_748_096_000 + 2_000 * number, *sides))
    deeps = book_lines.deepened(snapshots, seed=9, every=12)[:5]
    book_lines.put_metadata(vault, BTC, LINEAR)
    book_lines.put(vault.snapshots(BTC), snapshots)
    book_lines.put(vault.deep_snapshots(BTC), deeps)
    assert l2_bucketizer.main(["--vault", str(vault.root), "--instId", BTC]) == 0
    days = day_files(vault.derived("liquidity_buckets", BTC))
    rows = [orjson.loads(line) for _, path in days for line in path.read_bytes().splitlines()]
    ages = set()
    for row in rows[::5]:
        near = l2_query.newest_book(vault, BTC, times.parse_iso(row["timestamp_utc"]))
        book = l2_query.with_deep(vault, near, settings.load())
        seen = book_queries.seen(book, 12)
        ages.add(row["deep_age_s"])
        assert seen["deep_age_s"] == row["deep_age_s"]
        mid = exact.units(book.mid, exact.PRICE_PLACES + 1)
        for side, levels in zip(("bid", "ask"), (book.bids, book.asks), strict=True):
            within = [
                level for level in levels if abs(10 * level.price - mid) * 10_000 <= 500 * mid
                and (level.price * 10 <= mid if side == "bid" else level.price * 10 >= mid)
            ]  # fmt: skip
            worth = book_queries.total(LINEAR, within)
            assert worth is not None
            bands = (exact.units(text, exact.NOTIONAL_PLACES) for text in row[f"{side}_notional"])
            assert worth[1] == sum(bands), (row["timestamp_utc"], side)
    assert len(ages) > 3
    assert None in ages  # at last the newest deep snapshot is too old
