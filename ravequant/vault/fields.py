"""The fields of the data sets: the name, the exact kind and the unit of each, in their order.

SPEC says what each holds. Readers make columns of them: of the lines in Python (``read``), in SQL,
and in the Parquet files.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

# of the decimal kinds, or more; a mean is one of prices: it may have six places more than the tick
PLACES: Final = {"price": 12, "mean": 26, "amount": 12, "size": 10, "ratio": 8}
WALL: Final = {
    "price": "price", "notional": "amount", "age_s": "count", "young": "flag", "ratio": "ratio",
}  # fmt: skip
# a bucket of a footprint, in the order of its list
CELL: Final = {"low": "price", "buy": "amount", "sell": "amount", "trades": "count"}
TPO_CELL: Final = {
    "low": "price",
    "buy": "amount",
    "sell": "amount",
    "tpos": "count",
}  # a profile's


class Field(NamedTuple):
    """One field: its name in the files, its kind, and its unit.

    Kinds are ``time``, ``text``, ``flag``, ``count``, the decimal ones (``PLACES``), each with an
    ``s`` for a list of them, ``walls``, ``cells``, ``tpo_cells``, and ``json`` for anything else.
    """

    name: str
    kind: str
    unit: str = ""


# a data set and its fields in their order, as ``kind unit: names; kind unit: names``
_LISTED: Final = """
trades
    KEY; text: symbol_canon; count exchange's number: trade_id; text taker's side: side;
    PRICE: price; size contracts: qty_contracts; amount coins: base; VALUE: notional;
    size coins or quote currency per contract: ctVal; size: ctMult; text: ctType;
    count fills: count; text: source; flag past the exchange's time: ahead
bars
    time UTC, start of the minute: timestamp_utc; text: instId; PRICE: open high low close;
    count records: trade_count; amount coins: base buy_base sell_base;
    VALUE: notional buy_notional sell_notional; count records: whale_count;
    VALUE: whale_buy_notional whale_sell_notional; count exchange's number: first_id last_id;
    flag: gap
book
    KEY; PRICE: best_bid best_ask mid_price; count exchange's number: seqId prevSeqId;
    flag: gap_detected
vwap
    KEY; PRICE: close;
    mean quote currency: vwap_1h vwap_4h vwap_session vwap_base_1h vwap_base_4h vwap_base_session;
    ratio basis points: deviation_bps_1h deviation_bps_4h deviation_bps_session; flag: extended;
    text: cross; count minutes: minutes_1h minutes_4h minutes_session;
    count records: trade_count_1h trade_count_4h; flag: gap;
    mean quote currency: sd_1h sd_4h sd_session
cvd
    KEY; PRICE: close;
    VALUE: buy_volume sell_volume cvd_1m cvd cvd_session cvd_change_15m cvd_change_1h;
    count records: trade_count; time UTC: anchor_utc; text: divergence; flag: gap
volume
    KEY; PRICE: open high low close; ratio percent: price_change_pct;
    VALUE: total_volume buy_volume sell_volume delta whale_volume;
    count records: whale_count trade_count; text: volume_tier; flag: absorption divergence;
    text: absorbed_side divergence_type; ratio: volume_ratio; VALUE: median_volume;
    count records: history_bars; VALUE: whale_delta; flag: gap
wicks
    text: event; time UTC: known_utc; text: event_id instId timeframe;
    time UTC: creation_time_utc; text: wick_type; PRICE: wick_price; count ticks: wick_size_ticks;
    PRICE: candle_open candle_high candle_low candle_close; count ticks: tip_distance_ticks;
    flag: tip_exact tip_near; text: signal_strength tip_of_event_id; count ticks: nearest_ticks;
    text: status; time UTC: touch_time_utc; count minutes: age_at_touch_minutes;
    text: touch_class; count ticks: touch_tip_distance_ticks; text: touch_strength; flag: gap
buckets
    KEY; PRICE: mid_price; counts basis points, where each band ends: bands_bps;
    amounts quote currency: bid_notional ask_notional; amounts coins: bid_base ask_base;
    ratios: imbalance; amounts quote currency: bid_delta_notional ask_delta_notional;
    flags: bid_delta_significant ask_delta_significant;
    counts seconds: bid_young_age_s ask_young_age_s; flags: bid_young_active ask_young_active;
    walls price and notional in quote currency, age_s in seconds: bid_walls ask_walls;
    ratio basis points: bid_depth_bps ask_depth_bps; texts: band_source;
    count seconds: deep_age_s; flag: gap
book_flow
    KEY; text: kind; amount coins: ofi_1m ofi10_1m; count intervals: intervals; flag: gap;
    text: side; PRICE: price; VALUE: notional;
    size contracts: placed largest qty filled pulled refilled added unknown;
    time UTC: since_utc; flag: placed_known; count seconds: held_s; text: end; time UTC: end_utc
footprint
    KEY; PRICE: close bucket; cells low in quote currency, buy and sell too: rows; PRICE: poc;
    VALUE: delta max_delta min_delta; json: imbalances stacked; flag: gap
profile
    time UTC: known_utc; text: instId exchange market kind; time UTC: session_utc;
    flag: final whole; count minutes: minutes; PRICE: high low close; VALUE: total_volume;
    PRICE: bucket poc vah val; tpo_cells low in quote currency, buy and sell too: rows;
    text: high_end low_end event event_id side; PRICE: price; count half hours: tpos;
    time UTC: repaired_utc; flag: gap
liquidations
    KEY; text: channel; text side of the liquidating order: side; text: posSide;
    text long or short: liquidated; PRICE: px; size contracts: qty_contracts; text: bkLoss;
    size coins or quote currency per contract: ctVal; size: ctMult; text: ctType via;
    time UTC: known_utc
marks
    KEY; text: channel; PRICE: markPx
open_interest
    KEY; text: channel; text contracts: oi; text coins: oiCcy; text USD: oiUsd; text: via
funding_estimates
    KEY; text: channel; text fraction per interval: fundingRate;
    text Unix milliseconds: fundingTime nextFundingTime prevFundingTime;
    text fraction per interval: settFundingRate; text: settState premium
ls_accounts
    STATISTIC
ls_top_accounts
    STATISTIC
ls_top_positions
    STATISTIC
interest_5m
    STATISTIC
taker_5m
    STATISTIC
btc_transfers
    KEY; text: channel; count: height; count in the block: index; text: txid;
    text satoshi: sent_sat returned_sat fee_sat; count: inputs outputs; json: labels;
    text hash: block
long_short_binance
    COINALYZE
long_short_bybit
    COINALYZE
liquidated_okx
    COINALYZE
liquidated_binance
    COINALYZE
liquidated_bybit
    COINALYZE
liquidations_1m
    KEY; VALUE: long_notional short_notional; count rows: long_count short_count;
    VALUE: largest_notional; text: largest_side; VALUE: long_notional_1h short_notional_1h;
    count rows: long_count_1h short_count_1h late_liqs; flag: gap gap_1h
signals
    time UTC: as_of_utc; text: instId event_id timeframe direction wick_type; PRICE: wick_price;
    time UTC: creation_time_utc; count minutes: age_minutes; count wicks: touched surrounding;
    count ticks: wick_size_ticks; ratio ticks: median_size_ticks; flag: small tip_exact;
    text: signal_strength strength; PRICE: last_price; text: last_price_from;
    ratio basis points: distance_bps; flag: in_contact;
    count layers: confluences confluences_strict;
    text: conviction conviction_uncapped capped_by conviction_notes; flag: capped_by_divergence;
    text: max_rule no_trade; count: size; count points: score;
    PRICE: entry stop; mean quote currency: target; text: target_from target_event_id;
    ratio: reward_risk reward_risk_net; ratio percent: break_even_pct; texts: tags;
    json: wicks layers data context; time UTC: at_utc; text: seen; json: touched_since;
    time UTC: detected_utc; json: query; count points: min_score; text: query_id
"""
_SHORT: Final = {
    "STATISTIC": "KEY; text: channel series period; time UTC: known_utc; texts: values",
    "COINALYZE": ("KEY; text: channel symbol series period; time UTC: known_utc; texts: values"),
    "KEY": "time UTC: timestamp_utc; text: instId exchange market",
    "PRICE": "price quote currency",
    "VALUE": "amount quote currency",
}


def _fields(text: str) -> Iterator[tuple[str, tuple[Field, ...]]]:
    for short, whole in _SHORT.items():
        text = text.replace(short, whole)
    for part in text.strip().replace("\n    ", " ").splitlines():
        name, _, groups = part.partition(" ")
        fields = list[Field]()
        for group in groups.split("; "):
            head, _, names = group.partition(": ")
            kind, _, unit = head.partition(" ")
            fields += [Field(field, kind, unit) for field in names.split()]
        yield name, tuple(fields)


FIELDS: Final = dict(_fields(_LISTED))
