"""The one settings file: defaults, what it may say, and how a slip is named."""

import pytest

from ravequant import exact, settings
from ravequant.errors import UsageError


@pytest.fixture
def file(tmp_path):
    """Return a function that writes a settings file and returns its path."""

    def write(text):
        path = tmp_path / "ravequant.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_without_a_file_the_defaults_hold(tmp_path):
    """Every key is optional, and so is the file."""
    chosen = settings.load(tmp_path / "absent.toml")
    assert chosen == settings.Settings()
    assert chosen.instruments == ("BTC-USDT-SWAP", "ETH-USDT-SWAP")
    assert chosen.bars.whale_notional == "100000"
    assert chosen.vwap.extended_bps == "50"
    assert chosen.trades.backfill_buffer_rows == 100_000
    assert chosen.trades.rest_patience_s == 900


def test_a_key_changes_itself_only(file):
    """What the file does not name keeps its default; a BOM is no obstacle."""
    path = file('\ufeffinstruments = ["SOL-USDT-SWAP"]\n[vwap]\nextended_bps = "62.5"\n')
    wanted = settings.Settings(
        instruments=("SOL-USDT-SWAP",), vwap=settings.Vwap(extended_bps="62.5")
    )
    assert settings.load(path) == wanted


def test_the_environment_may_name_the_file(file, monkeypatch):
    """$RAVEQUANT_SETTINGS counts where no path is given, and must then name a file."""
    path = file("[trades]\nsync_every_ms = 100\n")
    monkeypatch.setenv(settings.SETTINGS_VARIABLE, str(path))
    assert settings.load().trades.sync_every_ms == 100
    absent = path.with_name("absent.toml")
    monkeypatch.setenv(settings.SETTINGS_VARIABLE, str(absent))
    with pytest.raises(UsageError) as caught:
        settings.load()
    assert str(caught.value) == f"{absent}: $RAVEQUANT_SETTINGS names a file that is absent"
    assert settings.load(absent) == settings.Settings()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("instrument = []",
         "instrument is unknown; expected one of {known}"),
        ("[vwap]\nextended = 1",
         "vwap.extended is unknown; expected one of extended_bps"),
        ("vwap = 5",
         "vwap = 5 is not a table [vwap]"),
        ("[vwap]\nextended_bps = 50",
         'vwap.extended_bps = 50 must stand in quotes, like "50"'),
        ('[trades]\nsync_every_ms = "500"',
         "trades.sync_every_ms = '500' is not a whole number above 0"),
        ("[trades]\nsync_every_ms = 0",
         "trades.sync_every_ms = 0 is not a whole number above 0"),
        ("[trades]\nsync_every_ms = true",
         "trades.sync_every_ms = True is not a whole number above 0"),
        ("[trades]\nsync_every_ms = 0.5",
         "trades.sync_every_ms = 0.5 is not a whole number above 0"),
        ('instruments = "BTC-USDT-SWAP"',
         "instruments = 'BTC-USDT-SWAP' is not a list of names"),
        ("instruments = [1]",
         "instruments = [1] is not a list of names"),
        ('instruments = ["btc"]',
         ("instruments: instrument 'btc' is not a legal name: expected capitals and digits joined "
         "by dashes, like BTC-USDT-SWAP")),
    ],
)  # fmt: skip
def test_slips_are_named(file, text, message):
    """A message names the file, the key, the value and what was expected."""
    path = file(text)
    known = ", ".join(sorted(settings.Settings.__dataclass_fields__))
    with pytest.raises(UsageError) as caught:
        settings.load(path)
    assert str(caught.value) == f"{path}: {message.format(known=known)}"
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "data", [b"a = ", b"\xff\xfe", b"[a]\n[a]\n", b"a = " + b"[" * 5000, b"a = " + b"1" * 5000]
)
def test_what_is_not_toml_is_refused(tmp_path, data):
    """A damaged file never means the defaults."""
    path = tmp_path / "ravequant.toml"
    path.write_bytes(data)
    with pytest.raises(UsageError) as caught:
        settings.load(path)
    assert str(caught.value).startswith(f"{path}: cannot be read as TOML: ")


def test_addresses_of_the_regions():
    """A region names both addresses; one given by hand goes before it."""
    assert settings.Okx().addresses() == settings.REGIONS["global"]
    eea = settings.Okx(region="eea", rest_url="http://127.0.0.1:8080")
    assert eea.addresses() == ("wss://wseea.okx.com/ws/v5", "http://127.0.0.1:8080")
    with pytest.raises(UsageError) as caught:
        settings.Okx(region="mars").addresses()
    assert str(caught.value) == "okx.region = 'mars' is unknown: choose one of global, us, eea"


def test_decimal_settings_are_exact():
    """A threshold is text, and becomes units without a float in between."""
    assert settings.decimal_setting("62.5", "vwap.extended_bps", 1) == 625
    with pytest.raises(UsageError) as caught:
        settings.decimal_setting("1e5", "bars.whale_notional", exact.NOTIONAL_PLACES)
    assert str(caught.value) == "bars.whale_notional: '1e5' is not a plain decimal"
