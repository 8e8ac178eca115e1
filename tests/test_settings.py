"""The one settings file: defaults, what it may say, and how a slip is named."""

import json
import os
from typing import Any

import pytest

from ravequant import exact, settings
from ravequant.errors import UsageError
from ravequant.settings_schema import as_typed


def test_without_a_file_the_defaults_hold(tmp_path):
    """Every key is optional, and so is the file."""
    chosen = settings.load(tmp_path / "absent.toml")
    assert chosen == settings.Settings()
    assert chosen.instruments == ("BTC-USDT-SWAP", "ETH-USDT-SWAP")
    assert chosen.bars.whale_notional == 100_000 * exact.NOTIONAL_ONE
    assert chosen.vwap.extended_bps == 50 * exact.SIZE_ONE
    assert chosen.trades.backfill_buffer_rows == 100_000
    assert chosen.trades.rest_patience_s == 900


def test_a_key_changes_itself_only(settings_file):
    """What the file does not name keeps its default; a BOM is no obstacle."""
    path = settings_file('\ufeffinstruments = ["SOL-USDT-SWAP"]\n[vwap]\nextended_bps = "62.5"\n')
    vwap = settings.Vwap(settings.BPS.parse("62.5", "extended_bps"))
    wanted = settings.Settings(instruments=("SOL-USDT-SWAP",), vwap=vwap)
    assert settings.load(path) == wanted


def test_the_environment_may_name_the_file(settings_file, monkeypatch):
    """$RAVEQUANT_SETTINGS counts where no path is given, and must then name a file."""
    path = settings_file("[trades]\nsync_every_ms = 100\n")
    monkeypatch.setenv(settings.SETTINGS_VARIABLE, str(path))
    assert settings.load().trades.sync_every_ms == 100
    absent = path.with_name("absent.toml")
    monkeypatch.setenv(settings.SETTINGS_VARIABLE, str(absent))
    with pytest.raises(UsageError) as caught:
        settings.load()
    assert str(caught.value) == f"{absent}: $RAVEQUANT_SETTINGS names a file that is absent"
    assert settings.load(absent) == settings.Settings()
    monkeypatch.setenv("HOME", str(path.parent))
    monkeypatch.setenv("USERPROFILE", str(path.parent))
    monkeypatch.setenv(settings.SETTINGS_VARIABLE, f"~/{path.name}")
    assert settings.load() == settings.load(f"~/{path.name}") == settings.load(str(path))
    assert settings.load().trades.sync_every_ms == 100


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("instrument = []",
         "instrument is unknown; did you mean instruments?"),
        ("[vwap]\nextended = 1",
         "vwap.extended is unknown; did you mean vwap.extended_bps?"),
        ("[vwpa]\nextended_bps = 1",
         "vwpa is unknown; did you mean vwap?"),
        ("[vwap]\nfee_bps_in = 1",
         "vwap.fee_bps_in is unknown; expected one of extended_bps"),
        ('maker_bps = "1"',
         "maker_bps is unknown here; did you mean maker_bps below [signals]?"),
        ("[okx]\ninstruments = []",
         "okx.instruments is unknown here; did you mean instruments above the first [table]?"),
        ("vwap = 5",
         "vwap is not a table [vwap]"),
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
        ('[vwap]\nextended_bps = "abc"',
         "vwap.extended_bps: 'abc' is not a plain decimal; expected 0 or more, like 12.5"),
        ('[signals]\nmaker_bps = "-1e5"',
         "signals.maker_bps: '-1e5' is not a plain decimal; expected 0 or more, like 12.5"),
        ('[signals]\nreach_bps = "10001"',
         "signals.reach_bps = '10001' is above 10,000"),
        ('[signals]\nimbalance = "0.705"',
         "signals.imbalance: '0.705' has more than 2 decimals"),
        ('[signals]\nstop_bps = "0.0"',
         "signals.stop_bps = '0.0' is not above 0"),
        ('[retention]\nkeep_gb = "0"',
         "retention.keep_gb = '0' is not above 0"),
        ('[buckets]\nwall_notional = "5"',
         "buckets.wall_notional = '5' is not a table like BTC = \"300000\""),
        ('[buckets.wall_notional]\nBTC = "1_000"',
         ("buckets.wall_notional.BTC: '1_000' is not a plain decimal; expected 0 or more, "
          "like 12.5")),
        ('[buckets.wall_notional]\nbtc = "1000"',
         ("buckets.wall_notional: 'btc' is not the start of an instrument's name; expected one "
         "like BTC or BTC-USDT, or default")),
        ('[okx]\nregion = "mars"',
         "okx.region = 'mars' is unknown: choose one of global, us, eea"),
        ('[volume]\nt3_from = "0.4"',
         "volume: t2_from 0.5, t3_from 0.4, t4_above 2 must not decrease"),
        ("[volume]\nmedian_records = 10",
         ("volume.min_records = 20 is above volume.median_records = 10: no record would ever have "
         "a tier")),
        ("[l2]\ndepth_levels = 401",
         "l2.depth_levels = 401 is above 400, all that the exchange sends"),
        ("[l2]\ncadence_ms = 10000",
         "l2.cadence_ms = 10000 is not below buckets.gap_s = 10 s: every snapshot would be a gap"),
        ("[buckets]\nconfirm_s = 3600",
         ("buckets.young_s = 3600 is not above buckets.confirm_s = 3600: no wall would ever be "
         "young")),
        ('[signals]\nmax_rule = "loose"',
         "signals.max_rule = 'loose' is unknown: choose one of strict, notes"),
        ('[edge]\ntarget_order = "limit"',
         "edge.target_order = 'limit' is unknown: choose one of taker, maker"),
        ('[signals]\nbreak_even_max_pct = "101"',
         "signals.break_even_max_pct = '101' is above 100"),
        ("[signals]\nwall_fresh_s = 30",
         ("signals.wall_fresh_s = 30 is not above buckets.confirm_s = 30: no young wall would "
         "ever count")),
        ('instruments = ["btc"]',
         ("instruments: instrument 'btc' is not a legal name: expected capitals, digits and _ "
         "joined by dashes, like BTC-USDT-SWAP")),
    ],
)  # fmt: skip
def test_slips_are_named(settings_file, text, message):
    """A message names the file, the key, the value and what was expected."""
    path = settings_file(text)
    with pytest.raises(UsageError) as caught:
        settings.load(path)
    assert str(caught.value) == f"{path}: {message}"
    assert caught.value.exit_code == 2


def test_a_wrong_name_of_an_instrument_stops_no_other(settings_file, monkeypatch, caplog):
    """It is logged once, with the form expected; alone it is an error, as above."""
    path = settings_file('instruments = ["btc", "ETH-USDT-SWAP", "../x"]')
    monkeypatch.setenv(settings.SETTINGS_VARIABLE, str(path))
    assert settings.load().instruments == ("ETH-USDT-SWAP",)
    assert settings.no_instruments() == ("btc", "../x")
    assert [text.partition(": expected")[0] for text in caplog.messages] == [
        f"{path}: instruments: 'btc' is left out: instrument 'btc' is not a legal name",
        f"{path}: instruments: '../x' is left out: instrument '../x' is not a legal name",
    ]


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


def test_decimal_settings_are_exact_numbers(settings_file):
    """What stands in quotes is a whole number of the unit of its kind, without a float between."""
    chosen = settings.load(
        settings_file('[vwap]\nextended_bps = "62.5"\n[retention]\nkeep_gb = "1.5"\n')
    )
    assert chosen.vwap.extended_bps == 625 * exact.SIZE_ONE // 10
    assert chosen.signals.imbalance == 70
    assert chosen.buckets.wall_notional.of("ETH-USDT-SWAP") == 500_000 * exact.NOTIONAL_ONE
    assert chosen.retention.keep_gb == 1_500_000_000
    assert settings.Retention().keep_gb == 0


def test_the_defaults_hold_to_their_own_rules(settings_file):
    """Every default, written into a file, is read as itself."""
    text: list[str] = []
    for name, table in as_typed(settings.Settings()).items():
        if isinstance(table, dict):
            rows = (f"{name}.{key} = {written(value)}" for key, value in table.items())
            text.extend(rows)
    assert settings.load(settings_file("\n".join(text))) == settings.Settings()


def written(value: Any) -> str:
    """Return a value as TOML, which for a table differs from JSON."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {json.dumps(inner)}" for key, inner in value.items()) + "}"
    return json.dumps(value)


@pytest.mark.parametrize("text", ['SECRET = "s3cr3t"', '[okx]\nregion = ["s3cr3t"]',
                                  'okx = "s3cr3t"', '[vwap]\nextended_bps = ["s3cr3t"]',
                                  'a = "s3cr3t'])  # fmt: skip
def test_a_value_in_the_wrong_place_is_not_shown(settings_file, text):
    """It may be a secret; the message goes to screens and logs."""
    with pytest.raises(UsageError) as caught:
        settings.load(settings_file(text))
    assert "s3cr3t" not in str(caught.value)


WEBHOOK = "https://discord.com/api/webhooks/123456/S3CRET-S3CRET-S3CRET-S3CRET"


@pytest.mark.parametrize("text", [
    f'[retention]\nkeep_gb = "200[alerts]discord_webhook = {WEBHOOK}"',
    f'instruments = [1, "{WEBHOOK}"]', f'instruments = "{WEBHOOK}"',
    f'[trades]\nrest_patience_s = "{WEBHOOK}"', f'[buckets]\nwall_notional = ["{WEBHOOK}"]',
    f'[buckets.wall_notional]\n"{WEBHOOK}" = "1"',
])  # fmt: skip
def test_an_address_that_slipped_into_another_value_is_not_shown(settings_file, text):
    """As in a damaged file that lost a quote and the end of a line."""
    with pytest.raises(UsageError) as caught:
        settings.load(settings_file(text))
    assert "S3CRET" not in str(caught.value)


def test_a_monstrous_key_is_refused_at_once(settings_file):
    """A megabyte of a name is not looked up in the list of names."""
    with pytest.raises(UsageError) as caught:
        settings.load(settings_file(f"{'x' * 1_000_000} = 1"))
    assert len(str(caught.value)) < 1_000


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """Return a folder in which the settings are looked for, and have the telling begin anew."""
    folder = tmp_path / "checkout"
    (folder / "L2_Bot").mkdir(parents=True)
    (folder / "ravequant").mkdir()
    monkeypatch.delenv(settings.SETTINGS_VARIABLE, raising=False)
    monkeypatch.setattr(settings, "_DEFAULT_FILE", folder / "ravequant.toml")
    monkeypatch.setenv("RAVEQUANT_VAULT", str(tmp_path / "vault"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    settings._tell_unread.cache_clear()
    yield folder
    settings._tell_unread.cache_clear()


@pytest.mark.parametrize(
    "name",
    ["ravequant.toml.txt", "ravequant.TOML.txt", "ravequant.tml", "Ravequant.txt",
     "rave_quant.toml", "ravequant (1).toml", "L2_Bot/ravequant.toml", "L2_Bot/ravequant.toml.txt",
     "../ravequant.toml", "../home/ravequant.toml", "../vault/ravequant.toml"],
)  # fmt: skip
def test_settings_that_are_not_read_are_named_once(checkout, caplog, name):
    """Notepad's name, a slip, another folder: else the defaults would hold unseen."""
    other = checkout / name
    other.parent.mkdir(exist_ok=True)
    other.write_text('instruments = ["SOL-USDT-SWAP"]\n', encoding="utf-8")
    assert [path.resolve() for path in settings.unread()] == [other.resolve()]
    assert settings.load() == settings.load() == settings.Settings()
    (said,) = caplog.messages
    assert said.endswith(
        f"is not read: the settings stand in {checkout / 'ravequant.toml'}; move it there"
    )


@pytest.mark.skipif(os.name == "nt", reason="a folder in use cannot be deleted there")
def test_a_folder_that_is_gone_and_no_home_are_no_error(checkout, tmp_path, monkeypatch):
    """As in a container: the settings are looked for where there is something to look into."""
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    monkeypatch.delenv("HOME")

    def nobody(_uid):
        raise KeyError

    monkeypatch.setattr("pwd.getpwuid", nobody)
    (checkout / "L2_Bot" / "ravequant.toml").touch()
    assert settings.unread() == [checkout / "L2_Bot" / "ravequant.toml"]
    assert settings.load() == settings.Settings()


def test_a_copy_beside_the_settings_is_no_slip(checkout, caplog):
    """A backup is left alone; the text that Notepad saved beside it is not."""
    (checkout / "ravequant.toml").write_text("", encoding="utf-8")
    for name in ("ravequant.toml.bak", "ravequant - old.toml", "L2_Bot/ravequant.toml"):
        (checkout / name).write_text("", encoding="utf-8")
    assert settings.unread() == []
    (checkout / "ravequant.toml.txt").write_text("", encoding="utf-8")
    assert settings.unread() == [checkout / "ravequant.toml.txt"]
    assert caplog.messages == []


def test_a_named_file_that_is_absent_has_a_neighbour(checkout, monkeypatch):
    """The message has the name that was probably meant."""
    (checkout / "own.toml.txt").write_text("", encoding="utf-8")
    monkeypatch.setenv(settings.SETTINGS_VARIABLE, str(checkout / "own.toml"))
    with pytest.raises(UsageError) as caught:
        settings.load()
    assert str(caught.value).endswith(f"absent; did you mean {checkout / 'own.toml.txt'}?")
