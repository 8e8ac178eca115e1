"""The four questions: exact answers on made books, the README's snippets on recorded ones."""

import gzip
import json
import re
import subprocess
import sys
from fractions import Fraction
from itertools import islice
from typing import Any

import orjson
import pytest

from L2_Bot import l2_query
from ravequant import times
from ravequant.settings import SETTINGS_VARIABLE
from ravequant.vault import instruments
from ravequant.vault.paths import CHECKOUT, Vault
from tests.support import recordings
from tests.support.query_lines import ASKS, BIDS, MOMENT, deep_line, line
from tests.support.recordings import Recording

BTC = "BTC-USDT-SWAP"


def write(vault: Vault, lines: list[bytes], inst_id: str = BTC, *, packed: bool = False) -> None:
    """Write lines into the hour files of their times."""
    for one in lines:
        key = times.hour(times.parse_iso(orjson.loads(one)["timestamp_utc"]))
        path = vault.snapshots(inst_id) / f"{key}.jsonl{'.gz' if packed else ''}"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(gzip.compress(one) if packed else one)


def describe(vault: Vault, inst_id: str = BTC) -> None:
    """Save what a contract is worth."""
    row = {
        "instId": inst_id, "ctVal": "0.01", "ctMult": "1", "ctType": "linear", "ctValCcy": "BTC",
        "settleCcy": "USDT", "tickSz": "0.1", "lotSz": "0.01", "minSz": "0.01", "state": "live",
    }  # fmt: skip
    instruments.save(vault, instruments.parse_instrument(row), None)


def ask(capsys, *arguments):
    """Run the command; return its exit code, what it said, and its log."""
    code = l2_query.main(list(map(str, arguments)))
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.fixture
def recorded(vault):
    """Return a vault with three snapshots in two hours, and the metadata."""
    describe(vault)
    earlier = [["101250", "1", "0", "1"]]
    write(
        vault,
        [
            line(bids=earlier, moment="2025-12-14T20:59:58.000Z"),
            line(bids=earlier, moment="2025-12-14T21:34:54.100Z", gap=True),
            line(),
        ],
    )
    return vault


# ------------------------------------------------------------------ which snapshot


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("at", "found"),
    [
        (None, MOMENT),
        ("2025-12-14T21:34:56.123Z", MOMENT),
        ("2025-12-14T21:34:56.122Z", "2025-12-14T21:34:54.100Z"),
        ("2025-12-14 21:34:55", "2025-12-14T21:34:54.100Z"),
        ("2025-12-14 22:00 +01:00", "2025-12-14T20:59:58.000Z"),
        ("latest", MOMENT),
        ("2025-12-14T21:00", "2025-12-14T20:59:58.000Z"),
        ("2025-12-20", MOMENT),
    ],
)
def test_the_newest_at_or_before_the_moment_answers(vault, capsys, packed, at, found):
    """Plain and compressed, in that hour or an earlier one; times without a zone are UTC."""
    moments = ("2025-12-14T20:59:58.000Z", "2025-12-14T21:34:54.100Z", MOMENT)
    write(vault, [line(moment=moment) for moment in moments], packed=packed)
    when = ["--last"] if at is None else ["--at", at]
    code, out, _ = ask(capsys, "spread", "--vault", vault.root, "--instId", BTC, "--json", *when)
    assert (code, orjson.loads(out)["timestamp_utc"]) == (0, found)


def test_damaged_and_half_written_lines_are_passed_over(recorded, capsys):
    """The newest whole snapshot answers, also beside a writer at work."""
    path = next(recorded.snapshots(BTC).rglob("21.jsonl"))
    with path.open("ab") as file:
        file.write(line(moment="2025-12-14T21:34:58.000Z").replace(b'"seqId"', b'seqId"'))
        file.write(line(moment="2025-12-14T21:35:00.000Z")[:-1])
    for when in (["--last"], ["--at", "2025-12-14T22:00:00Z"]):
        code, out, _ = ask(
            capsys, "spread", "--vault", recorded.root, "--instId", BTC, "--json", *when
        )
        assert (code, orjson.loads(out)["timestamp_utc"]) == (0, MOMENT)


def test_no_data_is_exit_code_3(vault, recorded, capsys):
    """An instrument never recorded, and a time before the oldest line; the others still answer."""
    at = ["--vault", recorded.root, "--json"]
    code, out, err = ask(capsys, "spread", *at, "--instId", "ETH-USDT-SWAP", "--instId", BTC)
    assert code == 3
    assert orjson.loads(out)["instId"] == BTC
    assert (
        f"no book snapshot of ETH-USDT-SWAP in {recorded.root}; start L2_Bot/l2_exporter.py, or "
        "name another vault with --vault"
    ) in err
    code, out, err = ask(capsys, "spread", *at, "--instId", BTC, "--at", "2025-12-14 20:00")
    assert (code, out) == (3, "")
    oldest = recorded.snapshots(BTC) / "2025-12-14" / "20.jsonl"
    assert (
        "no book snapshot of BTC-USDT-SWAP at or before 2025-12-14T20:00:00.000Z; the oldest file "
        f"is {oldest}, ask for a later time"
    ) in err


def test_a_damaged_gz_is_an_error_that_names_it(vault, capsys):
    """Not no data: something is wrong with a file."""
    write(vault, [line()], packed=True)
    path = next(vault.snapshots(BTC).rglob("*.gz"))
    path.write_bytes(path.read_bytes()[:-12])
    for when in (["--last"], ["--at", "2025-12-14T22:00:00Z"]):
        code, _, err = ask(capsys, "spread", "--vault", vault.root, "--instId", BTC, *when)
        assert code == 1
        assert str(path) in err


# ------------------------------------------------------------------ beyond its own levels

FAR = (
    [("101250", "9"), ("101150", "5000"), ("101000", "1600")],
    [("101300", "1"), ("101400", "1700")],
)


@pytest.fixture
def cut_off(recorded, tmp_path, monkeypatch):
    """Have a side of two levels be one that the exchange has cut off; return the vault."""
    path = tmp_path / "two.toml"
    path.write_text("[l2]\ndepth_levels = 2\n", encoding="utf-8")
    monkeypatch.setenv(SETTINGS_VARIABLE, str(path))
    write(recorded, [line(BIDS[:2], ASKS, moment="2025-12-14T21:34:58.123Z")])
    return recorded


def deep(vault: Vault, *lines: bytes, packed: bool = False) -> None:
    path = vault.deep_snapshots(BTC) / f"2025-12-14/21.jsonl{'.gz' if packed else ''}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(b"".join(lines)) if packed else b"".join(lines))


@pytest.mark.parametrize("packed", [False, True])
def test_walls_and_zones_go_on_in_the_deep_book(cut_off, capsys, packed):
    """Its levels count beyond the book's own last one alone; how far they reach is said."""
    later = deep_line(*FAR, "2025-12-14T21:34:59.000Z", from_utc="2025-12-14T21:34:58.123Z")
    deep(cut_off, deep_line(*FAR, "2025-12-14T21:34:50.123Z"), b"damaged\n", later, packed=packed)
    at = ["--vault", cut_off.root, "--instId", BTC, "--at", "2025-12-14T22:00:00Z"]
    assert ask(capsys, "walls", *at)[1].splitlines()[1:] == [
        "seen: asks to 14.77 bps, bids to 24.74 bps (deep snapshot 8 s old)",
        "side     price  contracts   coins        USD  bps from mid",
        "ask     101400       1700      17  1,723,800         14.77",
        "ask     101300       1500      15  1,519,500          4.89",
        "bid   101249.5     1000.1  10.001  1,012,596          0.10",
        "bid     101150       5000      50  5,057,500          9.93",
        "bid     101000       1600      16  1,616,000         24.74",
    ]
    facts = orjson.loads(ask(capsys, "zones", *at, "--json")[1])
    assert [(zone["from"], zone["contracts"]) for zone in facts["bids"]] == [
        ("101100", "5000"), ("101200", "2000.1"), ("101000", "1600"),
    ]  # fmt: skip
    assert facts["seen_bps"] == {"bids": "24.74", "asks": "14.77"}
    assert (facts["deep_utc"], facts["deep_age_s"]) == ("2025-12-14T21:34:50.123Z", 8)
    near = orjson.loads(ask(capsys, "imbalance", *at, "--json")[1])
    assert (near["bid_contracts"], "seen_bps" in near) == ("2000.1", False)


@pytest.mark.parametrize(
    "far",
    [deep_line(*FAR, "2025-12-14T21:33:58.122Z"),
     deep_line(*FAR, from_utc="2025-12-14T21:34:58.123Z"), b"damaged\n", b""],
    ids=["too old", "of later books", "damaged", "none"],
)  # fmt: skip
def test_without_a_deep_book_it_is_said_how_far_it_saw(cut_off, capsys, far):
    """No wall is not the same as none within reach."""
    deep(cut_off, far)
    at = ["--vault", cut_off.root, "--instId", BTC, "--at", "2025-12-14T22:00:00Z"]
    assert ask(capsys, "walls", *at, "--contracts", "5000")[1].splitlines()[1:] == [
        "seen: asks to 4.89 bps, bids to 0.10 bps (no deep snapshot)",
        "no level above 5000 contracts",
    ]


def test_a_side_that_was_sent_whole_has_nothing_beyond(recorded, capsys):
    """A deep level beyond it is older than the book, and gone."""
    deep(recorded, deep_line(*FAR))
    at = ["--vault", recorded.root, "--instId", BTC, "--at", "2025-12-14T22:00:00Z", "--json"]
    facts = orjson.loads(ask(capsys, "walls", *at)[1])
    assert facts["whole"] == {"bids": True, "asks": True}
    assert [wall["price"] for wall in facts["bids"]] == ["101249.5", "101100"]


# ------------------------------------------------------------------ the command


def test_people_read_a_ladder(recorded, capsys):
    """Asks above bids; the heading says which book it is; contracts, coins and USD apart."""
    at = ["--vault", recorded.root, "--instId", BTC, "--at", "2025-12-14T22:00:00Z"]
    assert ask(capsys, "walls", *at)[1] == (
        "BTC-USDT-SWAP at 2025-12-14T21:34:56.123Z: mid 101250.5\n"
        "seen: asks to their end, bids to their end (no deep snapshot)\n"
        "side     price  contracts   coins        USD  bps from mid\n"
        "ask     101300       1500      15  1,519,500          4.89\n"
        "bid   101249.5     1000.1  10.001  1,012,596          0.10\n"
        "bid     101100       2500      25  2,527,500         14.86\n"
    )
    assert ask(capsys, "walls", *at, "--contracts", "5000")[1].splitlines()[2] == (
        "no level above 5000 contracts"
    )
    assert ask(capsys, "zones", *at)[1].splitlines()[2:] == [
        "side  zone from  contracts   coins        USD  levels",
        "ask      101300       1500      15  1,519,500       1",
        "ask      101200          7    0.07      7,087       1",
        "bid      101100       2500      25  2,527,500       1",
        "bid      101200     2000.1  20.001  2,025,096       2",
    ]
    assert ask(capsys, "spread", *at)[1].splitlines()[1:] == [
        "bid 101250, ask 101251: spread 1 = 0.10 bps"
    ]
    assert ask(capsys, "imbalance", *at)[1].splitlines()[1:] == [
        "top 10 levels: bids 4500.1 contracts, asks 1507 contracts, imbalance +0.50",
        "BUY PRESSURE",
    ]


def test_a_wide_spread_and_a_gap_are_said(vault, capsys):
    """The notes' own words, and that this was the last book before a break."""
    write(vault, [line([["100", "1", "0", "1"]], [["101", "1", "0", "1"]], gap=True)])
    _, out, _ = ask(capsys, "spread", "--vault", vault.root, "--instId", BTC)
    assert out.splitlines()[1:] == [
        "bid 100, ask 101: spread 1 = 100.00 bps", "WIDE SPREAD - Low liquidity",
    ]  # fmt: skip
    assert re.fullmatch(
        r"BTC-USDT-SWAP at 2025-12-14T21:34:56\.123Z, [0-9]+ (days|h|min|s) old, the last book "
        r"before a gap: mid 100\.5",
        out.splitlines()[0],
    )


def test_without_metadata_contracts_are_not_called_coins(vault, capsys):
    """Coins and USD stay empty, and the log says where they would come from."""
    write(vault, [line()])
    code, out, err = ask(capsys, "walls", "--vault", vault.root, "--instId", BTC)
    assert code == 0
    assert out.splitlines()[3].split() == ["ask", "101300", "1500", "-", "-", "4.89"]
    assert "there is no metadata of BTC-USDT-SWAP" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["spread", "--at", "yesterday-ish"], "'yesterday-ish' is not a time; expected 21:34"),
        (["spread", "--at", "21:34 XYZT"], "the zone 'XYZT' is not known"),
        (["spread", "--at", "10.12.2025"], "or latest, where the data end"),
        (["spread", "--at", "2999-01-01"], "--at: '2999-01-01' is 2999-01-01T00:00:00Z, later"),
        (["spread", "--at", "21:34", "--last"], "not allowed with argument"),
        (["walls", "--contracts", "many"], "--contracts: 'many' is not a plain decimal"),
        (["zones", "--width", "0"], "--width 0 makes no zones; give a price above 0"),
        (["depth"], "invalid choice: 'depth'"),
    ],
)
def test_what_cannot_be_asked_is_exit_code_2(recorded, capsys, arguments, message):
    """A zone that nobody knows is refused, not taken for UTC."""
    with pytest.raises(SystemExit) as end:
        sys.exit(l2_query.main([*arguments, "--vault", str(recorded.root)]))
    assert end.value.code == 2
    assert message in capsys.readouterr().err


def test_it_runs_as_a_script(recorded, tmp_path):
    """From any folder, with JSON on stdout and nothing else."""
    script = CHECKOUT / "L2_Bot" / "l2_query.py"
    command = [sys.executable, str(script), "imbalance", "--json", "--instId", BTC]
    command += ["--vault", str(recorded.root)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert json.loads(answer.stdout)["pressure"] == "BUY PRESSURE"


# ------------------------------------------------------------------ the README's snippets


def snippets() -> dict[str, str]:
    """Return the Python blocks of the README's section, by the question under which they stand."""
    text = (CHECKOUT / "L2_Bot" / "README.md").read_text(encoding="utf-8")
    section = text.split("\n## Asking the book\n")[1].split("\n## ")[0]
    found = re.findall(r"^### `(\w+)`.*?^```python\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    return dict(found)


def recorded_lines(recording: Recording):
    """Rebuild the book of recorded frames; yield 50 snapshot lines or more."""
    sides: dict[str, dict[str, list[str]]] = {"bids": {}, "asks": {}}
    with gzip.open(recording.book_file) as frames:
        every = max(1, sum(1 for _ in frames) // 50)
        frames.seek(0)
        for number, text in enumerate(frames):
            (row,) = orjson.loads(text)["frame"]["data"]
            for side, levels in sides.items():
                for level in row[side]:
                    levels.pop(level[0], None)
                    if level[1] != "0":
                        levels[level[0]] = level
            if number % every == every - 1:
                bids, asks = (
                    sorted(levels.values(), key=lambda level: Fraction(level[0]), reverse=down)
                    for levels, down in zip(sides.values(), (True, False), strict=True)
                )
                yield line(bids[:400], asks[:400], times.iso(int(row["ts"])), recording.inst_id)


@recordings.each(*recordings.EVENING, *recordings.EVENING_ETH)
def test_the_snippets_of_the_readme_say_what_the_command_says(vault, capsys, recording):
    """On recorded books, each of the four; floats there, exact numbers here."""
    inst_id = recording.inst_id
    blocks = snippets()
    assert list(blocks) == list(l2_query.QUESTIONS)
    describe(vault, inst_id)
    pressures = set()
    for text in islice(recorded_lines(recording), 0, 40, 4):
        write(vault, [text], inst_id)
        names: dict[str, Any] = {"json": json, "line": text}
        said, answers = {}, {}
        for question, code in blocks.items():
            exec(code, names)
            said[question] = capsys.readouterr().out
            arguments = [question, "--vault", vault.root, "--instId", inst_id, "--json"]
            answers[question] = orjson.loads(ask(capsys, *arguments)[1])
        walls = [[wall["price"], wall["contracts"]] for wall in answers["walls"]["bids"]]
        assert walls == [level[:2] for level in names["whale_bids"]]
        assert [
            (int(zone["from"]), pytest.approx(float(zone["contracts"])))
            for zone in answers["zones"]["bids"]
        ] == names["top_zones"]
        assert answers["spread"]["spread_bps"] == f"{names['spread_bps']:.2f}"
        assert answers["spread"]["wide"] == ("WIDE SPREAD - Low liquidity" in said["spread"])
        assert float(answers["imbalance"]["imbalance"]) == pytest.approx(
            names["imbalance"], abs=0.00501
        )
        assert (answers["imbalance"]["pressure"] or "") == said["imbalance"].strip()
        pressures.add(answers["imbalance"]["pressure"])
    assert len(pressures) > 1
