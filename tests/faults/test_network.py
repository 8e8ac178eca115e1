"""E1 to E4, E6, E7: sockets, subscriptions and REST fail; nothing is missing, nothing is twice."""

import re
import shutil
import statistics
import time
from functools import partial
from typing import Any

import pytest

from ravequant.vault.paths import CHECKOUT
from tests.faults import invariants
from tests.faults.exporters import (
    BOOK,
    BOOKS,
    BTC,
    ETH,
    TRADE,
    TRADES,
    Program,
    alive,
    book_tape,
    catch_up,
    lively,
    market,
    settle,
    stop,
    truth_of,
)
from tests.faults.front import Front, certificate
from tests.support import box

SPEED = 20
NOTICED_S = 15.0
DAY = "2025-12-14T12:00:00.000Z"


def fault_lines(folder):
    """Return the ways out that the exchange took so far (its log is flushed every second)."""
    lines = (folder / box.FRAMES).read_bytes().splitlines()
    return sum(line.startswith(b'{"kind":"fault"') for line in lines)


def noticed_s(folder, speed):
    """Return for each lost connection how long the exchange still had it, in seconds."""
    now, struck, found = 0, {}, []
    for row in box.logged(folder, ""):
        match row["kind"]:
            case "trade":
                now = row["ts"]
            case "fault":
                struck[row["connection"]] = now
            case "disconnect" if row["connection"] in struck:
                found.append((now - struck[row["connection"]]) / 1000 / speed)
    return found


@pytest.mark.first
@pytest.mark.parametrize("how", ["drop", "close", "reset", "half-open"])
def test_the_socket_is_lost(faults, tmp_path, vault, how):
    """1006, 1000, reset, half-open: noticed, opened again, and I1 to I3."""
    fact = faults.row("E1", f"trade exporter, socket lost: {how}")
    times = faults.count(1 if how == "half-open" else 2, 20)
    fault = {**TRADES, "kind": "disconnect", "how": how, "every": 150, "times": times}
    with (
        market(tmp_path, seed=faults.seed % 1000, speed=SPEED, faults=[fault]) as there,
        alive(TRADE.start(vault, there)) as process,
    ):
        wait_for_connection(tmp_path, times, process)
        settle(vault, tmp_path, process)
    invariants.trades(vault, BTC, tmp_path, fact)
    noticed = noticed_s(tmp_path, SPEED)
    assert len(noticed) >= times
    assert statistics.median(noticed) <= NOTICED_S
    fact.worst("noticed after s", round(max(noticed), 1))
    fact.times += times


@pytest.mark.first
@pytest.mark.parts(4)
def test_the_socket_of_a_book_is_lost(faults, tmp_path, vault, part):
    """A gap for each loss and no other, never a torn book, no boundary left out."""
    how = ("drop", "close", "reset", "half-open")[part]
    fact = faults.row("E1", f"book exporter, socket lost: {how}")
    times = faults.count(2, 20)
    pause = 700 if how == "half-open" else 120
    made = lively(times * (pause + 150) + 1000, rng=faults.random, start=DAY)
    tape = book_tape(tmp_path / "tape.jsonl", made)
    fault = {**BOOKS, "kind": "disconnect", "how": how, "every": 60, "times": times}
    words = ("--books", tape, "--wait-for-books", 1, "--speed", 4)
    with box.exchange(tmp_path, *words, faults=[fault]) as there:
        options = ("--cadence", "500ms", "--deep-every", 0)
        with alive(BOOK.start(vault, there, *options)) as process:
            wait_for_connection(tmp_path, times, process)
            stop(process)
    found = invariants.books(vault, BTC, truth_of(made), tmp_path, cadence_ms=500)
    assert sum(gap for _, gap, _ in found) == times
    fact.add("gaps in the file", times)
    fact.times += times


def wait_for_connection(folder, times, process):
    """Wait until so many connections were lost and the one after them has stood a while."""
    box.wait_for(lambda: fault_lines(folder) >= times, process, seconds=60 + 30 * times)
    box.wait_for(lambda: len(box.logged(folder, "connect")) > times, process, seconds=60)
    time.sleep(2.5)


@pytest.mark.first
@pytest.mark.parametrize("what", ["refused", "tls", "dns"])
def test_the_way_there_fails(faults, tmp_path, vault, what, monkeypatch):
    """Refused, TLS that fails, a name that does not resolve: it goes on trying, I1 to I3."""
    fact = faults.row("E1", f"trade exporter, the way fails: {what}")
    good = wrong = None
    if what == "tls":
        if shutil.which("openssl") is None:
            pytest.skip("no openssl to make a certificate with")
        good, wrong = (certificate(tmp_path, name) for name in ("good", "wrong"))
        monkeypatch.setenv("SSL_CERT_FILE", str(good[0]))
    flag = tmp_path / "no-names"
    program = TRADE
    if what == "dns":
        script = CHECKOUT / "tests" / "faults" / "spoiled.py"
        program = Program(TRADE.name, script, (str(flag), "Trades_Bot.trades_exporter"))
    with (
        market(tmp_path, seed=faults.seed % 1000, speed=SPEED) as there,
        Front(there[1], good, wrong) as front,
    ):
        there[1] = front.url
        with alive(program.start(vault, there)) as process:
            box.wait_for(lambda: front.passed, process)
            for turn in range(faults.count(2 if what == "tls" else 1, 20)):
                passed = front.passed
                if what == "dns":
                    flag.touch()
                else:
                    front.set(
                        "refuse" if what == "refused" else ("alert", "wrong certificate")[turn % 2]
                    )
                front.cut()
                time.sleep(faults.random.uniform(0.8, 2))
                assert front.passed == passed
                flag.unlink(missing_ok=True)
                front.set("open")
                box.wait_for(partial(more_passed, front, passed), process, seconds=60)
                time.sleep(0.5)
                fact.times += 1
            settle(vault, tmp_path, process)
    assert "Cannot connect to" in program.log(vault)
    waits = [float(found) for found in re.findall(r"again in ([0-9.]+) s", program.log(vault))]
    assert max(waits) <= 30
    fact.worst("waited s", max(waits))
    invariants.trades(vault, BTC, tmp_path, fact)


def more_passed(front, before):
    """Return True if another connection came through the door."""
    return front.passed > before


@pytest.mark.first
def test_notices_are_hand_overs(faults, tmp_path, vault):
    """64008, then closed five seconds later: the next connection is there first, no REST."""
    fact = faults.row("E2", "notice 64008, closed 5 s later, both exporters")
    times = faults.count(1, 20)
    notices = [
        {"kind": "notice", "connection": number, **channel, "at": [at], "delay": "5s"}
        for number in range(1, 2 * times + 3)
        for channel, at in ((TRADES, 60), (BOOKS, 20))
    ]
    with (
        market(tmp_path, seed=faults.seed % 1000, speed=5, faults=notices) as there,
        alive(TRADE.start(vault, there)) as one,
        alive(BOOK.start(vault, there, "--deep-every", 0)) as two,
    ):
        until = 20 + times * 25
        box.wait_for(lambda: fault_lines(tmp_path) >= 2 * times, one, seconds=until)
        time.sleep(8)
        facts = TRADE.facts(vault)["instruments"][BTC], BOOK.facts(vault)["instruments"][BTC]
        stop(one)
        stop(two)
    invariants.trades(vault, BTC, tmp_path, fact)
    asked = [row for row in box.logged(tmp_path, "rest") if "history-trades" in row["path"]]
    assert asked == []
    assert [one["gaps"] for one in facts] == [0, 0]
    assert not invariants.settled(vault, BTC)
    fact.times += fault_lines(tmp_path)


@pytest.mark.first
def test_one_channel_goes_silent(faults, tmp_path, vault):
    """BTC's channel stalls, ETH's lives: asked for anew within 20 s, and I1 to I3 of both."""
    fact = faults.row("E3", "trades and books of BTC stall, those of ETH live")
    names = ("--instId", BTC, "--instId", ETH)
    stalls = [
        {**channel, "instId": BTC, "kind": "stall", "until_subscribe": True, "after": f"{at}s"}
        for at in range(5, faults.count(6, 1200), 60)
        for channel in (TRADES, BOOKS)
    ]
    with (
        market(tmp_path, *names, seed=faults.seed % 1000, speed=2, faults=stalls) as there,
        alive(TRADE.start(vault, there, *names)) as one,
        alive(BOOK.start(vault, there, *names, "--deep-every", 0)) as two,
    ):
        asked = 1 + faults.count(1, 5)
        for channel in ("trades", "books"):
            box.wait_for(partial(asked_for, tmp_path, channel, asked), one, seconds=300)
        settle(vault, tmp_path, one, BTC, ETH)
        stop(two)
    for inst_id in (BTC, ETH):
        invariants.trades(vault, inst_id, tmp_path, fact)
    for program, channel in ((TRADE, "trades"), (BOOK, "books")):
        silent = re.findall(
            rf"Forced resubscribe of {channel} {BTC}: silent, ([0-9.]+) s", program.log(vault)
        )
        assert len(silent) >= asked - 1
        assert f"Forced resubscribe of {channel} {ETH}" not in program.log(vault)
        fact.times += len(silent)
        fact.worst("silent s", max(map(float, silent)))
        assert statistics.median(map(float, silent)) <= 20


def asked_for(folder, channel, times):
    """Return True if BTC's channel was asked for so often."""
    return subscribed(folder, channel) >= times


def subscribed(folder, channel):
    """Return how often BTC's channel was asked for."""
    wanted = {"channel": channel, "instId": BTC}
    return sum(row["arg"] == wanted for row in box.logged(folder, "subscribe"))


@pytest.mark.first
@pytest.mark.parametrize("program", [TRADE, BOOK], ids=lambda program: program.name)
def test_subscribing_goes_wrong(faults, tmp_path, vault, program):
    """Refused, not acknowledged, acknowledged late, an event nobody knows: the others go on."""
    fact = faults.row("E4", "subscribe error, ack missing, data before ack, unknown event")
    names = [BTC, ETH, "SOL-USDT-SWAP", "XRP-USDT-SWAP"]
    kinds = ["subscribe-error", "ack-missing", "ack-delay", "unknown-event"]
    for turn in range(faults.count(1, 6)):
        folder = tmp_path / str(turn)
        place = type(vault)(folder / "vault")
        faults.random.shuffle(kinds)
        spoils = [
            {"kind": kind, "instId": name, "at": [1], "delay": "2s"}
            for kind, name in zip(kinds, names, strict=True)
        ]
        words = [word for name in names for word in ("--instId", name)]
        with (
            market(folder, *words, seed=turn + 1, speed=10, faults=spoils) as there,
            alive(program.start(place, there, *words)) as process,
        ):
            box.wait_for(partial(begun, program, place, names), process, seconds=60)
            if program is TRADE:
                settle(place, tmp_path / str(turn), process, *names)
            else:
                stop(process)
        fact.times += len(kinds)
        for name in names:
            if program is TRADE:
                invariants.trades(place, name, folder, fact)
            else:
                assert program.facts(place)["instruments"][name]["gaps"] == 0
        late = names[kinds.index("subscribe-error")]
        assert "The exchange refused" in program.log(place)
        assert sum(row["arg"]["instId"] == late for row in box.logged(folder, "subscribe")) >= 2


def begun(program, vault, names):
    """Return True if each instrument has data in its file."""
    stream = vault.trades if program is TRADE else vault.snapshots
    return all(any(path.stat().st_size for path in stream(name).rglob("*.jsonl")) for name in names)


PAGE: dict[str, Any] = {"path": "history-trades"}
REST_FAULTS: dict[str, dict[str, Any]] = {
    "429": {"kind": "rest-status", "status": 429},
    "50011 in a 200": {"kind": "rest-limit"},
    "500": {"kind": "rest-status", "status": 500},
    "503": {"kind": "rest-status", "status": 503},
    "HTML": {"kind": "rest-html"},
    "empty page": {"kind": "rest-empty"},
    "repeated page": {"kind": "rest-repeat"},
    "slow": {"kind": "rest-slow", "delay": "1500ms"},
    "time-out": {"kind": "rest-timeout", "delay": "2s"},
}


@pytest.mark.parts(4)
def test_rest_fails(faults, tmp_path, vault, part):
    """Back-fill over answers of each bad kind, and over a kill: each id once, none lost."""
    fact = faults.row("E6", "back-fill over bad answers of each kind, killed in between")
    every = list(REST_FAULTS.values())
    spoils = [{**one, **PAGE, "probability": 0.015} for one in every]
    lost = [{**TRADES, "kind": "drop", "probability": 0.1}, {**TRADES, "kind": "gap", "every": 400}]
    at_first = [{**one, **PAGE, "at": [number]} for number, one in enumerate(every, 1)]
    spoiled = [*lost, *at_first, *spoils]
    with market(tmp_path, seed=faults.seed % 1000, speed=8, faults=spoiled) as there:
        for _ in range(faults.count(1, 12)):
            with alive(TRADE.start(vault, there)) as process:
                time.sleep(faults.random.uniform(2, faults.count(3, 6)))
                process.kill()
            fact.add("kills survived")
        catch_up(vault, there, tmp_path)
    invariants.trades(vault, BTC, tmp_path, fact)
    struck = [row["fault"] for row in box.logged(tmp_path, "rest") if row["fault"]]
    assert {"rest-status", "rest-limit", "rest-html", "rest-empty"} <= set(struck)
    fact.add("bad answers", len(struck))
    fact.times += 1


# length, market time per time, market time before it, records a second
OUTAGES = (("30s", 20, "40s", 15), ("10m", 60, "3m", 15), ("6h", 1000, "10m", 1))


@pytest.mark.first
@pytest.mark.parts(3)
def test_an_outage(faults, tmp_path, vault, part):
    """Nobody there for so long: trades repaired whole, books show the one gap."""
    length, speed, after, rows = OUTAGES[part]
    fact = faults.row("E7", f"outage of {length}, market time")
    outage = {"kind": "outage", "after": after, "for": length}
    words = ("--rows-per-second", rows, "--wait-for-books", 1)
    with (
        market(tmp_path, *words, seed=faults.seed % 1000, speed=speed, faults=[outage]) as there,
        alive(TRADE.start(vault, there)) as one,
        alive(BOOK.start(vault, there, "--deep-every", 0)) as two,
    ):
        for again in ("trades", "books"):
            box.wait_for(partial(asked_for, tmp_path, again, 2), one, seconds=150)
        box.wait_for(lambda: repaired(vault), one, seconds=100)
        settle(vault, tmp_path, one)
        stop(two)
    invariants.trades(vault, BTC, tmp_path, fact)
    assert BOOK.facts(vault)["instruments"][BTC]["gaps"] == 1
    fact.times += 1
    fact.add("outages repaired")


def repaired(vault):
    """Return True if the ledger has a part of the outage and nothing is being fetched."""
    facts = TRADE.facts(vault)["instruments"].get(BTC)  # the first heartbeat has none yet
    return bool(facts and facts["ids_repaired"] and not facts["filling"])
