"""The picture of an instrument as of a moment, and no byte of what came after it."""

import shutil
import zlib

import orjson
import pytest

from Dashboard.answer import answer
from Dashboard.market_files import newest_bucket_line, wicks_until
from Dashboard.market_view import PROTO, PictureMoment, asked, view
from ravequant import catalog, times
from ravequant.errors import NoDataError, RaveQuantError, UsageError
from ravequant.signals import lab_verdict
from ravequant.signals.clock import Clock
from ravequant.signals.inputs import minute_of
from ravequant.signals.question import When, when
from ravequant.vault.line_file import time_of_key
from ravequant.vault.paths import Vault
from tests.support.holed_market import BTC, LOST, MINUTES, START, HoledMarket
from tests.support.hour_vault import START as HOUR
from tests.support.hour_vault import put_hour
from tests.support.notes_market import AT, A

CLOCK = Clock(A + 6_500)
FIRST = START // times.MINUTE_MS


def seen(vault, at, **other):
    return view(vault, BTC, asked(vault, at, CLOCK), **other)


def test_the_picture_of_the_notes(notes):
    """All parts of one moment: rows up to it, the decision, the levels, the book, the words."""
    found = seen(notes, AT)
    minute = A // times.MINUTE_MS
    assert (found["proto"], found["instId"], found["mode"]) == (PROTO, BTC, "replay")
    assert (found["as_of_utc"], found["at_utc"], found["now_ms"]) == (AT, None, CLOCK.ms)
    assert (found["places"], found["tick"], found["tf"]) == (1, "0.1", "1m")
    columns = found["minutes"]
    assert (columns.pop("first"), columns.pop("every")) == (minute - 1_440, 1)
    assert {len(column) for column in columns.values()} == {1_440}
    assert columns["o"].count(None) == 1_440 - 239
    assert columns["c"][-1] == 101049.5
    assert found["answer"] == answer(notes, BTC, when(notes, AT))
    assert found["price"] == {"value": "101050.9", "source": "mid", "ts_ms": A}
    assert found["book"] == newest_bucket_line(notes, BTC, A)
    assert found["recorded_from_utc"] == times.iso_minute(minute - 239)
    assert (found["holes"], found["imported"], found["health"]) == ([], [], [])
    assert (found["forming"], found["short"]) == (None, "")
    orjson.dumps(found)


def test_the_levels_of_the_signal_are_among_the_wicks(notes):
    """The wick of the signal is drawn, untouched, and the target too."""
    found = seen(notes, AT)
    (signal,) = found["answer"]["signals"]
    place = found["wicks"]["id"].index(signal["event_id"])
    row = {name: column[place] for name, column in found["wicks"].items()}
    assert row == {
        "id": signal["event_id"], "tf": "1m", "side": "upper", "tip": 101250.0,
        "birth": A // times.MINUTE_MS - 32, "touch": None, "exact": 1, "gap": 0,
    }  # fmt: skip


def test_modes(notes):
    """Now, the newest minute of all, or a time: a minute or an instant."""
    assert asked(notes, "now", CLOCK) == PictureMoment(
        When(instant_ms=CLOCK.ms, live=True), "live", CLOCK.ms, CLOCK
    )
    assert asked(notes, "latest", CLOCK).mode == "latest"
    assert asked(notes, AT, CLOCK).when == When(A // times.MINUTE_MS)
    assert asked(notes, "2025-12-14T21:35:01Z", CLOCK).when.instant_ms == A + 1_000
    with pytest.raises(UsageError, match="yesterday"):
        asked(notes, "yesterday", CLOCK)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"tf": "2m"}, "tf '2m' is unknown: one of 1m, 5m, 15m, 1h, 4h"),
        ({"minutes": 0}, "minutes 0: expected 1 to 2,880"),
        ({"minutes": 2_881}, "minutes 2881: expected 1 to 2,880"),
    ],
)
def test_what_is_not_served(notes, other, said):
    """The message says what is."""
    with pytest.raises(UsageError) as caught:
        seen(notes, AT, **other)
    assert str(caught.value) == said


def test_no_data_is_an_error(vault, notes):
    """Of an empty vault, of another instrument, of a time before the recording."""
    for where, name, at in (
        (vault, BTC, "latest"), (notes, "ETH-USDT-SWAP", AT), (notes, BTC, "2025-12-14T10:00Z"),
    ):  # fmt: skip
        with pytest.raises(NoDataError):
            view(where, name, asked(where, at, CLOCK))


@pytest.mark.parametrize(("tf", "every"), [("5m", 5), ("15m", 15), ("1h", 60), ("4h", 240)])
def test_longer_bars_hold_closed_minutes_only(holed, tf, every):
    """Bars of UTC, made of the minutes of the 1m picture; the open one is not there."""
    at = times.iso(START + 143 * times.MINUTE_MS)
    fine = seen(holed, at, minutes=300)["minutes"]
    bars = seen(holed, at, minutes=300, tf=tf)["minutes"]
    end = bars["first"] + every * len(bars["o"])
    assert bars["every"] == every
    assert bars["first"] % every == 0
    assert FIRST + 143 - every < end <= FIRST + 143
    last = [end - every - fine["first"], end - fine["first"]]
    minutes = [value for value in fine["h"][last[0] : last[1]] if value is not None]
    recorded = end - every >= FIRST
    assert bars["h"][-1] == (max(minutes) if recorded else None)


def test_recorded_too_short(holed):
    """The words say since when, and how much of the VWAP there is."""
    found = seen(holed, times.iso(START + 100 * times.MINUTE_MS))
    assert found["short"] == "recorded since 22:30: VWAP 4h over 92 of 240 min"
    assert found["recorded_from_utc"] == times.iso_minute(FIRST)


def test_a_minute_before_the_first_volume_row(vault):
    """Nothing of that minute says that it was recorded; the later row is not known yet."""
    put_hour(vault)
    path = catalog.VOLUME.place(vault, BTC)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[30:]))
    at = {minute: times.iso(HOUR + minute * times.MINUTE_MS) for minute in (10, 30, 31)}
    found = {minute: seen(vault, text)["recorded_from_utc"] for minute, text in at.items()}
    assert found == {10: None, 30: None, 31: "2025-12-14T21:30:00Z"}


def test_a_live_picture(holed):
    """It is of the newest closed minute, with the price and the book of its instant."""
    now = Clock(START + MINUTES * times.MINUTE_MS + 9_000)
    found = view(holed, BTC, asked(holed, "now", now))
    assert (found["mode"], found["now_ms"], found["at_utc"]) == ("live", now.ms, times.iso(now.ms))
    assert found["as_of_utc"] == times.iso_minute(FIRST + MINUTES)
    assert found["answer"] == answer(holed, BTC, asked(holed, "now", now).when, now=now)
    newest = catalog.TRADES.place(holed, BTC) / "2025-12-15.jsonl"
    trade = orjson.loads(newest.read_bytes().splitlines()[-1])
    assert found["price"] == {
        "value": trade["price"], "source": "trade",
        "ts_ms": times.parse_iso(trade["timestamp_utc"]),
    }  # fmt: skip
    assert found["minutes"]["c"][-1] is not None
    assert found["minutes"]["first"] + 1_440 == FIRST + MINUTES
    forming = found["forming"]
    assert (forming["minute"], forming["c"]) == (FIRST + MINUTES, float(trade["price"]))


def test_the_levels_are_the_wicks_of_the_tracker(holed):
    """Each drawn wick is one that the tracker knows as of the minute, with its own end."""
    minute = FIRST + 175
    found = seen(holed, times.iso_minute(minute))["wicks"]
    known = {wick.event_id: wick for wick in wicks_until(holed, BTC, minute)}
    assert len(found["id"]) == 300
    for name, birth, touch in zip(found["id"], found["birth"], found["touch"], strict=True):
        assert (known[name].birth, known[name].ended) == (birth, touch)
    touched = [touch for touch in found["touch"] if touch is not None]
    left_out = [
        wick.ended for name, wick in known.items()
        if wick.status == "touched" and name not in found["id"]
    ]  # fmt: skip
    assert max(filter(None, left_out), default=0) <= min(touched)


VERDICT = {
    "made_utc": "2025-12-14T21:00:00.000Z", "word": "TOO EARLY", "instruments": [BTC],
    "short": "TOO EARLY, 84 of 200 fills", "what_to_do": "Go on recording.",
}  # fmt: skip


def test_the_proof_is_the_verdict_that_counted_then(tmp_path):
    """A verdict that was made later is none; without one the word is `not tested`."""
    vault = Vault(tmp_path)
    HoledMarket().put(vault, until=45)
    assert seen(vault, "latest")["proof"]["word"] == "not tested"
    later = {"made_utc": "2025-12-14T23:20:00.000Z", "word": "LOSES"}
    for row in (VERDICT, VERDICT | later):
        lab_verdict.write_verdict(vault, row)
    assert seen(vault, "latest")["proof"] == {
        "word": "TOO EARLY", "line": "TOO EARLY, 84 of 200 fills",
        "what_to_do": "Go on recording.", "made_utc": "2025-12-14T21:00:00.000Z",
    }  # fmt: skip


# --- as of ---------------------------------------------------------------------------------------


def comparable(found):
    """Return the bytes of a picture without what differs between a replay and the newest."""
    return orjson.dumps(found | {"mode": "", "now_ms": 0})


def cut(whole, folder, minute):
    """Return a copy of a vault that ends with a minute: no file holds a line of a later one."""
    shutil.copytree(whole.root, folder)
    vault, end = Vault(folder), minute * times.MINUTE_MS
    for data in (catalog.VOLUME, catalog.VWAP, catalog.CVD):
        keep_until(data.place(vault, BTC), end - 1)
    keep_until(catalog.WICKS.place(vault, BTC), end, "known_utc")
    for data in (catalog.BUCKETS, catalog.BOOK):
        for _, path in data.files(vault, BTC):
            keep_until(path, end)
    closed = False
    for _, path in catalog.TRADES.files(vault, BTC):
        closed = keep_until(path, end + 4_999, one_more=True, none=closed)
    state = vault.state("wicks", BTC)
    known = orjson.loads(state.read_bytes())
    known["fold"]["through"] = minute - 1
    del known["crc32"]
    state.write_bytes(orjson.dumps(known | {"crc32": zlib.crc32(orjson.dumps(known))}))
    return vault


def keep_until(path, ms, key="timestamp_utc", *, one_more=False, none=False):
    """Cut off the lines later than a moment, or those behind the first such; True if there were."""
    time_of, data, kept, found = time_of_key(key), path.read_bytes(), 0, none
    for line in [] if none else data.splitlines(keepends=True):
        found = (time_of(line) or 0) > ms
        kept += len(line) * (one_more or not found)
        if found:
            break
    if kept:
        path.write_bytes(data[:kept])
    else:
        path.unlink()
    return found


WINDOWS = (("1m", 240), ("5m", 1_440), ("1h", 2_880))


def test_nothing_of_a_later_minute(faults, holed, tmp_path):
    """view(at=A) is view(latest) of the vault that was cut at A, byte for byte, for any A."""
    fact = faults.row("J1", "the page's picture as of a minute, against a vault cut there")
    ends = sorted(minute + 1 for minute in minutes_with_trades(holed))
    for minute in faults.random.sample(ends, faults.count(20, len(ends))):
        tf, minutes = faults.random.choice(WINDOWS)
        part = cut(holed, tmp_path / str(minute), minute)
        newest = seen(part, "latest", tf=tf, minutes=minutes)
        then = seen(holed, times.iso_minute(minute), tf=tf, minutes=minutes)
        assert comparable(newest) == comparable(then), minute
        fact.times += 1


def minutes_with_trades(vault):
    lines = catalog.VOLUME.place(vault, BTC).read_bytes().splitlines()
    return [minute_of(orjson.loads(line)["timestamp_utc"]) for line in lines]


def test_the_same_of_a_vault_that_the_calculators_made_until_then(holed, vault):
    """A recording that ends there gives the picture that the whole one gives of that minute."""
    market, before = HoledMarket(), 0
    for minute in (LOST[1] + 1, 75, 104):
        market.put(vault, before, minute)
        before = minute
        at = times.iso_minute(FIRST + minute)
        assert comparable(seen(vault, "latest")) == comparable(seen(holed, at)), minute


# --- hostile files -------------------------------------------------------------------------------


def spoil(path, chance):
    """Do to a file what a disk, a crash or a person may do to it."""
    data = path.read_bytes()
    lines = data.splitlines(keepends=True)
    place = chance.randrange(len(lines) + 1)
    kind = chance.choice(["cut", "flip", "lost", "folder", "noise", "long", "twice", "mixed"])
    if kind == "lost":
        path.unlink()
    elif kind == "folder":
        path.unlink()
        path.mkdir()
    else:
        flipped = bytearray(data or b" ")
        flipped[chance.randrange(len(flipped))] ^= 1 << chance.randrange(8)
        path.write_bytes({
            "cut": data[: chance.randrange(len(data) + 1)], "flip": bytes(flipped),
            "noise": chance.randbytes(5_000) + b"\n",
            "long": b"".join([*lines[:place], b"x" * 1_000_000 + b"\n", *lines[place:]]),
            "twice": b"".join([*lines[:place], *lines[:3], *lines[place:]]),
            "mixed": b"".join(chance.sample(lines, len(lines))),
        }[kind])  # fmt: skip
    return f"{kind} {path.name}"


def test_a_spoiled_vault_is_an_error_or_a_picture(faults, holed, tmp_path):
    """However files were spoiled, a read ends in a picture or in an error of the project."""
    fact = faults.row("B2", "the page's picture of a vault with spoiled files")
    part = cut(holed, tmp_path / "part", FIRST + 75)
    files = sorted(path.relative_to(part.root) for path in part.root.rglob("*") if path.is_file())
    for number in range(faults.count(10, 500)):
        vault = Vault(tmp_path / str(number))
        shutil.copytree(part.root, vault.root)
        chosen = faults.random.sample(files, faults.random.randrange(1, 4))
        done = [spoil(vault.root / path, faults.random) for path in chosen]
        for at in ("latest", times.iso_minute(FIRST + 60), "now"):
            now = Clock(START + 75 * times.MINUTE_MS + 6_000)
            try:
                assert orjson.dumps(view(vault, BTC, asked(vault, at, now), tf="5m")), done
                fact.add("pictures")
            except RaveQuantError:
                fact.add("errors")
        shutil.rmtree(vault.root)
        fact.times += 1
