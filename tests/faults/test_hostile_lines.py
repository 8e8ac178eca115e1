"""B2: lines that are no trades or no books, among good ones: counted, named, passed over, exact."""

import itertools
import json

import numpy as np
import pytest

from ravequant.contract import Contract
from ravequant.records import RecordError, parse_trade
from ravequant.trades import scanner as scanner_module
from ravequant.trades.scanner import Scanned, Scanner, TradeColumns
from ravequant.vault.paths import Vault
from tests.faults.calculators import BTC, CALCULATORS, LINEAR, OF_BOOKS, OF_TRADES, trade_lines
from tests.support import book_lines
from tests.trades import test_scanner
from tests.trades.test_scanner import GOLDEN, ODD

DEEP = b"[" * 100_000 + b"]" * 100_000
ANY: dict[str, bytes] = {  # lines that are no record of any kind
    "empty": b"",
    "NULs": bytes(300),
    "garbage": bytes(range(11, 256)),
    "a megabyte": b"x" * 2**20,
    "a megabyte of JSON": b'{"a":"' + b"x" * 2**20 + b'"}',
    "NaN": b"NaN",
    "a number": b"1e999",
    "a huge integer": b"9" * 10_000,
    "deep": DEEP,
    "deep objects": b'{"a":' * 50_000 + b"1",
    "lone surrogate": b'{"timestamp_utc":"\\ud800"}',
    "BOM": b"\xef\xbb\xbf{}",
    "null": b"null",
    "an object": b"{}",
    "an array": b"[]",
    "control characters": b'{"a":"\x1b[31m\x07"}',
    "unpaired quote": b'"',
    "CR": b"\r",
    "bad UTF-8": b'{"a":"\xff\xfe"}',
}
BOOK_EDITS: dict[str, tuple[bytes, bytes]] = {  # of a good line, which is then no book
    "no bids": (b'"bids_top400"', b'"bids"'),
    "another instrument": (b"BTC-USDT", b"ETH-USDT"),
    "bids an object": (b'"bids_top400":[', b'"bids_top400":{},"x":['),
    "30 February": (b'"timestamp_utc":"2025-12-14', b'"timestamp_utc":"2025-02-30'),
    "repeated key": (b'"channel":"books"', b'"channel":"books","seqId":1'),
    "lone surrogate": (b'"channel":"books"', b'"channel":"\\ud800"'),
    "torn": (b'"asks_top', b"\n"),
}
LEVEL_EDITS: dict[str, tuple[bytes, bytes]] = {  # of its best bid, which alone is then ignored
    "exponent": (b'"PRICE"', b'"1.0125e5"'),
    "NaN": (b'"PRICE"', b'"NaN"'),
    "number": (b'"PRICE"', b"PRICE"),
    "one value": (b'["PRICE",', b'["PRICE"],["1",'),
    "huge": (b'"PRICE"', b'"' + b"9" * 5_000 + b'"'),
    "negative": (b'"PRICE"', b'"-PRICE"'),
}
TRADE_ODD = {name: GOLDEN.replace(*pair, 1) for name, pair in ODD.items()}
LINES = {**TRADE_ODD, **{name: data + b"\n" for name, data in ANY.items()}}


def refused(line: bytes) -> bool:
    """Return True if the slow path refuses the line."""
    try:
        parse_trade(line, BTC)
    except RecordError:
        return True
    return False


@pytest.mark.parametrize("metric", OF_TRADES)
def test_bad_lines_among_trades(tmp_path, metric, faults, capsys):
    """Each is counted and logged with file and offset; the output is that of the good lines."""
    fact = faults.row("B2", "each trade calculator, a corpus of bad lines")
    calculator, good, bad = CALCULATORS[metric], Vault(tmp_path / "good"), Vault(tmp_path / "bad")
    calculator.fill(good)
    assert calculator.run(good) == 0
    book_lines.put_metadata(bad, BTC, LINEAR)
    lines, wrong = list(trade_lines()), [line for line in LINES.values() if refused(line)]
    faults.random.shuffle(wrong)
    places: list[tuple[str, int]] = []
    for path in calculator.raw(good):
        target, data = bad.trades(BTC) / path.name, b""
        for number, line in enumerate(path.read_bytes().splitlines(keepends=True)):
            if number % 3 == 1 and wrong:
                odd = wrong.pop()
                places += [(target.name, len(data))] if odd != b"\n" else []
                data += odd
            data += line
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    assert not wrong
    assert len(lines) == sum(data.count(b"\n") for data in map(_bytes, calculator.raw(good)))
    capsys.readouterr()
    arguments = ["--vault", str(bad.root), "--instId", BTC, "--json"]
    assert calculator.module.main(arguments) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["rejected"] >= len(places)
    for name, offset in places[:18]:
        assert f"{name}: line at byte {offset} skipped: " in err
    assert "more lines were skipped" in err
    assert all(len(line) < 700 for line in err.splitlines())
    assert "\x1b" not in err
    good_rows, bad_rows = (calculator.made(vault) for vault in (good, bad))
    assert [data for name, data in bad_rows.items() if "state" not in name] == [
        data for name, data in good_rows.items() if "state" not in name
    ]
    fact.times += len(places)


def _bytes(path):
    return path.read_bytes()


@pytest.mark.parametrize("metric", OF_BOOKS)
def test_bad_lines_among_books(tmp_path, metric, faults, capsys):
    """What is no book is passed over, and the output is that of the good ones."""
    fact = faults.row("B2", "each calculator of books, a corpus of bad lines")
    calculator, vault = CALCULATORS[metric], Vault(tmp_path / "vault")
    calculator.put(vault, 0)  # all of it in one hour
    path = calculator.raw(vault)[0]
    whole = path.read_bytes().splitlines(keepends=True)
    row = json.loads(whole[3])
    row["bids_top400"][0][1] = "7777"  # were it taken for a book, it would show
    sample = book_lines.lines([row])
    edits = [sample.replace(old, new, 1) for old, new in BOOK_EDITS.values()]
    assert sample not in edits
    wrong = [*edits, *(data + b"\n" for data in ANY.values())]
    path.write_bytes(b"".join(whole[:3]))
    assert calculator.run(vault) == 0
    for line in wrong:
        with path.open("ab") as stream:
            stream.write(line)
        assert calculator.run(vault) in {0, 1}
        fact.times += 1
    with path.open("ab") as stream:
        stream.writelines(whole[3:])
    err = capsys.readouterr().err
    assert calculator.run(vault) == 0
    assert "Traceback" not in err
    assert all(len(text) < 900 for text in err.splitlines())
    clean = Vault(tmp_path / "clean")
    calculator.put(clean, 0)
    assert calculator.run(clean) == 0
    read = (calculator.made(one) for one in (vault, clean))
    rows, wanted = ({k: v for k, v in made.items() if "state" not in k} for made in read)
    assert rows == wanted


@pytest.mark.parametrize("what", LEVEL_EDITS)
def test_a_bad_level_in_a_book(tmp_path, what, faults, capsys):
    """It is ignored and counted; the others of the same book are taken."""
    fact = faults.row("B2", "bucketizer, a corpus of bad levels")
    calculator, vault = CALCULATORS["liquidity_buckets"], Vault(tmp_path / "vault")
    calculator.put(vault, 0)
    path = calculator.raw(vault)[0]
    whole = path.read_bytes().splitlines(keepends=True)
    price = json.loads(whole[3])["bids_top400"][0][0].encode()
    old, new = (text.replace(b"PRICE", price) for text in LEVEL_EDITS[what])
    assert whole[3].count(old) > 0
    whole[3] = whole[3].replace(old, new, 1)
    path.write_bytes(b"".join(whole))
    capsys.readouterr()
    assert calculator.run(vault, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["records"], said["rejected"]) == (len(whole), 0)
    assert said["malformed"] >= 1
    fact.times += 1


# -- the two paths of the scanner on the same bytes

ALPHABET = np.frombuffer(b'0123456789.:-,"{}[]\n\r \0+eEZT/;\\u\x0e\x1e\x7f\x8e\xae\xff', np.uint8)
DIGITS = np.frombuffer(b"0123456789", np.uint8)
LINES_A_BLOCK = 6_000
MIXES = ("digits", "rare", "often", "shifted")


def layouts(seed: int) -> bytes:
    """Return lines as several writers spell them, one after the other."""
    share = LINES_A_BLOCK // 4
    plain = test_scanner.canonical(test_scanner.some_trades(seed, 2 * share))
    other = test_scanner.canonical(
        test_scanner.some_trades(seed, share), Contract("100", "1", "inverse")
    )
    rows = [json.loads(line) for line in plain.splitlines()[:share]]
    spaced = "".join(json.dumps({k: row[k] for k in list(row)[:-2]}) + "\n" for row in rows)
    lines: bytes = plain + other + spaced.encode()
    return lines


def mutated(base: np.ndarray, mix: str, chance: np.random.Generator) -> bytes:
    """Return the lines with bytes replaced, put in or taken out all over them."""
    data: np.ndarray = base.copy()
    if mix == "digits":  # mostly valid lines of other numbers
        digit = (data >= 48) & (data <= 57)
        at = np.flatnonzero(digit & (chance.random(len(data)) < 0.02))
        data[at] = chance.choice(DIGITS, len(at))
    else:
        number = {"rare": 40, "often": 4_000, "shifted": 60}[mix]
        at = chance.integers(0, len(data), number)
        data[at] = chance.choice(ALPHABET, number)
    if mix == "shifted":
        at = chance.integers(0, len(data), 300)
        data = np.insert(data, at, chance.choice(ALPHABET, 300))
        data = np.delete(data, chance.integers(0, len(data), 300))
    damaged: bytes = data.tobytes()
    return damaged + b"\n"


def slow(block: bytes) -> Scanned:
    """Scan without the fast path: every line through parse_trade, and so orjson."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scanner_module, "template_of", lambda *_: None)
        return Scanner(BTC).scan(block)


def assert_equal(found: Scanned, wanted: Scanned) -> None:
    """Both paths say the same, number for number."""
    assert found.lines == wanted.lines
    assert found.rejected == wanted.rejected
    assert [one.contract for one in found.stretches] == [one.contract for one in wanted.stretches]
    for one, other in zip(found.stretches, wanted.stretches, strict=True):
        for name in ("ts", "trade_id", "count", "buy"):
            assert np.array_equal(getattr(one, name), getattr(other, name)), name
        for name in ("price", "qty"):
            assert np.array_equal(scaled(one, name), scaled(other, name)), name
    for one, other in itertools.pairwise(found.stretches):
        assert one.contract != other.contract


def scaled(of: TradeColumns, name: str) -> np.ndarray:
    """Return exact numbers, at one scale for both paths."""
    values: np.ndarray = getattr(of, name).astype(object)
    scale: int = 10 ** (40 - getattr(of, f"{name}_decimals"))
    exact: np.ndarray = np.multiply(values, scale)
    return exact


@pytest.mark.first
@pytest.mark.parametrize("mix", MIXES)
def test_both_paths_of_the_scanner_agree(mix, faults):
    """On millions of damaged lines: equal, or both refuse."""
    fact = faults.row("B2", "scanner, fast path against orjson on the same bytes")
    chance = np.random.default_rng(faults.seed)
    base = layouts(faults.random.randrange(1000))
    one_writer = b"".join(base.splitlines(keepends=True)[: LINES_A_BLOCK // 2])
    bases = itertools.cycle(np.frombuffer(text, np.uint8) for text in (base, one_writer))
    alike = one_writer.split(b"\n", 1)[0] + b"\n"
    scanner = Scanner(BTC)
    most = faults.count(12_000, 2_600_000)
    while fact.times < most:
        block = mutated(next(bases), mix, chance)
        wanted = slow(block)
        scanner.scan(alike)  # what follows a block of equal lines is read another way
        assert_equal(scanner.scan(block), wanted)
        fact.times += wanted.lines
        fact.add("refused by both", len(wanted.rejected))
