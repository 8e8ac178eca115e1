"""What the views and the Parquet files hold: each column, its exact type and its unit.

A decimal is read as text and becomes a DECIMAL of 38 digits. A text with more places than its
column keeps is refused by name, never rounded.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

from ravequant import catalog

PLACES: Final = {"price": 12, "amount": 12, "size": 10, "ratio": 8}  # of the decimal kinds
_WALL: Final = (("price", "price"), ("notional", "amount"), ("age_s", "count"), ("young", "flag"),
                ("ratio", "ratio"))  # fmt: skip
_READ: Final = {"flag": "BOOLEAN", "count": "BIGINT", "json": "JSON"}  # all others: as text


@dataclass(frozen=True, slots=True)
class Column:
    """One column: the name that the files give it, its kind, and what one of it is."""

    name: str
    kind: str
    unit: str = ""

    @property
    def read_as(self) -> str:
        """The type in which the text of the line is taken."""
        return _read_type(self.kind)

    @property
    def exact(self) -> str:
        """The expression that makes the column of what was read."""
        return f"{_exact(quoted(self.name), self.kind)} AS {quoted(self.name)}"


@dataclass(frozen=True, slots=True)
class Table:
    """One view, and one folder of the Parquet files."""

    name: str
    columns: tuple[Column, ...]
    made_by: str  # what a person starts to have it
    time: str = "timestamp_utc"  # the column that decides on the day

    @property
    def fingerprint(self) -> str:
        """A hash of the columns: when one changes, the files of all days are made again.

        The manifests on disk hold it, so its text may not depend on the names of our classes.
        """
        columns = "".join(
            f"Column(name={column.name!r}, kind={column.kind!r}, unit={column.unit!r}), "
            for column in self.columns
        )
        text = f"(({columns.removesuffix(', ')}), {sorted(PLACES.items())!r}, 'made by 1')"
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def quoted(name: str) -> str:
    """Return a name as SQL takes it, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return a text as SQL takes it, whatever is in it."""
    return "'" + text.replace("'", "''") + "'"


def macros() -> list[str]:
    """Return the statements that the expressions need: one exact cast for each decimal kind."""
    return [
        f"CREATE OR REPLACE TEMP MACRO exact_{kind}(t) AS CASE WHEN strpos(t, '.') > 0 AND "
        f"length(rtrim(t, '0')) - strpos(t, '.') > {places} THEN error(t || ' has more than the "
        f"{places} places that a {kind} keeps here; nothing is rounded') "
        f"ELSE t::DECIMAL(38, {places}) END"
        for kind, places in PLACES.items()
    ]


def _read_type(kind: str) -> str:
    if kind == "walls":
        inner = ", ".join(f"{name} {_read_type(one)}" for name, one in _WALL)
        return f"STRUCT({inner})[]"
    if kind.endswith("s") and kind != "s":
        return f"{_read_type(kind[:-1])}[]"
    return _READ.get(kind, "VARCHAR")


def _exact(name: str, kind: str) -> str:
    if kind == "time":
        return f"{name}::TIMESTAMP"
    if kind in PLACES:
        return f"exact_{kind}({name})"
    if kind == "walls":
        fields = ", ".join(f"{one} := {_exact(f'w.{one}', inner)}" for one, inner in _WALL)
        return f"[struct_pack({fields}) FOR w IN {name}]"
    if kind[:-1] in PLACES:
        return f"[{_exact('x', kind[:-1])} FOR x IN {name}]"
    return name


def _columns(text: str) -> tuple[Column, ...]:
    """Return the columns of lines like ``price USD: open high low close``."""
    found = []
    for line in filter(None, map(str.strip, text.splitlines())):
        head, _, names = line.partition(":")
        kind, _, unit = head.partition(" ")
        found += [Column(name, kind, unit) for name in names.split()]
    return tuple(found)


_KEY: Final = "time UTC: timestamp_utc\ntext: instId exchange market\n"
_PRICE: Final = "price quote currency"
_VALUE: Final = "amount quote currency"

TRADES: Final = Table("trades", _columns(f"""{_KEY}
    text: symbol_canon\ncount exchange's number: trade_id\ntext taker's side: side
    {_PRICE}: price\nsize contracts: qty_contracts\namount coins: base\n{_VALUE}: notional
    size coins or quote currency per contract: ctVal\nsize: ctMult\ntext: ctType
    count fills: count\ntext: source"""), catalog.TRADES.made_by)  # fmt: skip
BARS: Final = Table("bars", _columns(f"""time UTC, start of the minute: timestamp_utc\ntext: instId
    {_PRICE}: open high low close\ncount records: trade_count
    amount coins: base buy_base sell_base\n{_VALUE}: notional buy_notional sell_notional
    count records: whale_count\n{_VALUE}: whale_buy_notional whale_sell_notional
    count exchange's number: first_id last_id\nflag: gap"""),
    catalog.EXPORT_PARQUET.script)  # fmt: skip
BOOK: Final = Table("book", _columns(f"""{_KEY}
    {_PRICE}: best_bid best_ask mid_price
    count exchange's number: seqId prevSeqId\nflag: gap_detected"""),
    catalog.BOOK.made_by)  # fmt: skip
VWAP: Final = Table("vwap", _columns(f"""{_KEY}
    {_PRICE}: close vwap_1h vwap_4h vwap_session vwap_base_1h vwap_base_4h vwap_base_session
    ratio basis points: deviation_bps_1h deviation_bps_4h deviation_bps_session
    flag: extended\ntext: cross\ncount minutes: minutes_1h minutes_4h minutes_session
    count records: trade_count_1h trade_count_4h\nflag: gap"""),
    catalog.VWAP.made_by)  # fmt: skip
CVD: Final = Table("cvd", _columns(f"""{_KEY}
    {_PRICE}: close
    {_VALUE}: buy_volume sell_volume cvd_1m cvd cvd_session cvd_change_15m cvd_change_1h
    count records: trade_count\ntime UTC: anchor_utc\ntext: divergence\nflag: gap"""),
    catalog.CVD.made_by)  # fmt: skip
VOLUME: Final = Table("volume", _columns(f"""{_KEY}
    {_PRICE}: open high low close\nratio percent: price_change_pct
    {_VALUE}: total_volume buy_volume sell_volume delta whale_volume
    count records: whale_count trade_count\ntext: volume_tier\nflag: absorption divergence
    text: absorbed_side divergence_type\nratio: volume_ratio\n{_VALUE}: median_volume
    count records: history_bars\n{_VALUE}: whale_delta\nflag: gap"""),
    catalog.VOLUME.made_by)  # fmt: skip
WICKS: Final = Table("wicks", _columns(f"""text: event\ntime UTC: known_utc
    text: event_id instId timeframe\ntime UTC: creation_time_utc\ntext: wick_type
    {_PRICE}: wick_price\ncount ticks: wick_size_ticks
    {_PRICE}: candle_open candle_high candle_low candle_close
    count ticks: tip_distance_ticks\nflag: tip_exact tip_near\ntext: signal_strength
    text: tip_of_event_id\ncount ticks: nearest_ticks\ntext: status\ntime UTC: touch_time_utc
    count minutes: age_at_touch_minutes\ntext: touch_class
    count ticks: touch_tip_distance_ticks\ntext: touch_strength\nflag: gap"""),
    catalog.WICKS.made_by, catalog.WICKS.key)  # fmt: skip
BUCKETS: Final = Table("buckets", _columns(f"""{_KEY}
    {_PRICE}: mid_price\ncounts basis points, where each band ends: bands_bps
    amounts quote currency: bid_notional ask_notional\namounts coins: bid_base ask_base
    ratios: imbalance\namounts quote currency: bid_delta_notional ask_delta_notional
    flags: bid_delta_significant ask_delta_significant
    counts seconds: bid_young_age_s ask_young_age_s\nflags: bid_young_active ask_young_active
    walls price and notional in quote currency, age_s in seconds: bid_walls ask_walls
    ratio basis points: bid_depth_bps ask_depth_bps\ntexts: band_source
    count seconds: deep_age_s\nflag: gap"""), catalog.BUCKETS.made_by)  # fmt: skip
SIGNALS: Final = Table("signals", _columns(f"""time UTC: as_of_utc
    text: instId event_id timeframe direction wick_type\n{_PRICE}: wick_price
    time UTC: creation_time_utc\ncount minutes: age_minutes\ncount wicks: touched surrounding
    count ticks: wick_size_ticks\nratio ticks: median_size_ticks\nflag: small tip_exact
    text: signal_strength strength\n{_PRICE}: last_price\ntext: last_price_from
    ratio basis points: distance_bps\nflag: in_contact\ncount layers: confluences
    text: conviction\ncount: size\nflag: capped_by_divergence\ncount points: score
    {_PRICE}: entry stop target\ntext: target_from target_event_id
    ratio: reward_risk reward_risk_net\nratio percent: break_even_pct\ntexts: tags
    json: wicks layers data"""), catalog.SIGNALS.made_by, catalog.SIGNALS.key)  # fmt: skip

TABLES: Final = {
    table.name: table for table in (TRADES, BARS, BOOK, VWAP, CVD, VOLUME, WICKS, BUCKETS, SIGNALS)
}
