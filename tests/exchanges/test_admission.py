"""Instruments that cannot be recorded, now or in the middle of a run, beside healthy ones."""

import asyncio

import pytest

from ravequant.errors import FeedError
from ravequant.exchanges.base import RefusedError, UnknownInstrumentError
from ravequant.vault import instruments
from tests.support.made_app import BTC, ETH, ROW, App, Exchange, attended, until


def test_metadata_is_asked_for_until_it_comes(vault, monkeypatch, caplog):
    """An exchange that cannot be reached is asked again; the heartbeat says so meanwhile."""
    exchange = Exchange(BTC=FeedError("http://127.0.0.1:1/instruments: Connection refused"))

    async def scene(subject: App) -> None:
        await until(lambda: exchange.looks[BTC] > 2)
        assert subject.facts()["problem"] == "cannot reach 127.0.0.1: connection refused"
        assert subject.facts()["problem_since_utc"] is not None
        exchange.answers[BTC] = {}
        await until(lambda: BTC in subject.recorders)
        assert subject.facts()["problem"] is None

    attended(vault, monkeypatch, exchange, scene)
    assert f"no metadata of {BTC} yet: http://127.0.0.1:1/instruments" in caplog.text


def test_metadata_on_file_stand_in_for_an_exchange_that_is_away(vault, monkeypatch, caplog):
    """Recording begins at once; the terms are those last seen."""
    instruments.save(vault, instruments.parse_instrument(ROW), None)

    async def scene(subject: App) -> None:
        await until(lambda: BTC in subject.recorders)

    attended(vault, monkeypatch, Exchange(BTC=FeedError("away")), scene)
    assert f"{BTC}: metadata on file is used: away" in caplog.messages


NOT_YET = [
    ({"state": "preopen"}, "it does not trade yet (state preopen)"),
    ({"state": "suspend"}, "its trading is suspended (state suspend)"),
    ({"ctVal": ""}, "ctVal: '' is not"),
    ({"tickSz": ""}, "tickSz: '' is not"),
    (UnknownInstrumentError("no such", "51001"), "the exchange does not know it (code 51001)"),
    (RefusedError("HTTP 403", "403"), "HTTP 403"),
]


@pytest.mark.parametrize(("answer", "reason"), NOT_YET)
def test_one_that_cannot_be_recorded_is_left_out_and_looked_at_again(
    vault, monkeypatch, caplog, answer, reason
):
    """The others are recorded at once; it joins once its row is usable."""
    exchange = Exchange(ETH=answer, BTC={})

    async def scene(subject: App) -> None:
        await until(lambda: exchange.looks[ETH] > 2)
        assert subject.channels == [(BTC, True)]
        facts = subject.facts()["instruments"]
        assert reason in facts[ETH]["left_out"]
        assert "; it is looked at again each minute" in facts[ETH]["left_out"]
        assert facts[BTC]["left_out"] is None
        assert subject.facts()["problem"] is None
        exchange.answers[ETH] = {}
        await until(lambda: ETH in subject.recorders)
        assert subject.channels == [(BTC, True), (ETH, True)]
        assert subject.facts()["instruments"][ETH]["left_out"] is None

    attended(vault, monkeypatch, exchange, scene)
    assert len([text for text in caplog.messages if f"{ETH} is left out" in text]) == 1


def test_a_damaged_log_of_one_instrument_does_not_stop_the_others(vault, monkeypatch, caplog):
    """It is left out with the error of the vault, which names file and remedy."""

    async def scene(subject: App) -> None:
        subject.damaged.add(ETH)
        await until(lambda: ETH in subject.left_out and BTC in subject.recorders)

    attended(vault, monkeypatch, Exchange(ETH={}, BTC={}), scene)
    assert f"{ETH} is left out: {ETH}.jsonl.gz: is not a whole gzip file" in caplog.messages


def test_in_the_middle_of_a_run_a_delisted_one_is_named_and_given_up(vault, monkeypatch):
    """Its silence would end the connection that others share; should it return, it is back."""
    exchange = Exchange(ETH={}, BTC={})

    async def scene(subject: App) -> None:
        await until(lambda: len(subject.recorders) == 2)
        exchange.answers[ETH] = {"state": "suspend"}
        await until(lambda: "suspended" in subject.left_out.get(ETH, ""))
        assert (ETH, False) not in subject.channels  # its book and its last trade still come
        await until(lambda: f"{ETH} 0.1 suspend" in subject.renewed)  # a change of its terms
        exchange.answers[ETH] = UnknownInstrumentError("no such", "51001")
        await until(lambda: (ETH, False) in subject.channels)
        assert subject.left_out[ETH].startswith("the exchange does not know it")
        exchange.answers[ETH] = {"tickSz": "0.5"}
        await until(lambda: subject.channels[-1] == (ETH, True))
        await until(lambda: f"{ETH} 0.5 live" in subject.renewed)
        assert not subject.left_out

    attended(vault, monkeypatch, exchange, scene)


def test_an_answer_that_bars_us_gives_up_no_instrument(vault, monkeypatch):
    """A refusal of the network says nothing about the instrument: rows still come."""
    exchange = Exchange(BTC={})

    async def scene(subject: App) -> None:
        await until(lambda: BTC in subject.recorders)
        exchange.answers[BTC] = RefusedError("HTTP 403", "403")
        looks = exchange.looks[BTC]
        await until(lambda: exchange.looks[BTC] > looks + 3)
        assert subject.channels == [(BTC, True)]

    attended(vault, monkeypatch, exchange, scene)


def test_if_none_is_left_it_ends_with_an_error(vault, monkeypatch):
    """Unknown names, or streams that are not those of the vault."""
    nobody = Exchange(BTC=UnknownInstrumentError("no such", "51001"))

    async def waiting(_: App) -> None:
        await asyncio.sleep(10)

    with pytest.raises(FeedError, match=f"the exchange knows none of {BTC}: expected names like"):
        attended(vault, monkeypatch, nobody, waiting)

    async def barred(subject: App) -> None:
        await until(lambda: len(subject.recorders) == 2)
        subject.bar(BTC, "another stream")
        subject.bar(ETH, "another stream")

    with pytest.raises(FeedError, match=f"no instrument is left to record: {BTC}: another stream"):
        attended(vault, monkeypatch, Exchange(BTC={}, ETH={}), barred)


def test_a_barred_one_stays_out_though_the_exchange_lists_it(vault, monkeypatch):
    """Until the program starts again."""
    exchange = Exchange(BTC={}, ETH={})

    async def scene(subject: App) -> None:
        await until(lambda: len(subject.recorders) == 2)
        subject.bar(ETH, "another stream")
        looks = exchange.looks[ETH]
        await until(lambda: exchange.looks[ETH] > looks + 2)
        assert subject.facts()["instruments"][ETH]["left_out"] == "another stream"

    attended(vault, monkeypatch, exchange, scene)


def test_a_name_of_the_settings_that_can_be_none_is_named(vault, monkeypatch):
    """It stops nothing."""

    async def scene(subject: App) -> None:
        await until(lambda: BTC in subject.recorders)
        assert (
            "expected one like BTC-USDT-SWAP" in subject.facts()["instruments"]["btc"]["left_out"]
        )

    attended(vault, monkeypatch, Exchange(BTC={}), scene, unusable=("btc",))
