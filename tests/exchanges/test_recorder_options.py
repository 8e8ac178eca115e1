"""The options of every exporter."""

import argparse

import pytest

from ravequant.exchanges import recorder_options
from ravequant.exchanges.recorder_options import RecorderOptions
from ravequant.settings import Settings


def parsed(*words: str) -> argparse.Namespace:
    made = argparse.ArgumentParser()
    recorder_options.add_options(made)
    return made.parse_args([*words], argparse.Namespace(json=False))


def test_where_no_flag_is_given_the_settings_decide():
    """The addresses come from the table of the exchange, the instruments from the list."""
    found = recorder_options.options_of(parsed(), Settings())
    assert (found.ws_url, found.rest_url) == Settings().okx.addresses()
    assert found.inst_ids == tuple(Settings().instruments)
    assert (found.max_seconds, found.stop_when_idle, found.rest_limit_factor) == (0.0, 0.0, 1.0)


def test_flags_go_before_the_settings():
    """Each flag replaces one value."""
    words = ["--exchange", "okx", "--instId", "ETH-USDT-SWAP", "--ws-url", "ws://localhost:1",
             "--rest-url", "http://localhost:2", "--max-seconds", "5", "--stop-when-idle", "2",
             "--rest-limit-factor", "20"]  # fmt: skip
    assert recorder_options.options_of(parsed(*words), Settings()) == RecorderOptions(
        inst_ids=("ETH-USDT-SWAP",),
        ws_url="ws://localhost:1",
        rest_url="http://localhost:2",
        max_seconds=5.0,
        stop_when_idle=2.0,
        rest_limit_factor=20.0,
    )


def test_an_unknown_exchange_is_refused(capsys):
    """The message names the exchanges there are."""
    with pytest.raises(SystemExit) as caught:
        parsed("--exchange", "mtgox")
    assert caught.value.code == 2
    assert "invalid choice: 'mtgox' (choose from " in capsys.readouterr().err
