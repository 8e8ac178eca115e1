"""Hand-made facts for the tests of the query: the notes' set-up, and ways to make it wrong."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from ravequant import exact, settings, settings_schema, times
from ravequant.signals.candidates import Query
from ravequant.signals.inputs import (
    BookRow,
    BookSide,
    CvdRow,
    LastTrade,
    RestingWall,
    VolumeRow,
    VwapRow,
    WickAsOf,
    price,
)
from ravequant.signals.limits import SignalLimits
from ravequant.signals.market_state import MarketState
from ravequant.signals.proof import LabVerdict
from ravequant.signals.rules import find

BTC = "BTC-USDT-SWAP"
A = times.parse_iso("2025-12-14T21:35:00Z") // times.MINUTE_MS
LIMITS = SignalLimits.of(BTC, settings.Settings())


def limits_of(**table: Any) -> SignalLimits:
    """The limits of BTC with these settings."""
    return SignalLimits.of(BTC, settings_schema.build(settings.Settings, {"signals": table}))


WORTH = {  # of the notes' set-up, by the word of the lab
    "PROVEN": "MAX x3",
    "PROMISING": "MAX (x1, promising)",
    "TOO EARLY": "MAX (x3, not proven)",
    "NO DATA": "MAX (x3, not proven)",
    "NOT PROVEN": "MAX (x3, not proven)",
    "QUEUE DECIDES": "MAX (x3, not proven)",
    "LOSES": "MAX (x0, LOSES)",
    "DISAGREES": "MAX (x0, DISAGREES)",
    "LAB BROKEN": "MAX (x0, LAB BROKEN)",
}


def made_verdict(word: Any) -> LabVerdict:
    """A verdict that was made an hour before A."""
    made = (A - 60) * times.MINUTE_MS
    return LabVerdict(word, f"{word}, 84 of 200 fills", made, "Stop trading this as it is.", (BTC,))


NOTIONAL = exact.NOTIONAL_ONE
BANDS = (10, 25, 50, 100, 200, 500)


def wick(minutes_ago: int, at: str, side: Any = "high", **other: Any) -> WickAsOf:
    """A wick born so many minutes before A."""
    timeframe = other.pop("timeframe", "1m")
    birth = A - minutes_ago
    facts: dict[str, Any] = {
        "event_id": f"{BTC}|{timeframe}|{times.iso_minute(birth)}|{side}",
        "timeframe": timeframe, "side": side, "birth": birth, "tip": price(at),
        "size_ticks": 12, "tip_exact": False, "tip_strength": None, "gap": False,
    }  # fmt: skip
    return WickAsOf(**facts | other)


def touched(minutes_ago: int, side: Any = "low", **other: Any) -> WickAsOf:
    """A wick that was touched a minute after its birth."""
    ended = {"status": "touched", "ended": A - minutes_ago + 1}
    return wick(minutes_ago, "101200", side, size_ticks=15, **ended | other)


def volume(minutes_ago: int, **other: Any) -> VolumeRow:
    """A quiet minute that ended so many minutes before A (0: at A)."""
    facts: dict[str, Any] = {
        "minute": A - 1 - minutes_ago, "high": price("101050"), "low": price("101050"),
        "tier": "T2", "ratio": "0.80",
        "absorption": False, "absorbed_side": None, "divergence": None, "whale_count": 0,
        "whale_volume": 0, "gap": False,
    }  # fmt: skip
    return VolumeRow(**facts | other)


def side(**other: Any) -> BookSide:
    """A side of the book on which nothing stands out."""
    nothing = BookSide((), (None,) * 6, (False,) * 6, 41_235)
    return nothing._replace(**other)


def wall(at: str = "101250", notional: int = 2_500_000, age_s: int | None = 95) -> RestingWall:
    return RestingWall(price(at), notional * NOTIONAL, age_s, young=age_s is not None)


def book(asks: BookSide | None = None, **other: Any) -> BookRow:
    """The notes' book: mid 101050.9, a young ask wall of 2.5 M at 101250, its band at -0.78."""
    facts: dict[str, Any] = {
        "ts": A * times.MINUTE_MS - 1_000, "mid": price("101050.9"), "bands_bps": BANDS,
        "imbalance": (10, -78, 5, 0, 3, None), "gap": False,
        "sides": {"high": asks or side(walls=(wall(),)), "low": side()},
    }  # fmt: skip
    return BookRow(**facts | other)


def absorbing(minutes_ago: int = 1, **other: Any) -> VolumeRow:
    """A T4 minute in which buys were absorbed."""
    tape = {"tier": "T4", "ratio": "2.60", "absorption": True, "absorbed_side": "buy"}
    return volume(minutes_ago, **tape | other)


def hidden(**other: Any) -> WickAsOf:
    """The notes' wick: high at 101250, 32 minutes old, tip exact."""
    return wick(32, "101250", **{"tip_exact": True, "tip_strength": "EXACT"} | other)


def surrounding(count: int = 16) -> list[WickAsOf]:
    """Touched wicks born 25 to 32 minutes before A, two a minute."""
    born = [(32 - number // 2, "low" if number % 2 else "high") for number in range(1, count + 1)]
    return [touched(ago, side) for ago, side in born]


def set_up(
    around: Iterable[WickAsOf] | None = None, the_wick: WickAsOf | None = None, **other: Any
) -> MarketState:
    """The notes' set-up, all of it, and what the test changes."""
    wicks = [the_wick or hidden(), *(surrounding() if around is None else around)]
    facts: dict[str, Any] = {
        "inst_id": BTC, "minute": A, "wicks": tuple(wicks), "newest_event": A,
        "volume": tuple(absorbing() if ago == 1 else volume(ago) for ago in range(60, -1, -1)),
        "cvd": (CvdRow(A - 1, "-125000", gap=False),),
        "vwap": (VwapRow(A - 1, price("101050"), price("101058"), gap=False),),
        "book": book(), "trade": LastTrade(A * times.MINUTE_MS - 2_000, price("101050.5")),
        "tick": price("0.1"),
    }  # fmt: skip
    return MarketState(**facts | other)


LAYERS = ["wick", "volume_tier", "absorption", "wall", "imbalance", "young_wall", "cvd", "vwap"]
MINUTE = times.MINUTE_MS
DEFAULT = Query()


def ask(facts, query=DEFAULT, limits=LIMITS):
    return find(facts, query, limits)


def only(facts, limits=LIMITS, query=DEFAULT):
    (signal,) = ask(facts, query, limits).signals
    return signal


def states(facts):
    return {layer.name: layer.state for layer in only(facts).layers}


def points(facts):
    return {layer.name: layer.points for layer in only(facts).layers}


def differs(facts):
    """Return the layers of ``facts`` that are not met, with their state."""
    return {name: state for name, state in states(facts).items() if state != "met"}


def mirrored(facts):
    """Return the same set-up upside down: a low wick as far below price."""
    turn = 2 * facts.book.mid
    flip = {"high": "low", "low": "high"}
    wicks = [w._replace(side=flip[w.side], tip=turn - w.tip) for w in facts.wicks]
    bids, asks = facts.book.sides["low"], facts.book.sides["high"]
    walls = tuple(w._replace(price=turn - w.price) for w in asks.walls)
    row = facts.book._replace(
        imbalance=tuple(None if v is None else -v for v in facts.book.imbalance),
        sides={"low": asks._replace(walls=walls), "high": bids},
    )
    return replace(
        facts,
        wicks=tuple(wicks),
        volume=tuple(r._replace(absorbed_side="sell") if r.absorption else r for r in facts.volume),
        cvd=(CvdRow(A - 1, "+125000", gap=False),),
        vwap=(facts.vwap[0]._replace(vwap_4h=turn - facts.vwap[0].vwap_4h),),
        book=row,
        trade=LastTrade(facts.trade.ts, turn - facts.trade.price),
    )
