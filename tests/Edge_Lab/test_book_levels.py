"""Books read once: what an order asks of the kept levels is what it asks of the whole book."""

import random
import zlib

import numpy as np
import pytest

from Edge_Lab.book_levels import BookCollector, WantedLevels, read_books
from ravequant import times
from ravequant.errors import VaultError
from ravequant.vault.paths import Vault
from tests.support.book_lines import lines, snapshot
from tests.support.edge_market import book_of
from tests.support.plain_fills import PlainBook

BTC = "BTC-USDT-SWAP"
DAY = "2025-12-14"
START = times.day_start_ms(DAY)
DEPTH = 12


def written(units, places):
    """Return units as decimal text, as the exchange writes it."""
    whole, part = divmod(units, 10**places)
    return f"{whole}.{part:0{places}}".rstrip("0").rstrip(".") if places else str(whole)


def made_books(count, seed):
    """Return plain books and their lines: sides of 3 to 12 levels, some over a gap."""
    rng = random.Random(seed)
    plain, rows, middle = [], [], 1_000_000
    for number in range(count):
        middle += rng.randint(-30, 30)
        sides = []
        for sign in (-1, 1):
            distances = sorted(rng.sample(range(1, 60), rng.choice([3, 7, DEPTH])))
            sides.append([(middle + sign * d, rng.randint(1, 900)) for d in distances])
        ts, gap = START + number * 2_000, rng.random() < 0.1
        plain.append(PlainBook(ts, tuple(sides[0]), tuple(sides[1]), gap))
        texts = [
            [[written(price, 1), written(qty, 2), "0", "1"] for price, qty in side]
            for side in sides
        ]
        rows.append(snapshot(ts, texts[0], texts[1], gap=gap))
    return plain, rows


@pytest.fixture
def recorded(tmp_path):
    """Return a vault with half an hour of books in two hour files, and these books."""
    vault = Vault(tmp_path / "a vault")
    plain, rows = made_books(900, seed=3)
    folder = vault.snapshots(BTC) / DAY
    folder.mkdir(parents=True)
    (folder / "00.jsonl").write_bytes(lines(rows[:500]))
    (folder / "01.jsonl").write_bytes(lines(rows[500:]) + b'{"not":"a book"}\n')
    other = vault.snapshots(BTC) / "2025-12-15"
    other.mkdir()
    (other / "00.jsonl").write_bytes(lines(rows[:1]))
    return vault, plain


def wanted(prices, first=START, last=START + times.DAY_MS):
    """Return prices that are wanted for a span."""
    found = WantedLevels()
    for price in prices:
        found.want(price, first, last)
    return found


def collector(prices, most):
    """Return a collector of tenths and hundredths."""
    return BookCollector(wanted(prices), most, price_places=1, qty_places=2, depth_levels=DEPTH)


def test_every_question_has_the_answer_of_the_whole_book(recorded):
    """Contracts at each wanted price, and walks up to the largest order, on both sides."""
    vault, plain = recorded
    rng = random.Random(8)
    prices = [1_000_000 + rng.randint(-200, 200) for _ in range(60)]
    most = 2_000
    kept = collector(prices, most)
    files = read_books(vault, BTC, {DAY}, START + times.DAY_MS, kept)
    folder = vault.snapshots(BTC)
    for file, name in zip(files, ("00", "01"), strict=True):
        data = (folder / DAY / f"{name}.jsonl").read_bytes()
        assert vault.root / file.name == folder / DAY / f"{name}.jsonl"
        assert (file.crc32, file.length) == (zlib.crc32(data), len(data))
    found, whole = kept.books(), book_of(complete(plain))
    assert found.ts.tolist() == [book.ts for book in plain]
    assert len(found.asks.price) < len(whole.asks.price)
    for mine, theirs, sign in ((found, whole, 1), (found.mirrored, whole.mirrored, -1)):
        for price in prices:
            shown = mine.shown(sign * price, 0, len(plain))
            assert shown.tolist() == theirs.shown(sign * price, 0, len(plain)).tolist()
        for place in range(0, len(plain), 7):
            for size in (1, 250, most):
                assert mine.walk(place, size) == theirs.walk(place, size)


def complete(plain):
    """Return the books, each marked as complete if both of its sides are short."""
    return [
        PlainBook(
            book.ts, book.bids, book.asks, book.gap,
            complete_bids=len(book.bids) < DEPTH, complete_asks=len(book.asks) < DEPTH,
        )
        for book in plain
    ]  # fmt: skip


def test_a_day_without_books_adds_nothing(tmp_path):
    """No folder: no book, and no error; the queue is unknown then."""
    kept = collector([1], 5)
    assert read_books(Vault(tmp_path), BTC, {DAY}, START, kept) == []
    assert len(kept.books().ts) == 0
    assert kept.books().newest(START) is None


def test_without_wanted_prices_only_the_walk_is_kept(recorded):
    """The levels that the largest order reaches, and no other."""
    vault, plain = recorded
    kept = collector([], 1)
    read_books(vault, BTC, {DAY}, START + times.DAY_MS, kept)
    assert np.diff(kept.books().asks.starts).tolist() == [1] * len(plain)


@pytest.mark.parametrize(("price_places", "qty_places"), [(0, 2), (1, 1)])
def test_a_book_finer_than_its_units_is_refused(recorded, price_places, qty_places):
    """A tick or lot that the metadata do not know: nothing is rounded."""
    vault, _ = recorded
    kept = BookCollector(wanted([1]), 5, price_places=price_places, qty_places=qty_places)
    with pytest.raises(VaultError, match="lacks a change of the tick or the lot"):
        read_books(vault, BTC, {DAY}, START + times.DAY_MS, kept)


def test_a_price_is_kept_while_it_is_wanted(recorded):
    """Before its time and after it no level at that price is kept, but for the walk."""
    vault, plain = recorded
    price = plain[450].asks[-1][0]
    kept = BookCollector(
        wanted([price], plain[440].ts, plain[460].ts), 1,
        price_places=1, qty_places=2, depth_levels=DEPTH,
    )  # fmt: skip
    read_books(vault, BTC, {DAY}, START + times.DAY_MS, kept)
    found, whole = kept.books(), book_of(complete(plain))
    part = slice(440, 461)
    assert found.shown(price, 440, 461).tolist() == whole.shown(price, 440, 461).tolist()
    assert (whole.shown(price, 440, 461) > 0).any()
    assert np.diff(found.asks.starts)[part].max() == 2
    outside = np.delete(np.diff(found.asks.starts), np.arange(300, 600))
    assert outside.max() == 1


def test_files_that_begin_later_are_not_read(recorded):
    """The horizon of the last trial ends the reading."""
    vault, _ = recorded
    kept = collector([], 1)
    files = read_books(vault, BTC, {DAY, "2025-12-15"}, START + times.HOUR_MS - 1, kept)
    assert [file.name[-len("2025-12-14/00.jsonl") :] for file in files] == [f"{DAY}/00.jsonl"]
    assert len(kept.books().ts) == 500
