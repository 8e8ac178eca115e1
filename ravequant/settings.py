"""Settings: one optional ``ravequant.toml``, every threshold named once with its default.

The file stands at the root of the checkout (or where ``$RAVEQUANT_SETTINGS`` says). All keys are
optional; flags go before the file. When the file is read, decimals become exact numbers, and
errors are refused by name: unknown keys, wrong types, decimals out of range, and settings that
contradict each other.
"""

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from ravequant import exact, settings_schema
from ravequant.errors import UsageError, shown
from ravequant.records import check_inst_id
from ravequant.settings_schema import Amounts, DecimalField, ExactDecimal
from ravequant.vault.paths import StrPath, default_root, user_path

SETTINGS_VARIABLE: Final = "RAVEQUANT_SETTINGS"
_DEFAULT_FILE: Final = Path(__file__).resolve().parents[1] / "ravequant.toml"
MAX_RULES: Final = ("strict", "notes")
TARGET_ORDERS: Final = ("taker", "maker")
_log = logging.getLogger("settings")
_MOST_LEVELS: Final = 400  # levels of a side in the exchange's channel

# The decimal settings, and the units in which each is counted.
NOTIONAL: Final = DecimalField(exact.NOTIONAL_PLACES, zero=False)  # quote currency
BPS: Final = DecimalField(exact.SIZE_PLACES, most=10_000)
DISTANCE: Final = DecimalField(exact.SIZE_PLACES, most=9_999, zero=False)  # bps, never the price
HEIGHT: Final = DecimalField(exact.PRICE_PLACES, zero=False, empty=True)
PERCENT: Final = DecimalField(exact.SIZE_PLACES, most=100)
RATIO: Final = DecimalField(exact.SIZE_PLACES)
IMBALANCE: Final = DecimalField(2, most=1, zero=False)
BITCOIN: Final = DecimalField(8, most=21_000_000, zero=False)  # so in satoshi
GIGABYTES: Final = DecimalField(9, zero=False, empty=True)  # so in bytes

# base WebSocket address (a path is added) and REST address of each region (port 443)
REGIONS: Final[Mapping[str, tuple[str, str]]] = {
    "global": ("wss://ws.okx.com/ws/v5", "https://openapi.okx.com"),
    "us": ("wss://wsus.okx.com/ws/v5", "https://us.okx.com"),
    "eea": ("wss://wseea.okx.com/ws/v5", "https://eea.okx.com"),
}


class Okx(NamedTuple):
    """The addresses of OKX; empty addresses mean those of the region."""

    region: str = "global"
    ws_url: str = ""
    rest_url: str = ""

    def addresses(self) -> tuple[str, str]:
        """Return (WebSocket base, REST base); UsageError for an unknown region."""
        if self.region not in REGIONS:
            raise UsageError(
                f"okx.region = {self.region!r} is unknown: choose one of {', '.join(REGIONS)}"
            )
        ws_url, rest_url = REGIONS[self.region]
        return self.ws_url or ws_url, self.rest_url or rest_url


class Coinalyze(NamedTuple):
    """The recorder of Coinalyze's series; without a key it is off."""

    key_file: str = ""  # holds the key, outside the vault; the environment's goes before it


class Trades(NamedTuple):
    """The trade exporter."""

    backfill_buffer_rows: int = 100_000  # live rows that wait while a gap is filled
    rest_patience_s: int = 900  # REST failing this long makes a gap `open`
    sync_every_ms: int = 500  # write to fsync: at most a second


class L2(NamedTuple):
    """The book exporter; the notes' SNAPSHOT_CADENCE_SEC and DEPTH_LEVELS."""

    cadence_ms: int = 2_000  # exchange time from snapshot to snapshot
    depth_levels: int = 400  # of each side, at most _MOST_LEVELS
    deep_every_s: int = 30  # from one deep REST snapshot to the next; --deep-every 0 turns them off
    sync_every_ms: int = 1_000  # write to fsync


class BtcTransfers(NamedTuple):
    """The recorder of large transfers of bitcoin; without an address it is off."""

    url: str = ""  # https://mempool.space, or a node of your own with its REST side
    min_btc: ExactDecimal = BITCOIN.default("100")  # a smaller transfer is not recorded


class Bars(NamedTuple):
    """Minute bars."""

    # quote currency, a record at or above it is a whale
    whale_notional: ExactDecimal = NOTIONAL.default("100000")


class Vwap(NamedTuple):
    """The VWAP calculator."""

    # |deviation from the 4h VWAP| above this is extended
    extended_bps: ExactDecimal = BPS.default("50")


class Volume(NamedTuple):
    """The volume analyzer. Ratios are a record's volume / the median of the records before it."""

    median_records: int = 100  # earlier records in the median
    min_records: int = 20  # fewer than these: no tier, no absorption
    t2_from: ExactDecimal = RATIO.default("0.5")  # below it T1
    t3_from: ExactDecimal = RATIO.default("1")
    t4_above: ExactDecimal = RATIO.default("2")  # above it T4, and the surge of an absorption
    # |price change| of an absorption is below this percentage
    flat_pct: ExactDecimal = PERCENT.default("0.1")


class Footprint(NamedTuple):
    """Footprint and profile: the trades by price. The table goes by the asset of the instId."""

    # height of a bucket of prices in quote currency; empty: 100 ticks
    bucket: Amounts = HEIGHT.defaults(BTC="10", ETH="0.5", default="")
    imbalance_ratio: ExactDecimal = RATIO.default("3")  # to the other side, one bucket away
    imbalance_notional: ExactDecimal = NOTIONAL.default("50000")  # a smaller one is none
    stacked: int = 3  # so many one upon the other are stacked


class Buckets(NamedTuple):
    """The L2 bucketizer. Amounts are in quote currency; tables go by the asset of the instId."""

    band_notional: Amounts = NOTIONAL.defaults(BTC="300000", ETH="150000", default="150000")
    wall_notional: Amounts = NOTIONAL.defaults(BTC="1000000", ETH="500000", default="300000")
    delta_notional: ExactDecimal = NOTIONAL.default("100000")  # a larger change is significant
    delta_ratio: ExactDecimal = RATIO.default("0.10")  # and so is a larger part of the band before
    gap_s: int = 10  # more time between two snapshots is a gap
    confirm_s: int = 30  # a wall that has stood this long is no spoof
    young_s: int = 3_600  # a wall that has stood longer is established
    hold_s: int = 60  # an unseen wall is remembered this long
    deep_age_s: int = 60  # an older deep snapshot is not used
    listed_walls: int = 10  # a side


class Signals(NamedTuple):
    """The query: thresholds of the layers, fees and stop. Decimals stand in quotes."""

    surrounding_minutes: int = 10  # wicks born at most this far apart surround each other
    very_high_touched: int = 15  # touched around it, with an exact tip: VERY_HIGH
    reach_bps: ExactDecimal = BPS.default("500")  # a tip farther from the last price is no signal
    # tape layers count with price at most this far from the tip
    near_bps: ExactDecimal = BPS.default("25")
    tape_minutes: int = 5  # volume tier and absorption look this far back
    wall_notional: Amounts = NOTIONAL.defaults(BTC="2000000", default="2000000")
    wall_bps: ExactDecimal = BPS.default("2")  # a wall at most this far from the tip stands at it
    wall_fresh_s: int = 300  # a young wall counts while it is younger
    # of the tip's band, against the way through it
    imbalance: ExactDecimal = IMBALANCE.default("0.70")
    vwap_bps: ExactDecimal = BPS.default("10")  # tip at least this far beyond the 4h VWAP
    wicks_stale_s: int = 180  # a layer whose data are older does not count
    volume_stale_s: int = 180
    cvd_stale_s: int = 180
    vwap_stale_s: int = 1_200
    buckets_stale_s: int = 120
    stop_bps: ExactDecimal = DISTANCE.default("1")  # beyond the tip, then to the next tick
    # a target farther from the entry is none
    target_max_bps: ExactDecimal = BPS.default("60")
    break_even_max_pct: ExactDecimal = PERCENT.default("60")  # no trade if more must win
    max_rule: str = "strict"  # or notes: the reading of a signal that gives its size
    size_by_verdict: bool = True  # sizes are shown by the verdict of the edge lab
    maker_bps: ExactDecimal = BPS.default("2")  # fee on the way in
    taker_bps: ExactDecimal = BPS.default("5")  # fee on the way out
    whale_count: int = 10  # more records than this, and more than the next: tag `whales`
    whale_volume: ExactDecimal = NOTIONAL.default("2000000")


class Edge(NamedTuple):
    """The trials of the edge lab: the order, its exits, and its costs."""

    latency_ms: int = 10_000  # from the moment an answer can be had to the order at the exchange
    stop_arm_ms: int = 500  # from the fill to a stop that is live
    stop_latency_ms: int = 100  # from a trigger to the market order's fill
    hold_max_min: int = 60  # then a position is left at market
    size_usd: ExactDecimal = NOTIONAL.default("1000")  # of an order
    slippage_bps: ExactDecimal = BPS.default("1")  # of a market order without a book to walk
    funding_bps: ExactDecimal = BPS.default("1")  # of a settlement whose rate is unknown, as a cost
    target_order: str = "taker"  # or maker: the target rests in the book
    placebos: int = 20  # fake levels of each kind that a trial has


class Alerts(NamedTuple):
    """Alerts of find_signals --watch: --discord, --exec and --bell."""

    # a second alert with price at most this far from the tip
    approach_bps: ExactDecimal = BPS.default("5")
    per_hour: int = 10  # messages to Discord in any hour; the rest is put together in one
    discord_webhook: str = ""  # its environment variable goes before it

    def __repr__(self) -> str:
        """Return the fields without the webhook, which is a secret."""
        return f"Alerts(approach_bps={self.approach_bps}, per_hour={self.per_hour})"


class Retention(NamedTuple):
    """Ages of compression and deletion; the age of a file counts from its hour's or day's end.

    Trade days and bucket days are never deleted, and the newest file of a stream is never touched.
    """

    compress_book_hours: int = 6
    delete_book_days: int = 5
    keep_unread_days: int = 10  # book hours that the bucketizer has not read, or the lab judged
    imported_book_days: int = 5  # imported book hours, from their import on
    compress_trade_days: int = 2
    compress_bucket_days: int = 2
    keep_gb: ExactDecimal = GIGABYTES.default("")  # budget of the vault in 10**9 bytes; "": none


class Settings(NamedTuple):
    """All settings, with the defaults that hold without a file."""

    instruments: tuple[str, ...] = ("BTC-USDT-SWAP", "ETH-USDT-SWAP")
    okx: Okx = Okx()
    trades: Trades = Trades()
    l2: L2 = L2()
    btc_transfers: BtcTransfers = BtcTransfers()
    coinalyze: Coinalyze = Coinalyze()
    bars: Bars = Bars()
    vwap: Vwap = Vwap()
    volume: Volume = Volume()
    footprint: Footprint = Footprint()
    buckets: Buckets = Buckets()
    signals: Signals = Signals()
    edge: Edge = Edge()
    alerts: Alerts = Alerts()
    retention: Retention = Retention()


def file_in_use() -> Path:
    """Return the file that ``$RAVEQUANT_SETTINGS`` names, else that of the checkout."""
    return user_path(os.environ.get(SETTINGS_VARIABLE) or _DEFAULT_FILE)


def unread() -> list[Path]:
    """Return the files that were probably meant to hold the settings, and are not read.

    Notepad adds ``.txt``, the end may be in capitals or lack a letter; or the file stands in
    another folder. Beside settings that are read only the ``.txt`` counts: others may be copies.
    """
    path = file_in_use()
    there = path.is_file()
    beside = _names(path.parent)
    found = [path.parent / name for name in beside if _alike(name, path.name, there=there)]
    if not there and path == _DEFAULT_FILE:
        places = [f"{path.parent}{os.sep}{room}" for room in beside if room[0] not in "._"]
        for place in (default_root, Path.cwd, path.parent.parent.absolute, Path.home):
            with suppress(OSError, RuntimeError):  # a folder that is gone, a user without a home
                places.append(str(place()))
        texts = (f"{place}{os.sep}{path.name}{end}" for place in places for end in ("", ".txt"))
        found += [Path(text) for text in texts if os.access(text, os.F_OK)]
    return [other for other in dict.fromkeys(found) if other != path and _is_file(other)]


def _names(folder: Path) -> list[str]:
    with suppress(OSError):
        return sorted(os.listdir(folder))  # noqa: PTH208 - every run asks, names alone cost less
    return []


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a folder that may not be looked into
        return False


def _alike(name: str, wanted: str, *, there: bool) -> bool:
    name, wanted = name.lower(), wanted.lower()
    return name == f"{wanted}.txt" if there else name.startswith(wanted[:4])


@cache
def _tell_unread() -> None:
    """Log the files that are not read, once in a process."""
    for other in unread():
        _log.warning("%s", remedy_for(other))


def remedy_for(other: StrPath) -> str:
    """Return the sentence for a file that was meant to hold the settings."""
    return f"{other} is not read: the settings stand in {file_in_use()}; move it there"


def load(path: StrPath | None = None) -> Settings:
    """Return the settings of ``path``, or of the file in use; the defaults if it is absent.

    Raises UsageError that names the file, the key and the expectation. A name of ``instruments``
    that can be no instrument's is left out, and logged once; it stops nothing that others need.
    """
    return _load(path)[0]


def no_instruments() -> tuple[str, ...]:
    """Return the names of ``instruments`` in the file in use that can be no instrument's."""
    return _load(None)[1]


def _load(path: StrPath | None) -> tuple[Settings, tuple[str, ...]]:
    named = path is None and os.environ.get(SETTINGS_VARIABLE)
    if path is None:
        _tell_unread()
    path = file_in_use() if path is None else user_path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
        import tomllib  # noqa: PLC0415 - most have no such file

        table = tomllib.loads(text)
    except FileNotFoundError:
        if named:
            near = "".join(f"; did you mean {other}?" for other in unread()[:1])
            raise UsageError(
                f"{path}: ${SETTINGS_VARIABLE} names a file that is absent{near}"
            ) from None
        return Settings(), ()
    except (OSError, ValueError, RecursionError) as error:  # no text, no TOML, a huge value
        raise UsageError(f"{path}: cannot be read as TOML: {error}") from None
    try:
        settings: Settings = settings_schema.build(Settings, table)
        settings, wrong = _without_wrong_names(settings)
        _refuse_nonsense(settings)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None
    for name, reason in wrong.items():
        _tell_left_out(path, name, reason)
    return settings, tuple(wrong)


@cache
def _tell_left_out(path: Path, name: str, reason: str) -> None:
    """Log a name that is left out, once in a process."""
    _log.warning("%s: instruments: %s is left out: %s", path, shown(name), reason)


def _without_wrong_names(chosen: Settings) -> tuple[Settings, dict[str, str]]:
    """Return the settings with the legal names alone, and why each other is wrong; UsageError."""
    wrong: dict[str, str] = {}
    for inst_id in chosen.instruments:
        try:
            check_inst_id(inst_id)
        except UsageError as error:
            wrong[inst_id] = str(error)
    legal = tuple(name for name in chosen.instruments if name not in wrong)
    if wrong and not legal:
        raise UsageError(f"instruments: {next(iter(wrong.values()))}")
    return chosen._replace(instruments=legal), wrong


def _refuse_nonsense(chosen: Settings) -> None:
    """Raise UsageError for settings that are well-formed each and make no sense together."""
    chosen.okx.addresses()
    for text in _contradictions(chosen):
        raise UsageError(text)


def _contradictions(chosen: Settings) -> Iterator[str]:
    volume, buckets, l2 = chosen.volume, chosen.buckets, chosen.l2
    if not volume.t2_from <= volume.t3_from <= volume.t4_above:
        yield (
            f"volume: t2_from {volume.t2_from.text}, t3_from {volume.t3_from.text}, t4_above "
            f"{volume.t4_above.text} must not decrease"
        )
    if volume.min_records > volume.median_records:
        yield (
            f"volume.min_records = {volume.min_records} is above volume.median_records = "
            f"{volume.median_records}: no record would ever have a tier"
        )
    if l2.depth_levels > _MOST_LEVELS:
        yield (
            f"l2.depth_levels = {l2.depth_levels} is above {_MOST_LEVELS}, all that the "
            "exchange sends"
        )
    if l2.cadence_ms >= buckets.gap_s * 1_000:
        yield (
            f"l2.cadence_ms = {l2.cadence_ms} is not below buckets.gap_s = {buckets.gap_s} s: "
            "every snapshot would be a gap"
        )
    for name, word, known in (
        ("signals.max_rule", chosen.signals.max_rule, MAX_RULES),
        ("edge.target_order", chosen.edge.target_order, TARGET_ORDERS),
    ):
        if word not in known:
            yield f"{name} = {word!r:.40} is unknown: choose one of {', '.join(known)}"
    for name, least_s, what in (
        ("buckets.young_s", buckets.young_s, "no wall would ever be young"),
        ("signals.wall_fresh_s", chosen.signals.wall_fresh_s, "no young wall would ever count"),
    ):
        if least_s <= buckets.confirm_s:
            yield f"{name} = {least_s} is not above buckets.confirm_s = {buckets.confirm_s}: {what}"
