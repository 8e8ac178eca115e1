"""The heat of a vault, held to a plain reading of its books."""

import base64
import gzip
import random
from typing import Any

import pytest

from Dashboard import heat
from Dashboard.heat_books import HeatBooks
from Dashboard.heat_columns import Asked, HeatColumns
from ravequant.errors import NoDataError, UsageError
from ravequant.vault.paths import Vault
from tests.support import book_lines, heat_market
from tests.support.heat_market import BTC, DEPTH, LINEAR, SETTINGS, START
from tests.support.hour_vault import pack
from tests.support.plain_heat import PlainHeat, ms

FIRST = START // 60_000
ALWAYS = 1 << 60
MINUTES = range(FIRST, FIRST + 10)


@pytest.fixture
def vault(tmp_path):
    return Vault(tmp_path)


def asked(first: int = FIRST, last: int = MINUTES[-1], *, every: int = 1, until: int = ALWAYS):
    return Asked(BTC, first, last, every, until)


def answer(vault: Vault, question: Asked | None = None) -> dict[str, Any]:
    return HeatColumns(vault, SETTINGS).answer(question or asked())


def columns(found: dict[str, Any], kind: str = "cells") -> list[list[int]]:
    """Return the cells or peaks of each column, the lowest row first."""
    data, rows = base64.b64decode(found[kind]), found["rows"]
    return [list(data[start : start + rows]) for start in range(0, len(data), rows)]


def agrees(vault: Vault, question: Asked) -> None:
    """Check each column of an answer against the plain reading."""
    found = answer(vault, question)
    plain = PlainHeat(vault.snapshots(BTC).parents[1], BTC, LINEAR, DEPTH)
    minutes = range(question.first, question.last + 1)
    step = plain.step(minutes, question.until_ms)
    assert found["step"] == book_lines.plain(step)
    wanted = [plain.column(minute, step, question.until_ms) for minute in minutes]
    assert found["source"] == [column.source for column in wanted]
    assert columns(found) == [column.cells for column in wanted]
    assert columns(found, "peaks") == [column.peaks for column in wanted]
    seen = [
        (base, one.base) for base, one in zip(found["base"], wanted, strict=True) if any(one.cells)
    ]
    assert all(mine == other for mine, other in seen)


@pytest.mark.parametrize("seed", range(4))
def test_columns_are_a_plain_reading_of_the_books(vault, seed):
    """Each cell of ten minutes: over midnight, with a break, silence, deep and whole books."""
    heat_market.put(vault, *heat_market.market(seed))
    agrees(vault, asked())


def test_the_market_holds_what_it_is_for(vault):
    """Unseen, empty and bright cells, and every source of a raw book, are among the columns."""
    heat_market.put(vault, *heat_market.market(0))
    found = answer(vault)
    assert set(found["source"]) == {"deep", "ws", "none"}
    cells = [cell for column in columns(found) for cell in column]
    assert {0, 1} < set(cells)
    assert max(cells) > 200
    assert (found["first"], found["every"], found["rows"]) == (FIRST, 1, 100)
    assert (found["least"], found["full"]) == (128_000, 2_000_000)


@pytest.mark.parametrize("seed", range(3))
def test_an_inverse_contract_is_worth_its_contracts(vault, seed, monkeypatch):
    """Money is contracts x ctVal, whatever the price."""
    heat_market.put(vault, *heat_market.market(seed, minutes=2))
    contract = LINEAR._replace(ct_val="100", ct_type="inverse")
    book_lines.put_metadata(vault, BTC, contract)
    monkeypatch.setattr(f"{__name__}.LINEAR", contract)
    agrees(vault, asked(last=FIRST + 1))


def test_nothing_later_than_the_moment_asked_is_read(vault, tmp_path):
    """The columns as of a time are those of a vault that ends there, amid a minute too."""
    own, deep = heat_market.market(5)
    heat_market.put(vault, own, deep)
    chance = random.Random(5)
    whole = HeatColumns(vault, SETTINGS)
    whole.answer(asked())  # what is kept must not show through
    moments = [START + chance.randint(1_000, 600_000) for _ in range(12)]
    edges = [ms(row["timestamp_utc"]) for row in (*own, *deep)]
    for number, until in enumerate([*moments, *edges[::7], *(edge - 1 for edge in edges[::9])]):
        cut = Vault(tmp_path / f"cut{number}")
        kept = [[row for row in rows if ms(row["timestamp_utc"]) <= until] for rows in (own, deep)]
        heat_market.put(cut, *kept)
        question = asked(until=until)
        assert whole.answer(question) == answer(cut), until


def test_packed_and_flat_files_give_the_same(vault, tmp_path):
    """Hours as .gz, and all of a day in one file."""
    market = heat_market.market(1)
    heat_market.put(vault, *market)
    wanted = answer(vault)
    flat = Vault(tmp_path / "flat")
    heat_market.put(flat, *market)
    for folder in (flat.snapshots(BTC), flat.deep_snapshots(BTC)):
        for day in list(folder.iterdir()):
            lines = b"".join(path.read_bytes() for path in sorted(day.iterdir()))
            (folder / f"{day.name}.jsonl.gz").write_bytes(gzip.compress(lines))
            for path in day.iterdir():
                path.unlink()
            day.rmdir()
    assert answer(flat) == wanted
    for path in vault.root.rglob("raw/**/*.jsonl"):
        path.with_suffix(".jsonl.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    assert answer(vault) == wanted


def test_torn_and_foreign_lines_show_nothing(vault):
    """Half a line, text, another instrument and a line that comes late: the books around stand."""
    own, deep = heat_market.market(2)
    for number in (5, 6, 7, 20):
        own[number]["mid_price"] = "1"  # no mid of these prices
    for number in (41, 47):
        own[number]["instId"] = "ETH-USDT-SWAP"
    deep[3]["bids"] = "none"
    deep[5]["instId"] = "ETH-USDT-SWAP"
    heat_market.put(vault, own, deep)
    for stream in (vault.snapshots(BTC), vault.deep_snapshots(BTC)):
        for path in stream.rglob("*.jsonl"):
            lines = path.read_bytes().split(b"\n")
            if len(lines) < 10:
                continue
            lines.insert(4, b"not a line of JSON")
            lines.insert(7, lines[6][: len(lines[6]) // 2])
            lines.insert(9, lines[2])
            path.write_bytes(b"\n".join(lines) + lines[0][:300])
    good = [row for n, row in enumerate(own) if n not in (5, 6, 7, 20, 41, 47)]
    clean = Vault(vault.root / "clean")
    heat_market.put(clean, good, [row for n, row in enumerate(deep) if n not in (3, 5)])
    assert answer(vault) == answer(clean)


def test_a_minute_of_invalid_lines_is_looked_through(vault):
    """The newest valid line of a minute stands for it, however many come after it."""
    own, deep = heat_market.market(3, minutes=2)
    for row in own[1:6]:
        row["mid_price"] = "1"
    heat_market.put(vault, own, deep)
    clean = Vault(vault.root / "clean")
    heat_market.put(clean, [own[0], *own[6:]], deep)
    assert answer(vault, asked(last=FIRST)) == answer(clean, asked(last=FIRST))
    assert answer(vault, asked(last=FIRST))["source"] != ["none"]


def test_a_growing_book_is_read_again_until_its_minute_is_over(vault):
    """A column is kept only once a later snapshot is on disk."""
    own, deep = heat_market.market(4, minutes=3)
    live = HeatColumns(vault, SETTINGS)
    known: list[dict[str, Any]] = []
    for row in own:
        heat_market.put(
            vault, [row], [one for one in deep if one["from_utc"] == row["timestamp_utc"]]
        )
        known.append(row)
        assert live.answer(asked(last=FIRST + 2)) == answer(vault, asked(last=FIRST + 2))


def test_what_is_kept_is_not_read_again(vault, monkeypatch):
    """A second answer parses the newest minute alone."""
    heat_market.put(vault, *heat_market.market(6))
    live = HeatColumns(vault, SETTINGS)
    wanted = live.answer(asked())
    read: list[int] = []
    made = heat.column_of

    def counted(shown, *rest):
        read.append(shown.head.ts // 60_000)
        return made(shown, *rest)

    monkeypatch.setattr(heat, "column_of", counted)
    assert live.answer(asked()) == wanted
    assert read == [MINUTES[-1]]
    live.forget(BTC)
    assert live.answer(asked()) == wanted
    assert len(set(read)) == len(MINUTES) - 1  # all but the silent minute


@pytest.mark.parametrize("every", [2, 5])
def test_a_wide_column_is_its_newest_minute_with_a_book(vault, every):
    """Five minutes show their last book, also where the last minutes have none."""
    own, deep = heat_market.market(7)
    heat_market.put(vault, own, deep)
    narrow = answer(vault)
    minutes = dict(zip(MINUTES, zip(columns(narrow), narrow["source"], strict=True), strict=True))
    silent = {FIRST + heat_market.SILENT}
    found = answer(vault, asked(every=every))
    assert found["first"] == FIRST // every * every
    for number, (cells, source) in enumerate(zip(columns(found), found["source"], strict=True)):
        start = found["first"] + number * every
        inside = [m for m in range(start, start + every) if m in minutes and m not in silent]
        assert (cells, source) == minutes[max(inside)]


def test_where_books_are_gone_the_buckets_stand_for_them(vault):
    """Deleted hours show bands; once they are back the books show again."""
    own, deep = heat_market.market(8)
    heat_market.put(vault, own, deep)
    _put_buckets(vault, own)
    live = HeatColumns(vault, SETTINGS)
    wanted = answer(vault)
    gone = vault.snapshots(BTC) / "2025-12-15" / "00.jsonl"
    lines = gone.read_bytes()
    gone.unlink()
    without = live.answer(asked())
    assert without["source"][0] == wanted["source"][0]
    assert without["source"][1:] == ["none" if n in (3, 5) else "bands" for n in range(1, 10)]
    assert without["step"] == wanted["step"]
    assert set(columns(without)[1]) == {64}  # 5 x 64,000 spread over 5 rows of a band of 10 bps
    gone.write_bytes(lines)
    assert live.answer(asked()) == wanted


def _put_buckets(vault: Vault, own: list[dict[str, Any]]) -> None:
    folder = vault.derived("liquidity_buckets", BTC)
    folder.mkdir(parents=True)
    for row in own:
        mid = float(row["mid_price"])
        per_bps = 64_000 / (20 / mid * 10_000)
        edges = [10, 25, 50, 100, 200, 500]
        amounts = [
            f"{per_bps * (high - low):.2f}" for low, high in zip([0, *edges], edges, strict=False)
        ]
        line = {
            "timestamp_utc": row["timestamp_utc"], "mid_price": row["mid_price"],
            "bands_bps": edges, "bid_notional": amounts, "ask_notional": amounts,
            "bid_depth_bps": "500", "ask_depth_bps": "500", "band_source": ["ws"] * 6,
            "gap": row["gap_detected"],
        }  # fmt: skip
        with (folder / f"{row['timestamp_utc'][:10]}.jsonl").open("ab") as out:
            out.write(book_lines.lines([line]))


def test_a_damaged_file_is_named_and_not_seen(vault, caplog):
    """A cut .gz: its columns are empty, the log says which file, and a good copy is read."""
    heat_market.put(vault, *heat_market.market(9))
    live, wanted = HeatColumns(vault, SETTINGS), answer(vault)
    hour = vault.snapshots(BTC) / "2025-12-14" / "23.jsonl"
    packed = gzip.compress(hour.read_bytes())
    hour.unlink()
    hour.with_suffix(".jsonl.gz").write_bytes(packed[:-20])
    assert live.answer(asked())["source"][0] == "none"
    assert "23.jsonl.gz" in caplog.text
    hour.with_suffix(".jsonl.gz").write_bytes(packed)
    assert live.answer(asked()) == wanted


def test_books_that_were_replaced_are_read_again(vault, tmp_path, monkeypatch):
    """Nobody says so: the file is another one. Packed, with the same lines, it is read no more."""
    heat_market.put(vault, *heat_market.market(6))
    other = Vault(tmp_path / "other")
    heat_market.put(other, *heat_market.market(7))
    live = HeatColumns(vault, SETTINGS)
    before = live.answer(asked())
    hours = [path.relative_to(vault.root) for path in vault.snapshots(BTC).rglob("*.jsonl")]
    for hour in hours:
        (other.root / hour).replace(vault.root / hour)
    after = live.answer(asked())
    assert after == answer(vault) != before
    for hour in hours[1:]:
        pack(vault.root / hour)
    monkeypatch.setattr(heat, "column_of", None)
    assert live.answer(asked(last=FIRST + 8)) | {"first": FIRST} == answer_of(after, 9)


def answer_of(found, count):
    """Return the first columns of an answer."""
    rows = found["rows"] * count
    cut = {name: found[name][:count] for name in ("base", "source")}
    for name in ("cells", "peaks"):
        cut[name] = base64.b64encode(base64.b64decode(found[name])[:rows]).decode()
    return found | cut


def test_files_that_are_packed_meanwhile_are_listed_again(vault, monkeypatch):
    """An hour that is packed between the listing and the reading is read packed."""
    heat_market.put(vault, *heat_market.market(9))
    wanted, live = answer(vault), HeatColumns(vault, SETTINGS)
    hour = vault.snapshots(BTC) / "2025-12-14" / "23.jsonl"
    made = HeatBooks.shown

    def packs(books, spans):
        if hour.exists():
            books.kept(spans[0].first)
            hour.with_suffix(".jsonl.gz").write_bytes(gzip.compress(hour.read_bytes()))
            hour.unlink()
        return made(books, spans)

    monkeypatch.setattr(HeatBooks, "shown", packs)
    assert live.answer(asked()) == wanted


def test_a_vault_without_books_has_empty_columns(vault):
    """No step, no cell; with books but without metadata the answer says that these are missing."""
    found = answer(vault)
    assert found["step"] is None
    assert set(found["source"]) == {"none"}
    assert len(base64.b64decode(found["cells"])) == 1_000
    vault.trades("ETH-USDT-SWAP").mkdir(parents=True)
    with pytest.raises(NoDataError, match=r"no data of BTC.*, which holds ETH-USDT-SWAP"):
        answer(vault)
    own, _ = heat_market.market(0, minutes=1)
    book_lines.put(vault.snapshots(BTC), own)
    with pytest.raises(NoDataError, match="no metadata of BTC"):
        answer(vault)


@pytest.mark.parametrize(
    ("question", "message"),
    [
        (asked(every=3), "columns of 3 minutes: expected one of 1, 2, 5"),
        (asked(FIRST, FIRST + 1_440), "1441 columns .* expected 1 to 1,440"),
        (asked(FIRST, FIRST - 1), "0 columns"),
    ],
)
def test_what_cannot_be_shown_is_refused(vault, question, message):
    """Other widths, and too many columns."""
    with pytest.raises(UsageError, match=message):
        answer(vault, question)
